//! A task that is caught up has committed the ends of the log, markers of transactions included, so
//! that every lag tool shows 0; and it never passes what is not settled.

use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::filling::{FillRecord, leave_transaction_open};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn events_for(partition: i32, seed: u64, count: usize) -> Vec<FillRecord> {
    let record = |event: events::Event| FillRecord { partition, ..event.into_record(1) };
    events::events(seed, 0).take(count).map(record).collect()
}

#[test]
fn the_committed_offsets_equal_the_ends_of_the_log() {
    let corner = Corner::new(bed(), "log_end", 5).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    let open = |id: &str, records: &[FillRecord]| {
        leave_transaction_open(bed().bootstrap(), &corner.topic, &format!("{}-{id}", corner.topic), records)
            .unwrap()
    };
    // 0: ends in the marker of a commit. 1: holds aborted records only. 2: ends in aborted records.
    // 3: is empty. 4: ends in a plain record.
    open("a", &events_for(0, 1, 1_000)).commit().unwrap();
    open("b", &events_for(1, 2, 100)).abort().unwrap();
    open("c", &events_for(2, 3, 1_000)).commit().unwrap();
    open("d", &events_for(2, 4, 100)).abort().unwrap();
    corner.write(events_for(4, 5, 10));

    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let ends = bed().topics().unwrap().end_offsets(&corner.topic).unwrap();
    assert_eq!(ends, [(0, 1_001), (1, 101), (2, 1_102), (3, 0), (4, 10)].into());
    corner.check_events().assert_exactly_once(2_010);

    // Markers that come while the task is idle are passed, too.
    open("e", &events_for(1, 6, 10)).abort().unwrap();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.committed(1), Some(112));

    // What stands behind an open transaction waits for it.
    let pending = open("f", &events_for(3, 7, 10));
    corner.write(events_for(3, 8, 10));
    corner.write(events_for(4, 9, 10));
    corner.wait_rows_above(2_010, &mut worker, LIMIT);
    assert_eq!(corner.committed(3).unwrap_or(0), 0);
    pending.commit().unwrap();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.check_events().assert_exactly_once(2_040);
    assert!(worker.stop().success());

    // A clean stop leaves plain marks: the next life has nothing to send again.
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    worker.wait_running();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 2_040);
}

#[test]
fn an_operator_s_reset_before_the_start_is_followed() {
    let corner = Corner::new(bed(), "latest", 1).with("consumer.override.auto.offset.reset", "latest");
    corner.create_events_table(Engine::Plain);
    corner.write(events_for(0, 1, 100));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 0);
    corner.write(events_for(0, 2, 50));
    corner.wait_rows_above(49, &mut worker, LIMIT);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let offsets = corner
        .sql()
        .text(&format!("SELECT min(_offset), max(_offset), count() FROM {}", corner.table))
        .unwrap();
    assert_eq!(offsets, "100\t149\t50");
}
