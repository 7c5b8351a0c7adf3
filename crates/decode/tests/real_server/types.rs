//! The table of types (`docs/types.md`) against a real server: every example alone in its column, in the
//! third place of an array of named tuples in a map, and in an array of arrays.
use pumphouse_columns::Compression;
use pumphouse_decode::{HeadersRef, JsonDecoder, PlanOptions, RecordRef, TYPE_TABLE, TakeHeader, TypeRow};

use super::{TYPE_SETTINGS, columns_of, create, insert, plan_of, query, segment_of};

pub fn examples(row: &TypeRow) -> Vec<(&'static str, &'static str)> {
    row.cells.iter().flat_map(|cell| cell.examples).copied().collect()
}

/// Inserts each record and answers what the server prints of `select`, row by row.
fn round_trip(table: &str, columns: &str, select: &str, values: &[String]) -> Vec<String> {
    let rest = format!(
        "({columns}, p UInt32) ENGINE = MergeTree ORDER BY p SETTINGS \
         non_replicated_deduplication_window = 100 SETTINGS {TYPE_SETTINGS}"
    );
    create(table, &rest);
    let plan = plan_of(table);
    let records: Vec<String> =
        values.iter().enumerate().map(|(p, value)| format!("{{\"c\":{value},\"p\":{p}}}")).collect();
    let records: Vec<&str> = records.iter().map(String::as_str).collect();
    // Cut in two, and all of it selected from more: what a block that is sent in pieces is made of.
    let whole = segment_of(&plan, 0, &records);
    let cut = records.len() / 2;
    let rows = |range: std::ops::Range<usize>| whole.select(std::slice::from_ref(&range));
    let (head, tail) = (rows(0..cut), rows(cut..records.len()));
    insert(table, &plan, &[&head, &tail], table, Compression::Lz4);
    let printed = query(&format!("SELECT {select} FROM {table} ORDER BY p FORMAT TSVRaw"));
    let lines: Vec<String> = printed.split_terminator('\n').map(str::to_owned).collect();
    assert_eq!(lines.len(), values.len(), "{columns}\n{printed}");
    lines
}

#[test]
fn every_example_reads_back() {
    for (number, row) in TYPE_TABLE.iter().enumerate() {
        let examples = examples(row);
        let values: Vec<String> = examples.iter().map(|(json, _)| (*json).to_owned()).collect();
        let lines = round_trip(&format!("plain{number}"), &format!("c {}", row.example_type), "c", &values);
        for ((json, printed), line) in examples.iter().zip(lines) {
            assert_eq!(line, *printed, "{json} into {}", row.example_type);
        }
    }
}

/// Types that a server does not let stand in a tuple, array or map, or that we refuse there.
fn stands_alone(row: &TypeRow) -> bool {
    row.example_type.starts_with("AggregateFunction")
}

#[test]
fn every_example_reads_back_from_deep_inside() {
    for (number, row) in TYPE_TABLE.iter().enumerate().filter(|(_, row)| !stands_alone(row)) {
        let (examples, of) = (examples(row), row.example_type);
        let deep = format!("c Map(String, Array(Tuple(n UInt8, `the value` {of})))");
        let values: Vec<String> = examples
            .iter()
            .map(|(json, _)| format!("{{\"j\":[],\"k\":[{{\"the value\":{json},\"n\":1}},[2,{json}]]}}"))
            .collect();
        for select in ["c['k'][1].2", "c['k'][2].2"] {
            let lines = round_trip(&format!("deep{number}"), &deep, select, &values);
            for ((json, printed), line) in examples.iter().zip(lines) {
                assert_eq!(line, *printed, "{json} into {deep}");
            }
        }
        let values: Vec<String> =
            examples.iter().map(|(json, _)| format!("[[], [{json}, {json}], [{json}]]")).collect();
        let lines =
            round_trip(&format!("arrays{number}"), &format!("c Array(Array({of}))"), "c[2][2]", &values);
        for ((json, printed), line) in examples.iter().zip(lines) {
            assert_eq!(line, *printed, "{json} into Array(Array({of}))");
        }
    }
}

#[test]
fn dotted_columns_and_flattened_nested() {
    create(
        "dotted",
        "(id UInt8, n Nested(a UInt8, b Nullable(String)), `p.q.r` UInt8, `p.s` Nullable(UInt8) DEFAULT 7) \
         ENGINE = MergeTree ORDER BY id SETTINGS flatten_nested = 1",
    );
    let names: Vec<String> = columns_of("dotted").into_iter().map(|column| column.name).collect();
    assert_eq!(names, ["id", "n.a", "n.b", "p.q.r", "p.s"]);
    let plan = plan_of("dotted");
    let records = [
        r#"{"id":1,"n":[{"a":1,"b":"x"},{"a":2}],"p":{"q":{"r":3},"s":null}}"#,
        r#"{"id":2,"n":{"a":[1,2],"b":["x",null]},"p":{"q.r":3}}"#,
        r#"{"id":3,"n.a":[1],"n.b":[null],"p.q.r":3,"p.s":4}"#,
        r#"{"id":4,"n":[],"p":{"q":{"r":9},"q":{"r":3}}}"#,
    ];
    insert("dotted", &plan, &[&segment_of(&plan, 0, &records)], "dotted", Compression::Lz4);
    assert_eq!(
        query("SELECT * FROM dotted ORDER BY id FORMAT TSVRaw"),
        "1\t[1,2]\t['x',NULL]\t3\t\\N\n2\t[1,2]\t['x',NULL]\t3\t7\n3\t[1]\t[NULL]\t3\t4\n4\t[]\t[]\t3\t7\n"
    );
}

#[test]
fn lineage_columns_say_where_a_record_came_from() {
    create(
        "lineage",
        "(v UInt8, _topic LowCardinality(String), _partition UInt32, _offset UInt64, \
         _timestamp Nullable(DateTime64(6, 'UTC')), _key Nullable(String), \
         _headers Array(Tuple(name LowCardinality(String), value Nullable(String)))) \
         ENGINE = MergeTree ORDER BY _offset",
    );
    let plan = plan_of("lineage");
    let mut decoder = JsonDecoder::new(std::sync::Arc::clone(&plan));
    let mut segment = plan.new_segment();
    let headers = |take: &mut TakeHeader<'_>| {
        take(b"h", Some(b"1"));
        take(b"h", None);
        take(b"", Some(b"\x00"));
    };
    let full = RecordRef {
        topic: "orders",
        partition: 3,
        offset: 17,
        timestamp_ms: Some(1_357_034_400_123),
        key: Some(b"k"),
        headers: HeadersRef::new(&headers),
        value: Some(br#"{"v":1,"_key":"forged"}"#),
    };
    decoder.decode(&mut segment, full).unwrap();
    let bare = RecordRef { offset: 18, timestamp_ms: None, key: None, headers: HeadersRef::NONE, ..full };
    decoder.decode(&mut segment, bare).unwrap();
    insert("lineage", &plan, &[&segment], "lineage", Compression::Lz4);
    assert_eq!(
        query("SELECT * FROM lineage ORDER BY _offset FORMAT TSV"),
        "1\torders\t3\t17\t2013-01-01 10:00:00.123000\tk\t[('h','1'),('h',NULL),('','\\0')]\n\
         1\torders\t3\t18\t\\N\t\\N\t[]\n"
    );
    assert_eq!(PlanOptions::default().lineage.key, "_key");
}
