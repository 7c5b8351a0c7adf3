//! SIGKILL at random moments while two million records land; the producer is transactional and
//! aborts a part of what it writes. Both engines land the same topic, side by side.

use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::{FillReport, TransactionalFill, fill_in_transactions};
use pumphouse_testkit::seeded::Seeded;
use pumphouse_testkit::{events, unique_name};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const RECORDS: u64 = 2_000_000;
const PARTITIONS: i32 = 4;
const KILLS: u64 = 24;

/// Longest time in which a life has to reach the number of rows at which it ends.
const LIFE_LIMIT: Duration = Duration::from_secs(60);

/// The filling starts with the first test, and goes on while workers live and die.
static FILLED: OnceLock<FillReport> = OnceLock::new();

fn topic() -> &'static str {
    static TOPIC: LazyLock<String> = LazyLock::new(|| {
        let topic = unique_name("sigkill");
        bed().topics().unwrap().create(&topic, PARTITIONS, &[]).unwrap();
        std::thread::spawn({
            let topic = topic.clone();
            move || {
                let fill = TransactionalFill {
                    records_per_transaction: 2_000,
                    aborted_share: 0.1,
                    seed: 20,
                    transactional_id: topic.clone(),
                };
                let records =
                    events::events(1, 0).take(RECORDS as usize).map(|event| event.into_record(PARTITIONS));
                let report = fill_in_transactions(bed().bootstrap(), &topic, &fill, records).unwrap();
                FILLED.set(report).unwrap();
            }
        });
        topic
    });
    &TOPIC
}

fn wait_filled() -> FillReport {
    let begun = Instant::now();
    while FILLED.get().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(300), "the producer hangs or has failed");
        std::thread::sleep(Duration::from_millis(50));
    }
    *FILLED.get().unwrap()
}

fn killed_at_random_moments(engine: Engine) {
    // Printed when the test fails. Moments depend on the machine, so a seed gives the same plan, not
    // the same run.
    let seed = std::env::var("PUMPHOUSE_TEST_SEED")
        .ok()
        .map_or(u64::from(std::process::id()), |seed| seed.parse().unwrap());
    println!("PUMPHOUSE_TEST_SEED={seed}");
    let mut seeded = Seeded::new(seed);
    let corner = Corner::on_topic(bed(), topic(), PARTITIONS).with_small_batches(20_000, 100);
    corner.create_events_table(engine);
    let options = WorkerOptions::called("w");

    for kill in 0..KILLS {
        let before = corner.rows();
        // A life's share of what is left, so that there are rows to land in every life.
        let rows_more = seeded.below((RECORDS - before) / (KILLS - kill + 1));
        let mut worker = corner.worker(&options);
        if seeded.chance(0.3) {
            // In the middle of a start, a claim, or a batch that is sent again.
            std::thread::sleep(Duration::from_millis(seeded.below(700)));
        } else {
            while corner.rows() <= before + rows_more {
                worker.check();
                assert!(
                    worker.age() < LIFE_LIMIT,
                    "kill {kill}: {before} + {rows_more} rows are not there\n{}",
                    worker.log()
                );
                std::thread::sleep(Duration::from_millis(seeded.below(20)));
            }
            std::thread::sleep(Duration::from_millis(seeded.below(100)));
        }
        worker.kill();
        assert!(corner.rows() < RECORDS, "kill {kill} came when all had landed");
    }
    let mut worker = corner.worker(&options);
    let filled = wait_filled();
    assert_eq!(filled.committed_records, RECORDS);
    assert!(filled.aborted_records > 0);
    corner.wait_caught_up(&mut [&mut worker], Duration::from_secs(180));
    corner.check_events().assert_exactly_once(RECORDS);
    assert!(worker.stop().success());
}

#[test]
fn killed_at_random_moments_into_merge_tree() {
    killed_at_random_moments(Engine::Plain);
}

#[test]
fn killed_at_random_moments_into_replicated_merge_tree() {
    killed_at_random_moments(Engine::Replicated);
}
