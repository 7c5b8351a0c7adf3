//! Two workers share the group; one of them is killed and comes back, again and again.

use std::time::{Duration, Instant};

use pumphouse_testkit::seeded::Seeded;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const KILLS: usize = 5;
const LIMIT: Duration = Duration::from_secs(120);

fn one_of_two_is_killed(engine: Engine) {
    is_killed(KILLS, Corner::new(bed(), "sharing", 4), engine);
}

/// With the ledger, and the group protocol, that the corner says.
pub(crate) fn is_killed(kills: usize, corner: Corner<'_>, engine: Engine) {
    let corner = corner.with_small_batches(2_000, 50);
    corner.create_events_table(engine);
    let mut feed = corner.feed(7);
    let mut seeded = Seeded::new(u64::from(std::process::id()));
    let mut stays = corner.worker(&WorkerOptions::called("a"));
    let mut dies = corner.worker(&WorkerOptions::called("b"));
    stays.wait_running();
    dies.wait_running();
    for kill in 0..kills {
        let before = corner.rows();
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(40_000, 1_000));
            corner.wait_rows_above(before, &mut stays, LIMIT);
            std::thread::sleep(Duration::from_millis(seeded.below(300)));
            dies.kill();
            feeding.join().unwrap();
        });
        // Every other time it stays away for so long that the other one gets its partitions.
        if kill % 2 == 1 {
            corner.wait_caught_up(&mut [&mut stays], LIMIT);
        }
        dies = corner.worker(&WorkerOptions::called("b"));
        dies.wait_running();
    }
    // Both get partitions in the end (RUNNING comes before them): records land through both of them.
    corner.wait_caught_up(&mut [&mut stays, &mut dies], LIMIT);
    let landed =
        |worker: &Worker| worker.metric("pumphouse_rows_landed_total", "topic=").unwrap_or(0.0) > 0.0;
    let end = Instant::now() + LIMIT;
    while !(landed(&stays) && landed(&dies)) {
        assert!(Instant::now() < end, "one worker landed nothing\n{}\n{}", stays.log(), dies.log());
        feed.write(2_000, 500);
        corner.wait_caught_up(&mut [&mut stays, &mut dies], LIMIT);
    }
    feed.finish(&mut [&mut stays, &mut dies], LIMIT);
}

#[test]
fn one_of_two_is_killed_into_merge_tree() {
    one_of_two_is_killed(Engine::Plain);
}

#[test]
fn one_of_two_is_killed_into_replicated_merge_tree() {
    one_of_two_is_killed(Engine::Replicated);
}

#[test]
fn two_tasks_of_one_worker_share_the_partitions() {
    let corner = Corner::new(bed(), "tasks", 4).with_small_batches(2_000, 50).with("tasks.max", "2");
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(8);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let status = worker.wait_running();
    assert_eq!(status["tasks"].as_array().unwrap().len(), 2, "{status}");
    feed.write(20_000, 1_000);
    worker.kill();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    feed.finish(&mut [&mut worker], LIMIT);
}
