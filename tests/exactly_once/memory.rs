//! `pumphouse.memory.bytes.max` holds: a backlog several times as large, in records of the kinds that take most, while
//! the server takes nothing for a while, leaves the process below it; and all of it lands once.

use std::thread::sleep;
use std::time::Duration;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{Fault, FaultProxy};
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(240);

/// What the process may take.
const MEMORY_BYTES: u64 = 128 << 20;

/// What stands in the topic, at least.
const BACKLOG_BYTES: usize = 240 << 20;

const PARTITIONS: i32 = 4;

/// Longer than it takes to fill all there is to fill, on a machine that does nothing else; on another one it
/// shows less, and nothing wrong.
const STALLED: Duration = Duration::from_secs(12);

/// Hexadecimal digits, which compress by half or less, as logs and documents do.
fn digits(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(&format!("{:016x}", state ^ (state >> 29)));
    }
    text.truncate(bytes);
    text
}

fn stays_below(name: &str, columns: &str, value: impl Fn(usize) -> String) {
    let [port] = free_ports().unwrap();
    let proxy = FaultProxy::start(port, bed().clickhouse_host_and_port().1).unwrap();
    let corner = Corner::new(bed(), name, PARTITIONS)
        .with("port", &port.to_string())
        .with("pumphouse.memory.bytes.max", &MEMORY_BYTES.to_string());
    corner.create_table(columns, "n", Engine::Plain);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    // The start-up proof needs the server, and so does the claim; what is held are inserts.
    corner.write((0..PARTITIONS).map(|n| record(n as usize, &value)));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let idle = peak(&worker);
    let rows = 1 + BACKLOG_BYTES / value(0).len();
    proxy.set(Fault::Hold);
    corner.write((PARTITIONS as usize..rows).map(|n| record(n, &value)));
    sleep(STALLED);
    assert_eq!(corner.rows(), PARTITIONS as u64, "{}", worker.log());
    let stalled = peak(&worker);
    proxy.set(Fault::None);
    proxy.cut();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let sql = format!("SELECT count(), uniqExact(n), uniqExact(_partition, _offset) FROM {}", corner.table);
    assert_eq!(corner.sql().text(&sql).unwrap(), format!("{rows}\t{rows}\t{rows}"), "{}", worker.log());
    let peak = peak(&worker);
    eprintln!(
        "{name}: {rows} rows, peak {} MiB, {} idle, {} while stalled",
        peak >> 20,
        idle >> 20,
        stalled >> 20
    );
    assert!(peak < MEMORY_BYTES, "{} MiB", peak >> 20);
}

fn record(n: usize, value: &impl Fn(usize) -> String) -> FillRecord {
    FillRecord { partition: n as i32 % PARTITIONS, key: None, value: Some(value(n).into_bytes()) }
}

fn peak(worker: &Worker) -> u64 {
    worker.usage().rss_peak_bytes
}

/// Some hundred kilobytes each.
#[test]
fn huge_records_stay_below_the_limit() {
    let text = digits(1 << 20);
    stays_below("memory_huge", "n UInt64, t String", |n| {
        let from = n * 7_919 % (text.len() >> 1);
        format!(r#"{{"n":{n},"t":"{}"}}"#, &text[from..from + 300_000])
    });
}

/// Eighty columns.
#[test]
fn wide_rows_stay_below_the_limit() {
    const COLUMNS: usize = 80;
    let text = digits(1 << 16);
    let columns: Vec<String> = (0..COLUMNS).map(|column| format!("c{column} String")).collect();
    stays_below("memory_wide", &format!("n UInt64, {}", columns.join(", ")), |n| {
        let mut value = format!(r#"{{"n":{n}"#);
        for column in 0..COLUMNS {
            let from = (n * 31 + column * 977) % (text.len() - 100);
            value.push_str(&format!(r#","c{column}":"{}""#, &text[from..from + 50]));
        }
        value + "}"
    });
}
