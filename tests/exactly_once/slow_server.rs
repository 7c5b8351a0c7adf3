//! Inserts that take longer than a member may go without polling: the consumer is polled all the same, although
//! its lanes are full and nothing is taken, and keeps its place in the group.

use std::time::Duration;

use pumphouse_tests::{Corner, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(120);

/// Three blocks; each takes longer than `max.poll.interval.ms`.
const ROWS: u64 = 250;

fn slow(name: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1)
        .with_small_batches(100, 50)
        .with("consumer.override.max.poll.interval.ms", "6000")
        .with("clickhouseSettings", "function_sleep_max_microseconds_per_block=60000000");
    let table = &corner.table;
    let sql = format!(
        "CREATE TABLE {table} (n UInt64, _topic LowCardinality(String), _partition UInt32, _offset UInt64, \
         CONSTRAINT slow CHECK sleep(7) = 0) ENGINE = MergeTree ORDER BY n \
         SETTINGS non_replicated_deduplication_window = 10000"
    );
    corner.sql().run(&sql).unwrap();
    let values: Vec<String> = (0..ROWS).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
    corner
}

#[test]
fn a_slow_server_costs_no_membership() {
    let corner = slow("slow_server");
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let found = corner.sql().text(&format!("SELECT count(), uniqExact(n) FROM {}", corner.table)).unwrap();
    assert_eq!(found, format!("{ROWS}\t{ROWS}"), "{}", worker.log());
    let log = worker.log();
    assert_eq!(log.matches("entries claimed (R5)").count(), 1, "{log}");
    assert!(!log.contains("partitions revoked"), "{log}");
}
