//! Round trip through a real ClickHouse: JSON in, one compressed Native block, rows out.
//! Run with `PUMPHOUSE_TEST_CLICKHOUSE=host:port cargo test -p pumphouse-decode --test real_server -- --ignored`
//! (an HTTP port, user `default` without a password). Makes and drops the database `pumphouse_decode`.
#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use pumphouse_columns::{
    Segment, compress_lz4, encode_block, frame_uncompressed, quote_identifier, quote_string,
};
use pumphouse_decode::{JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan};

/// Sends a body and returns the answer's body; panics with it on any status but 200.
fn post(parameters: &str, body: &[u8]) -> String {
    let address = std::env::var("PUMPHOUSE_TEST_CLICKHOUSE").expect("PUMPHOUSE_TEST_CLICKHOUSE is host:port");
    let mut stream = TcpStream::connect(&address).unwrap();
    let length = body.len();
    write!(stream, "POST /?{parameters} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n").unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(" 200 "), "{head}\n{body}");
    body.to_owned()
}

fn query(sql: &str) -> String {
    post("database=pumphouse_decode", sql.as_bytes())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
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
        let record =
            RecordRef { topic: "orders", partition, offset: offset as i64, value: Some(json.as_bytes()) };
        decoder.decode(&mut segment, record).unwrap();
    }
    segment
}

fn insert(
    table: &str,
    plan: &TablePlan,
    segments: &[&Segment],
    token: &str,
    compress: fn(&[u8], &mut Vec<u8>),
) {
    let shape = plan.shape();
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    encode_block(&shape.wire_names(), &shape.wire_types(), segments, &mut block).unwrap();
    compress(&block, &mut frames);
    let sql = format!(
        "INSERT INTO {} ({}) SELECT {} FROM input({}) WHERE throwIf(nowInBlock64(3, 'UTC') > \
         toDateTime64('2200-01-01 00:00:00', 3, 'UTC'), 'PUMPHOUSE_DEADLINE') = 0 FORMAT Native",
        quote_identifier(table),
        shape.column_list(),
        shape.select_list(),
        quote_string(&shape.input_structure()),
    );
    let settings = "async_insert=0&insert_deduplicate=1&deduplicate_insert_select=force_enable&insert_null_as_default=1\
        &max_insert_threads=1&input_format_parallel_parsing=0&input_format_skip_unknown_fields=0\
        &allow_suspicious_low_cardinality_types=1&input_format_native_allow_types_conversion=0&wait_end_of_query=1&decompress=1&database=pumphouse_decode";
    post(&format!("{settings}&insert_deduplication_token={token}&query={}", percent(&sql)), &frames);
}

