//! Nanoseconds per record, ours and the rivals' in turns: `decode_bench [records] [rounds]`.
#![forbid(unsafe_code)]

use std::time::Instant;

use pumphouse_columns::{Compression, Segment, put_frames};
use pumphouse_decode::Format;
use pumphouse_hot_paths::{block_of, decode_all, decoder, plan, records, rivals};

/// As in the worker. It helps the rivals more than us: they allocate for every record.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Confluent's header: magic byte and schema number.
const HEADER_BYTES: usize = 5;

/// Decodes all values into a segment, which it empties first.
type Rival = Box<dyn Fn(&mut Segment, &[Vec<u8>])>;

/// Nanoseconds per record of every round.
struct Measured {
    name: &'static str,
    rival_name: &'static str,
    bytes: usize,
    ours: Vec<f64>,
    rival: Vec<f64>,
}

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|text| text.parse::<usize>().ok());
    let (count, rounds) = (numbers.next().unwrap_or(100_000), numbers.next().unwrap_or(9));
    let all = [
        (Format::Json, "JSON", "serde_json::Value", json_rival()),
        (Format::Avro, "Avro", "apache-avro Value", avro_rival()),
        (Format::Protobuf, "Protobuf", "prost-reflect DynamicMessage", protobuf_rival()),
    ];
    let mut lines = Vec::new();
    let mut made = Vec::new();
    for (format, name, rival_name, rival) in all {
        let records = records(format, count);
        let bytes = records.iter().map(Vec::len).sum::<usize>() / count;
        let mut decoder = decoder(format);
        let (mut ours, mut theirs) = (plan().new_segment(), plan().new_segment());
        let mut measured = Measured { name, rival_name, bytes, ours: Vec::new(), rival: Vec::new() };
        for round in 0..=rounds {
            let a = per_record(count, || decode_all(&mut decoder, &mut ours, &records));
            let b = per_record(count, || rival(&mut theirs, &records));
            // The first round is for the caches and the buffers.
            if round > 0 {
                measured.ours.push(a);
                measured.rival.push(b);
            }
        }
        let blocks = [&ours, &theirs].map(|segment| {
            let mut out = Vec::new();
            block_of(&plan(), segment, &mut out);
            out
        });
        assert!(blocks[0] == blocks[1], "{name}: the rival's block is another");
        lines.push(measured);
        made.push(ours);
    }
    let mut encoded = Vec::new();
    let mut compressed = [Compression::Lz4, Compression::Zstd].map(|by| (by, Vec::new(), 0));
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        block.clear();
        let a = per_record(count, || block_of(&plan(), &made[0], &mut block));
        for (by, times, bytes) in &mut compressed {
            frames.clear();
            let b = per_record(count, || put_frames(*by, &block, &mut frames));
            *bytes = frames.len() / count;
            if round > 0 {
                times.push(b);
            }
        }
        if round > 0 {
            encoded.push(a);
        }
    }
    print_table(&lines, count, rounds);
    print!("\nEncoding a block: {:.0} ns per row of {} bytes", median(&mut encoded), block.len() / count);
    for (by, times, bytes) in &mut compressed {
        print!("; {by:?}: {:.0} ns per row ({bytes} bytes are left)", median(times));
    }
    println!(".");
}

fn print_table(lines: &[Measured], count: usize, rounds: usize) {
    println!(
        "{count} records, one core, medians of {rounds} rounds; ratios are medians of those within each round.\n"
    );
    println!("| format | bytes | ns per record | the simplest other way | ns per record | ratio | to JSON |");
    println!("| --- | ---: | ---: | --- | ---: | ---: | ---: |");
    let json = lines[0].ours.clone();
    for line in lines {
        let Measured { name, rival_name, bytes, .. } = line;
        let (ours, rival) = (median(&mut line.ours.clone()), median(&mut line.rival.clone()));
        let ratio = median(&mut ratios(&line.rival, &line.ours));
        let to_json = median(&mut ratios(&json, &line.ours));
        println!("| {name} | {bytes} | {ours:.0} | {rival_name} | {rival:.0} | {ratio:.2} | {to_json:.2} |");
    }
}

fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(above, below)| above / below).collect()
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn per_record(count: usize, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_nanos() as f64 / count as f64
}

fn json_rival() -> Rival {
    Box::new(|segment, values| {
        segment.clear();
        values.iter().for_each(|value| rivals::json(segment, value));
    })
}

fn avro_rival() -> Rival {
    let schema = rivals::avro_schema();
    Box::new(move |segment, values| {
        segment.clear();
        values.iter().for_each(|value| rivals::avro(&schema, segment, &value[HEADER_BYTES..]));
    })
}

fn protobuf_rival() -> Rival {
    let message = rivals::protobuf_message();
    Box::new(move |segment, values| {
        segment.clear();
        // Behind the header stands the message index, here one byte.
        values.iter().for_each(|value| rivals::protobuf(&message, segment, &value[HEADER_BYTES + 1..]));
    })
}
