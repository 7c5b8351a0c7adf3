//! What has landed is looked at again, some seconds later: in the metrics, and in the log where it is gone.

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

/// Three looks come before the alarm, the last one 85 seconds after the batch has landed.
const LIMIT: Duration = Duration::from_secs(150);

/// More batches than lie between two that are looked at.
const RECORDS: usize = 20_000;
const ROWS: u64 = 100;

fn corner(name: &str, engine: Engine) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 2).with_small_batches(ROWS, 50);
    corner.create_events_table(engine);
    corner.write(events::events(1, 0).take(RECORDS).map(|event| event.into_record(2)));
    corner
}

fn counts(worker: &Worker, corner: &Corner<'_>) -> [Option<f64>; 3] {
    ["expected", "found", "distinct"]
        .map(|what| worker.metric(&format!("pumphouse_audit_rows_{what}_total"), &corner.connector))
}

#[test]
fn rows_that_landed_are_counted_again() {
    let corner = corner("audited", Engine::Replicated);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let [expected, found, distinct] = wait_until("a look", LIMIT, || {
        let seen = counts(&worker, &corner);
        // Each count is asked for by itself: a look may end in between.
        let is_whole = seen[0] > Some(0.0) && seen == counts(&worker, &corner);
        if is_whole { Ok(seen) } else { Err(format!("{seen:?}")) }
    })
    .unwrap();
    assert!(expected > Some(0.0));
    assert_eq!((found, distinct), (expected, expected));
    assert!(!worker.log().contains("WORKER-008"), "{}", worker.log());
}

#[test]
fn rows_that_somebody_took_away_are_an_error_in_the_log() {
    let corner = corner("audited_empty", Engine::Plain);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let truncate = || corner.sql().run(&format!("TRUNCATE TABLE {}", corner.table)).unwrap();
    let landed = || (0..2).map(|partition| corner.committed(partition).unwrap_or(0)).sum::<i64>();
    // Nothing stays for as long as it takes until it is looked at.
    wait_until("everything to land", LIMIT, || {
        truncate();
        worker.check();
        let landed = landed();
        if landed >= RECORDS as i64 { Ok(()) } else { Err(format!("{landed} records")) }
    })
    .unwrap();
    truncate();
    wait_until("an alarm", LIMIT, || {
        let alarmed = worker.log().contains("WORKER-008");
        if alarmed { Ok(()) } else { Err(format!("{:?}", counts(&worker, &corner))) }
    })
    .unwrap();
    let [expected, found, _] = counts(&worker, &corner);
    assert!(expected > found, "{expected:?} {found:?}");
}
