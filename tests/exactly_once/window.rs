//! Somebody else's inserts use the table's window up: the rate is measured, and told (R12).

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pumphouse_tests::{Corner, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const SHORT: &str = "R12: at the measured rate of blocks";

/// The window passes the start-up proof, which counts our own blocks: 4 x (1 s + 1 s) at one per second.
const WINDOW: u64 = 12;

#[test]
fn another_writer_uses_the_window_up() {
    let corner = Corner::new(bed(), "flooded", 1)
        .with_small_batches(100, 1_000)
        .with("pumphouse.insert.max.execution.ms", "1000");
    let (table, sql) = (&corner.table, corner.sql());
    let window = format!("non_replicated_deduplication_window = {WINDOW}");
    sql.run(&format!("CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS {window}"))
        .unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    worker.wait_running();
    let (stop, flooded) =
        (AtomicBool::new(false), format!("INSERT INTO {table} SELECT 1000000 + number FROM numbers(1)"));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                sql.run(&flooded).unwrap();
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let begun = Instant::now();
        let mut written = 0;
        while !worker.log().contains(SHORT) && begun.elapsed() < LIMIT {
            corner.write_json(&[r#"{"n":1}"#]);
            written += 1;
            std::thread::sleep(Duration::from_millis(500));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(worker.log().contains(SHORT), "{}", worker.log());
        corner.wait_caught_up(&mut [&mut worker], LIMIT);
        let ours = corner.sql().number(&format!("SELECT count() FROM {table} WHERE n = 1")).unwrap();
        assert_eq!(ours, written, "{}", worker.log());
    });
    assert!(worker.metric("pumphouse_rule_decisions_total", "rule=\"R12\"").is_some_and(|told| told >= 1.0));
}
