//! The fillers and the history check at the size of a benchmark. Ignored: it takes a minute and
//! a gigabyte of disk. `cargo test -p pumphouse-testkit --test scale -- --ignored --nocapture`

use std::time::{Duration, Instant};

use pumphouse_testkit::filling::fill_fast;
use pumphouse_testkit::history::check_json_history;
use pumphouse_testkit::*;

const EVENTS: usize = 2_000_000;
const PARTITIONS: i32 = 6;

#[test]
#[ignore = "takes a minute and a gigabyte of disk"]
fn two_million_events_are_checked_in_seconds() {
    let bed = Testbed::start(TestbedOptions::default()).unwrap();
    let (topic, sql) = (unique_name("scale"), bed.sql());
    bed.topics().unwrap().create(&topic, PARTITIONS, &[]).unwrap();
    let records = events::events(1, 0).take(EVENTS).map(|event| event.into_record(PARTITIONS));
    let filled = fill_fast(bed.bootstrap(), &topic, records).unwrap();
    println!(
        "filled {} records of {} bytes at {:.0} records/s",
        filled.records,
        filled.bytes / filled.records,
        filled.records_per_second()
    );

    // ClickHouse's own Kafka engine brings the rows in; it knows partition and offset.
    let columns = events::TABLE_COLUMNS;
    sql.run(&format!(
        "CREATE TABLE {topic} ({columns}, _partition Int32, _offset Int64) \
         ENGINE = MergeTree ORDER BY id"
    ))
    .unwrap();
    sql.run(&format!(
        "CREATE TABLE source ({columns}) ENGINE = Kafka('{}', '{topic}', '{topic}', 'JSONEachRow') \
         SETTINGS kafka_max_block_size = 200000, date_time_input_format = 'best_effort'",
        bed.bootstrap()
    ))
    .unwrap();
    sql.run(&format!(
        "CREATE MATERIALIZED VIEW pump TO {topic} AS \
         SELECT *, toInt32(_partition) AS _partition, toInt64(_offset) AS _offset FROM source"
    ))
    .unwrap();
    wait::wait_until("all rows", Duration::from_secs(120), || {
        match sql.number(&format!("SELECT count() FROM {topic}")) {
            Ok(rows) if rows as usize >= EVENTS => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    sql.run("DROP TABLE pump").unwrap();

    let begun = Instant::now();
    let report = check_json_history(bed.bootstrap(), &topic, &sql, &topic, &events::shape()).unwrap();
    report.assert_exactly_once(EVENTS as u64);
    let usage = Usage::of(std::process::id()).unwrap();
    println!("checked in {:?}; {} MB at most", begun.elapsed(), usage.rss_peak_bytes >> 20);
    assert!(begun.elapsed() < Duration::from_secs(30));
    // The filler's queue is most of it.
    assert!(usage.rss_peak_bytes < 1 << 30);
}
