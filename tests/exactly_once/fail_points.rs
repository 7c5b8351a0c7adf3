//! The worker dies at each moment at which the ledger, the server and it know different things.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

/// Sealed but not in the ledger; the next write lying ready beside an attempt; the ledger's transaction
/// unanswered; in the ledger but not sent; half sent; landed, but the ledger does not say so.
const MOMENTS: [&str; 6] =
    ["after_seal", "staged", "ledger_sent", "ledger_answered", "half_body", "accepted"];

/// The first time, and a later one, when the life has landed batches of its own.
const TIMES: [u32; 2] = [1, 3];

const SIGKILL: i32 = 9;
const DEATH_LIMIT: Duration = Duration::from_secs(60);
const AFTER_DEATH: Duration = Duration::from_secs(1);

fn dies_at_every_moment(engine: Engine) {
    dies_at(&MOMENTS, &TIMES, Corner::new(bed(), "fail_points", 4), engine);
}

/// With the ledger that the corner says.
pub(crate) fn dies_at(moments: &[&str], times: &[u32], corner: Corner<'_>, engine: Engine) {
    let corner = corner.with_small_batches(1_000, 50);
    corner.create_events_table(engine);
    let mut feed = corner.feed(4);
    for moment in moments {
        for nth in times {
            feed.write(6_000, 500);
            let mut worker = corner.worker(&WorkerOptions::called("w").dying_at(&format!("{moment}:{nth}")));
            // No number of records is sure to bring about each moment: nothing lies `staged` beside an
            // insert that is quicker than the reading of the next batch.
            while worker.is_running() && worker.age() < DEATH_LIMIT {
                feed.write(2_000, 500);
            }
            let status = worker.wait_exit(AFTER_DEATH);
            assert_eq!(status.signal(), Some(SIGKILL), "{moment}:{nth}: {status}\n{}", worker.log());
        }
    }
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    feed.finish(&mut [&mut worker], Duration::from_secs(60));
}

#[test]
fn dies_at_every_moment_into_merge_tree() {
    dies_at_every_moment(Engine::Plain);
}

#[test]
fn dies_at_every_moment_into_replicated_merge_tree() {
    dies_at_every_moment(Engine::Replicated);
}

/// Dies as it is given partitions, and as they are taken from it because another worker comes.
fn dies_inside_rebalances(engine: Engine) {
    // A group of its own each time: members of the last round would still be expected in the next.
    for round in 0..2 {
        let corner = Corner::new(bed(), "rebalance", 4).with_small_batches(1_000, 50);
        corner.create_events_table(engine);
        let mut feed = corner.feed(5 + round);
        feed.write(10_000, 500);
        let mut given = corner.worker(&WorkerOptions::called("a").dying_at("rebalance:1"));
        let status = given.wait_exit(DEATH_LIMIT);
        assert_eq!(status.signal(), Some(SIGKILL), "round {round}, given: {status}\n{}", given.log());

        let mut taken = corner.worker(&WorkerOptions::called("a").dying_at("rebalance:2"));
        let mut second = std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(40_000, 500));
            corner.wait_rows_above(0, &mut taken, DEATH_LIMIT);
            let second = corner.worker(&WorkerOptions::called("b"));
            let status = taken.wait_exit(DEATH_LIMIT);
            assert_eq!(status.signal(), Some(SIGKILL), "round {round}, taken: {status}\n{}", taken.log());
            feeding.join().unwrap();
            second
        });
        // The second worker gets what the first left behind when the group gives that one up.
        corner.wait_caught_up(&mut [&mut second], Duration::from_secs(90));
        second.kill();
        let mut worker = corner.worker(&WorkerOptions::called("a"));
        feed.write(5_000, 500);
        feed.finish(&mut [&mut worker], Duration::from_secs(90));
    }
}

#[test]
fn dies_inside_rebalances_into_merge_tree() {
    dies_inside_rebalances(Engine::Plain);
}

#[test]
fn dies_inside_rebalances_into_replicated_merge_tree() {
    dies_inside_rebalances(Engine::Replicated);
}
