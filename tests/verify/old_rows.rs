//! Rows whose records the source has removed are older than it, not foreign.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{KafkaOptions, Testbed, TestbedOptions, events, unique_name};
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::json;

use crate::command::{RUN_LIMIT, insert_again, landed, start, verify};

#[test]
fn rows_below_the_beginning_of_the_log_are_older() {
    let corner = landed("verify_retention", 1, 1_000);
    bed().topics().unwrap().delete_records(&corner.topic, &BTreeMap::from([(0, 400)])).unwrap();
    let answer = verify(&corner, &[]).is(0);
    let partition = answer.partition(0);
    assert_eq!(partition["range"], json!([400, 1_000]));
    assert_eq!(partition["records"], 600);
    assert_eq!(partition["rows_older_than_source"], 400);

    // Asked for, they are looked at as far as they can be: a copy is one too many, whatever the source has.
    insert_again(&corner, "", "_offset >= 30 AND _offset < 33");
    let answer = verify(&corner, &["--from", "10"]).is(1);
    assert_eq!(answer.ranges(0, "doubled"), json!([[30, 33]]));
    assert_eq!(answer.ranges(0, "missing"), json!([]));
    assert_eq!(answer.partition(0)["rows_older_than_source"], 393);
}

/// One key, written again and again: the broker keeps the last record of it and those that it does not
/// clean yet; the table has them all.
#[test]
fn rows_of_records_that_were_compacted_away_are_older() {
    let properties = [("log.cleaner.backoff.ms", "200"), ("log.cleaner.min.cleanable.ratio", "0.01")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let kafka_options = KafkaOptions { properties: properties.into(), ..KafkaOptions::default() };
    let bed = Testbed::start(TestbedOptions { kafka_options, ..TestbedOptions::default() }).unwrap();
    let topics = bed.topics().unwrap();
    let topic = unique_name("verify_compacted");
    let options = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "1048576"),
        ("min.cleanable.dirty.ratio", "0.01"),
        // Time enough to take most of them before.
        ("min.compaction.lag.ms", "15000"),
    ];
    topics.create(&topic, 1, &options).unwrap();
    let corner = Corner::on_topic(&bed, &topic, 1).with_small_batches(5_000, 50);
    corner.create_events_table(Engine::Plain);
    // Several segments; the last one is never cleaned.
    let record = |event: events::Event| FillRecord {
        partition: 0,
        key: Some((event.id % 10).to_string().into_bytes()),
        value: Some(event.json.into_bytes()),
    };
    corner.write(events::events(3, 0).take(40_000).map(record));
    let mut worker = start(&corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    let rows = corner.rows();

    // Records may have been cleaned before they were taken: what the table has is what was there.
    let answer = wait_until("a cleaned log", Duration::from_secs(90), || {
        let answer = verify(&corner, &[]).is(0);
        if answer.total("records") < rows { Ok(answer) } else { Err(format!("{answer:?}")) }
    })
    .unwrap();
    assert_eq!(answer.total("rows_older_than_source") + answer.total("records"), rows);
    assert_eq!(answer.total("rows"), rows);
    let notes = answer.topic()["notes"].to_string();
    assert!(notes.contains("compacted"), "{notes}");

    // What the source still has is still missed.
    let last = corner.sql().number(&format!("SELECT max(_offset) FROM {}", corner.table)).unwrap();
    let delete =
        format!("ALTER TABLE {} DELETE WHERE _offset = {last} SETTINGS mutations_sync = 2", corner.table);
    corner.sql().run(&delete).unwrap();
    assert_eq!(verify(&corner, &[]).is(1).ranges(0, "missing"), json!([[last, last + 1]]));
    assert!(worker.stop().success());
}
