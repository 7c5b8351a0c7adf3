//! Avro: hostile bodies for a fixed schema, and hostile schemas.
use pumphouse_decode::Format;
use pumphouse_types::SchemaKind;

use super::Outcome;
use super::records::{Table, decode, decoder, framed, outcome, outcome_of, plan, schema as registered};

/// A field of every kind, for the fixed table.
pub const SCHEMA: &str = r#"{"type":"record","name":"R","fields":[
    {"name":"a","type":["null","long","string"]},{"name":"b","type":{"type":"array","items":["null","string"]}},
    {"name":"c","type":{"type":"map","values":"double"}},{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
    {"name":"e","type":{"type":"long","logicalType":"timestamp-micros"}},{"name":"f","type":{"type":"fixed","name":"F","size":3}},
    {"name":"g","type":{"type":"record","name":"G","fields":[{"name":"x","type":["null","G"]},{"name":"y","type":"bytes"}]}},
    {"name":"h","type":{"type":"enum","name":"E","symbols":["p","q"]}},{"name":"i","type":["null","G",{"type":"array","items":"float"}]}]}"#;

/// Between a schema's text and a body; no text has it.
const END_OF_TEXT: u8 = 0;

pub fn body(input: &[u8]) -> Outcome {
    let mut decoder = decoder(Format::Avro, &plan(Table::Fixed));
    decoder.add_schema(&registered(1, SchemaKind::Avro, SCHEMA)).expect("a schema of our own");
    outcome_of(&decode(&mut decoder, &framed(input)))
}

/// A record that fits.
pub fn bodies() -> Vec<Vec<u8>> {
    let good = [
        &[4, 6, b'a', b'b', b'c'][..],
        &[4, 2, 2, b'x', 0, 0],
        &[2, 2, b'k', 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0],
        &[4, 0x30, 0x39],
        &[0x80, 0xb0, 0x9e, 0xc7, 0xf0, 0xc1, 0xea, 0x04],
        b"fix",
        &[2, 0, 2, 9, 4, 1, 2],
        &[2],
        &[4, 4, 0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0],
    ];
    vec![good.concat()]
}

/// A schema's text, a zero byte, a body.
pub fn schema(input: &[u8]) -> Outcome {
    let end = input.iter().position(|byte| *byte == END_OF_TEXT).unwrap_or(input.len());
    let Ok(text) = std::str::from_utf8(&input[..end]) else { return 0 };
    let mut decoder = decoder(Format::Avro, &plan(Table::Fixed));
    let added = decoder.add_schema(&registered(1, SchemaKind::Avro, text));
    let fault = added.err().map(|error| std::mem::discriminant(&error.fault));
    let body = input.get(end + 1..).unwrap_or_default();
    let decoded = decode(&mut decoder, &framed(body));
    assert!(fault.is_none() || decoded.is_err(), "a schema that cannot be used was used");
    outcome((fault, outcome_of(&decoded)))
}

/// The fixed schema, one kind of field alone, and schemas that contain themselves.
pub fn schemas() -> Vec<Vec<u8>> {
    let mut seeds = vec![[SCHEMA.as_bytes(), &[END_OF_TEXT], &bodies()[0]].concat()];
    let types = [
        r#""int""#,
        r#"["null","int"]"#,
        r#"{"type":"int","logicalType":"date"}"#,
        r#"{"type":"int","logicalType":"time-millis"}"#,
        r#"{"type":"long","logicalType":"local-timestamp-nanos"}"#,
        r#"{"type":"string","logicalType":"uuid"}"#,
        r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#,
        r#"{"type":"fixed","name":"D","size":16,"logicalType":"decimal","precision":38,"scale":10}"#,
        r#"{"type":"array","items":"null"}"#,
        r#"{"type":"map","values":{"type":"map","values":"boolean"}}"#,
        r#"{"type":"bytes","connect.name":"io.debezium.data.VariableScaleDecimal"}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"z","type":["null","R"]}]}"#,
    ];
    for (number, text) in types.iter().enumerate() {
        let name = char::from(b'a' + (number % 9) as u8);
        let schema = format!(
            r#"{{"type":"record","name":"T","namespace":"n","fields":[{{"name":"{name}","type":{text}}}]}}"#
        );
        seeds.push([schema.as_bytes(), &[END_OF_TEXT, 2, 2, 0, 4, 0, 0]].concat());
    }
    seeds
}

#[cfg(test)]
mod tests {
    use super::super::records::code;
    use super::*;

    /// A seed that is refused at once would find nothing behind that.
    #[test]
    fn the_seed_is_a_good_record() {
        let mut decoder = decoder(Format::Avro, &plan(Table::Fixed));
        decoder.add_schema(&registered(1, SchemaKind::Avro, SCHEMA)).unwrap();
        assert_eq!(code(&decode(&mut decoder, &framed(&bodies()[0]))), "ok");
    }
}
