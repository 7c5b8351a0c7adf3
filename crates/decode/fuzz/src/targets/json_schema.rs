//! JSON behind the number of a JSON Schema: a schema's text, a zero byte, a record.
use pumphouse_decode::Format;
use pumphouse_types::SchemaKind;

use super::Outcome;
use super::records::{Table, decode, decoder, framed, outcome, outcome_of, plan, schema};

/// Between a schema's text and a record; no text has it.
const END_OF_TEXT: u8 = 0;

pub fn run(input: &[u8]) -> Outcome {
    let end = input.iter().position(|byte| *byte == END_OF_TEXT).unwrap_or(input.len());
    let Ok(text) = std::str::from_utf8(&input[..end]) else { return 0 };
    let mut decoder = decoder(Format::JsonSchema, &plan(Table::Fixed));
    let added = decoder.add_schema(&schema(1, SchemaKind::JsonSchema, text));
    let fault = added.err().map(|error| std::mem::discriminant(&error.fault));
    let decoded = decode(&mut decoder, &framed(input.get(end + 1..).unwrap_or_default()));
    assert!(fault.is_none() || decoded.is_err(), "a schema that cannot be used was used");
    outcome((fault, outcome_of(&decoded)))
}

/// What Connect writes, and references that go round.
pub fn seeds() -> Vec<Vec<u8>> {
    let properties = [
        (r#""a":{"type":"string"}"#, r#"{"a":"x"}"#),
        (
            r#""a":{"oneOf":[{"type":"null"},{"type":"integer","connect.type":"int64"}],"connect.index":0}"#,
            r#"{"a":7}"#,
        ),
        (
            r#""b":{"type":"array","items":{"oneOf":[{"type":"null"},{"type":"string"}]}}"#,
            r#"{"b":["x",null]}"#,
        ),
        (
            r#""c":{"type":"object","connect.type":"map","additionalProperties":{"type":"number"}}"#,
            r#"{"c":{"k":1.5}}"#,
        ),
        (
            r#""d":{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.type":"bytes","connect.parameters":{"scale":"2"}}"#,
            r#"{"d":1.25}"#,
        ),
        (
            r#""e":{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.type":"int64"}"#,
            r#"{"e":1357034400123}"#,
        ),
        (r##""g":{"$ref":"#/definitions/G"}"##, r#"{"g":{"x":{"x":null}}}"#),
        (r#""h":{"enum":["p","q"]}"#, r#"{"h":"p"}"#),
        (
            r#""i":{"allOf":[{"type":"object"},{"properties":{"n":{"type":"boolean"}}}]}"#,
            r#"{"i":{"n":true}}"#,
        ),
    ];
    let definitions = r##""definitions":{"G":{"type":"object","properties":{"x":{"oneOf":[{"type":"null"},{"$ref":"#/definitions/G"}]}}}}"##;
    let seed = |(property, record): &(&str, &str)| {
        let schema = format!(r#"{{"type":"object","properties":{{{property}}},{definitions}}}"#);
        [schema.as_bytes(), &[END_OF_TEXT], record.as_bytes()].concat()
    };
    properties.iter().map(seed).collect()
}