/// Type, JSON, and what the server then prints in TSV.
const VALUES: [(&str, &str, &str); 52] = [
    ("Bool", "true", "true"),
    ("Int8", "-128", "-128"),
    ("Int16", "-32768", "-32768"),
    ("Int32", "-2147483648", "-2147483648"),
    ("Int64", "-9223372036854775808", "-9223372036854775808"),
    ("Int128", "-170141183460469231731687303715884105728", "-170141183460469231731687303715884105728"),
    ("UInt8", "255", "255"),
    ("UInt16", "65535", "65535"),
    ("UInt32", "4294967295", "4294967295"),
    ("UInt64", "18446744073709551615", "18446744073709551615"),
    ("UInt128", "340282366920938463463374607431768211455", "340282366920938463463374607431768211455"),
    ("Float32", "0.1", "0.1"),
    ("Float64", "-1.5e300", "-1.5e300"),
    ("Float64", "\"NaN\"", "nan"),
    ("String", "\"h\\u00e9\\ud83d\\ude00\"", "hé😀"),
    ("FixedString(4)", "\"ab\"", "ab\\0\\0"),
    ("Decimal(9, 2)", "-1234567.89", "-1234567.89"),
    ("Decimal(18, 6)", "\"123456789012.000001\"", "123456789012.000001"),
    (
        "Decimal(38, 10)",
        "-1234567890123456789012345678.0123456789",
        "-1234567890123456789012345678.0123456789",
    ),
    ("Date", "\"2149-06-06\"", "2149-06-06"),
    ("Date32", "\"1900-01-01\"", "1900-01-01"),
    ("Date32", "\"2299-12-31\"", "2299-12-31"),
    ("DateTime('UTC')", "\"2013-01-01T10:00:00Z\"", "2013-01-01 10:00:00"),
    ("DateTime('Europe/Berlin')", "\"2013-07-01 10:00:00\"", "2013-07-01 10:00:00"),
    ("DateTime('Asia/Kolkata')", "1372672800", "2013-07-01 15:30:00"),
    ("DateTime64(3, 'UTC')", "1357034400123", "2013-01-01 10:00:00.123"),
    ("DateTime64(9, 'UTC')", "\"1950-02-03T04:05:06.000000007Z\"", "1950-02-03 04:05:06.000000007"),
    ("DateTime64(6, 'America/New_York')", "\"2024-03-10 03:30:00.25\"", "2024-03-10 03:30:00.250000"),
    ("DateTime64(3, 'UTC')", "\"2299-12-31T23:59:59.999Z\"", "2299-12-31 23:59:59.999"),
    ("DateTime64(3, 'UTC')", "\"1900-01-01T00:00:00Z\"", "1900-01-01 00:00:00.000"),
    ("UUID", "\"00112233-4455-6677-8899-aabbccddeeff\"", "00112233-4455-6677-8899-aabbccddeeff"),
    ("Enum8('a\\'b' = -1, 'z\\\\' = 3)", "\"a'b\"", "a\\'b"),
    ("Enum16('a' = -1000, 'z' = 3000)", "3000", "z"),
    ("LowCardinality(String)", "\"x\"", "x"),
    ("LowCardinality(FixedString(2))", "\"q\"", "q\\0"),
    ("LowCardinality(Nullable(String))", "null", "\\N"),
    ("LowCardinality(Nullable(FixedString(2)))", "\"ab\"", "ab"),
    ("LowCardinality(UInt32)", "7", "7"),
    ("LowCardinality(Date)", "\"2013-01-01\"", "2013-01-01"),
    ("LowCardinality(Nullable(Date32))", "\"1950-01-01\"", "1950-01-01"),
    ("Nullable(Int64)", "null", "\\N"),
    ("Nullable(Enum8('a' = 5))", "null", "\\N"),
    ("Nullable(UUID)", "\"00112233445566778899aabbccddeeff\"", "00112233-4455-6677-8899-aabbccddeeff"),
    ("Nullable(Decimal(20, 1))", "5", "5"),
    ("Array(String)", "[\"a\",\"\"]", "['a','']"),
    ("Array(Array(Nullable(UInt8)))", "[[1,null],[],[2]]", "[[1,NULL],[],[2]]"),
    ("Array(LowCardinality(Nullable(String)))", "[\"a\",null,\"\"]", "['a',NULL,'']"),
    ("Map(String, Array(Nullable(Int8)))", "{\"k\":[1,null],\"l\":[]}", "{'k':[1,NULL],'l':[]}"),
    ("Map(LowCardinality(String), LowCardinality(String))", "{\"a\":\"b\"}", "{'a':'b'}"),
    ("Map(UInt16, Map(Date, UUID))", "{\"7\":{}}", "{7:{}}"),
    ("JSON", "{\"b\":[1,2],\"a\":{\"c\":\"x\"}}", "{\"a\":{\"c\":\"x\"},\"b\":[1,2]}"),
    ("Array(JSON(a UInt8))", "[{\"a\":3}]", "['{\"a\":3}']"),
];

/// One test, because all parts share one database.
#[test]
#[ignore = "needs a ClickHouse server"]
fn rows_come_back_as_they_were_sent() {
    post("", b"DROP DATABASE IF EXISTS pumphouse_decode");
    post("", b"CREATE DATABASE pumphouse_decode");
    every_type();
    partitions_follow_one_another();
    defaults_are_the_tables_own();
    hostile_names();
    post("", b"DROP DATABASE pumphouse_decode");
}

/// Each type between two rows of another partition, sent twice under one token.
fn every_type() {
    for (number, (type_text, json, expected)) in VALUES.iter().enumerate() {
        let table = format!("t{number}");
        query(&format!(
            "CREATE TABLE {table} (c {type_text}, p UInt8) ENGINE = MergeTree ORDER BY tuple() SETTINGS \
             non_replicated_deduplication_window = 100 SETTINGS allow_suspicious_low_cardinality_types = 1"
        ));
        let plan = plan_of(&table);
        let record = |p: u8| format!("{{\"c\":{json},\"p\":{p}}}");
        let first = segment_of(&plan, 0, &[&record(0)]);
        let second = segment_of(&plan, 1, &[&record(1), &record(2)]);
        for _ in 0..2 {
            insert(&table, &plan, &[&first, &second], &format!("token{number}"), compress_lz4);
        }
        let rows = query(&format!("SELECT p, c FROM {table} ORDER BY p FORMAT TSVRaw"));
        let rows_escaped = query(&format!("SELECT p, c FROM {table} ORDER BY p FORMAT TSV"));
        let wanted = format!("0\t{expected}\n1\t{expected}\n2\t{expected}\n");
        assert!(rows == wanted || rows_escaped == wanted, "{type_text} {json}\n{rows_escaped}{wanted}");
    }
}

