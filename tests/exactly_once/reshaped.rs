//! The table changes while a batch is open: the batch is resolved as it was built, or built again (R15).

use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);
const ROWS: u64 = 100;

fn left_open(name: &str, moment: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1).with_small_batches(ROWS, 50);
    corner.create_table("n UInt64, spare String DEFAULT 'none'", "n", Engine::Plain);
    write_numbers(&corner, 0);
    corner.worker(&WorkerOptions::called("w").dying_at(moment)).wait_exit(LIMIT);
    corner
}

fn write_numbers(corner: &Corner<'_>, first: u64) {
    let values: Vec<String> =
        (first..first + ROWS).map(|n| format!(r#"{{"n":{n},"spare":"s","more":"m"}}"#)).collect();
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
}

fn resolves(corner: &Corner<'_>) -> String {
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    write_numbers(corner, ROWS);
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let found = corner.sql().text(&format!("SELECT count(), uniqExact(n) FROM {}", corner.table)).unwrap();
    assert_eq!(found, "200\t200", "{}", worker.log());
    worker.log()
}

#[test]
fn a_column_is_added_while_a_batch_is_open() {
    for moment in ["ledger_answered", "accepted"] {
        let corner = left_open("column_added", moment);
        corner.sql().run(&format!("ALTER TABLE {} ADD COLUMN more String", corner.table)).unwrap();
        resolves(&corner);
        let filled = format!("SELECT countIf(more = 'm') FROM {} WHERE n >= 100", corner.table);
        assert_eq!(corner.sql().number(&filled).unwrap(), 100, "new records have the new column");
    }
}

#[test]
fn a_column_is_dropped_while_a_batch_is_open() {
    let corner = left_open("column_dropped", "ledger_answered");
    corner.sql().run(&format!("ALTER TABLE {} DROP COLUMN spare", corner.table)).unwrap();
    let log = resolves(&corner);
    assert!(log.contains("R15: the table has changed its shape"), "{log}");
}
