//! Lineage columns through the worker: also for batches that a later life reads again, and under names
//! of the operator's.
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, SystemTime};

use pumphouse_testkit::whole_filling::{WholeFillRecord, fill_whole};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

use super::LIMIT;

const RECORDS: u32 = 4_000;
const PARTITIONS: i32 = 2;
const SIGKILL: i32 = 9;
const DEATH_LIMIT: Duration = Duration::from_secs(60);

/// When the first record was written, in ms since 1970. Lately: the broker drops old ones.
fn first_written() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap() - 3_600_000
}

/// Every second one has a key, some of them empty; none to three headers, with a name that comes twice, a
/// value that is no UTF-8, and one that is null. The fields that are called like columns are forged.
fn record(n: u32, first_written: i64) -> WholeFillRecord {
    let headers = [
        ("n".to_owned(), Some(n.to_string().into_bytes())),
        ("n".to_owned(), Some(vec![0xff, b'\''])),
        ("nothing".to_owned(), None),
    ];
    WholeFillRecord {
        partition: (n % PARTITIONS as u32) as i32,
        timestamp_ms: first_written + i64::from(n),
        key: match n % 4 {
            0 => Some(Vec::new()),
            2 => Some(format!("key {n}").into_bytes()),
            _ => None,
        },
        headers: headers.into_iter().take(n as usize % 4).collect(),
        value: Some(
            format!("{{\"n\": {n}, \"_key\": \"forged\", \"_timestamp\": 7, \"_headers\": []}}").into_bytes(),
        ),
    }
}

/// Rows that say what [`record`] does, given the three columns' names.
fn right(first_written: i64, [timestamp, key, headers]: [&str; 3]) -> String {
    format!(
        "countIf({timestamp} = fromUnixTimestamp64Milli({first_written} + n, 'UTC') \
         AND {key} IS NOT DISTINCT FROM multiIf(n % 4 = 0, '', n % 4 = 2, concat('key ', toString(n)), NULL) \
         AND toString({headers}) = toString(arraySlice([('n', CAST(toString(n), 'Nullable(String)')), \
         ('n', unhex('FF27')), ('nothing', NULL)], 1, n % 4)))"
    )
}

#[test]
fn timestamp_key_and_headers_survive_a_worker_that_dies() {
    let corner = Corner::new(bed(), "whole", PARTITIONS).with_small_batches(500, 50);
    corner.create_table(
        "n UInt32, _timestamp DateTime64(3, 'UTC'), _key Nullable(String), \
         _headers Array(Tuple(String, Nullable(String)))",
        "n",
        Engine::Plain,
    );
    let first_written = first_written();
    fill_whole(bed().bootstrap(), &corner.topic, (0..RECORDS).map(|n| record(n, first_written))).unwrap();
    // Recorded and not sent; then landed without the ledger knowing: both are read again from the source.
    for moment in ["ledger_answered:2", "accepted:2"] {
        let mut worker = corner.worker(&WorkerOptions::called("w").dying_at(moment));
        let status = worker.wait_exit(DEATH_LIMIT);
        assert_eq!(status.signal(), Some(SIGKILL), "{moment}: {status}\n{}", worker.log());
    }
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let query = format!(
        "SELECT count(), uniqExact(n), {} FROM {}",
        right(first_written, ["_timestamp", "_key", "_headers"]),
        corner.table
    );
    assert_eq!(corner.sql().text(&query).unwrap(), format!("{RECORDS}\t{RECORDS}\t{RECORDS}"));
}

#[test]
fn all_lineage_columns_have_the_names_that_are_given() {
    let mut corner = Corner::new(bed(), "renamed", PARTITIONS).with_small_batches(500, 50);
    for (fact, column) in [
        ("topic", "source"),
        ("partition", "source partition"),
        ("offset", "at.offset"),
        ("timestamp", "written"),
        ("key", "k"),
        ("headers", "h"),
    ] {
        corner = corner.with(&format!("pumphouse.lineage.{fact}.column"), column);
    }
    let engine = "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 10000";
    // The usual names are fields here, as any other.
    corner
        .sql()
        .run(&format!(
            "CREATE TABLE {} (n UInt32, source LowCardinality(String), `source partition` Int64, \
             `at.offset` UInt64, written Nullable(DateTime64(6, 'UTC')), k LowCardinality(Nullable(String)), \
             h Map(LowCardinality(String), Nullable(String)), _key String, _timestamp UInt8, \
             _headers Array(String)) ENGINE = {engine}",
            corner.table
        ))
        .unwrap();
    let first_written = first_written();
    fill_whole(bed().bootstrap(), &corner.topic, (0..RECORDS).map(|n| record(n, first_written))).unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w").dying_at("ledger_answered:2"));
    let status = worker.wait_exit(DEATH_LIMIT);
    assert_eq!(status.signal(), Some(SIGKILL), "{status}\n{}", worker.log());
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let pairs = "arrayZip(mapKeys(h), mapValues(h))";
    let query = format!(
        "SELECT count(), {}, countIf(source = '{}' AND `source partition` = n % 2 AND \
         `at.offset` = intDiv(n, 2) AND _key = 'forged' AND _timestamp = 7 AND empty(_headers)) FROM {}",
        right(first_written, ["written", "k", pairs]),
        corner.topic,
        corner.table
    );
    assert_eq!(corner.sql().text(&query).unwrap(), format!("{RECORDS}\t{RECORDS}\t{RECORDS}"));
}
