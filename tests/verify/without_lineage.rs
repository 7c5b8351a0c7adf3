//! A table without lineage columns is checked by the inserts in the query log.
use pumphouse_testkit::events;
use pumphouse_tests::{Corner, bed};
use serde_json::json;

use crate::command::{RUN_LIMIT, start, verify, verify_as};

/// Four batches or more in each of two partitions.
fn landed(prefix: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), prefix, 2).with_small_batches(400, 50);
    let sql = format!(
        "CREATE TABLE {} ({}) ENGINE = MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000",
        corner.table,
        events::TABLE_COLUMNS
    );
    corner.sql().run(&sql).unwrap();
    let mut feed = corner.feed(21);
    let mut worker = start(&corner);
    for _ in 0..6 {
        feed.write(400, 40);
        corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    }
    assert!(worker.stop().success());
    corner
}

#[test]
fn every_range_was_inserted_once() {
    let corner = landed("verify_log");
    let answer = verify(&corner, &[]).is(0);
    assert_eq!(answer.topic()["proof"], "query_log");
    let text = verify_as(&corner, &[]).is(0).stdout;
    assert!(text.contains("not that the rows are in the table now"), "{text}");
}

/// Ranges of partition 0 that the log has of this connector's inserts, ascending.
fn logged(corner: &Corner<'_>) -> Vec<(String, i64, i64)> {
    let rows = corner
        .sql()
        .rows(&format!(
            "SELECT batch, toInt64(parts[1]) AS first, toInt64(parts[2]) FROM (SELECT \
             JSONExtractString(log_comment, 'batch') AS batch, extractGroups(arrayJoin(splitByChar(' ', \
             JSONExtractString(log_comment, 'ranges'))), '^0:(\\\\d+)..(\\\\d+)$') AS parts \
             FROM system.query_log WHERE type = 'QueryFinish' AND JSONExtractString(log_comment, 'pumphouse') = '{}') \
             WHERE notEmpty(parts) ORDER BY first",
            corner.connector
        ))
        .unwrap();
    rows.into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap(), row[2].parse().unwrap())).collect()
}

#[test]
fn a_range_that_was_inserted_by_two_batches_is_an_overlap() {
    let corner = landed("verify_log_twice");
    let sql = corner.sql();
    // As a connector would that cut other batches: another batch, the same positions.
    let comment = format!(
        "{{\"pumphouse\":\"{}\",\"topic\":\"{}\",\"batch\":\"{}\",\"ranges\":\"0:10..15 2:7..9\"}}",
        corner.connector,
        corner.topic,
        "f".repeat(32)
    );
    let again = format!("INSERT INTO {0} SELECT * FROM {0} LIMIT 5", corner.table);
    sql.with_setting("log_comment", &comment).with_setting("insert_deduplicate", "0").run(&again).unwrap();
    let answer = verify(&corner, &[]).is(1);
    assert_eq!(answer.ranges(0, "doubled"), json!([[10, 15]]));
    assert_eq!(answer.ranges(1, "doubled"), json!([]));
}

#[test]
fn a_range_without_an_insert_is_a_gap_and_one_before_all_inserts_is_not_proven() {
    let corner = landed("verify_log_gap");
    let (topics, sql) = (bed().topics().unwrap(), corner.sql());
    sql.run("SYSTEM FLUSH LOGS").unwrap();
    let logged = logged(&corner);
    assert!(logged.len() >= 4, "{logged:?}");
    let forget = |batch: &str| {
        sql.run(&format!(
            "ALTER TABLE system.query_log DELETE WHERE JSONExtractString(log_comment, 'batch') = '{batch}' \
             SETTINGS mutations_sync = 2"
        ))
        .unwrap();
    };
    let (batch, first, end) = &logged[1];
    forget(batch);
    let answer = verify(&corner, &[]).is(1);
    let missing = &answer.partition(0)["missing"];
    assert!(missing["offsets"].as_i64().unwrap() > 0, "{answer:?}");
    for range in missing["ranges"].as_array().unwrap() {
        let (from, to) = (range[0].as_i64().unwrap(), range[1].as_i64().unwrap());
        assert!(from >= *first && to <= *end, "{range} is not within {first}..{end}");
    }

    // Everything before the lowest insert may just be older than the log.
    forget(&logged[0].0);
    let answer = verify(&corner, &[]).is(2);
    assert_eq!(answer.ranges(0, "missing"), json!([]));
    assert!(answer.partition(0)["unproven"]["offsets"].as_i64().unwrap() > 0, "{answer:?}");
    assert!(topics.committed(&corner.group(), &corner.topic).unwrap().len() == 2);
}

#[test]
fn a_log_without_any_insert_of_the_connector_proves_nothing() {
    let corner = landed("verify_log_empty");
    corner.sql().run("SYSTEM FLUSH LOGS").unwrap();
    corner
        .sql()
        .run(&format!(
            "ALTER TABLE system.query_log DELETE WHERE JSONExtractString(log_comment, 'pumphouse') = '{}' \
             SETTINGS mutations_sync = 2",
            corner.connector
        ))
        .unwrap();
    let answer = verify(&corner, &[]).is(2);
    assert!(answer.topic()["error"].as_str().unwrap().contains("VERIFY-004"), "{answer:?}");
}
