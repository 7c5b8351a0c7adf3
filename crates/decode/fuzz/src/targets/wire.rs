//! Confluent's wire header: magic byte, schema number, message index.
use pumphouse_decode::{Format, Undecoded};
use pumphouse_types::SchemaKind;

use super::records::{Table, code, decode, decoder, outcome, outcome_of, plan, schema};
use super::{Outcome, avro, protobuf};

/// The whole value. Schema 1 is good, 2 cannot be used, 3 is of another language, all others are missing.
pub fn run(input: &[u8]) -> Outcome {
    let of = |format, kind, other, good: &str| {
        let mut decoder = decoder(format, &plan(Table::Fixed));
        decoder.add_schema(&schema(1, kind, good)).expect("a schema of our own");
        assert!(decoder.add_schema(&schema(2, kind, "}{")).is_err());
        assert!(decoder.add_schema(&schema(3, other, good)).is_err());
        let decoded = decode(&mut decoder, input);
        if let Err(Undecoded::NeedsSchema(id)) = decoded {
            assert!(!(1..=3).contains(&id.0), "schema {id} is known");
            decoder.schema_missing(id);
            let refused = decode_once(&mut decoder, input);
            assert_eq!(code(&refused), "DECODE-032");
        }
        outcome_of(&decoded)
    };
    outcome((
        of(Format::Avro, SchemaKind::Avro, SchemaKind::Protobuf, avro::SCHEMA),
        of(Format::Protobuf, SchemaKind::Protobuf, SchemaKind::Avro, protobuf::SCHEMA),
    ))
}

/// "No such schema" counts for one record.
fn decode_once(decoder: &mut pumphouse_decode::Decoder, value: &[u8]) -> Result<(), Undecoded> {
    let mut segment = decoder.plan().new_segment();
    let record = pumphouse_decode::RecordRef {
        topic: "topic",
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: None,
        headers: pumphouse_decode::HeadersRef::NONE,
        value: Some(value),
    };
    decoder.decode(&mut segment, record)
}

/// Good records, every kind of message index, every schema.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![[&[0, 0, 0, 0, 1][..], &avro::bodies()[0]].concat()];
    // The first message; the same as a list of one; its first nested one; one that is not there.
    let indexes: [&[u8]; 5] = [&[0], &[2, 0], &[4, 0, 0], &[2, 12], &[0xfe, 0xff, 0xff, 0xff, 0x0f]];
    for index in indexes {
        seeds.push([&[0, 0, 0, 0, 1][..], index, &protobuf::bodies()[0]].concat());
    }
    seeds.extend([2, 3, 4, 255].map(|id| vec![0, 0, 0, 0, id, 0]));
    seeds.extend([vec![0, 0, 0], vec![1, 0, 0, 0, 1, 0], b"{\"a\":1}".to_vec()]);
    seeds
}
