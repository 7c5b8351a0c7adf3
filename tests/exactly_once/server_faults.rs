//! The servers crash, hang and come back under a worker that has work to do.

use std::time::Duration;

use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, Kafka, KafkaOptions, Testbed, TestbedOptions};
use pumphouse_tests::{Corner, Engine, WorkerOptions};

const LIMIT: Duration = Duration::from_secs(150);

/// Own servers: these are broken. Small ones, since the suite's own run beside them. `None`: they were given,
/// and cannot be broken.
fn own_servers() -> Option<(Testbed, ClickHouse, Kafka)> {
    let mut bed = Testbed::start(TestbedOptions {
        zookeeper: true,
        kafka_options: KafkaOptions { heap_mib: 384, ..KafkaOptions::default() },
        clickhouse_options: ClickHouseOptions { memory_bytes_max: 3 << 30, ..ClickHouseOptions::default() },
        ..TestbedOptions::default()
    })
    .unwrap();
    let (Some(clickhouse), Some(kafka)) = (bed.clickhouse.take(), bed.kafka.take()) else {
        eprintln!("skipped: the servers were given");
        return None;
    };
    Some((bed, clickhouse, kafka))
}

#[test]
fn clickhouse_crashes_and_the_broker_hangs() {
    let Some((bed, mut clickhouse, mut kafka)) = own_servers() else { return };
    let corner = Corner::new(&bed, "faults", 4).with_small_batches(2_000, 50);
    corner.create_events_table(Engine::Replicated);
    let mut feed = corner.feed(9);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let mut before = 0;
    for round in 0..3 {
        // Work for the moment of the crash, and for the time after it.
        std::thread::scope(|scope| {
            let feeding = scope.spawn(|| feed.write(40_000, 1_000));
            before = corner.wait_rows_above(before, &mut worker, LIMIT);
            match round {
                // Gone and back at once; gone for some seconds.
                0 => clickhouse.restart().unwrap(),
                1 => {
                    clickhouse.kill().unwrap();
                    std::thread::sleep(Duration::from_secs(3));
                    clickhouse.restart().unwrap();
                }
                // Longer than a request, shorter than the group's patience.
                _ => {
                    kafka.pause().unwrap();
                    std::thread::sleep(Duration::from_secs(5));
                    kafka.resume().unwrap();
                }
            }
            feeding.join().unwrap();
        });
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
    }
    feed.write(10_000, 1_000);
    feed.finish(&mut [&mut worker], LIMIT);
    drop(worker);
}

#[test]
fn clickhouse_hangs_and_the_broker_crashes() {
    let Some((bed, mut clickhouse, mut kafka)) = own_servers() else { return };
    let corner = Corner::new(&bed, "faults", 4).with_small_batches(2_000, 50);
    corner.create_events_table(Engine::Replicated);
    let mut feed = corner.feed(10);
    feed.write(40_000, 1_000);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_rows_above(0, &mut worker, LIMIT);
    // An insert of unknown fate: the deadline passes while nobody answers.
    clickhouse.pause().unwrap();
    std::thread::sleep(Duration::from_secs(4));
    clickhouse.resume().unwrap();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);

    kafka.restart().unwrap();
    feed.write(20_000, 1_000);
    feed.finish(&mut [&mut worker], LIMIT);
    drop(worker);
}

#[test]
fn a_stop_in_an_outage_does_not_say_that_everything_has_landed() {
    let Some((bed, mut clickhouse, mut kafka)) = own_servers() else { return };
    // The membership is lost while the stop waits for the open batch.
    let corner = Corner::new(&bed, "faults", 1)
        .with_small_batches(1_000, 50)
        .with("consumer.override.session.timeout.ms", "6000");
    corner.create_events_table(Engine::Replicated);
    let mut feed = corner.feed(11);
    feed.write(10_000, 500);
    let patient = WorkerOptions::called("w").with("task.shutdown.graceful.timeout.ms", "60000");
    let mut worker = corner.worker(&patient);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    clickhouse.pause().unwrap();
    let writes = || worker.metric("pumphouse_ledger_write_duration_seconds_count", &corner.connector);
    let before = writes();
    feed.write(10_000, 500);
    wait_until("the batch is recorded", LIMIT, || {
        let now = writes();
        if now > before { Ok(()) } else { Err(format!("{now:?} writes")) }
    })
    .unwrap();
    kafka.kill().unwrap();
    worker.stop();
    let log = worker.log();
    assert!(log.contains("task stopped before everything it took could land"), "{log}");
    assert!(!log.contains("everything it took has landed"), "{log}");

    kafka.restart().unwrap();
    clickhouse.resume().unwrap();
    feed.write(10_000, 500);
    let mut worker = corner.worker(&patient);
    feed.finish(&mut [&mut worker], LIMIT);
}
