//! A worker that hangs (SIGSTOP), is replaced, and wakes up in the belief that its partitions and its
//! open batch are still its own.

use std::time::Duration;

use pumphouse_testkit::seeded::Seeded;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const ROUNDS: usize = 3;
const LIMIT: Duration = Duration::from_secs(120);

fn wakes_up_after_its_replacement(first_id: &str, second_id: &str, engine: Engine) {
    wakes_up(first_id, second_id, ROUNDS, Corner::new(bed(), "zombie", 4), engine);
}

/// With the ledger that the corner says.
pub(crate) fn wakes_up(first_id: &str, second_id: &str, rounds: usize, corner: Corner<'_>, engine: Engine) {
    let corner = corner.with_small_batches(2_000, 50);
    corner.create_events_table(engine);
    let mut feed = corner.feed(6);
    let mut seeded = Seeded::new(u64::from(std::process::id()));
    for _ in 0..rounds {
        let before = corner.rows();
        let mut first = corner.worker(&WorkerOptions::called(first_id));
        // In the middle of its work: it is stopped while the producer is still writing.
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(40_000, 1_000));
            corner.wait_rows_above(before, &mut first, LIMIT);
            std::thread::sleep(Duration::from_millis(seeded.below(200)));
            first.pause();
            feeding.join().unwrap();
        });

        let mut second = corner.worker(&WorkerOptions::called(second_id));
        corner.wait_caught_up(&mut [&mut second], LIMIT);

        first.resume();
        // Both live, and there is work: whoever has no right to a partition has to notice.
        for _ in 0..10 {
            feed.write(2_000, 500);
            std::thread::sleep(Duration::from_millis(100));
        }
        corner.wait_caught_up(&mut [], LIMIT);
        assert!(first.is_running() || second.is_running(), "both gave up\n{}\n{}", first.log(), second.log());
        corner.check_events().assert_exactly_once(feed.committed_records());
        first.kill();
        second.kill();
    }
    let mut last = corner.worker(&WorkerOptions::called(first_id));
    feed.finish(&mut [&mut last], LIMIT);
}

#[test]
fn another_worker_took_over_into_merge_tree() {
    wakes_up_after_its_replacement("a", "b", Engine::Plain);
}

#[test]
fn another_worker_took_over_into_replicated_merge_tree() {
    wakes_up_after_its_replacement("a", "b", Engine::Replicated);
}

#[test]
fn its_own_restart_took_over_into_merge_tree() {
    wakes_up_after_its_replacement("a", "a", Engine::Plain);
}

#[test]
fn its_own_restart_took_over_into_replicated_merge_tree() {
    wakes_up_after_its_replacement("a", "a", Engine::Replicated);
}
