//! A worker stays below the memory that it is given, whatever waits for it in Kafka: it leaves records where they
//! are. One test after the other, on servers of their own: one of them stops ClickHouse.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::seeded::Seeded;
use pumphouse_testkit::{Testbed, TestbedOptions};
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions};

const LIMIT: Duration = Duration::from_secs(240);

/// What the worker may take, in bytes: half of the default, so that a small backlog is several times as much.
const MEMORY: u64 = 128 << 20;

/// Values that wait in a topic: twice what the worker may take.
const BACKLOG: u64 = 2 * MEMORY;

/// How long ClickHouse stands still: the worker could read all of the backlog meanwhile.
const STANDSTILL: Duration = Duration::from_secs(12);

#[test]
fn a_backlog_stays_in_kafka_while_clickhouse_stands_still_or_records_are_huge_or_wide() {
    let mut bed = Testbed::start(TestbedOptions::default()).unwrap();
    many_partitions_and_a_server_that_stands_still(&mut bed);
    huge_records(&bed);
    wide_rows(&bed);
}

/// 64 partitions, messages of 1.6 kB.
fn many_partitions_and_a_server_that_stands_still(bed: &mut Testbed) {
    const BYTES: u64 = 1_600;
    let records = BACKLOG / BYTES;
    // The bed is borrowed by the corner, and broken: the server is taken out meanwhile.
    let mut clickhouse = bed.clickhouse.take().expect("an own server");
    {
        let corner = bounded(bed, "backlog", 64);
        corner.create_table("id UInt64, text String", "id", Engine::Plain);
        corner.write((0..records).map(|id| record(id, 64, BYTES as usize)));
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        corner.wait_rows_above(0, &mut worker, LIMIT);
        clickhouse.pause().unwrap();
        let since = Instant::now();
        while since.elapsed() < STANDSTILL {
            worker.check();
            stays_below(&worker);
            std::thread::sleep(Duration::from_millis(200));
        }
        clickhouse.resume().unwrap();
        lands(&corner, &mut worker, records);
    }
    bed.clickhouse = Some(clickhouse);
}

/// Records of 900 kB, as large as a broker takes them by default.
fn huge_records(bed: &Testbed) {
    const BYTES: u64 = 900_000;
    let records = BACKLOG / BYTES;
    let corner = bounded(bed, "huge", 8);
    corner.create_table("id UInt64, text String", "id", Engine::Plain);
    corner.write((0..records).map(|id| record(id, 8, BYTES as usize)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    lands(&corner, &mut worker, records);
}

/// Rows of 300 columns, most of which no record names: some 60 bytes of JSON, 2.4 kB of columns.
fn wide_rows(bed: &Testbed) {
    let records = BACKLOG / 2_400;
    let corner = bounded(bed, "wide", 64);
    let columns: Vec<String> = (0..299).map(|number| format!("c{number} UInt64")).collect();
    corner.create_table(&format!("id UInt64, text String, {}", columns.join(", ")), "id", Engine::Plain);
    corner.write((0..records).map(|id| record(id, 64, 40)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    lands(&corner, &mut worker, records);
}

fn bounded<'b>(bed: &'b Testbed, prefix: &str, partitions: i32) -> Corner<'b> {
    Corner::new(bed, prefix, partitions).with("pumphouse.memory.bytes.max", &MEMORY.to_string())
}

/// A value of about so many bytes, which hardly compresses.
fn record(id: u64, partitions: u64, bytes: usize) -> FillRecord {
    let mut seeded = Seeded::new(id);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() + 40 < bytes {
        text.push_str(&format!("{:016x}", seeded.next_u64()));
    }
    let value = format!("{{\"id\":{id},\"text\":\"{text}\"}}");
    FillRecord { partition: (id % partitions) as i32, key: None, value: Some(value.into_bytes()) }
}

fn lands(corner: &Corner<'_>, worker: &mut Worker, records: u64) {
    corner.wait_caught_up(&mut [worker], LIMIT);
    stays_below(worker);
    let sql = format!("SELECT count(), uniqExact(id), uniqExact(_partition, _offset) FROM {}", corner.table);
    assert_eq!(corner.sql().text(&sql).unwrap(), format!("{records}\t{records}\t{records}"));
    assert!(worker.stop().success(), "{}", worker.log());
}

fn stays_below(worker: &Worker) {
    let peak = worker.peak_bytes();
    println!("peak {} MiB", peak >> 20);
    assert!(peak < MEMORY, "{} MiB at most, {} allowed", peak >> 20, MEMORY >> 20);
}
