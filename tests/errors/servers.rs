//! Servers that are not there, or are something else: CLICKHOUSE, KAFKA-005, DELIVERY-009.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{ClickHouse, ClickHouseOptions};
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

use crate::case::NUMBERS;

const LIMIT: Duration = Duration::from_secs(60);

fn corner(name: &str) -> Corner<'static> {
    let corner = Corner::new(bed(), name, 1).with_small_batches(100, 50);
    corner.create_table("n UInt64", "n", Engine::Plain);
    corner.write_json(NUMBERS);
    corner
}

fn wait(worker: &mut Worker, what: &str, mut seen: impl FnMut(&Worker) -> bool) {
    let begun = Instant::now();
    while !seen(worker) {
        assert!(begun.elapsed() < LIMIT && worker.is_running(), "{what}\n{}", worker.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn lands(corner: &Corner<'_>) {
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert_eq!(corner.rows(), 3, "{}", worker.log());
}

/// CLICKHOUSE-002 and -003: nobody listens at the port, or something that is not ClickHouse.
#[test]
fn an_address_that_is_not_clickhouse() {
    let right = bed().clickhouse_host_and_port().1.to_string();
    let [closed] = free_ports().unwrap();
    let silent = corner("silent").with("port", &closed.to_string());
    let mut worker = silent.worker(&WorkerOptions::called("w"));
    wait(&mut worker, "CLICKHOUSE-002", |worker| worker.log().contains("CLICKHOUSE-002"));
    drop(worker);
    lands(&silent.with("port", &right));

    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in stranger.incoming().flatten() {
            let mut stream = stream;
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    let strange = corner("strange").with("port", &port.to_string());
    let said = strange.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(said.contains("CLICKHOUSE-003"), "{said}");
    lands(&strange.with("port", &right));
}

/// CLICKHOUSE-004: the table is dropped while the connector runs, and goes on by itself once it is there.
#[test]
fn a_table_that_is_dropped_under_a_running_task() {
    let corner = corner("dropped");
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    corner.sql().run(&format!("DROP TABLE {}", corner.table)).unwrap();
    let said = worker.wait_refused();
    assert!(said.contains("CLICKHOUSE-004"), "{said}");
    corner.create_table("n UInt64", "n", Engine::Plain);
    corner.write_json(&[r#"{"n":4}"#]);
    wait(&mut worker, "the row of the new table", |_| corner.rows() == 1);
}

/// KAFKA-005: no broker answers.
#[test]
fn a_broker_that_does_not_answer() {
    let corner = corner("no_broker");
    let [closed] = free_ports().unwrap();
    let wrong = WorkerOptions::called("w").with("bootstrap.servers", &format!("127.0.0.1:{closed}"));
    let mut worker = corner.worker(&wrong);
    wait(&mut worker, "KAFKA-005", |worker| worker.log().contains("KAFKA-005"));
    drop(worker);
    lands(&corner);
}

/// DELIVERY-009: the server is down for longer than `errors.retry.timeout`; after that the batch lands.
#[test]
fn a_server_that_is_down_for_too_long() {
    let mut server =
        ClickHouse::start(ClickHouseOptions { memory_bytes_max: 2 << 30, ..Default::default() }).unwrap();
    let corner = Corner::new(bed(), "down", 1)
        .with_small_batches(100, 50)
        .with("port", &server.http_port().to_string())
        .with("errors.retry.timeout", "1500");
    let window = "non_replicated_deduplication_window = 10000";
    let lineage = "_topic LowCardinality(String), _partition UInt32, _offset UInt64";
    let create = format!(
        "CREATE TABLE {} (n UInt64, {lineage}) ENGINE = MergeTree ORDER BY n SETTINGS {window}",
        corner.table
    );
    server.sql().run(&create).unwrap();
    corner.write_json(NUMBERS);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    server.kill().unwrap();
    corner.write_json(NUMBERS);
    let said = worker.wait_refused();
    assert!(said.contains("DELIVERY-009"), "{said}");
    drop(worker);
    server.restart().unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = server.sql().number(&format!("SELECT count() FROM {}", corner.table)).unwrap();
    assert_eq!(rows, 6, "{}", worker.log());
}
