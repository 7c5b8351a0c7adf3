//! Partitions move between two workers of one group, again and again, under load: for each protocol by which a group
//! can spread them.

use std::time::{Duration, Instant};

use pumphouse_testkit::seeded::Seeded;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(150);

/// How the second worker goes, one round after the other.
#[derive(Clone, Copy)]
enum Goes {
    Stopped,
    Killed,
}

fn partitions_move(name: &str, options: &[(&str, &str)], rounds: &[Goes]) {
    let mut corner = Corner::new(bed(), name, 4).with_small_batches(2_000, 50);
    for (option, value) in options {
        corner = corner.with(option, value);
    }
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(11);
    let mut seeded = Seeded::new(u64::from(std::process::id()));
    let mut stays = corner.worker(&WorkerOptions::called("a"));
    stays.wait_running();
    for goes in rounds {
        let mut comes = corner.worker(&WorkerOptions::called("b"));
        comes.wait_running();
        // It gets partitions: records land through it.
        let end = Instant::now() + LIMIT;
        while comes.metric("pumphouse_rows_landed_total", "topic=").unwrap_or(0.0) == 0.0 {
            assert!(Instant::now() < end, "nothing moved\n{}\n{}", stays.log(), comes.log());
            feed.write(2_000, 500);
            stays.check();
            comes.check();
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(10_000, 500));
            std::thread::sleep(Duration::from_millis(seeded.below(300)));
            match goes {
                Goes::Stopped => assert!(comes.stop().success(), "{}", comes.log()),
                Goes::Killed => comes.kill(),
            }
            feeding.join().unwrap();
        });
        // What it had goes back to the one that stays.
        corner.wait_caught_up(&mut [&mut stays], LIMIT);
    }
    feed.finish(&mut [&mut stays], LIMIT);
}

#[test]
fn partitions_move_in_an_eager_group() {
    partitions_move("eager", &[], &[Goes::Stopped, Goes::Killed]);
}

#[test]
fn partitions_move_in_a_cooperative_group() {
    let strategy = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
    let options = [("consumer.override.partition.assignment.strategy", strategy)];
    partitions_move("cooperative", &options, &[Goes::Stopped, Goes::Killed, Goes::Stopped]);
}

#[test]
fn partitions_move_in_a_group_of_kip_848() {
    let options = [("consumer.override.group.protocol", "consumer")];
    partitions_move("kip848", &options, &[Goes::Stopped, Goes::Killed, Goes::Stopped]);
}
