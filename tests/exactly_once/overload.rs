//! A server that has too much to do: batches come more slowly, nothing fails, nothing is lost or doubled.

use std::time::Duration;

use pumphouse_tests::{Corner, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(90);
const ROWS: u64 = 3_000;

/// A table takes no more parts (code 252) as long as nothing is merged.
#[test]
fn too_many_parts_are_waited_for() {
    let corner = Corner::new(bed(), "overload", 1).with_small_batches(100, 50);
    let (table, sql) = (&corner.table, corner.sql());
    sql.run(&format!(
        "CREATE TABLE {table} (n UInt64, _topic LowCardinality(String), _partition UInt32, _offset UInt64) \
         ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000, \
         parts_to_delay_insert = 4, parts_to_throw_insert = 5, max_delay_to_insert = 1"
    ))
    .unwrap();
    sql.run(&format!("SYSTEM STOP MERGES {table}")).unwrap();
    let values: Vec<String> = (0..ROWS).map(|n| format!(r#"{{"n":{n}}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());

    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_rows_above(0, &mut worker, LIMIT);
    std::thread::sleep(Duration::from_secs(8));
    // Still at work, and less and less of a burden: pauses double from 100 ms.
    worker.check();
    let refusals = worker.log().matches("code=252").count();
    assert!((2..=12).contains(&refusals), "{refusals} refusals\n{}", worker.log());
    assert!(corner.rows() < ROWS, "{}", worker.log());

    let enough = "parts_to_delay_insert = 1000, parts_to_throw_insert = 3000";
    sql.run(&format!("ALTER TABLE {table} MODIFY SETTING {enough}")).unwrap();
    sql.run(&format!("SYSTEM START MERGES {table}")).unwrap();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let found = sql.text(&format!("SELECT count(), uniqExact(n) FROM {table}")).unwrap();
    assert_eq!(found, format!("{ROWS}\t{ROWS}"), "{}", worker.log());
}
