//! Offsets that Kafka has forgotten are not a fresh start: the task stops instead of doubling rows (R16).

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_group_whose_offsets_are_gone_stops_and_doubles_nothing() {
    let corner = Corner::new(bed(), "lost_offsets", 2).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    corner.write(events::events(1, 0).take(1_000).map(|event| event.into_record(2)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    // No clean stop, so nobody can say that nothing was under way (`resets.rs` has the other case).
    worker.kill();

    // Refused while a member is left: until the session of the one that was killed has ended.
    let topics = bed().topics().unwrap();
    let group = corner.group();
    wait_until("the end of the group", LIMIT, || {
        topics.delete_group(&group).map_err(|error| error.to_string())
    })
    .unwrap();
    assert_eq!(corner.committed(0), None);

    let mut again = corner.worker(&WorkerOptions::called("w"));
    let trace = again.wait_refused();
    assert!(trace.contains("WORKER-006"), "{trace}");
    assert!(trace.contains(&corner.topic), "{trace}");
    corner.check_events().assert_exactly_once(1_000);
}
