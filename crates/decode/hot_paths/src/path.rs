//! The hot paths: what is done for every record, or once per batch and partition.
use std::hint::black_box;

use pumphouse_columns::{Compression, Segment, encode_block, put_frames};
use pumphouse_decode::{Decoder, Format, HeadersRef, RecordRef, TablePlan};
use pumphouse_delivery::{Batch, BatchRange, Entry, TableEngine, TableSeen};
use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Offset, OffsetRange, OffsetsHash, Partition, RegisteredSchema,
    SchemaId, SchemaKind, ServerMillis, TableUuid, TopicId,
};

use crate::event::{AVRO_SCHEMA, Event, PROTO_SCHEMA, plan};

/// A path, and what one unit of it is.
#[derive(Debug, Clone, Copy)]
pub struct Path {
    /// Its name, as the kept figures have it.
    pub name: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// Units per round.
    pub units: usize,
    /// Does so many rounds, after one to get warm.
    pub run: fn(units: usize, rounds: usize),
}

/// All of them.
pub const PATHS: [Path; 6] = [
    Path { name: "decode_json", unit: "record of 12 columns", units: 10_000, run: decode_json },
    Path { name: "decode_avro", unit: "record of 12 columns", units: 10_000, run: decode_avro },
    Path { name: "decode_protobuf", unit: "record of 12 columns", units: 10_000, run: decode_protobuf },
    Path { name: "encode_block", unit: "row of 12 columns", units: 50_000, run: encode },
    Path { name: "compress_lz4", unit: "row of 12 columns", units: 20_000, run: compress },
    Path {
        name: "ledger_text",
        unit: "batch of 8 partitions, sealed, written and read",
        units: 500,
        run: ledger,
    },
];

/// The first `count` events in a format; Avro and Protobuf in Confluent's wire format with schema 1.
pub fn records(format: Format, count: usize) -> Vec<Vec<u8>> {
    let header = |rest: &[u8]| [&[0, 0, 0, 0, 1][..], rest].concat();
    let one = |n| {
        let event = Event::new(n);
        match format {
            Format::Avro => [header(&[]), event.avro()].concat(),
            // Index 0: the first message of the file.
            Format::Protobuf => [header(&[0]), event.protobuf()].concat(),
            _ => event.json(),
        }
    };
    (0..count).map(one).collect()
}

/// A decoder that knows the schema.
pub fn decoder(format: Format) -> Decoder {
    let mut decoder = Decoder::new(format, plan());
    let (kind, text) = match format {
        Format::Avro => (SchemaKind::Avro, AVRO_SCHEMA),
        _ => (SchemaKind::Protobuf, PROTO_SCHEMA),
    };
    let schema = RegisteredSchema { id: SchemaId(1), kind, text: text.to_owned(), references: Vec::new() };
    decoder.add_schema(&schema).expect("a schema of our own");
    decoder
}

/// Decodes all records into the segment, which is empty afterwards but for them.
#[inline(never)]
pub fn decode_all(decoder: &mut Decoder, segment: &mut Segment, records: &[Vec<u8>]) {
    segment.clear();
    for (offset, value) in records.iter().enumerate() {
        let record = RecordRef {
            topic: "flights",
            partition: 0,
            offset: offset as i64,
            timestamp_ms: None,
            key: None,
            headers: HeadersRef::NONE,
            value: Some(value),
        };
        decoder.decode(segment, record).expect("the records fit the table");
    }
}

/// The segment as a block.
pub fn block_of(plan: &TablePlan, segment: &Segment, out: &mut Vec<u8>) {
    let shape = plan.shape();
    encode_block(&shape.wire_names(), &shape.wire_types(), &[segment], out).expect("one plan made both");
}

fn decode(format: Format, units: usize, rounds: usize) {
    let records = records(format, units);
    let mut decoder = decoder(format);
    let mut segment = decoder.plan().new_segment();
    for _ in 0..=rounds {
        decode_all(&mut decoder, &mut segment, &records);
        black_box(&segment);
    }
}

