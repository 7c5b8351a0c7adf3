//! Round trip through a real ClickHouse: JSON in, one compressed Native block, rows out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod native_bytes;
mod types;

use std::sync::{Arc, OnceLock};

use pumphouse_columns::{Compression, Segment, encode_block, put_frames, quote_identifier, quote_string};
use pumphouse_decode::{HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan};
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, Sql};

/// The server that all tests share: `PUMPHOUSE_CLICKHOUSE` (host:port), or one of their own, which
/// ends with this process.
fn server() -> &'static Sql {
    static SERVER: OnceLock<(Sql, Option<ClickHouse>)> = OnceLock::new();
    let (sql, _) = SERVER.get_or_init(|| {
        let (sql, own) = match std::env::var("PUMPHOUSE_CLICKHOUSE") {
            Ok(address) => (Sql::new(&address), None),
            Err(_) => {
                let own = ClickHouse::start(ClickHouseOptions::default()).unwrap();
                (Sql::new(&own.url()), Some(own))
            }
        };
        sql.run("CREATE DATABASE IF NOT EXISTS pumphouse_decode ENGINE = Atomic").unwrap();
        (sql.in_database("pumphouse_decode"), own)
    });
    sql
}

/// Runs a query and answers its text as it came.
fn query(sql: &str) -> String {
    String::from_utf8(server().binary(sql).unwrap()).unwrap()
}

/// Creates an empty table; one of an earlier run goes.
fn create(table: &str, rest: &str) {
    let table = quote_identifier(table);
    query(&format!("DROP TABLE IF EXISTS {table} SYNC"));
    query(&format!("CREATE TABLE {table} {rest}"));
}

fn columns_of(table: &str) -> Vec<TableColumn> {
    // JSONCompactEachRow, because only it writes every name without loss.
    let rows = query(&format!(
        "SELECT name, type, default_kind, default_expression FROM system.columns \
         WHERE database = 'pumphouse_decode' AND table = {} ORDER BY position FORMAT JSONCompactEachRow",
        quote_string(table)
    ));
    rows.lines()
        .map(|line| {
            let [name, type_text, kind, default_expression]: [String; 4] =
                serde_json::from_str(line).unwrap();
            TableColumn { name, type_text, default_kind: kind.parse().unwrap(), default_expression }
        })
        .collect()
}

fn plan_of(table: &str) -> Arc<TablePlan> {
    Arc::new(TablePlan::compile(&columns_of(table), PlanOptions::default()).unwrap())
}

fn segment_of(plan: &Arc<TablePlan>, partition: u32, records: &[&str]) -> Segment {
    let mut decoder = JsonDecoder::new(Arc::clone(plan));
    let mut segment = plan.new_segment();
    for (offset, json) in records.iter().enumerate() {
        let record = RecordRef {
            topic: "orders",
            partition,
            offset: offset as i64,
            timestamp_ms: None,
            key: None,
            headers: HeadersRef::NONE,
            value: Some(json.as_bytes()),
        };
        decoder.decode(&mut segment, record).unwrap();
    }
    segment
}

fn insert(table: &str, plan: &TablePlan, segments: &[&Segment], token: &str, compression: Compression) {
    let shape = plan.shape();
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    encode_block(&shape.wire_names(), &shape.wire_types(), segments, &mut block).unwrap();
    put_frames(compression, &block, &mut frames);
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM input({}) WHERE throwIf(nowInBlock64(3, 'UTC') > \
         toDateTime64('2200-01-01 00:00:00', 3, 'UTC'), 'PUMPHOUSE_DEADLINE') = 0 FORMAT Native",
        quote_identifier(table),
        shape.column_list(),
        shape.select_list(),
        quote_string(&shape.input_structure()),
    );
    let settings = [
        ("async_insert", "0"),
        ("insert_deduplicate", "1"),
        ("deduplicate_insert_select", "force_enable"),
        ("insert_null_as_default", "1"),
        ("max_insert_threads", "1"),
        ("input_format_parallel_parsing", "0"),
        ("input_format_skip_unknown_fields", "0"),
        ("input_format_native_allow_types_conversion", "0"),
        // input() asks for it again, although the table is there.
        ("allow_suspicious_low_cardinality_types", "1"),
        ("allow_suspicious_variant_types", "1"),
        ("enable_nullable_tuple_type", "1"),
        ("wait_end_of_query", "1"),
        ("decompress", "1"),
        ("insert_deduplication_token", token),
    ];
    let sending = settings.iter().fold(server().clone(), |sql, (name, value)| sql.with_setting(name, value));
    sending.insert(&sql, &frames).unwrap_or_else(|error| panic!("{sql}\n{error}"));
}

