//! A record that cannot become a row stops the task: everything before it has landed, nothing is
//! passed, and the status says where it is and what is wrong. Where it is tolerated, the metrics count it by
//! its cause and the log says what the configuration wants said.

use std::time::Duration;

use pumphouse_testkit::unique_name;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

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

/// One record that is no JSON and one that the table refuses, among good ones, all tolerated.
fn tolerated(name: &str, options: &[(&str, &str)]) -> (Corner<'static>, Worker) {
    let mut corner = Corner::new(bed(), name, 1).with_small_batches(30, 50).with("errors.tolerance", "all");
    for (option, value) in options {
        corner = corner.with(option, value);
    }
    corner.create_table(&format!("{COLUMNS}, CONSTRAINT known CHECK id < 9"), "id", Engine::Plain);
    let mut values = vec![GOOD; 20];
    values.push(r#"{"id": 2, "note": "secret one" "#);
    values.extend([GOOD; 20]);
    values.push(r#"{"id": 9, "small": 7, "level": "low", "note": "secret two"}"#);
    corner.write_json(&values);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 40);
    (corner, worker)
}

fn counted(worker: &Worker, metric: &str) -> [Option<f64>; 2] {
    ["undecodable", "refused"].map(|cause| worker.metric(metric, &format!("cause=\"{cause}\"")))
}

#[test]
fn dropped_records_are_counted_and_shown_where_that_is_wanted() {
    let logged = [("errors.log.enable", "true"), ("errors.log.include.messages", "true")];
    let (_corner, worker) = tolerated("dropped", &logged);
    assert_eq!(counted(&worker, "pumphouse_dropped_records_total"), [Some(1.0), Some(1.0)]);
    assert_eq!(counted(&worker, "pumphouse_dead_letters_total"), [None, None]);
    let log = worker.log();
    for fact in ["offset=20", "DECODE-001", "secret one", "offset=41", "DELIVERY-008", "secret two"] {
        assert!(log.contains(fact), "`{fact}` is not in the log\n{log}");
    }
}

#[test]
fn dead_letters_are_counted_by_cause_and_the_log_keeps_their_contents_back() {
    let letters = unique_name("counted_letters");
    let (corner, worker) = tolerated(
        "counted",
        &[
            ("errors.log.enable", "true"),
            ("errors.deadletterqueue.topic.name", &letters),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
        ],
    );
    assert_eq!(counted(&worker, "pumphouse_dead_letters_total"), [Some(1.0), Some(1.0)]);
    assert_eq!(counted(&worker, "pumphouse_dropped_records_total"), [None, None]);
    assert_eq!(corner.read_topic(&letters).len(), 2);
    let log = worker.log();
    assert!(log.contains("offset=20") && log.contains("DECODE-001") && log.contains("offset=41"), "{log}");
    assert!(!log.contains("secret"), "the log shows a record's content: {log}");
}

#[test]
fn own_topics_that_are_deleted_are_made_again() {
    let (letters, state) = (unique_name("deleted_letters"), unique_name("deleted_state"));
    let corner = Corner::new(bed(), "deleted", 1)
        .with_small_batches(30, 50)
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &letters)
        .with("errors.deadletterqueue.topic.replication.factor", "1");
    corner.create_table(COLUMNS, "id", Engine::Plain);
    corner.write_json(&[GOOD; 20]);
    let options = WorkerOptions::called("w").with("pumphouse.state.topic", &state);
    let mut worker = corner.worker(&options);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    for topic in [&letters, &state] {
        bed().topics().unwrap().delete(topic).unwrap();
        corner.write_json(&[GOOD, "{", GOOD]);
        let told = wait_until("the topic is missed", LIMIT, || {
            let log = worker.log();
            if log.contains(&format!("KAFKA-012: looking for {topic}")) { Ok(()) } else { Err(log) }
        });
        told.unwrap();
        // Nobody looks whether the worker is well: the task is FAILED before it begins anew.
        corner.wait_caught_up(&mut [], LIMIT);
    }
    worker.wait_running();
    assert_eq!(corner.rows(), 24);
    assert_eq!(corner.read_topic(&letters).len(), 2);
    let topics = bed().topics().unwrap();
    let made_again =
        || if topics.partition_count(&state).is_ok() { Ok(()) } else { Err("no state topic".to_owned()) };
    wait_until("the state topic", LIMIT, made_again).unwrap();
}
