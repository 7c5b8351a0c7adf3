//! JSON that carries its schema into columns.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_decode::{ConnectJsonDecoder, DecodeError, TablePlan};

use crate::support::{block, column, json_block, plan, record, refusing_plan};

const CREATE: &str = include_str!("debezium_create.json");
const UPDATE: &str = include_str!("debezium_update.json");

fn rows(plan: &Arc<TablePlan>, records: &[&str]) -> Result<Vec<u8>, DecodeError> {
    let mut decoder = ConnectJsonDecoder::new(Arc::clone(plan), true);
    let mut segment = plan.new_segment();
    for text in records {
        decoder.decode(&mut segment, record(Some(text.as_bytes())))?;
    }
    Ok(block(plan, &segment))
}

/// An envelope around one field `c`.
fn envelope(schema: &str, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","optional":false,"fields":[{{"field":"c",{schema}}}]}},"payload":{{"c":{payload}}}}}"#
    )
}

fn run(type_text: &str, schema: &str, payload: &str) -> Result<Vec<u8>, String> {
    let plan = plan(&[column("c", type_text, "")]);
    rows(&plan, &[&envelope(schema, payload)]).map_err(|error| error.to_string()[..10].to_owned())
}

fn same(type_text: &str, schema: &str, payload: &str, json: &str) {
    let plan = plan(&[column("c", type_text, "")]);
    let expected = json_block(&plan, &[&format!("{{\"c\":{json}}}")]);
    assert_eq!(run(type_text, schema, payload), Ok(expected), "{schema} {payload} into {type_text}");
}

fn refused(type_text: &str, schema: &str, payload: &str, code: &str) {
    assert_eq!(run(type_text, schema, payload), Err(code.to_owned()), "{schema} {payload} into {type_text}");
}

