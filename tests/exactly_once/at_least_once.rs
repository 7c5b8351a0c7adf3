//! `exactlyOnce`: refused where it cannot be had, given up with a warning where nobody asked for it, and left
//! out by choice.

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn lands(corner: &Corner<'_>) -> Worker {
    corner.write(events::events(1, 0).take(2_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(2_000);
    worker
}

fn without_window(corner: &Corner<'_>) {
    corner.create_events_table(Engine::Plain);
    let off = "MODIFY SETTING non_replicated_deduplication_window = 0";
    corner.sql().run(&format!("ALTER TABLE {} {off}", corner.table)).unwrap();
}

#[test]
fn not_given_a_table_that_cannot_deduplicate_is_filled_at_least_once() {
    let corner = Corner::new(bed(), "fallback", 2).without("exactlyOnce");
    without_window(&corner);
    let worker = lands(&corner);
    assert_eq!(worker.metric("pumphouse_exactly_once", &corner.connector), Some(0.0));
    let log = worker.log();
    for fact in ["at least once", "PROOF-004", "non_replicated_deduplication_window"] {
        assert!(log.contains(fact), "`{fact}` is not in the log\n{log}");
    }
}

#[test]
fn not_given_a_table_that_can_is_filled_exactly_once() {
    let corner = Corner::new(bed(), "by_default", 2).without("exactlyOnce");
    corner.create_events_table(Engine::Plain);
    let worker = lands(&corner);
    assert_eq!(worker.metric("pumphouse_exactly_once", &corner.connector), Some(1.0));
}

#[test]
fn at_least_once_by_choice_loses_nothing_over_kills() {
    let corner = Corner::new(bed(), "by_choice", 2).with("exactlyOnce", "false").with_small_batches(500, 50);
    without_window(&corner);
    corner.write(events::events(1, 0).take(20_000).map(|event| event.into_record(2)));
    for rows in [1_000, 5_000] {
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        corner.wait_rows_above(rows, &mut worker, LIMIT);
        worker.kill();
    }
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let report = corner.check_events();
    assert_eq!((report.missing, report.foreign), (0, 0), "{report}");
}
