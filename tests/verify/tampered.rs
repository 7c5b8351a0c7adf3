//! What somebody did to the table behind the connector's back is found, with its exact offsets.
use pumphouse_testkit::filling::FillRecord;
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::json;

use crate::command::{RUN_LIMIT, insert_again, land, landed, start, verify, verify_as};

const NONE: [u8; 0] = [];

fn delete(corner: &Corner<'_>, which: &str) {
    let table = &corner.table;
    corner
        .sql()
        .run(&format!("ALTER TABLE {table} DELETE WHERE {which} SETTINGS mutations_sync = 2"))
        .unwrap();
}

#[test]
fn deleted_rows_are_missing() {
    let corner = landed("verify_deleted", 2, 3_000);
    delete(&corner, "_partition = 1 AND (_offset = 0 OR (_offset >= 17 AND _offset < 25))");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.json()["verdict"], "differences");
    assert_eq!(answer.ranges(1, "missing"), json!([[0, 1], [17, 25]]));
    assert_eq!(answer.partition(1)["missing"]["offsets"], 9);
    for (partition, kind) in [(0, "missing"), (0, "doubled"), (0, "foreign"), (1, "doubled"), (1, "foreign")]
    {
        assert_eq!(answer.ranges(partition, kind), json!(NONE), "{partition} {kind}");
    }
    assert_eq!(answer.total("rows"), 2_991);
    let text = verify_as(&corner, &[]).is(1).stdout;
    assert!(text.contains("MISSING: 9 offsets: 0..1, 17..25\n"), "{text}");
}

#[test]
fn more_ranges_than_a_person_reads_are_counted() {
    let corner = landed("verify_many", 1, 1_000);
    delete(&corner, "_offset % 10 = 3");
    let missing = verify(&corner, &[]).is(1).partition(0)["missing"].clone();
    assert_eq!(missing["offsets"], 100);
    assert_eq!(missing["ranges"].as_array().unwrap().len(), 20);
    assert_eq!(missing["ranges_left_out"], 80);
}

#[test]
fn rows_inserted_twice_are_doubled() {
    let corner = landed("verify_doubled", 2, 3_000);
    insert_again(&corner, "", "_partition = 0 AND _offset >= 100 AND _offset < 110");
    insert_again(&corner, "", "_partition = 0 AND _offset = 105");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.ranges(0, "doubled"), json!([[100, 110]]));
    // The second time, the copy is copied as well.
    assert_eq!(answer.partition(0)["doubled_surplus"], 12);
    assert_eq!(answer.ranges(0, "missing"), json!(NONE));
    assert_eq!(answer.ranges(1, "doubled"), json!(NONE));
}

#[test]
fn rows_ahead_of_the_ledger_and_of_partitions_that_are_not_there_are_foreign() {
    let corner = landed("verify_ahead", 2, 1_000);
    insert_again(&corner, "REPLACE(_offset + 1000000 AS _offset)", "_partition = 1 AND _offset < 5");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.ranges(1, "foreign"), json!([[1_000_000, 1_000_005]]));
    assert_eq!(answer.topic()["rows_of_unknown_partitions"], 0);

    insert_again(&corner, "REPLACE(toUInt32(9) AS _partition)", "_partition = 1 AND _offset < 3");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.topic()["rows_of_unknown_partitions"], 3);
    // Another topic's rows in the same table are not this topic's.
    insert_again(&corner, "REPLACE('another' AS _topic)", "_partition = 0");
    assert_eq!(verify(&corner, &[]).is(1).ranges(0, "doubled"), json!(NONE));
}

/// A marker's position, and an aborted record's, are within the log and no committed record has them.
#[test]
fn rows_of_aborted_records_and_of_markers_are_foreign() {
    let corner = Corner::new(bed(), "verify_aborted", 1).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    let record = |id: u64| {
        let event = pumphouse_testkit::events::events(1, id).next().unwrap();
        FillRecord { partition: 0, key: None, value: Some(event.json.into_bytes()) }
    };
    // Offsets 0..5, the marker 5.
    let open = |id: &str, first: u64| {
        let records: Vec<FillRecord> = (first..first + 5).map(record).collect();
        pumphouse_testkit::filling::leave_transaction_open(bed().bootstrap(), &corner.topic, id, &records)
            .unwrap()
    };
    open(&format!("{}-a", corner.topic), 0).commit().unwrap();
    // Offsets 6..11, the marker 11.
    open(&format!("{}-b", corner.topic), 5).abort().unwrap();
    // Offsets 12..17, the marker 17.
    open(&format!("{}-c", corner.topic), 10).commit().unwrap();
    let mut worker = start(&corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    assert!(worker.stop().success());
    let answer = verify(&corner, &[]).is(0);
    assert_eq!(answer.total("records"), 10);

    insert_again(&corner, "REPLACE(_offset + 5 AS _offset)", "_offset IN (0, 2, 3)");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.ranges(0, "foreign"), json!([[5, 6], [7, 9]]));
    assert_eq!(answer.ranges(0, "missing"), json!(NONE));
}

/// One row stands in for another: the counts agree, the offsets do not.
#[test]
fn equal_counts_hide_nothing() {
    let corner = landed("verify_swapped", 1, 1_000);
    delete(&corner, "_offset = 10");
    insert_again(&corner, "", "_offset = 20");
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.ranges(0, "missing"), json!([[10, 11]]));
    assert_eq!(answer.ranges(0, "doubled"), json!([[20, 21]]));
    assert_eq!(answer.total("rows"), 1_000);
    // What lands later does not hide it either.
    land(&corner, 1_000, 500);
    assert_eq!(verify(&corner, &[]).is(1).ranges(0, "missing"), json!([[10, 11]]));
}
