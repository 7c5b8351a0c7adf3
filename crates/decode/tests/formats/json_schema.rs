//! JSON behind the number of a JSON Schema into columns.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_decode::{JsonSchemaDecoder, TablePlan, Undecoded};
use pumphouse_types::SchemaKind;

use crate::support::{block, code, column, framed, json_block, plan, record, refusing_plan, schema};

fn rows(plan: &Arc<TablePlan>, text: &str, values: &[&str]) -> Result<Vec<u8>, Undecoded> {
    rows_with(plan, text, &[], values)
}

fn rows_with(
    plan: &Arc<TablePlan>,
    text: &str,
    references: &[(&str, &str)],
    values: &[&str],
) -> Result<Vec<u8>, Undecoded> {
    let mut decoder = JsonSchemaDecoder::new(Arc::clone(plan));
    let mut segment = plan.new_segment();
    let added = decoder.add_schema(&schema(7, SchemaKind::JsonSchema, text, references));
    for value in values {
        decoder.decode(&mut segment, record(Some(&framed(7, value.as_bytes())))).inspect_err(|_| {
            if let Err(why) = &added {
                eprintln!("{why}");
            }
        })?;
    }
    Ok(block(plan, &segment))
}

fn fault(text: &str) -> String {
    let mut decoder = JsonSchemaDecoder::new(plan(&[column("c", "String", "")]));
    let error = decoder.add_schema(&schema(7, SchemaKind::JsonSchema, text, &[])).unwrap_err();
    error.to_string()[..10].to_owned()
}