/// Dictionaries and offsets of three partitions merge; lineage is right; many distinct values.
fn partitions_follow_one_another() {
    query(
        "CREATE TABLE many (l LowCardinality(Nullable(String)), a Array(LowCardinality(String)), m Map(String, UInt32), n UInt32, \
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
    insert("many", &plan, &segments, "many", frame_uncompressed);
    let wrong = query(
        "SELECT count(), countIf(l IS NOT DISTINCT FROM if(n % 7 = 0, NULL, concat('v', toString(n % 40000))) \
         AND a = [concat('x', toString(n % 300)), ''] AND m = map('k', n) AND _topic = 'orders' \
         AND _partition = if(n < 50000, 0, 2) AND _offset = if(n < 50000, n, n - 50000)), \
         countIf(rowNumberInAllBlocks() != n) FROM (SELECT * FROM many) SETTINGS max_threads = 1",
    );
    assert_eq!(wrong, "150000\t150000\t0\n");
}

fn defaults_are_the_tables_own() {
    query(
        "CREATE TABLE defaults (id UInt8, u UInt32 DEFAULT id + 1, n Nullable(UInt8) DEFAULT u, \
         l LowCardinality(String) DEFAULT 'dflt', ln LowCardinality(Nullable(String)) DEFAULT 'd2', \
         a Array(UInt32) DEFAULT [u, id], m Map(String, UInt8) DEFAULT map('k', id), j JSON DEFAULT '{\"a\":5}', \
         d DateTime DEFAULT toDateTime('2020-02-02 00:00:00'), e Enum8('x' = 4, 'y' = 5) DEFAULT 'y', \
         made UInt8 MATERIALIZED id * 2, called UInt8 ALIAS id, eph UInt8 EPHEMERAL 3, fromeph UInt8 DEFAULT eph) \
         ENGINE = MergeTree ORDER BY tuple()",
    );
    let plan = plan_of("defaults");
    let records = [
        r#"{"id":1}"#,
        r#"{"id":2,"u":9,"n":null,"l":null,"ln":null,"a":null,"m":null,"j":null,"d":null,"e":null}"#,
        r#"{"id":3,"u":8,"n":7,"l":"q","ln":"r","a":[],"m":{},"j":{},"d":0,"e":"x","fromeph":6,"made":99,"called":99}"#,
    ];
    insert("defaults", &plan, &[&segment_of(&plan, 0, &records)], "defaults", compress_lz4);
    let rows = query(
        "SELECT id, u, n, l, ln, a, m, j, toUnixTimestamp(d) = toUnixTimestamp(toDateTime('2020-02-02 00:00:00')), e, made, fromeph FROM defaults ORDER BY id FORMAT TSVRaw",
    );
    assert_eq!(
        rows,
        "1\t2\t2\tdflt\td2\t[2,1]\t{'k':1}\t{\"a\":5}\t1\ty\t2\t3\n\
         2\t9\t\\N\tdflt\t\\N\t[9,2]\t{'k':2}\t{\"a\":5}\t1\ty\t4\t3\n\
         3\t8\t7\tq\tr\t[]\t{}\t{}\t0\tx\t6\t6\n"
    );
}

fn hostile_names() {
    let names =
        ["a`b", "it's", "back\\slash", "tab\there", "w", "w0", "if(1", "日本", "SELECT", "a.b c", "\"q\""];
    let columns: Vec<String> =
        names.iter().map(|name| format!("{} Array(UInt8) DEFAULT [1]", quote_identifier(name))).collect();
    query(&format!(
        "CREATE TABLE {} ({}) ENGINE = MergeTree ORDER BY tuple()",
        quote_identifier("t`'\\"),
        columns.join(", ")
    ));
    let plan = plan_of("t`'\\");
    let fields: Vec<String> =
        names.iter().enumerate().map(|(n, name)| format!("{}:[{n}]", serde_json::json!(name))).collect();
    let record = format!("{{{}}}", fields.join(","));
    insert("t`'\\", &plan, &[&segment_of(&plan, 0, &[&record, "{}"])], "hostile", compress_lz4);
    let rows = query(&format!("SELECT * FROM {} FORMAT TSV", quote_identifier("t`'\\")));
    let given: Vec<String> = (0..names.len()).map(|n| format!("[{n}]")).collect();
    let defaults = vec!["[1]"; names.len()];
    assert_eq!(rows, format!("{}\n{}\n", given.join("\t"), defaults.join("\t")));
}
