//! JSON with and without a schema.
use pumphouse_decode::{Format, JSON_DEPTH_MAX, TYPE_TABLE};
use serde::de::IgnoredAny;

use super::Outcome;
use super::records::{Table, code, column_of, decode, decoder, outcome, outcome_of, plan};

/// A record. Whether its bytes are JSON at all, serde_json has to say as well.
pub fn json(input: &[u8]) -> Outcome {
    let taken = decode(&mut decoder(Format::Json, &plan(Table::Wide)), input);
    let refusing = decode(&mut decoder(Format::Json, &plan(Table::WideRefusing)), input);
    assert!(taken.is_ok() || refusing.is_err(), "refusing unknown fields refuses more, not less");
    match serde_json::from_slice::<IgnoredAny>(input) {
        Ok(_) => assert!(!matches!(&*code(&taken), "DECODE-001"), "serde_json reads it"),
        Err(error) => assert!(taken.is_err() || is_deep(input), "serde_json does not read it: {error}"),
    }
    outcome((outcome_of(&taken), outcome_of(&refusing)))
}

/// serde_json counts levels a little differently.
fn is_deep(input: &[u8]) -> bool {
    input.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() >= JSON_DEPTH_MAX - 2
}

/// Every example of the table of types, and every value that it refuses.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (place, row) in TYPE_TABLE.iter().enumerate() {
        let name = column_of(place);
        let examples = row.cells.iter().flat_map(|cell| cell.examples).chain(row.refused);
        seeds.extend(examples.map(|(json, _)| format!("{{\"{name}\":{json}}}").into_bytes()));
    }
    let around: [&[u8]; 6] = [
        br#"{"lists":[["a",null],[]],"map":{"k":[{"n":1,"v":null},[2,"3.5"]]}}"#,
        br#"{"low":"x","low_number":7,"choice":[[1],"x",5,null],"doc":{"n":1,"a":{"b":["x"]},"c":[{"d":1}]}}"#,
        br#"{"p":{"q":{"r":3}},"n":[{"b":"x"},{}]}"#,
        br#"{"p.q.r":3,"n":{"b":["x",null]}}"#,
        b"\xef\xbb\xbf{}",
        b"null",
    ];
    seeds.extend(around.map(<[u8]>::to_vec));
    seeds
}

/// A record with its schema, nulls replaced or not.
pub fn connect(input: &[u8]) -> Outcome {
    let with = |null_defaults| {
        let mut decoder = decoder(Format::ConnectJson { null_defaults }, &plan(Table::Wide));
        outcome_of(&decode(&mut decoder, input))
    };
    outcome((with(true), with(false)))
}

/// What schemas say of a field, and a value for it.
const CONNECT_FIELDS: [(&str, &str); 14] = [
    (r#""type":"int32""#, "7"),
    (r#""type":"int64","optional":true,"default":5"#, "null"),
    (r#""type":"string","optional":true"#, "null"),
    (r#""type":"boolean""#, "true"),
    (r#""type":"double""#, "0.5"),
    (r#""type":"bytes""#, r#""Zm9v""#),
    (
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}"#,
        r#""z8c=""#,
    ),
    (r#""type":"int32","name":"org.apache.kafka.connect.data.Date""#, "15706"),
    (r#""type":"int64","name":"org.apache.kafka.connect.data.Timestamp""#, "-1"),
    (r#""type":"int64","name":"io.debezium.time.MicroTimestamp""#, "1357034400123456"),
    (r#""type":"array","items":{"type":"string","optional":true}"#, r#"["a",null]"#),
    (r#""type":"map","keys":{"type":"string"},"values":{"type":"int8"}"#, r#"{"a":1}"#),
    (r#""type":"map","keys":{"type":"int32"},"values":{"type":"string"}"#, r#"[[1,"x"]]"#),
    (
        r#""type":"struct","fields":[{"field":"x","type":"int32"},{"field":"y","type":"bytes"}]"#,
        r#"{"x":5,"y":""}"#,
    ),
];

/// Each kind of field into some columns that take it and some that do not.
pub fn connect_seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        br#"{"schema":null,"payload":{"c1":1}}"#.to_vec(),
        br#"{"payload":null,"schema":{"type":"string"}}"#.to_vec(),
    ];
    for (number, (schema, value)) in CONNECT_FIELDS.iter().enumerate() {
        for place in (number % 5..TYPE_TABLE.len()).step_by(5) {
            let name = column_of(place);
            let seed = format!(
                r#"{{"schema":{{"type":"struct","optional":false,"fields":[{{"field":"{name}",{schema}}}]}},"payload":{{"{name}":{value}}}}}"#
            );
            seeds.push(seed.into_bytes());
        }
    }
    seeds
}