/// Types whose place in a block or in a dictionary is worth a look of its own: type, JSON, and what the
/// server then prints (TSVRaw).
const VALUES: [(&str, &str, &str); 22] = [
    ("DateTime('Asia/Kolkata')", "1372672800", "2013-07-01 15:30:00"),
    ("DateTime64(9, 'UTC')", "\"1950-02-03T04:05:06.000000007Z\"", "1950-02-03 04:05:06.000000007"),
    ("DateTime64(6, 'America/New_York')", "\"2024-03-10 03:30:00.25\"", "2024-03-10 03:30:00.250000"),
    ("DateTime64(3, 'UTC')", "\"2299-12-31T23:59:59.999Z\"", "2299-12-31 23:59:59.999"),
    ("DateTime64(3, 'UTC')", "\"1900-01-01T00:00:00Z\"", "1900-01-01 00:00:00.000"),
    ("Enum8('a\\'b' = -1, 'z\\\\' = 3)", "\"a'b\"", "a'b"),
    ("LowCardinality(String)", "\"x\"", "x"),
    ("LowCardinality(Nullable(String))", "null", "\\N"),
    ("LowCardinality(UInt32)", "7", "7"),
    ("LowCardinality(Date)", "\"2013-01-01\"", "2013-01-01"),
    ("LowCardinality(Nullable(Date32))", "\"1950-01-01\"", "1950-01-01"),
    ("LowCardinality(Int256)", "-7", "-7"),
    ("LowCardinality(IPv6)", "\"::1\"", "::1"),
    ("Nullable(Enum8('a' = 5))", "null", "\\N"),
    ("Nullable(Tuple(a UInt8, b String))", "{\"a\":1,\"b\":\"x\"}", "(1,'x')"),
    ("Nullable(JSON)", "null", "\\N"),
    ("Array(Array(Nullable(UInt8)))", "[[1,null],[],[2]]", "[[1,NULL],[],[2]]"),
    ("Array(LowCardinality(Nullable(String)))", "[\"a\",null,\"\"]", "['a',NULL,'']"),
    ("Map(LowCardinality(String), LowCardinality(String))", "{\"a\":\"b\"}", "{'a':'b'}"),
    ("Map(UInt16, Map(Date, UUID))", "{\"7\":{}}", "{7:{}}"),
    ("Variant(LowCardinality(String), UInt8)", "\"x\"", "x"),
    ("Dynamic(max_types=1)", "[1,\"a\"]", "[1,'a']"),
];

/// Settings without which a server refuses some of the types in a table.
const TYPE_SETTINGS: &str = "allow_suspicious_low_cardinality_types = 1, flatten_nested = 0, \
     allow_suspicious_variant_types = 1, enable_nullable_tuple_type = 1";

/// Each type between two rows of another partition, sent twice under one token.
#[test]
fn rows_of_partitions_stay_apart_and_a_second_try_is_dropped() {
    for (number, (type_text, json, expected)) in VALUES.iter().enumerate() {
        let table = format!("t{number}");
        create(
            &table,
            &format!(
                "(c {type_text}, p UInt8) ENGINE = MergeTree ORDER BY tuple() SETTINGS \
                 non_replicated_deduplication_window = 100 SETTINGS {TYPE_SETTINGS}"
            ),
        );
        let plan = plan_of(&table);
        let record = |p: u8| format!("{{\"c\":{json},\"p\":{p}}}");
        let first = segment_of(&plan, 0, &[&record(0)]);
        let second = segment_of(&plan, 1, &[&record(1), &record(2)]);
        for _ in 0..2 {
            insert(&table, &plan, &[&first, &second], &format!("token{number}"), Compression::Lz4);
        }
        let rows = query(&format!("SELECT p, c FROM {table} ORDER BY p FORMAT TSVRaw"));
        assert_eq!(rows, format!("0\t{expected}\n1\t{expected}\n2\t{expected}\n"), "{type_text} {json}");
    }
}

/// Dictionaries and offsets of three partitions merge; lineage is right; many distinct values.
#[test]
fn partitions_follow_one_another() {
    create(
        "many",
        "(l LowCardinality(Nullable(String)), a Array(LowCardinality(String)), m Map(String, UInt32), n UInt32, \
         _topic LowCardinality(String), _partition UInt32, _offset UInt64) ENGINE = MergeTree ORDER BY tuple()",
    );
    let plan = plan_of("many");
    let record = |n: u32| {
        let text = if n.is_multiple_of(7) { "null".to_owned() } else { format!("\"v{}\"", n % 40_000) };
        format!("{{\"n\":{n},\"l\":{text},\"a\":[\"x{}\",\"\"],\"m\":{{\"k\":{n}}}}}", n % 300)
    };
    let ranges = [0..50_000u32, 50_000..50_000, 50_000..150_000];
    let segments: Vec<Segment> = ranges
        .iter()
        .enumerate()
        .map(|(partition, range)| {
            let records: Vec<String> = range.clone().map(record).collect();
            let records: Vec<&str> = records.iter().map(String::as_str).collect();
            segment_of(&plan, partition as u32, &records)
        })
        .collect();
    let segments: Vec<&Segment> = segments.iter().collect();
    insert("many", &plan, &segments, "many", Compression::None);
    let wrong = query(
        "SELECT count(), countIf(l IS NOT DISTINCT FROM if(n % 7 = 0, NULL, concat('v', toString(n % 40000))) \
         AND a = [concat('x', toString(n % 300)), ''] AND m = map('k', n) AND _topic = 'orders' \
         AND _partition = if(n < 50000, 0, 2) AND _offset = if(n < 50000, n, n - 50000)), \
         countIf(rowNumberInAllBlocks() != n) FROM (SELECT * FROM many) SETTINGS max_threads = 1",
    );
    assert_eq!(wrong, "150000\t150000\t0\n");
}

