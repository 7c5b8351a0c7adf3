//! Offsets that were set or forgotten while nobody looked: an operator's reset of a part of an open batch
//! (R17), and offsets that Kafka has forgotten (R16).

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(90);
const ROWS: u64 = 200;

/// Two partitions with one batch over both, recorded, and sent or not when the worker died.
fn left_open(name: &str, moment: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 2).with_small_batches(ROWS, 2_000);
    corner.create_table("n UInt64", "n", Engine::Plain);
    corner.write((0..ROWS).map(|n| FillRecord {
        partition: (n % 2) as i32,
        key: None,
        value: Some(format!(r#"{{"n":{n}}}"#).into_bytes()),
    }));
    corner.worker(&WorkerOptions::called("w").dying_at(moment)).wait_exit(LIMIT);
    // What the documentation asks for: one deadline after the stop.
    std::thread::sleep(Duration::from_millis(1_100));
    corner
}

fn numbers(corner: &Corner<'_>) -> String {
    corner.sql().text(&format!("SELECT count(), uniqExact(n) FROM {}", corner.table)).unwrap()
}

/// The partition that was reset is read from there again, and the rest of the batch is completed.
fn resolves(corner: &Corner<'_>, rows: u64) {
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(numbers(corner), format!("{rows}\t{ROWS}"), "{}", worker.log());
    assert!(worker.log().contains("R17: offsets of the batch were set"), "{}", worker.log());
}

#[test]
fn a_member_is_reset_before_the_batch_was_sent() {
    let corner = left_open("member_reset", "ledger_answered");
    corner.set_offset(1, 0);
    resolves(&corner, ROWS);
}

#[test]
fn a_lead_is_reset_before_the_batch_was_sent() {
    let corner = left_open("lead_reset", "ledger_answered");
    corner.set_offset(0, 0);
    resolves(&corner, ROWS);
}

/// The batch had landed: the operator who sets an offset back asks for these records again, and gets
/// these, and no other.
#[test]
fn a_lead_is_reset_after_the_batch_has_landed() {
    let corner = left_open("landed_reset", "accepted");
    assert_eq!(corner.rows(), ROWS);
    corner.set_offset(0, 50);
    resolves(&corner, ROWS + 50);
}

/// Kafka forgets the offsets of a group that was empty for seven days. A clean stop has left word.
#[test]
fn offsets_that_kafka_forgot_are_restored_after_a_clean_stop() {
    let corner = Corner::new(bed(), "at_rest", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    corner.write(events::events(1, 0).take(1_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());

    let topics = bed().topics().unwrap();
    let group = corner.group();
    wait_until("the end of the group", LIMIT, || {
        topics.delete_group(&group).map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(corner.committed(0), None);

    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.write(events::events(1, 1_000).take(500).map(|event| event.into_record(2)));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(1_500);
    assert!(worker.log().contains("R16"), "{}", worker.log());
}
