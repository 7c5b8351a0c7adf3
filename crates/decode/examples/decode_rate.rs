//! How fast records become columns, and columns frames: `cargo run --release -p pumphouse-decode --example decode_rate`.
//! Twelve columns, about 250 bytes of JSON; prints nanoseconds per record, best of several rounds.
//! The number of rounds may be given, which is how instructions per record are counted: run it under
//! `valgrind --tool=callgrind` with 1 and with 2, and divide the difference by the records.
use std::sync::Arc;
use std::time::Instant;

use pumphouse_columns::{compress_lz4, encode_block};
use pumphouse_decode::{
    DefaultKind, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan,
};

const RECORDS: usize = 200_000;
const ROUNDS: usize = 7;

const COLUMNS: [(&str, &str); 12] = [
    ("id", "UInt64"),
    ("time", "DateTime64(3)"),
    ("carrier", "LowCardinality(String)"),
    ("flight", "UInt16"),
    ("tailnum", "Nullable(String)"),
    ("origin", "LowCardinality(String)"),
    ("dest", "LowCardinality(String)"),
    ("dep_delay", "Nullable(Int32)"),
    ("distance", "Float64"),
    ("price", "Decimal(9, 2)"),
    ("cancelled", "Bool"),
    ("note", "String"),
];

fn main() {
    let columns: Vec<TableColumn> = COLUMNS
        .iter()
        .map(|(name, type_text)| TableColumn {
            name: (*name).to_owned(),
            type_text: (*type_text).to_owned(),
            default_kind: DefaultKind::None,
            default_expression: String::new(),
        })
        .collect();
    let plan =
        Arc::new(TablePlan::compile(&columns, PlanOptions::default()).expect("the types are supported"));
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let bytes: usize = records.iter().map(String::len).sum();
    println!("{RECORDS} records of {} bytes on average", bytes / RECORDS);

    let mut decoder = JsonDecoder::new(Arc::clone(&plan));
    let mut segment = plan.new_segment();
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    let (names, types) = (plan.shape().wire_names(), plan.shape().wire_types());
    let mut best = [f64::MAX; 3];
    let rounds = std::env::args().nth(1).map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    for _ in 0..rounds {
        segment.clear();
        let decoded = timed(|| {
            for (offset, record) in records.iter().enumerate() {
                let record = RecordRef {
                    topic: "flights",
                    partition: 0,
                    offset: offset as i64,
                    timestamp_ms: None,
                    key: None,
                    headers: HeadersRef::NONE,
                    value: Some(record.as_bytes()),
                };
                decoder.decode(&mut segment, record).expect("the records fit the table");
            }
        });
        block.clear();
        frames.clear();
        let encoded =
            timed(|| encode_block(&names, &types, &[&segment], &mut block).expect("one plan made both"));
        let compressed = timed(|| compress_lz4(&block, &mut frames));
        for (best, now) in best.iter_mut().zip([decoded, encoded, compressed]) {
            *best = best.min(now);
        }
    }
    println!("decode {:.0} ns/record, encode {:.0}, lz4 {:.0}", best[0], best[1], best[2]);
    println!("block {} bytes, frames {} bytes", block.len(), frames.len());
}

/// Nanoseconds per record.
fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / RECORDS as f64
}

fn record(n: usize) -> String {
    let carriers = ["UA", "AA", "B6", "DL", "EV", "MQ"];
    let airports = ["JFK", "LGA", "EWR", "IAH", "MIA", "BQN", "ATL", "ORD"];
    format!(
        "{{\"id\":{},\"time\":\"2013-{:02}-{:02}T{:02}:{:02}:00.{:03}Z\",\"carrier\":\"{}\",\"flight\":{},\"tailnum\":\"N{}\",\
         \"origin\":\"{}\",\"dest\":\"{}\",\"dep_delay\":{},\"distance\":{}.5,\"price\":\"{}.{:02}\",\"cancelled\":{},\
         \"note\":\"gate {} boarding was late again\"}}",
        1_000_000_007u64 * n as u64,
        n % 12 + 1,
        n % 28 + 1,
        n % 24,
        n % 60,
        n % 1000,
        carriers[n % 6],
        n % 9000,
        n % 4000,
        airports[n % 8],
        airports[n * 7 % 8],
        if n.is_multiple_of(50) { "null".to_owned() } else { (n as i64 % 300 - 20).to_string() },
        n % 4000,
        n % 900,
        n % 100,
        n.is_multiple_of(50),
        n % 77,
    )
}