fn decode_json(units: usize, rounds: usize) {
    decode(Format::Json, units, rounds);
}

fn decode_avro(units: usize, rounds: usize) {
    decode(Format::Avro, units, rounds);
}

fn decode_protobuf(units: usize, rounds: usize) {
    decode(Format::Protobuf, units, rounds);
}

fn filled(units: usize) -> (Decoder, Segment) {
    let mut decoder = decoder(Format::Avro);
    let mut segment = decoder.plan().new_segment();
    decode_all(&mut decoder, &mut segment, &records(Format::Avro, units));
    (decoder, segment)
}

fn encode(units: usize, rounds: usize) {
    let (decoder, segment) = filled(units);
    let mut block = Vec::new();
    for _ in 0..=rounds {
        block.clear();
        block_of(decoder.plan(), &segment, &mut block);
        black_box(&block);
    }
}

fn compress(units: usize, rounds: usize) {
    let (decoder, segment) = filled(units);
    let (mut block, mut frames) = (Vec::new(), Vec::new());
    block_of(decoder.plan(), &segment, &mut block);
    for _ in 0..=rounds {
        frames.clear();
        put_frames(Compression::Lz4, &block, &mut frames);
        black_box(&frames);
    }
}

const PARTITIONS: u32 = 8;
const RECORDS_PER_PARTITION: i64 = 1_000;

fn ledger(units: usize, rounds: usize) {
    for _ in 0..=rounds {
        for unit in 0..units {
            let batch = sealed(black_box(unit as i64));
            for partition in batch.ranges.keys() {
                let stored = Entry::of_batch(&batch, *partition).to_stored();
                black_box(Entry::parse(*partition, &stored).expect("what we write we read"));
            }
        }
    }
}

/// A batch as a lane seals it: the offsets of its records hashed one by one.
fn sealed(unit: i64) -> Batch {
    let offset = |value| Offset::new(value).expect("not negative");
    let first = unit * RECORDS_PER_PARTITION;
    let range =
        OffsetRange::new(offset(first), offset(first + RECORDS_PER_PARTITION)).expect("it ends behind");
    let share = || {
        let offsets = first..first + RECORDS_PER_PARTITION;
        let hash = offsets.fold(OffsetsHash::EMPTY, |hash, at| hash.push(offset(at)));
        BatchRange { range, rows: RECORDS_PER_PARTITION as u64, hash, left_out: 0 }
    };
    Batch {
        id: BatchId(0xb),
        token: DedupToken(0xd),
        topic_id: TopicId(0x70),
        ranges: (0..PARTITIONS).map(|partition| (Partition(partition), share())).collect(),
        table: TableSeen {
            name: "flights.events".to_owned(),
            uuid: TableUuid(0xe),
            engine: TableEngine::Replicated,
            server_version: "26.7.1".to_owned(),
            server_started: ServerMillis(1_000),
            window_blocks: 10_000,
            window_ms: Some(3_600_000),
            blocks: Some(7),
            definition: 0xf,
        },
        first_recorded: ServerMillis(2_000),
        deadline: ServerMillis(32_000),
        config_version: ConfigVersion(0xc),
        piece_end: None,
        by_evidence: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All formats say the same, so that their costs can be compared.
    #[test]
    fn the_formats_become_one_block() {
        let block = |format| {
            let mut decoder = decoder(format);
            let mut segment = decoder.plan().new_segment();
            decode_all(&mut decoder, &mut segment, &records(format, 5_000));
            let mut out = Vec::new();
            block_of(decoder.plan(), &segment, &mut out);
            out
        };
        let json = block(Format::Json);
        assert!(json == block(Format::Avro), "Avro");
        assert!(json == block(Format::Protobuf), "Protobuf");
    }

    #[test]
    fn every_path_runs() {
        for path in PATHS {
            (path.run)(10, 1);
        }
    }
}