/// `property` is what the schema says of the field `c`.
fn same(type_text: &str, property: &str, value: &str, json: &str) {
    let plan = plan(&[column("c", type_text, "")]);
    let text = format!(r#"{{"type":"object","properties":{{"c":{property}}}}}"#);
    let got = rows(&plan, &text, &[&format!("{{\"c\":{value}}}")]);
    let wanted = json_block(&plan, &[&format!("{{\"c\":{json}}}")]);
    assert_eq!(got.as_ref(), Ok(&wanted), "{property} {value} into {type_text}");
}

fn refused(type_text: &str, property: &str, value: &str, wanted: &str) {
    let plan = plan(&[column("c", type_text, "")]);
    let text = format!(r#"{{"type":"object","properties":{{"c":{property}}}}}"#);
    let got = rows(&plan, &text, &[&format!("{{\"c\":{value}}}")]);
    assert_eq!(code(got.map(drop)), wanted, "{property} {value} into {type_text}");
}

const DECIMAL: &str = r#"{"type":"number","title":"org.apache.kafka.connect.data.Decimal","connect.version":1,
    "connect.type":"bytes","connect.parameters":{"scale":"2"}}"#;
const TIMESTAMP: &str =
    r#"{"type":"integer","title":"org.apache.kafka.connect.data.Timestamp","connect.type":"int64"}"#;
const DATE: &str =
    r#"{"type":"integer","title":"org.apache.kafka.connect.data.Date","connect.type":"int32"}"#;
const BYTES: &str = r#"{"type":"string","connect.type":"bytes"}"#;

#[test]
fn plain_values_are_what_json_is() {
    same("Int64", r#"{"type":"integer"}"#, "7", "7");
    same("Nullable(String)", r#"{"oneOf":[{"type":"null"},{"type":"string"}]}"#, "null", "null");
    same("Nullable(String)", r#"{"type":["null","string"]}"#, "\"a\"", "\"a\"");
    same(
        "DateTime('UTC')",
        r#"{"type":"string","format":"date-time"}"#,
        r#""2024-01-02T03:04:05Z""#,
        r#""2024-01-02T03:04:05Z""#,
    );
    same(
        "Map(String, Int8)",
        r#"{"type":"object","additionalProperties":{"type":"integer"}}"#,
        r#"{"a":1}"#,
        r#"{"a":1}"#,
    );
    same("JSON", r#"{"type":"object","properties":{"x":{"type":"integer"}}}"#, r#"{"x":5}"#, r#"{"x":5}"#);
    same("Array(String)", r#"{"type":"array","items":{"enum":["a","b"]}}"#, r#"["a"]"#, r#"["a"]"#);
    same("Int8", "true", "7", "7");
    refused("Int8", r#"{"type":"integer"}"#, "1000", "DECODE-005");
    refused("Int8", r#"{"type":"integer"}"#, "null", "DECODE-004");
}

#[test]
fn connects_types_mean_what_their_titles_say() {
    same("Decimal(12, 3)", DECIMAL, r#""z8c=""#, "-123.45");
    same("Decimal(12, 3)", DECIMAL, "-123.45", "-123.45");
    same("Date32", DATE, "-1", "\"1969-12-31\"");
    same("DateTime64(3, 'UTC')", TIMESTAMP, "1700000000123", "1700000000123");
    same("DateTime64(6, 'UTC')", TIMESTAMP, "1700000000123", "1700000000123000");
    same("String", TIMESTAMP, "0", "\"1970-01-01T00:00:00Z\"");
    same("String", BYTES, r#""aGk=""#, "\"hi\"");
    refused("String", BYTES, r#""!""#, "DECODE-006");
    let nullable = format!(r#"{{"oneOf":[{{"type":"null"}},{DECIMAL}],"connect.index":3}}"#);
    same("Nullable(Decimal(12, 2))", &nullable, "\"AQ==\"", "0.01");
    same("Nullable(Decimal(12, 2))", &nullable, "null", "null");
    let json = r#"{"type":"string","title":"io.debezium.data.Json"}"#;
    same("JSON", json, r#""{\"a\":[1]}""#, r#"{"a":[1]}"#);
}

#[test]
fn what_is_meant_is_found_at_any_depth() {
    let list = format!(r#"{{"type":"array","items":{DATE}}}"#);
    same("Array(Date)", &list, "[0,1]", r#"["1970-01-01","1970-01-02"]"#);
    let map = format!(r#"{{"type":"object","connect.type":"map","additionalProperties":{BYTES}}}"#);
    same("Map(String, String)", &map, r#"{"a":"aGk="}"#, r#"{"a":"hi"}"#);
    let object = format!(r#"{{"type":"object","properties":{{"at":{TIMESTAMP},"n":{{"type":"integer"}}}}}}"#);
    same("Tuple(at DateTime64(3, 'UTC'), n Int8)", &object, r#"{"n":1,"at":5}"#, r#"{"at":5,"n":1}"#);
    same("JSON", &object, r#"{"at":0,"n":1}"#, r#"{"at":"1970-01-01T00:00:00Z","n":1}"#);
    let either = format!(r#"{{"oneOf":[{BYTES},{object},{{"type":"boolean"}}]}}"#);
    same("String", &either, r#""aGk=""#, "\"hi\"");
    same("String", &either, "true", "true");
}

#[test]
fn maps_with_other_keys_are_lists_of_entries() {
    let map = format!(
        r#"{{"type":"array","connect.type":"map","items":{{"type":"object","properties":{{
            "key":{{"type":"integer"}},"value":{DECIMAL}}}}}}}"#
    );
    same(
        "Map(Int32, Decimal(9, 2))",
        &map,
        r#"[{"key":1,"value":"AQ=="},{"value":0.5,"key":2}]"#,
        r#"{"1":0.01,"2":0.5}"#,
    );
    same("Map(Int32, Nullable(Decimal(9, 2)))", &map, r#"[{"key":1}]"#, r#"{"1":null}"#);
    refused("Map(Int32, Decimal(9, 2))", &map, r#"[{"key":1}]"#, "DECODE-003");
    refused("Map(Int32, Decimal(9, 2))", &map, r#"[{"value":1}]"#, "DECODE-006");
    // Another kind than the schema says: what JSON without a schema would become.
    same("Map(Int32, Decimal(9, 2))", &map, r#"{"1":1}"#, r#"{"1":1}"#);
}

#[test]
fn references_are_followed() {
    let columns = [column("at", "DateTime64(3, 'UTC')", ""), column("o", "String", "")];
    let plan = plan(&columns);
    let text = format!(
        r##"{{"type":"object","$defs":{{"a b":{TIMESTAMP}}},
            "properties":{{"at":{{"$ref":"#/$defs/a%20b"}},"o":{{"$ref":"other.json#/definitions/x"}}}}}}"##
    );
    let other = format!(r##"{{"definitions":{{"x":{{"$ref":"#/definitions/y"}},"y":{BYTES}}}}}"##);
    let value = r#"{"at":5,"o":"aGk="}"#;
    let wanted = json_block(&plan, &[r#"{"at":5,"o":"hi"}"#]);
    assert_eq!(rows_with(&plan, &text, &[("other.json", &other)], &[value]), Ok(wanted.clone()));
    // By the place that the documents call their own.
    let text = text.replacen('{', r#"{"$id":"http://x/s/root.json","#, 1);
    let other = other.replacen('{', r#"{"$id":"http://x/s/other.json","#, 1);
    assert_eq!(rows_with(&plan, &text, &[("registered name", &other)], &[value]), Ok(wanted));
    assert_eq!(code(rows(&plan, &text, &[value]).map(drop)), "DECODE-033");
    // A root that is a reference, or made of parts.
    for text in [
        format!(
            r##"{{"$ref":"#/definitions/r","definitions":{{"r":{{"type":"object","properties":{{"at":{TIMESTAMP},"o":{BYTES}}}}}}}}}"##
        ),
        format!(r#"{{"allOf":[{{"properties":{{"at":{TIMESTAMP}}}}},{{"properties":{{"o":{BYTES}}}}}]}}"#),
    ] {
        let wanted = json_block(&plan, &[r#"{"at":5,"o":"hi"}"#]);
        assert_eq!(rows(&plan, &text, &[value]), Ok(wanted), "{text}");
    }
}

#[test]
fn what_contains_itself_is_read_where_that_is_plain() {
    let tree = |value: &str| {
        format!(
            r##"{{"type":"object","properties":{{"n":{value},
                "inner":{{"type":"array","items":{{"$ref":"#"}}}}}}}}"##
        )
    };
    let plan = plan(&[column("n", "Int32", ""), column("inner", "JSON", "")]);
    let value = r#"{"n":1,"inner":{"n":2,"inner":[{"n":3,"inner":[]}]}}"#;
    let wanted = json_block(&plan, &[value]);
    assert_eq!(rows(&plan, &tree(r#"{"type":"integer"}"#), &[value]), Ok(wanted));
    assert_eq!(fault(&tree(DATE)), "SCHEMA-006");
}

#[test]
fn absent_fields_become_defaults_of_the_schema_then_of_the_table() {
    let plan =
        plan(&[column("a", "Nullable(Date)", "today()"), column("b", "Int8", "5"), column("id", "Int8", "")]);
    let text = format!(
        r#"{{"type":"object","properties":{{"a":{},"b":{{"type":"integer"}}}}}}"#,
        DATE.replacen('{', r#"{"default":1,"#, 1)
    );
    let values = [r#"{"id":1}"#, r#"{"id":2,"a":null,"b":null}"#, r#"{"id":3,"a":2,"b":7}"#];
    let wanted = json_block(
        &plan,
        &[
            r#"{"id":1,"a":"1970-01-02"}"#,
            r#"{"id":2,"a":"1970-01-02","b":null}"#,
            r#"{"id":3,"a":"1970-01-03","b":7}"#,
        ],
    );
    assert_eq!(rows(&plan, &text, &values), Ok(wanted));
    assert_eq!(code(rows(&plan, &text, &["{}"]).map(drop)), "DECODE-003");
}

#[test]
fn fields_beside_the_schema_are_plain_json() {
    let columns = [column("id", "Int8", ""), column("more", "String", "")];
    let text = r#"{"type":"object","properties":{"id":{"type":"integer"}}}"#;
    let open = plan(&columns);
    let value = r#"{"id":1,"more":"x","none":{}}"#;
    assert_eq!(rows(&open, text, &[value]), Ok(json_block(&open, &[value])));
    let closed = refusing_plan(&columns);
    assert_eq!(code(rows(&closed, text, &[value]).map(drop)), "DECODE-009");
    // Byte positions are the record's: five bytes stand before the object.
    let broken = rows(&open, text, &[r#"{"id":1,}"#]).unwrap_err();
    assert!(broken.to_string().contains("byte 13"), "{broken}");
}

#[test]
fn structs_fill_columns_with_dots() {
    let plan = plan(&[
        column("id", "Int8", ""),
        column("s.at", "DateTime64(3, 'UTC')", ""),
        column("l.at", "Array(Date)", ""),
        column("l.n", "Array(Int8)", ""),
    ]);
    let text = format!(
        r#"{{"type":"object","properties":{{"id":{{"type":"integer"}},
            "s":{{"type":"object","properties":{{"at":{TIMESTAMP}}}}},
            "l":{{"type":"array","items":{{"type":"object","properties":{{"at":{DATE},"n":{{"type":"integer"}}}}}}}}}}}}"#
    );
    let value = r#"{"id":1,"s":{"at":86400000},"l":[{"at":1,"n":1},{"n":2,"at":2}]}"#;
    let wanted = json_block(
        &plan,
        &[r#"{"id":1,"s":{"at":86400000},"l":[{"at":"1970-01-02","n":1},{"at":"1970-01-03","n":2}]}"#],
    );
    assert_eq!(
        rows(&plan, &text, &[value, value]),
        Ok({
            let twice = r#"{"id":1,"s":{"at":86400000},"l":[{"at":1,"n":1},{"at":2,"n":2}]}"#;
            let both = json_block(&plan, &[twice, twice]);
            assert_ne!(both, wanted);
            both
        })
    );
}

#[test]
fn other_values_and_schemas_are_refused() {
    let plan = plan(&[column("c", "Int8", "")]);
    let text = r#"{"type":"object","properties":{"c":{"type":"integer"}}}"#;
    for value in ["[1]", "1", "null", "\"a\""] {
        assert_eq!(code(rows(&plan, text, &[value]).map(drop)), "DECODE-002", "{value}");
    }
    assert_eq!(code(rows(&plan, text, &[""]).map(drop)), "DECODE-001");
    let mut decoder = JsonSchemaDecoder::new(Arc::clone(&plan));
    let mut segment = plan.new_segment();
    assert_eq!(code(decoder.decode(&mut segment, record(Some(b"\x01\0\0\0\x07{}")))), "DECODE-031");
    assert_eq!(code(decoder.decode(&mut segment, record(Some(b"\0\0\0\0\0\0\0\0\x07{}")))), "DECODE-036");
    assert_eq!(code(decoder.decode(&mut segment, record(Some(b"\0\0\0\0\x07{}")))), "needs 7");
    let avro = decoder.add_schema(&schema(7, SchemaKind::Avro, "\"int\"", &[])).unwrap_err();
    assert!(avro.to_string().contains("SCHEMA-003"), "{avro}");

    assert_eq!(fault("7"), "SCHEMA-001");
    assert_eq!(fault(r#"{"type":"#), "SCHEMA-001");
    assert_eq!(fault(r#"{"type":"int"}"#), "SCHEMA-001");
    assert_eq!(fault(r#"{"type":"string"}"#), "SCHEMA-005");
    assert_eq!(fault(r##"{"$ref":"#/none"}"##), "SCHEMA-004");
    let two = format!(r#"{{"properties":{{"c":{{"oneOf":[{DATE},{TIMESTAMP}]}}}}}}"#);
    assert_eq!(fault(&two), "SCHEMA-006");
}

#[test]
fn hostile_schemas_are_refused_in_bounded_time() {
    let begun = Instant::now();
    // Each definition names the next one twice, and the last has a meaning: 2^40 places.
    let mut definitions = String::new();
    for level in 0..40 {
        let next = format!(r##"{{"$ref":"#/definitions/d{}"}}"##, level + 1);
        definitions += &format!(r#""d{level}":{{"properties":{{"a":{next},"b":{next}}}}},"#);
    }
    let text = format!(r##"{{"$ref":"#/definitions/d0","definitions":{{{definitions}"d40":{DATE}}}}}"##);
    assert_eq!(fault(&text), "SCHEMA-002");
    // A chain of references.
    let mut definitions = String::new();
    for level in 0..10_000 {
        definitions += &format!(r##""d{level}":{{"$ref":"#/definitions/d{}"}},"##, level + 1);
    }
    let text = format!(r##"{{"$ref":"#/definitions/d0","definitions":{{{definitions}"d10000":{{}}}}}}"##);
    assert_eq!(fault(&text), "SCHEMA-002");
    let deep = format!(r#"{}{{}}{}"#, r#"{"items":"#.repeat(5_000), "}".repeat(5_000));
    assert_eq!(fault(&deep), "SCHEMA-001");
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(5 << 20));
    assert_eq!(fault(&long), "SCHEMA-002");
    // Deep values.
    let plan = plan(&[column("c", "String", "")]);
    let text = format!(r#"{{"properties":{{"c":{{"type":"array","items":{DATE}}}}}}}"#);
    let value = format!("{{\"c\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(code(rows(&plan, &text, &[&value]).map(drop)), "DECODE-010");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}
