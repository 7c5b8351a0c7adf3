//! Bytes and schemas that somebody made to hurt.
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use pumphouse_decode::{AvroDecoder, Undecoded};
use pumphouse_types::SchemaKind;

use crate::avro::{long, text};
use crate::support::{code, column, framed, plan, record, schema};

/// A record of a few bytes must be refused at once.
const SOON: Duration = Duration::from_secs(2);

fn decode(schema_text: &str, columns: &[(&str, &str)], body: &[u8]) -> Result<(), Undecoded> {
    let columns: Vec<_> = columns.iter().map(|(name, type_text)| column(name, type_text, "")).collect();
    let plan = plan(&columns);
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Avro, schema_text, &[])).unwrap();
    let begun = Instant::now();
    let mut segment = plan.new_segment();
    let result = decoder.decode(&mut segment, record(Some(&framed(1, body))));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    result
}

fn one_field(type_text: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"c","type":{type_text}}}]}}"#)
}

#[test]
fn counts_of_values_without_bytes_are_bounded() {
    let nulls = one_field(r#"{"type":"array","items":"null"}"#);
    let body = [long(i64::MAX), long(0)].concat();
    for type_text in ["Array(Nullable(Int64))", "String"] {
        assert_eq!(code(decode(&nulls, &[("c", type_text)], &body)), "DECODE-034");
    }
    assert_eq!(code(decode(&nulls, &[("other", "Nullable(Int8)")], &body)), "DECODE-034");
    let least = [long(i64::MIN), long(0), long(0)].concat();
    assert_eq!(code(decode(&nulls, &[("c", "Array(Nullable(Int64))")], &least)), "DECODE-034");
    // Many honest blocks of one value each are fine.
    let honest = [long(1).repeat(1_000), long(0)].concat();
    assert_eq!(decode(&nulls, &[("c", "Array(Nullable(Int64))")], &honest), Ok(()));
}

#[test]
fn a_record_that_contains_itself_without_end_is_refused() {
    let endless = r#"{"type":"record","name":"R","fields":[{"name":"c","type":"R"}]}"#;
    for columns in [[("c", "JSON")], [("other", "Nullable(Int8)")]] {
        assert_eq!(code(decode(endless, &columns, &[])), "DECODE-010");
    }
    let list = r#"{"type":"record","name":"R","fields":[{"name":"c","type":["null","R"]}]}"#;
    let deep = [long(1).repeat(1_000), long(0)].concat();
    assert_eq!(code(decode(list, &[("c", "JSON")], &deep)), "DECODE-010");
    let fine = [long(1).repeat(50), long(0)].concat();
    assert_eq!(decode(list, &[("c", "JSON")], &fine), Ok(()));
}

#[test]
fn a_schema_that_doubles_forty_times_is_refused_in_time() {
    let mut inner = "\"null\"".to_owned();
    let mut definitions = String::new();
    for level in 0..40 {
        let definition = format!(
            r#"{{"name":"f{level}","type":{{"type":"record","name":"L{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":{inner}}}]}}}},"#
        );
        definitions.push_str(&definition);
        inner = format!("\"L{level}\"");
    }
    let bomb =
        format!(r#"{{"type":"record","name":"R","fields":[{definitions}{{"name":"c","type":{inner}}}]}}"#);
    for columns in [[("c", "JSON")], [("other", "Nullable(Int8)")]] {
        assert_eq!(code(decode(&bomb, &columns, &[])), "DECODE-034");
    }
}

#[test]
fn long_names_do_not_make_long_texts() {
    let name = "n".repeat(100_000);
    let wide = one_field(&format!(
        r#"{{"type":"array","items":{{"type":"enum","name":"E","symbols":["{name}"]}}}}"#
    ));
    let body = [long(60_000), vec![0; 60_000], long(0)].concat();
    assert_eq!(code(decode(&wide, &[("c", "Array(String)")], &body)), "DECODE-034");
    assert_eq!(code(decode(&wide, &[("c", "String")], &body)), "DECODE-034");
}

#[test]
fn bytes_left_over_are_refused() {
    assert_eq!(code(decode(&one_field("\"long\""), &[("c", "Int64")], &[2, 2])), "DECODE-030");
}

const EVERYTHING: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"a","type":["null","long","string"]},{"name":"b","type":{"type":"array","items":["null","string"]}},
    {"name":"c","type":{"type":"map","values":"double"}},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"e","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"f","type":{"type":"fixed","name":"F","size":3}},
    {"name":"g","type":{"type":"record","name":"G","fields":[{"name":"x","type":["null","G"]},{"name":"y","type":"bytes"}]}},
    {"name":"h","type":{"type":"enum","name":"E","symbols":["p","q"]}},{"name":"i","type":"G"}]}"#;

fn everything_columns() -> Vec<pumphouse_decode::TableColumn> {
    [
        ("a", "Nullable(String)"),
        ("b", "Array(Nullable(String))"),
        ("c", "Map(String, Float64)"),
        ("d", "Decimal(18, 2)"),
        ("e", "DateTime64(6, 'UTC')"),
        ("f", "FixedString(3)"),
        ("g", "JSON"),
        ("h", "LowCardinality(String)"),
    ]
    .map(|(name, type_text)| column(name, type_text, ""))
    .to_vec()
}

fn good_record() -> Vec<u8> {
    [
        [long(2), text("abc")].concat(),
        [long(2), long(1), text("x"), long(0), long(0)].concat(),
        [long(1), text("k"), 1.5f64.to_le_bytes().to_vec(), long(0)].concat(),
        [long(2), vec![0x30, 0x39]].concat(),
        long(1_357_034_400_123_456),
        b"fix".to_vec(),
        [long(1), long(0), long(1), vec![9], long(2), vec![1, 2]].concat(),
        long(1),
        [long(0), long(0)].concat(),
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_break_the_decoder(
        cut in 0usize..100,
        edits in prop::collection::vec((0usize..100, any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let plan = plan(&everything_columns());
        let mut decoder = AvroDecoder::new(Arc::clone(&plan));
        decoder.add_schema(&schema(1, SchemaKind::Avro, EVERYTHING, &[])).unwrap();
        let mut segment = plan.new_segment();
        let good = good_record();
        decoder.decode(&mut segment, record(Some(&framed(1, &good)))).unwrap();
        let mut body = good.clone();
        body.truncate(cut);
        body.extend(noise);
        for (at, byte) in edits {
            if let Some(slot) = body.get_mut(at) {
                *slot = byte;
            }
        }
        let taken = decoder.decode(&mut segment, record(Some(&framed(1, &body)))).is_ok();
        prop_assert_eq!(segment.rows(), 1 + usize::from(taken));
        for column in segment.columns() {
            prop_assert_eq!(column.len(), segment.rows());
        }
        decoder.decode(&mut segment, record(Some(&framed(1, &good)))).unwrap();
    }
}