#[test]
fn defaults_are_the_tables_own() {
    create(
        "defaults",
        "(id UInt8, u UInt32 DEFAULT id + 1, n Nullable(UInt8) DEFAULT u, \
         l LowCardinality(String) DEFAULT 'dflt', ln LowCardinality(Nullable(String)) DEFAULT 'd2', \
         a Array(UInt32) DEFAULT [u, id], m Map(String, UInt8) DEFAULT map('k', id), j JSON DEFAULT '{\"a\":5}', \
         t Tuple(a UInt8, b String) DEFAULT (id, 'x'), v Variant(UInt8, String) DEFAULT 'vd', s SimpleAggregateFunction(sum, UInt64) DEFAULT id + 100, \
         d DateTime DEFAULT toDateTime('2020-02-02 00:00:00'), e Enum8('x' = 4, 'y' = 5) DEFAULT 'y', \
         made UInt8 MATERIALIZED id * 2, called UInt8 ALIAS id, eph UInt8 EPHEMERAL 3, fromeph UInt8 DEFAULT eph) \
         ENGINE = MergeTree ORDER BY tuple()",
    );
    let plan = plan_of("defaults");
    let records = [
        r#"{"id":1}"#,
        r#"{"id":2,"u":9,"n":null,"l":null,"ln":null,"a":null,"m":null,"j":null,"t":null,"v":null,"s":null,"d":null,"e":null}"#,
        r#"{"id":3,"u":8,"n":7,"l":"q","ln":"r","a":[],"m":{},"j":{},"t":[9,"q"],"v":4,"s":1,"d":0,"e":"x","fromeph":6,"made":99,"called":99}"#,
    ];
    insert("defaults", &plan, &[&segment_of(&plan, 0, &records)], "defaults", Compression::Zstd);
    let rows = query(
        "SELECT id, u, n, l, ln, a, m, j, t, v, s, toUnixTimestamp(d) = toUnixTimestamp(toDateTime('2020-02-02 00:00:00')), e, made, fromeph FROM defaults ORDER BY id FORMAT TSVRaw",
    );
    assert_eq!(
        rows,
        "1\t2\t2\tdflt\td2\t[2,1]\t{'k':1}\t{\"a\":5}\t(1,'x')\tvd\t101\t1\ty\t2\t3\n\
         2\t9\t\\N\tdflt\t\\N\t[9,2]\t{'k':2}\t{\"a\":5}\t(2,'x')\t\\N\t102\t1\ty\t4\t3\n\
         3\t8\t7\tq\tr\t[]\t{}\t{}\t(9,'q')\t4\t1\t0\tx\t6\t6\n"
    );
}

#[test]
fn hostile_names() {
    let names =
        ["a`b", "it's", "back\\slash", "tab\there", "w", "w0", "if(1", "日本", "SELECT", "a.b c", "\"q\""];
    let columns: Vec<String> =
        names.iter().map(|name| format!("{} Array(UInt8) DEFAULT [1]", quote_identifier(name))).collect();
    create("t`'\\", &format!("({}) ENGINE = MergeTree ORDER BY tuple()", columns.join(", ")));
    let plan = plan_of("t`'\\");
    let fields: Vec<String> =
        names.iter().enumerate().map(|(n, name)| format!("{}:[{n}]", serde_json::json!(name))).collect();
    let record = format!("{{{}}}", fields.join(","));
    insert("t`'\\", &plan, &[&segment_of(&plan, 0, &[&record, "{}"])], "hostile", Compression::Lz4);
    let rows = query(&format!("SELECT * FROM {} FORMAT TSV", quote_identifier("t`'\\")));
    let given: Vec<String> = (0..names.len()).map(|n| format!("[{n}]")).collect();
    let defaults = vec!["[1]"; names.len()];
    assert_eq!(rows, format!("{}\n{}\n", given.join("\t"), defaults.join("\t")));
}