#[test]
fn plain_types_are_what_json_is() {
    same("Int64", r#""type":"int64""#, "7", "7");
    same("Nullable(String)", r#""type":"string","optional":true"#, "null", "null");
    same("Array(String)", r#""type":"array","items":{"type":"string"}"#, r#"["a","\n"]"#, r#"["a","\n"]"#);
    same(
        "Map(String, Int8)",
        r#""type":"map","keys":{"type":"string"},"values":{"type":"int8"}"#,
        r#"{"a":1}"#,
        r#"{"a":1}"#,
    );
    same("JSON", r#""type":"struct","fields":[{"field":"x","type":"int32"}]"#, r#"{"x":5}"#, r#"{"x":5}"#);
    refused("String", r#""type":"string""#, "null", "DECODE-004");
    refused("Int8", r#""type":"int32""#, "1000", "DECODE-005");
}

#[test]
fn logical_types_mean_what_their_names_say() {
    let decimal =
        r#""type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}"#;
    same("Decimal(12, 3)", decimal, r#""z8c=""#, "-123.45");
    same("String", decimal, r#""z8c=""#, "\"-123.45\"");
    same("Nullable(Float64)", decimal, "-123.45", "-123.45");
    refused("Decimal(12, 1)", decimal, r#""z8c=""#, "DECODE-005");
    refused("Decimal(12, 1)", decimal, r#""z8c!""#, "DECODE-006");
    same("String", r#""type":"bytes""#, r#""Zm9vYmFy""#, "\"foobar\"");
    same("String", r#""type":"bytes""#, r#""\u005am9v""#, "\"foo\"");
    same("Date", r#""type":"int32","name":"org.apache.kafka.connect.data.Date""#, "15706", "\"2013-01-01\"");
    same("Date32", r#""type":"int32","name":"io.debezium.time.Date""#, "-1", "\"1969-12-31\"");
    same(
        "DateTime64(6, 'UTC')",
        r#""type":"int64","name":"org.apache.kafka.connect.data.Timestamp""#,
        "-1",
        "-1000",
    );
    same(
        "DateTime64(3, 'UTC')",
        r#""type":"int64","name":"io.debezium.time.MicroTimestamp""#,
        "1357034400123000",
        "1357034400123",
    );
    same(
        "String",
        r#""type":"int64","name":"io.debezium.time.NanoTimestamp""#,
        "1",
        "\"1970-01-01T00:00:00.000000001Z\"",
    );
    same("Int64", r#""type":"int64","name":"io.debezium.time.MicroTimestamp""#, "5", "5");
    same(
        "String",
        r#""type":"int32","name":"org.apache.kafka.connect.data.Time""#,
        "36000001",
        "\"10:00:00.001\"",
    );
    same(
        "DateTime64(6, 'UTC')",
        r#""type":"string","name":"io.debezium.time.ZonedTimestamp""#,
        r#""2026-11-21T05:19:14.758442Z""#,
        r#""2026-11-21T05:19:14.758442Z""#,
    );
    same("Int32", r#""type":"int32","name":"io.debezium.time.Year""#, "2013", "2013");
    refused(
        "DateTime64(3, 'UTC')",
        r#""type":"int64","name":"io.debezium.time.MicroTimestamp""#,
        "1357034400123456",
        "DECODE-005",
    );
    let variable = r#""type":"struct","name":"io.debezium.data.VariableScaleDecimal","fields":[{"field":"scale","type":"int32"},{"field":"value","type":"bytes"}]"#;
    same("Decimal(12, 3)", variable, r#"{"scale":2,"value":"MDk="}"#, "123.45");
    same("Decimal(12, 3)", variable, r#"{"value":"MDk=","scale":2}"#, "123.45");
    refused("Decimal(12, 3)", variable, r#"{"value":"MDk="}"#, "DECODE-006");
    same(
        "JSON",
        r#""type":"string","name":"io.debezium.data.Json""#,
        r#""{\"a\": [1, null]}""#,
        r#"{"a": [1, null]}"#,
    );
    same("String", r#""type":"string","name":"io.debezium.data.Json""#, r#""{\"a\": 1}""#, r#""{\"a\": 1}""#);
    refused("JSON", r#""type":"string","name":"io.debezium.data.Json""#, r#""{\"a\": 1} x""#, "DECODE-001");
}

#[test]
fn lists_and_structs_keep_the_meaning_of_their_parts() {
    let date = r#"{"type":"int32","name":"io.debezium.time.Date"}"#;
    same(
        "Array(Nullable(Date32))",
        &format!(r#""type":"array","items":{date}"#),
        "[-1,null]",
        "[\"1969-12-31\",null]",
    );
    same(
        "Map(String, Date32)",
        &format!(r#""type":"map","keys":{{"type":"string"}},"values":{date}"#),
        r#"{"k":-1}"#,
        r#"{"k":"1969-12-31"}"#,
    );
    same(
        "Map(Int32, Date32)",
        &format!(r#""type":"map","keys":{{"type":"int32"}},"values":{date}"#),
        "[[7,-1],[8,0]]",
        r#"{"7":"1969-12-31","8":"1970-01-01"}"#,
    );
    refused(
        "Map(Int32, Date32)",
        &format!(r#""type":"map","keys":{{"type":"int32"}},"values":{date}"#),
        "[[7]]",
        "DECODE-001",
    );
    let schema = format!(
        r#""type":"struct","fields":[{{"field":"d","type":"int32","name":"io.debezium.time.Date"}},
        {{"field":"n","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{{"scale":"1"}},"optional":true}},
        {{"field":"l","type":"array","items":{date}}},{{"field":"x","type":"int8","optional":true,"default":9}},
        {{"field":"m","type":"map","keys":{{"type":"int8"}},"values":{date}}}]"#
    );
    let payload = r#"{"d":-1,"n":"Ag==","l":[0],"x":null,"m":[[1,0]],"more":[{}]}"#;
    let json = r#"{"d":"1969-12-31","n":"0.2","l":["1970-01-01"],"x":9,"m":[[1,"1970-01-01"]],"more":[{}]}"#;
    same("JSON", &schema, payload, json);
    same("String", &schema, payload, json);
}

#[test]
fn null_stays_null_where_the_converter_is_told_so() {
    let record_text = envelope(r#""type":"int32","optional":true,"default":5"#, "null");
    for (null_defaults, becomes) in [(true, "5"), (false, "null")] {
        let plan = plan(&[column("c", "Nullable(Int32)", "")]);
        let mut decoder = ConnectJsonDecoder::new(Arc::clone(&plan), null_defaults);
        let mut segment = plan.new_segment();
        decoder.decode(&mut segment, record(Some(record_text.as_bytes()))).unwrap();
        let expected = json_block(&plan, &[&format!("{{\"c\":{becomes}}}")]);
        assert_eq!(block(&plan, &segment), expected, "null_defaults {null_defaults}");
    }
}

#[test]
fn defaults_of_the_schema_stand_in_for_null_and_for_nothing() {
    same("Int32", r#""type":"int32","default":5"#, "null", "5");
    same(
        "Nullable(Date)",
        r#""type":"int32","name":"io.debezium.time.Date","default":1"#,
        "null",
        "\"1970-01-02\"",
    );
    let plan =
        plan(&[column("a", "Int32", ""), column("b", "Nullable(String)", ""), column("t", "Int8", "3")]);
    let schema = r#""schema":{"type":"struct","fields":[{"field":"a","type":"int32","default":5},{"field":"b","type":"string","optional":true}]}"#;
    let records = [
        format!(r#"{{{schema},"payload":{{}}}}"#),
        format!(r#"{{"payload":{{"b":"x","zzz":[1],"a":6,"b":"y"}},{schema}}}"#),
    ];
    let json = [r#"{"a":5,"b":null}"#, r#"{"a":6,"b":"y"}"#];
    assert_eq!(rows(&plan, &[&records[0], &records[1]]).unwrap(), json_block(&plan, &json));
}

#[test]
fn a_payload_without_schema_is_plain_json() {
    let plan = plan(&[column("a", "Int32", "")]);
    let record = r#"{"schema":null,"payload":{"a":6}}"#;
    assert_eq!(rows(&plan, &[record]).unwrap(), json_block(&plan, &[r#"{"a":6}"#]));
}

#[test]
fn what_is_no_envelope_is_refused() {
    let good = envelope(r#""type":"int32""#, "7");
    for (text, code) in [
        ("{}", "DECODE-035"),
        (r#"{"a":1}"#, "DECODE-035"),
        (r#"{"schema":null}"#, "DECODE-035"),
        (r#"{"schema":7,"payload":{}}"#, "DECODE-035"),
        (r#"{"schema":{"type":"int32"},"payload":1}"#, "DECODE-035"),
        (r#"{"schema":{"type":"struct"},"payload":{}}"#, "DECODE-035"),
        (
            r#"{"schema":{"type":"struct","fields":[{"field":"c","type":"int33"}]},"payload":{}}"#,
            "DECODE-035",
        ),
        (r#"{"schema":null,"payload":{},"more":1}"#, "DECODE-035"),
        ("[]", "DECODE-035"),
        ("7", "DECODE-035"),
        ("", "DECODE-001"),
        ("{", "DECODE-001"),
        (&good[..good.len() - 1], "DECODE-001"),
        (&format!("{good}x"), "DECODE-001"),
        (&good.replace("{\"c\":7}", "null"), "DECODE-002"),
        (&good.replace("{\"c\":7}", "[7]"), "DECODE-002"),
    ] {
        let plan = plan(&[column("c", "Int32", "")]);
        // Behind a good record, too: its schema is remembered.
        for records in [&[text][..], &[&good, text]] {
            let error = rows(&plan, records).unwrap_err().to_string();
            assert_eq!(&error[..10], code, "{text}");
        }
    }
    let mut decoder = ConnectJsonDecoder::new(plan(&[column("c", "Int32", "")]), true);
    let mut segment = decoder.plan().new_segment();
    let error = decoder.decode(&mut segment, record(None)).unwrap_err().to_string();
    assert_eq!(&error[..10], "DECODE-002");
}

#[test]
fn unknown_fields_are_refused_where_the_configuration_says_so() {
    let plan = refusing_plan(&[column("c", "Int32", "")]);
    let unknown_to_schema = envelope(r#""type":"int32""#, "7").replace("{\"c\":7}", "{\"c\":7,\"d\":8}");
    let unknown_to_table = envelope(r#""type":"int32""#, "7").replace("\"c\"", "\"d\"");
    for text in [unknown_to_schema, unknown_to_table] {
        assert_eq!(&rows(&plan, &[&text]).unwrap_err().to_string()[..10], "DECODE-009");
    }
}

#[test]
fn a_connectors_own_records_become_rows() {
    let plan = plan(
        &[
            ("op", "LowCardinality(String)"),
            ("ts_ms", "DateTime64(3, 'UTC')"),
            ("after", "String"),
            ("before", "Nullable(String)"),
        ]
        .map(|(name, type_text)| column(name, type_text, "")),
    );
    let after = r#"{"id":7,"customer":"new1","amount":"-99.99","qty":null,"price":1.0000000001E10,"note":"ünïcode ☃ 1","tags":[],"meta":"{\"a\": [1, null]}","uid":"b84b8d86-7797-43d5-b49c-125b02533fc7","paid":null,"d":"1969-12-31","t":null,"ts":"1900-01-01T00:00:00Z","tstz":"2026-11-21T05:19:14.758442Z","raw":""}"#;
    let expected = format!(r#"{{"op":"c","ts_ms":1795238355167,"before":null,"after":{after}}}"#);
    assert_eq!(rows(&plan, &[CREATE]).unwrap(), json_block(&plan, &[&expected]));
    // Twice, so that the second one finds its schema by its bytes; and one of the same schema.
    assert!(rows(&plan, &[CREATE, CREATE, UPDATE, CREATE]).is_ok());
}

#[test]
fn thousands_of_schemas_are_not_kept() {
    let plan = plan(&[column("c", "Int32", "")]);
    let mut decoder = ConnectJsonDecoder::new(Arc::clone(&plan), true);
    let mut segment = plan.new_segment();
    let begun = Instant::now();
    for number in 0..2_000 {
        let text = envelope(&format!(r#""type":"int32","doc":"{number}""#), "7");
        decoder.decode(&mut segment, record(Some(text.as_bytes()))).unwrap();
    }
    assert_eq!(segment.rows(), 2_000);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let deep = envelope(&r#""type":"array","items":{"#.repeat(10_000), "7");
    assert!(decoder.decode(&mut segment, record(Some(deep.as_bytes()))).is_err());
}
