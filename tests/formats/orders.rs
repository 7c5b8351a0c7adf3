//! Orders: what Python writes, the table for them, and what has to be in it.
use std::ops::Range;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::install::schema_producers;
use pumphouse_tests::{Corner, Engine};

const COLUMNS: &str = "id UInt64, name String, price Decimal(18, 4), at DateTime64(3, 'UTC'), \
                       tags Array(LowCardinality(String)), note Nullable(String), level UInt8 DEFAULT 7";

/// Whether a row is not what the order of its number has to be.
const WRONG: &str = "name != concat('näme ', toString(id)) OR price != toDecimal64(id, 4) / 100 \
    OR toUnixTimestamp64Milli(at) != 1700000000000 + id * 1000 + id % 1000 \
    OR tags != arrayWithConstant(id % 4, concat('t', toString(id % 3))) \
    OR note IS DISTINCT FROM if(id % 2 = 0 AND id % 5 != 0, concat('n', toString(id)), NULL) \
    OR level != if(id % 2 = 1, id % 100, 7)";

pub fn create_table(corner: &Corner<'_>, engine: Engine) {
    corner.create_table(COLUMNS, "id", engine);
}

/// How orders are written.
#[derive(Clone, Copy)]
pub enum Writer {
    Avro,
    Protobuf,
    JsonSchema,
}

impl Writer {
    /// The value converter that reads them.
    pub fn converter(self) -> &'static str {
        match self {
            Writer::Avro => "io.confluent.connect.avro.AvroConverter",
            Writer::Protobuf => "io.confluent.connect.protobuf.ProtobufConverter",
            Writer::JsonSchema => "io.confluent.connect.json.JsonSchemaConverter",
        }
    }

    fn script(self) -> &'static str {
        match self {
            Writer::Avro => concat!(env!("CARGO_MANIFEST_DIR"), "/formats/produce_avro.py"),
            Writer::Protobuf => concat!(env!("CARGO_MANIFEST_DIR"), "/formats/produce_protobuf.py"),
            Writer::JsonSchema => concat!(env!("CARGO_MANIFEST_DIR"), "/formats/produce_json_schema.py"),
        }
    }
}

/// Values of orders, by number, as the serializers write them. `login`: `user:password`.
pub fn written(
    writer: Writer,
    registry: &str,
    topic: &str,
    numbers: Range<u64>,
    login: Option<&str>,
) -> Vec<Vec<u8>> {
    let mut command = schema_producers().unwrap().command();
    command.args([writer.script(), registry, topic, &numbers.start.to_string(), &numbers.end.to_string()]);
    let output = command.args(login).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let values: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(bytes_of).collect();
    assert_eq!(values.len() as u64, numbers.end - numbers.start);
    values
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// A record with the order's number as its key; partitions take turns.
pub fn record(number: u64, partitions: i32, value: Vec<u8>) -> FillRecord {
    let partition = (number % partitions as u64) as i32;
    FillRecord { partition, key: Some(number.to_string().into_bytes()), value: Some(value) }
}

/// Every order of `numbers` but those of `left_out` is in the table once, as it has to be, and nothing else.
pub fn check(corner: &Corner<'_>, numbers: Range<u64>, left_out: impl Fn(u64) -> bool) {
    let expected: Vec<u64> = numbers.filter(|number| !left_out(*number)).collect();
    let (count, sum) = (expected.len(), expected.iter().sum::<u64>());
    let found = corner
        .sql()
        .text(&format!("SELECT count(), uniqExact(id), sum(id), countIf({WRONG}) FROM {}", corner.table))
        .unwrap();
    assert_eq!(found, format!("{count}\t{count}\t{sum}\t0"));
}
