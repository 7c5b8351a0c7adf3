//! A record that cannot become a row stops the task: everything before it has landed, nothing is
//! passed, and the status says where it is and what is wrong.

use std::time::Duration;

use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const COLUMNS: &str = "id UInt32, small UInt8, level Enum8('low' = 1, 'high' = 2), note Nullable(String), \
                       kind String DEFAULT 'plain'";

const GOOD: &str = r#"{"id": 1, "small": 7, "level": "low"}"#;

/// Records in front of the bad one, so that it is at this offset.
const BEFORE: i64 = 100;

fn stops_at(bad: &str, code: &str, column: Option<&str>) {
    let corner = Corner::new(bed(), "bad", 1).with_small_batches(30, 50);
    corner.create_table(COLUMNS, "id", Engine::Plain);
    let mut values = vec![GOOD; BEFORE as usize];
    values.push(bad);
    values.extend([GOOD; 50]);
    corner.write_json(&values);

    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    let mut facts = vec![code.to_owned(), format!("{}-0", corner.topic), format!("offset {BEFORE}")];
    facts.extend(column.map(|column| format!("column {column}")));
    for fact in &facts {
        assert!(trace.contains(fact.as_str()), "`{fact}` is not in the trace: {trace}");
    }
    assert!(!trace.contains("secret"), "the trace shows the record's content: {trace}");

    // Everything before it landed, it was not passed, and nothing behind it came.
    let mark = wait_until("the mark in front of the bad record", Duration::from_secs(30), || {
        let mark = corner.committed(0);
        if mark == Some(BEFORE) { Ok(BEFORE) } else { Err(format!("{mark:?}")) }
    });
    mark.unwrap();
    let offsets = corner
        .sql()
        .text(&format!("SELECT count(), uniqExact(_offset), max(_offset) FROM {}", corner.table))
        .unwrap();
    assert_eq!(offsets, format!("{BEFORE}\t{BEFORE}\t{}", BEFORE - 1));

    // The worker itself lives and answers; a restart stops at the same record.
    assert_eq!(worker.get("/connectors").unwrap().status, 200);
    drop(worker);
    let mut again = corner.worker(&WorkerOptions::called("w"));
    assert!(again.wait_refused().contains(&format!("offset {BEFORE}")));
    assert_eq!(corner.rows(), BEFORE as u64);
}

#[test]
fn broken_json() {
    stops_at(r#"{"id": 1, "small": 1, "level": "low", "note": "secret" "#, "DECODE-001", None);
}

#[test]
fn no_object() {
    stops_at(r#"["secret"]"#, "DECODE-002", None);
}

#[test]
fn a_missing_column() {
    stops_at(r#"{"id": 1, "level": "low", "note": "secret"}"#, "DECODE-003", Some("small"));
}

#[test]
fn null_for_a_column_that_is_not_nullable() {
    stops_at(r#"{"id": 1, "small": null, "level": "low"}"#, "DECODE-004", Some("small"));
}

#[test]
fn a_lossy_number() {
    stops_at(r#"{"id": 1, "small": 256, "level": "low", "note": "secret"}"#, "DECODE-005", Some("small"));
}

#[test]
fn an_unknown_enum_value() {
    stops_at(r#"{"id": 1, "small": 1, "level": "secret"}"#, "DECODE-007", Some("level"));
}

#[test]
fn a_tombstone_is_told_apart() {
    let corner = Corner::new(bed(), "tombstone", 1).with_small_batches(30, 50);
    corner.create_table(COLUMNS, "id", Engine::Plain);
    corner.write_json(&[GOOD; 10]);
    corner.write([pumphouse_testkit::filling::FillRecord {
        partition: 0,
        key: Some(b"k".to_vec()),
        value: None,
    }]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    assert!(trace.contains("DECODE-002") && trace.contains("offset 10"), "{trace}");
    assert_eq!(corner.rows(), 10);
}
