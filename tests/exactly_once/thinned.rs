//! The source loses records, or all of them, while a batch over them is open (R9).

use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u64 = 100;

/// A corner with one batch of which the worker died at `moment`; then retention takes what is below `kept`.
fn left_open(name: &str, moment: &str, kept: i64) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64", "n", Engine::Plain);
    corner.settle_table();
    write_numbers(&corner, 0);
    corner.worker(&WorkerOptions::called("w").dying_at(moment)).wait_exit(LIMIT);
    bed().topics().unwrap().delete_records(&corner.topic, &[(0, kept)].into()).unwrap();
    corner
}

fn write_numbers(corner: &Corner<'_>, first: u64) {
    let values: Vec<String> = (first..first + ROWS).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
}

/// The batch is settled, `first` is the oldest row, and each is there once. The log is returned.
fn resolves(corner: &Corner<'_>, first: u64) -> String {
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    write_numbers(corner, ROWS);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let found =
        corner.sql().text(&format!("SELECT count(), uniqExact(n), min(n), max(n) FROM {}", corner.table));
    let rows = 2 * ROWS - first;
    assert_eq!(found.unwrap(), format!("{rows}\t{rows}\t{first}\t{}", 2 * ROWS - 1), "{}", worker.log());
    worker.log()
}

fn assert_thinned(log: &str) {
    assert!(log.contains("R9: the source has"), "{log}");
}

#[test]
fn what_is_left_of_a_batch_that_had_not_landed_is_inserted() {
    assert_thinned(&resolves(&left_open("thinned", "ledger_answered", 30), 30));
}

/// The same token says that the rest is there, with the rows that the source has lost.
#[test]
fn a_batch_that_had_landed_is_not_inserted_again() {
    assert_thinned(&resolves(&left_open("thinned_landed", "accepted", 30), 0));
}

/// Nothing is left to send: what the source lost before it landed cannot be had, and the sink goes on.
#[test]
fn a_batch_without_any_record_left_holds_nothing_up() {
    assert_thinned(&resolves(&left_open("thinned_away", "ledger_answered", ROWS as i64), ROWS));
}

/// Offsets of a deleted topic mean nothing in the one that has its name now. Here the broker has dropped the
/// group's entries with the topic.
#[test]
fn a_topic_created_again_starts_its_own_ledger() {
    let corner = left_open("created_again", "ledger_answered", 0);
    let topics = bed().topics().unwrap();
    topics.delete(&corner.topic).unwrap();
    pumphouse_testkit::wait::wait_until("the topic to be created again", LIMIT, || {
        topics.create(&corner.topic, 1, &[]).map_err(|error| error.to_string())
    })
    .unwrap();
    write_numbers(&corner, 0);
    resolves(&corner, 0);
}

/// The topic that has the name now grows beyond the position in the one before, where a client of that time reads on:
/// another membership reads the topic from its beginning (R15). That nothing of what the old one reads is recorded is
/// the simulator's to show (`--without R15`): here its ids are mostly compared first.
#[test]
fn a_topic_created_again_that_outgrows_the_old_position_is_read_once() {
    let corner = Corner::new(bed(), "outgrown", 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64", "n", Engine::Plain);
    write_numbers(&corner, 0);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let topics = bed().topics().unwrap();
    // It learns of all that at once, when the new topic is long enough.
    worker.pause();
    topics.delete(&corner.topic).unwrap();
    pumphouse_testkit::wait::wait_until("the topic to be created again", LIMIT, || {
        topics.create(&corner.topic, 1, &[]).map_err(|error| error.to_string())
    })
    .unwrap();
    (1..6).for_each(|turn| write_numbers(&corner, turn * ROWS));
    worker.resume();
    corner.wait_caught_up(&mut [&mut worker], 3 * LIMIT);
    let found = corner.sql().text(&format!("SELECT count(), uniqExact(n) FROM {}", corner.table));
    assert_eq!(found.unwrap(), format!("{}\t{}", 6 * ROWS, 6 * ROWS), "{}", worker.log());
}
