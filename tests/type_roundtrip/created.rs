//! Tables that the worker creates.
use pumphouse_tests::{Corner, WorkerOptions, bed};

use super::land;

fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| format!("{{\"id\": {n}, \"text\": \"t{n}\", \"tags\": [\"x\"]}}")).collect()
}

#[test]
fn a_missing_table_is_created_and_filled_exactly_once() {
    let corner = Corner::new(bed(), "created", 1)
        .with_small_batches(500, 50)
        .with("pumphouse.table.create", "id UInt64, text String, tags Array(LowCardinality(String))")
        .with("pumphouse.table.order.by", "id");
    land(&corner, &numbered(0..2_000));
    let sql = corner.sql();
    let definition = format!(
        "SELECT uuid, engine, sorting_key FROM system.tables WHERE database = currentDatabase() AND name = '{}'",
        corner.table
    );
    let made = sql.text(&definition).unwrap();
    assert!(made.ends_with("\tMergeTree\tid"), "{made}");
    // The next life finds it there and leaves it as it is.
    let corner =
        corner.with("pumphouse.table.create", "id UInt64, another UInt8").without("pumphouse.table.order.by");
    land(&corner, &numbered(2_000..3_000));
    assert_eq!(sql.text(&definition).unwrap(), made);
    let rows = format!(
        "SELECT count(), uniqExact(id), countIf(text = concat('t', toString(id)) AND tags = ['x'] AND \
         _topic = '{}' AND _partition = 0 AND _offset = id) FROM {}",
        corner.topic, corner.table
    );
    assert_eq!(sql.text(&rows).unwrap(), "3000\t3000\t3000");
}

#[test]
fn a_table_that_the_server_does_not_create_stops_the_connector_with_its_reason() {
    let corner =
        Corner::new(bed(), "uncreated", 1).with("pumphouse.table.create", "id UInt64, bad NoSuchType");
    corner.write_json(&["{\"id\": 1}"]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let why = worker.wait_refused();
    assert!(why.contains("NoSuchType"), "{why}");
}
