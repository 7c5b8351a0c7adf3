//! Offsets that Kafka has forgotten are not a fresh start: the task stops instead of doubling rows (R16). At
//! least once it begins anew.

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

/// A corner whose records have all landed, and whose group Kafka has forgotten. Nobody stopped cleanly, so
/// nobody can say that nothing was under way (`resets.rs` has the other case).
fn forgotten(corner: Corner<'static>) -> Corner<'static> {
    let corner = corner.with_small_batches(500, 50).with("consumer.override.session.timeout.ms", "6000");
    corner.create_events_table(Engine::Plain);
    corner.write(events::events(1, 0).take(1_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    worker.kill();

    // Refused while a member is left: until the session of the one that was killed has ended.
    let topics = bed().topics().unwrap();
    let group = corner.group();
    wait_until("the end of the group", LIMIT, || {
        topics.delete_group(&group).map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(corner.committed(0), None);
    corner
}

#[test]
fn a_group_whose_offsets_are_gone_stops_and_doubles_nothing() {
    let corner = forgotten(Corner::new(bed(), "lost_offsets", 2));
    let mut again = corner.worker(&WorkerOptions::called("w"));
    let trace = again.wait_refused();
    assert!(trace.contains("WORKER-006"), "{trace}");
    assert!(trace.contains(&corner.topic), "{trace}");
    corner.check_events().assert_exactly_once(1_000);
}

/// As any consumer does; the log says so.
#[test]
fn at_least_once_a_group_whose_offsets_are_gone_begins_anew() {
    let corner = forgotten(Corner::new(bed(), "lost_anyway", 2).with("exactlyOnce", "false"));
    let mut again = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut again], LIMIT);
    let report = corner.check_events();
    assert_eq!((report.missing, report.foreign), (0, 0), "{report}");
    assert!(again.log().contains("begins anew, as for any consumer (R16)"), "{}", again.log());
}
