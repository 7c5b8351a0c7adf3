//! Batches that are open when something has changed: DELIVERY, WORKER-007, KAFKA-028.
use std::time::Duration;

use pumphouse_testkit::filling::{FillRecord, fill_fast};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::case::{Case, try_all};

const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u64 = 100;

#[test]
fn batches_and_entries_are_settled_as_the_pages_say() {
    try_all(
        "batch",
        &[
            Case {
                code: "DELIVERY-002",
                given: &[
                    "CREATE TABLE {t} (n UInt64) ENGINE = MergeTree ORDER BY n {w}",
                    "CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n {w}",
                    "CREATE MATERIALIZED VIEW {t}_view TO {o} AS SELECT n FROM {t} WHERE NOT throwIf(n = 2)",
                ],
                sql: &["DETACH TABLE {t}_view"],
                ..Case::NONE
            },
            Case {
                code: "DELIVERY-005",
                given_by: |corner| set_entry(corner, 0, r#"{"pumphouse":9}"#),
                done: |corner| corner.set_offset(0, 0),
                ..Case::NONE
            },
        ],
    );
}

/// A worker that died with a batch open, and is not a member of its group any more.
fn left_open(name: &str, moment: &str, state_topic: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64, spare String DEFAULT 'none'", "n", Engine::Plain);
    write(&corner, 0);
    let options = options(state_topic).dying_at(moment);
    corner.worker(&options).wait_exit(LIMIT);
    corner
}

fn options(state_topic: &str) -> WorkerOptions {
    WorkerOptions::called("w").with("pumphouse.state.topic", state_topic)
}

fn write(corner: &Corner<'_>, first: u64) {
    let values: Vec<String> = (first..first + ROWS).map(|n| format!(r#"{{"n":{n},"spare":"s"}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
}

fn refuses(corner: &Corner<'_>, options: &WorkerOptions, code: &str) {
    let said = corner.worker(options).wait_refused();
    assert!(said.contains(code), "{code} is not in {said}");
}

/// All that was written is there once.
fn lands(corner: &Corner<'_>, options: &WorkerOptions, rows: u64) {
    let mut worker = corner.worker(options);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let found = corner.sql().text(&format!("SELECT count(), uniqExact(n) FROM {}", corner.table)).unwrap();
    assert_eq!(found, format!("{rows}\t{rows}"), "{}", worker.log());
}

/// The group's offset with this metadata. Tried until the group has no member any more.
fn set_entry(corner: &Corner<'_>, offset: i64, metadata: &str) {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", corner.bed().bootstrap())
        .set("group.id", corner.group())
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    let mut entry = list.add_partition(&corner.topic, 0);
    entry.set_offset(Offset::Offset(offset)).unwrap();
    entry.set_metadata(metadata);
    let begun = std::time::Instant::now();
    while let Err(error) = consumer.commit(&list, CommitMode::Sync) {
        assert!(begun.elapsed() < LIMIT, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

fn entry(corner: &Corner<'_>) -> (i64, String) {
    let committed = corner.bed().topics().unwrap().committed(&corner.group(), &corner.topic).unwrap();
    (committed[&0].offset, committed[&0].metadata.clone())
}

/// DELIVERY-003: the ledger says that the source had other records. It did not land: from its beginning; it
/// landed: from its end.
#[test]
fn a_source_that_has_changed() {
    for (moment, go_on_at) in [("ledger_answered", 0), ("accepted", ROWS as i64)] {
        let corner = left_open("source_changed", moment, "pumphouse-state");
        let (offset, text) = entry(&corner);
        let other = text.replace(&format!(r#""rows":{ROWS}"#), &format!(r#""rows":{}"#, ROWS - 1));
        assert_ne!(text, other, "{text}");
        set_entry(&corner, offset, &other);
        refuses(&corner, &WorkerOptions::called("w"), "DELIVERY-003");
        corner.set_offset(0, go_on_at);
        write(&corner, ROWS);
        lands(&corner, &WorkerOptions::called("w"), 2 * ROWS);
    }
}

/// DELIVERY-006: without the column the records would not be rows any more; with it they are.
#[test]
fn a_column_that_the_open_batch_needs() {
    let corner = left_open("column_needed", "ledger_answered", "pumphouse-state")
        .with("pumphouse.unknown.fields", "refuse")
        .with("errors.tolerance", "all");
    corner.sql().run(&format!("ALTER TABLE {} DROP COLUMN spare", corner.table)).unwrap();
    refuses(&corner, &WorkerOptions::called("w"), "DELIVERY-006");
    corner
        .sql()
        .run(&format!("ALTER TABLE {} ADD COLUMN spare String DEFAULT 'none'", corner.table))
        .unwrap();
    lands(&corner, &WorkerOptions::called("w"), ROWS);
}

/// WORKER-007: the state topic was deleted, and the table changed; undone, the batch lands.
#[test]
fn a_version_that_is_lost() {
    let state = pumphouse_testkit::unique_name("state");
    let corner = left_open("version_lost", "accepted", &state);
    bed().topics().unwrap().delete(&state).unwrap();
    corner.sql().run(&format!("ALTER TABLE {} ADD COLUMN more String", corner.table)).unwrap();
    refuses(&corner, &options(&state), "WORKER-007");
    corner.sql().run(&format!("ALTER TABLE {} DROP COLUMN more", corner.table)).unwrap();
    lands(&corner, &options(&state), ROWS);
}

/// KAFKA-028: a mark that somebody has overwritten is set by hand.
#[test]
fn a_mark_that_cannot_be_read() {
    let state = pumphouse_testkit::unique_name("state");
    let corner = Corner::new(bed(), "mark", 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64, spare String", "n", Engine::Plain);
    write(&corner, 0);
    let mut worker = corner.worker(&options(&state));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());
    forget(&corner);
    let marks = corner.read_topic(&state);
    let mut key = marks.iter().filter_map(|record| record.key.clone());
    let key = key.rfind(|key| String::from_utf8_lossy(key).contains("/mark/")).unwrap();
    let put = |value: &str| {
        let record =
            FillRecord { partition: 0, key: Some(key.clone()), value: Some(value.as_bytes().to_vec()) };
        fill_fast(bed().bootstrap(), &state, [record]).unwrap();
    };
    put("no mark");
    refuses(&corner, &options(&state), "KAFKA-028");
    put(&format!("at rest {ROWS}"));
    write(&corner, ROWS);
    lands(&corner, &options(&state), 2 * ROWS);
}

/// WORKER-006: the broker has forgotten the group, which was not stopped in order; the table says where it was.
#[test]
fn offsets_that_are_gone() {
    let corner = Corner::new(bed(), "forgotten", 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64, spare String", "n", Engine::Plain);
    write(&corner, 0);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    worker.kill();
    forget(&corner);
    refuses(&corner, &WorkerOptions::called("w"), "WORKER-006");
    let end = format!("SELECT max(_offset) + 1 FROM {} WHERE _partition = 0", corner.table);
    corner.set_offset(0, corner.sql().number(&end).unwrap());
    write(&corner, ROWS);
    lands(&corner, &WorkerOptions::called("w"), 2 * ROWS);
}

/// As the broker does after seven days: once the group has no member.
fn forget(corner: &Corner<'_>) {
    let begun = std::time::Instant::now();
    while let Err(error) = bed().topics().unwrap().delete_group(&corner.group()) {
        assert!(begun.elapsed() < LIMIT, "{error}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
