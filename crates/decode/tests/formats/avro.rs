//! Avro into columns.
use std::sync::Arc;

use pumphouse_decode::{AvroDecoder, Undecoded};
use pumphouse_types::{SchemaId, SchemaKind};

use crate::support::{block, code, column, framed, json_block, plan, record, refusing_plan, schema};

/// Zigzag and varint.
pub fn long(value: i64) -> Vec<u8> {
    let mut raw = (value << 1 ^ value >> 63) as u64;
    let mut out = Vec::new();
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
    out
}

pub fn bytes(value: &[u8]) -> Vec<u8> {
    [long(value.len() as i64), value.to_vec()].concat()
}

pub fn text(value: &str) -> Vec<u8> {
    bytes(value.as_bytes())
}

/// A record schema with one field `c`.
fn one_field(type_text: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"c","type":{type_text}}}]}}"#)
}

fn run(type_text: &str, avro: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let plan = plan(&[column("c", type_text, "")]);
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Avro, &one_field(avro), &[])).unwrap();
    let mut segment = plan.new_segment();
    match decoder.decode(&mut segment, record(Some(&framed(1, body)))) {
        Ok(()) => Ok(block(&plan, &segment)),
        refused => Err(code(refused)),
    }
}

/// The Avro value becomes in a column of this type what the JSON value becomes there.
fn same(type_text: &str, avro: &str, body: &[u8], json: &str) {
    let plan = plan(&[column("c", type_text, "")]);
    let expected = json_block(&plan, &[&format!("{{\"c\":{json}}}")]);
    assert_eq!(run(type_text, avro, body), Ok(expected), "{avro} into {type_text} as {json}");
}

fn refused(type_text: &str, avro: &str, body: &[u8], expected: &str) {
    assert_eq!(run(type_text, avro, body), Err(expected.to_owned()), "{avro} into {type_text}");
}

#[test]
fn numbers_go_into_every_type_that_holds_them() {
    for type_text in [
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "Int128",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "UInt128",
        "Float32",
        "Float64",
        "String",
        "Decimal(9, 2)",
        "Decimal(38, 4)",
        "Nullable(Int64)",
        "Nullable(UInt8)",
        "LowCardinality(UInt16)",
        "LowCardinality(String)",
        "LowCardinality(Nullable(Int32))",
        "Nullable(Float64)",
        "Enum8('a' = 100)",
        "Date",
        "DateTime('UTC')",
        "DateTime64(3, 'UTC')",
        "Nullable(String)",
    ] {
        same(type_text, r#""int""#, &long(100), "100");
        same(type_text, r#""long""#, &long(100), "100");
    }
    same("Int64", r#""long""#, &long(i64::MIN), "-9223372036854775808");
    same("String", r#""long""#, &long(i64::MIN), "-9223372036854775808");
    refused("Int8", r#""int""#, &long(128), "DECODE-005");
    refused("UInt64", r#""long""#, &long(-1), "DECODE-005");
    refused("UInt8", r#""long""#, &long(i64::MIN), "DECODE-005");
    refused("Int32", r#""int""#, &long(1 << 31), "DECODE-030");
}

#[test]
fn floats_and_booleans() {
    same("Float64", r#""double""#, &0.1f64.to_le_bytes(), "0.1");
    same("Float32", r#""double""#, &0.1f64.to_le_bytes(), "0.1");
    same("Float32", r#""float""#, &0.1f32.to_le_bytes(), "0.1");
    same("Float64", r#""float""#, &1.5f32.to_le_bytes(), "1.5");
    same("String", r#""float""#, &0.1f32.to_le_bytes(), "\"0.1\"");
    same("Decimal(9, 1)", r#""double""#, &0.1f64.to_le_bytes(), "0.1");
    same("Int32", r#""double""#, &5.0f64.to_le_bytes(), "5");
    same("Float64", r#""double""#, &f64::NAN.to_le_bytes(), "\"NaN\"");
    same("Nullable(Float32)", r#""float""#, &f32::NEG_INFINITY.to_le_bytes(), "\"-Infinity\"");
    refused("Float32", r#""double""#, &1e300f64.to_le_bytes(), "DECODE-005");
    refused("Int32", r#""double""#, &5.5f64.to_le_bytes(), "DECODE-005");
    same("Bool", r#""boolean""#, &[1], "true");
    same("UInt8", r#""boolean""#, &[0], "false");
    same("String", r#""boolean""#, &[1], "true");
    refused("Bool", r#""boolean""#, &[2], "DECODE-030");
}

#[test]
fn texts_enums_and_bytes() {
    same("String", r#""string""#, &text("hé😀"), "\"hé😀\"");
    same("LowCardinality(String)", r#""string""#, &text("x"), "\"x\"");
    same(
        "UUID",
        r#""string""#,
        &text("00112233-4455-6677-8899-aabbccddeeff"),
        "\"00112233445566778899aabbccddeeff\"",
    );
    same(
        "DateTime64(6, 'UTC')",
        r#""string""#,
        &text("2013-01-01T10:00:00.000001Z"),
        "\"2013-01-01 10:00:00.000001\"",
    );
    refused("String", r#""string""#, &bytes(&[0xff]), "DECODE-008");
    let symbols = r#"{"type":"enum","name":"E","symbols":["a","b"]}"#;
    same("Enum8('a' = 5, 'b' = 7)", symbols, &long(1), "\"b\"");
    same("LowCardinality(String)", symbols, &long(0), "\"a\"");
    refused("Enum8('a' = 5)", symbols, &long(1), "DECODE-007");
    refused("String", symbols, &long(2), "DECODE-030");
    same("String", r#""bytes""#, &bytes(b"ab\0c"), "\"ab\\u0000c\"");
    same("FixedString(4)", r#""bytes""#, &bytes(b"ab"), "\"ab\"");
    same("LowCardinality(FixedString(4))", r#"{"type":"fixed","name":"F","size":2}"#, b"ab", "\"ab\"");
    same("Nullable(FixedString(2))", r#"{"type":"fixed","name":"F","size":2}"#, b"ab", "\"ab\"");
    refused("FixedString(1)", r#""bytes""#, &bytes(b"ab"), "DECODE-005");
    refused("Int64", r#""bytes""#, &bytes(b"ab"), "DECODE-006");
    // Bytes are bytes: they need not be UTF-8.
    assert!(run("String", r#""bytes""#, &bytes(&[0xff, 0xfe])).is_ok());
}

fn logical(base: &str, name: &str) -> String {
    format!(r#"{{"type":"{base}","logicalType":"{name}"}}"#)
}

#[test]
fn dates_and_times() {
    same("Date", &logical("int", "date"), &long(15_706), "\"2013-01-01\"");
    same("Date32", &logical("int", "date"), &long(-25_567), "\"1900-01-01\"");
    same("Nullable(Date32)", &logical("int", "date"), &long(-1), "\"1969-12-31\"");
    same("String", &logical("int", "date"), &long(15_706), "\"2013-01-01\"");
    same("Int32", &logical("int", "date"), &long(-7), "-7");
    same("DateTime64(3, 'UTC')", &logical("int", "date"), &long(15_706), "\"2013-01-01\"");
    refused("Date", &logical("int", "date"), &long(-1), "DECODE-005");
    refused("Date32", &logical("int", "date"), &long(200_000), "DECODE-005");

    let millis = long(1_357_034_400_123);
    same("DateTime64(3, 'UTC')", &logical("long", "timestamp-millis"), &millis, "1357034400123");
    same("DateTime64(9, 'UTC')", &logical("long", "timestamp-millis"), &millis, "1357034400123000000");
    same("DateTime64(3, 'Europe/Berlin')", &logical("long", "timestamp-millis"), &millis, "1357034400123");
    same("String", &logical("long", "timestamp-millis"), &millis, "\"2013-01-01T10:00:00.123Z\"");
    same("Int64", &logical("long", "timestamp-millis"), &millis, "1357034400123");
    same(
        "Nullable(DateTime)",
        &logical("long", "timestamp-micros"),
        &long(1_357_034_400_000_000),
        "1357034400",
    );
    same("Date", &logical("long", "timestamp-nanos"), &long(1_356_998_400_000_000_000), "\"2013-01-01\"");
    same("DateTime64(9, 'UTC')", &logical("long", "timestamp-nanos"), &long(-1), "-1");
    refused("DateTime", &logical("long", "timestamp-millis"), &millis, "DECODE-005");
    refused("DateTime64(0, 'UTC')", &logical("long", "timestamp-millis"), &millis, "DECODE-005");
    refused("DateTime64(9, 'UTC')", &logical("long", "timestamp-millis"), &long(i64::MAX), "DECODE-005");
    refused("DateTime64(3, 'UTC')", &logical("long", "timestamp-millis"), &long(i64::MAX), "DECODE-005");

    let local = logical("long", "local-timestamp-millis");
    same("DateTime64(3, 'Europe/Berlin')", &local, &millis, "\"2013-01-01T10:00:00.123\"");
    same("DateTime64(3)", &local, &millis, "\"2013-01-01T10:00:00.123Z\"");
    same("String", &local, &millis, "\"2013-01-01T10:00:00.123\"");
    same(
        "DateTime('Europe/Berlin')",
        &logical("long", "local-timestamp-micros"),
        &long(1_357_034_400_000_000),
        "\"2013-01-01 10:00:00\"",
    );

    same("String", &logical("int", "time-millis"), &long(36_000_001), "\"10:00:00.001\"");
    same("String", &logical("long", "time-micros"), &long(36_000_000_000), "\"10:00:00\"");
    same("Int64", &logical("long", "time-micros"), &long(36_000_000_001), "36000000001");
    refused("Date", &logical("int", "time-millis"), &long(1), "DECODE-006");
}

#[test]
fn decimals_keep_every_digit() {
    let decimal = r#"{"type":"bytes","logicalType":"decimal","precision":20,"scale":2}"#;
    for type_text in
        ["Decimal(9, 2)", "Decimal(18, 6)", "Decimal(38, 2)", "String", "Float64", "Nullable(Decimal(9, 3))"]
    {
        same(type_text, decimal, &bytes(&[0xcf, 0xc7]), "-123.45");
        same(type_text, decimal, &bytes(&[0xff, 0xff, 0xcf, 0xc7]), "-123.45");
    }
    same("Decimal(9, 1)", decimal, &bytes(&[0x64]), "1");
    same("Int16", decimal, &bytes(&[0x64]), "1");
    same("Decimal(9, 2)", decimal, &bytes(&[]), "0");
    refused("Decimal(9, 1)", decimal, &bytes(&[0x65]), "DECODE-005");
    refused("Decimal(2, 2)", decimal, &bytes(&[0x64]), "DECODE-005");
    let fixed = r#"{"type":"fixed","name":"F","size":3,"logicalType":"decimal","precision":6,"scale":2}"#;
    same("Decimal(9, 2)", fixed, &[0xff, 0xcf, 0xc7], "-123.45");
    let most = [&[0x7f][..], &[0xff; 15]].concat();
    same(
        "Decimal(38, 0)",
        r#"{"type":"bytes","logicalType":"decimal","precision":38}"#,
        &bytes(&[
            0x4b, 0x3b, 0x4c, 0xa8, 0x5a, 0x86, 0xc4, 0x7a, 0x09, 0x8a, 0x22, 0x3f, 0xff, 0xff, 0xff, 0xff,
        ]),
        "99999999999999999999999999999999999999",
    );
    refused("Decimal(38, 0)", decimal, &bytes(&most), "DECODE-005");
    refused("Decimal(38, 2)", decimal, &bytes(&[0x7f; 17]), "DECODE-005");
    let big = r#"{"type":"bytes","logicalType":"big-decimal"}"#;
    same("Decimal(9, 4)", big, &bytes(&[bytes(&[0x30, 0x39]), long(2)].concat()), "123.45");
    let variable = r#"{"type":"record","name":"VariableScaleDecimal","namespace":"io.debezium.data",
        "connect.name":"io.debezium.data.VariableScaleDecimal",
        "fields":[{"name":"scale","type":"int"},{"name":"value","type":"bytes"}]}"#;
    same("Decimal(9, 4)", variable, &[long(2), bytes(&[0x30, 0x39])].concat(), "123.45");
    same("String", variable, &[long(2), bytes(&[0x30, 0x39])].concat(), "\"123.45\"");
}

#[test]
fn uuids_and_durations() {
    let uuid: Vec<u8> = (0..16u8).map(|n| n * 0x11).collect();
    let fixed = r#"{"type":"fixed","name":"U","size":16,"logicalType":"uuid"}"#;
    for type_text in ["UUID", "Nullable(UUID)", "String"] {
        same(type_text, fixed, &uuid, "\"00112233-4455-6677-8899-aabbccddeeff\"");
    }
    same(
        "UUID",
        r#"{"type":"string","logicalType":"uuid"}"#,
        &text("00112233-4455-6677-8899-aabbccddeeff"),
        "\"00112233-4455-6677-8899-aabbccddeeff\"",
    );
    let duration = r#"{"type":"fixed","name":"D","size":12,"logicalType":"duration"}"#;
    same("String", duration, &[1, 0, 0, 0, 2, 0, 0, 0, 0xbc, 0x0b, 0, 0], "\"P1M2DT3.004S\"");
}

#[test]
fn lists_come_in_blocks() {
    let array = r#"{"type":"array","items":["null","long"]}"#;
    let item = |value: i64| [long(1), long(value)].concat();
    let one_block = [long(3), item(1), long(0), item(-7), long(0)].concat();
    same("Array(Nullable(Int64))", array, &one_block, "[1,null,-7]");
    // Two blocks, the second with its size in bytes.
    let blocks = [long(1), item(1), long(-2), long(3), long(0), item(-7), long(0)].concat();
    same("Array(Nullable(Int64))", array, &blocks, "[1,null,-7]");
    same("Array(Nullable(Int64))", array, &long(0), "[]");
    refused("Array(Int64)", array, &one_block, "DECODE-004");
    same("String", array, &blocks, "\"[1,null,-7]\"");
    let nested = r#"{"type":"array","items":{"type":"array","items":"string"}}"#;
    same(
        "Array(Array(String))",
        nested,
        &[long(1), long(1), text("a"), long(0), long(0)].concat(),
        "[[\"a\"]]",
    );
    let map = r#"{"type":"map","values":{"type":"array","items":"int"}}"#;
    let body = [long(2), text("k"), long(1), long(5), long(0), text("l"), long(0), long(0)].concat();
    same("Map(String, Array(Int8))", map, &body, "{\"k\":[5],\"l\":[]}");
    same("Map(LowCardinality(String), Array(UInt64))", map, &body, "{\"k\":[5],\"l\":[]}");
    same("JSON", map, &body, "{\"k\":[5],\"l\":[]}");
    refused("Int64", map, &body, "DECODE-006");
}

#[test]
fn records_in_records_are_json() {
    let inner = r#"{"type":"record","name":"I","fields":[
        {"name":"n","type":"long"},{"name":"t","type":["null","string"]},
        {"name":"when","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
        {"name":"b","type":"bytes"},{"name":"f","type":"double"},{"name":"self","type":["null","I"]}]}"#;
    let values = [
        long(5),
        long(1),
        text("a\"\n"),
        long(0),
        bytes(&[0x30, 0x39]),
        bytes(b"foo"),
        f64::NAN.to_le_bytes().to_vec(),
    ]
    .concat();
    let body = [values.clone(), long(1), values, long(0)].concat();
    let plain = r#""n":5,"t":"a\"\n","when":"1970-01-01T00:00:00Z","d":"123.45","b":"Zm9v","f":"NaN""#;
    let json = format!("{{{plain},\"self\":{{{plain},\"self\":null}}}}");
    same("JSON", inner, &body, &json);
    same("String", inner, &body, &json);
    same("Nullable(String)", &format!("[\"null\",{inner}]"), &[long(1), body.clone()].concat(), &json);
    refused("Int64", inner, &body, "DECODE-006");
}

#[test]
fn unions_take_the_branch_that_was_written() {
    let union = r#"["null","long","string",{"type":"array","items":"int"}]"#;
    same("Nullable(String)", union, &[long(1), long(7)].concat(), "\"7\"");
    same("Nullable(String)", union, &[long(2), text("x")].concat(), "\"x\"");
    same("Nullable(String)", union, &[long(3), long(1), long(4), long(0)].concat(), "\"[4]\"");
    same("Nullable(String)", union, &long(0), "null");
    refused("Nullable(String)", union, &long(4), "DECODE-030");
    refused("Nullable(String)", union, &long(-1), "DECODE-030");
    refused("String", union, &long(0), "DECODE-004");
}

#[test]
fn null_and_absent_fields_follow_the_tables_defaults() {
    let columns = [
        column("plain", "Int64", ""),
        column("nullable", "Nullable(Int64)", ""),
        column("both", "Nullable(Int64)", "7"),
        column("default", "Int64", "7"),
        column("list", "Array(Int64)", "[7]"),
        column("_topic", "String", ""),
        column("_partition", "UInt32", ""),
        column("_offset", "UInt64", ""),
    ];
    let plan = plan(&columns);
    let optional = r#"["null","long"]"#;
    let all = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"list","type":["null",{{"type":"array","items":"long"}}]}},
        {{"name":"default","type":{optional}}},{{"name":"extra","type":{{"type":"map","values":"string"}}}},{{"name":"both","type":{optional}}},
        {{"name":"nullable","type":{optional}}},{{"name":"plain","type":"long"}},{{"name":"_offset","type":"long"}}]}}"#
    );
    let few = r#"{"type":"record","name":"R","fields":[{"name":"plain","type":"long"}]}"#;
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Avro, &all, &[])).unwrap();
    decoder.add_schema(&schema(2, SchemaKind::Avro, few, &[])).unwrap();
    let mut segment = plan.new_segment();
    let extra = [long(1), text("k"), text("v"), long(0)].concat();
    let nulls = [long(0), long(0), extra.clone(), long(0), long(0), long(1), long(99)].concat();
    let some = [
        [long(1), long(1), long(3), long(0)].concat(),
        [long(1), long(4)].concat(),
        extra,
        [long(1), long(5)].concat(),
        [long(1), long(6)].concat(),
        long(2),
        long(99),
    ]
    .concat();
    // Schemas change from record to record.
    for (id, body) in [(1, &nulls), (2, &long(8)), (1, &some)] {
        decoder.decode(&mut segment, record(Some(&framed(id, body)))).unwrap();
    }
    let json = [
        r#"{"plain":1,"nullable":null,"both":null,"default":null,"list":null}"#,
        r#"{"plain":8}"#,
        r#"{"plain":2,"nullable":6,"both":5,"default":4,"list":[3]}"#,
    ];
    assert_eq!(block(&plan, &segment), json_block(&plan, &json));
}

#[test]
fn a_schema_is_asked_for_and_a_refused_record_leaves_no_trace() {
    let plan = plan(&[column("a", "Array(String)", ""), column("b", "Int8", "")]);
    let text_of = r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"array","items":"string"}},{"name":"b","type":"int"}]}"#;
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    let mut segment = plan.new_segment();
    let good = framed(9, &[long(1), text("x"), long(0), long(1)].concat());
    let bad = framed(9, &[long(1), text("y"), long(0), long(1000)].concat());
    let needed = decoder.decode(&mut segment, record(Some(&good)));
    assert_eq!(needed, Err(Undecoded::NeedsSchema(SchemaId(9))));
    decoder.add_schema(&schema(9, SchemaKind::Avro, text_of, &[])).unwrap();
    decoder.decode(&mut segment, record(Some(&good))).unwrap();
    assert_eq!(code(decoder.decode(&mut segment, record(Some(&bad)))), "DECODE-005");
    assert_eq!(segment.rows(), 1);
    decoder.decode(&mut segment, record(Some(&good))).unwrap();
    let json = r#"{"a":["x"],"b":1}"#;
    assert_eq!(block(&plan, &segment), json_block(&plan, &[json, json]));

    assert_eq!(code(decoder.decode(&mut segment, record(None))), "DECODE-002");
    assert_eq!(code(decoder.decode(&mut segment, record(Some(b"")))), "DECODE-031");
    assert_eq!(code(decoder.decode(&mut segment, record(Some(b"{\"a\":1}")))), "DECODE-031");
    decoder.schema_missing(SchemaId(5));
    assert_eq!(code(decoder.decode(&mut segment, record(Some(&framed(5, &[]))))), "DECODE-032");
    let unusable = decoder.add_schema(&schema(6, SchemaKind::Avro, "\"string\"", &[])).unwrap_err();
    assert_eq!(unusable.to_string(), "SCHEMA-005: its values are not records with fields (schema 6)");
    assert_eq!(code(decoder.decode(&mut segment, record(Some(&framed(6, &[]))))), "DECODE-033");
    let other =
        decoder.add_schema(&schema(7, SchemaKind::Protobuf, "syntax = \"proto3\";", &[])).unwrap_err();
    assert!(other.to_string().starts_with("SCHEMA-003"), "{other}");
}

#[test]
fn unknown_fields_are_refused_where_the_configuration_says_so() {
    let plan = refusing_plan(&[column("a", "Int64", "")]);
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    let text_of =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},{"name":"b","type":"long"}]}"#;
    decoder.add_schema(&schema(1, SchemaKind::Avro, text_of, &[])).unwrap();
    let mut segment = plan.new_segment();
    let refused = decoder.decode(&mut segment, record(Some(&framed(1, &[2, 4]))));
    assert_eq!(code(refused), "DECODE-009");
}

#[test]
fn references_bring_types_along() {
    let plan = plan(&[column("user", "JSON", ""), column("kind", "String", "")]);
    let kind = r#"{"type":"enum","name":"Kind","namespace":"x","symbols":["A","B"]}"#;
    let user = r#"{"type":"record","name":"User","namespace":"x","fields":[{"name":"kind","type":"Kind"}]}"#;
    let text_of = r#"{"type":"record","name":"R","fields":[{"name":"user","type":"x.User"},{"name":"kind","type":"x.Kind"}]}"#;
    let mut decoder = AvroDecoder::new(Arc::clone(&plan));
    let registered = schema(1, SchemaKind::Avro, text_of, &[("x.Kind", kind), ("x.User", user)]);
    decoder.add_schema(&registered).unwrap();
    let mut segment = plan.new_segment();
    decoder.decode(&mut segment, record(Some(&framed(1, &[2, 0])))).unwrap();
    assert_eq!(block(&plan, &segment), json_block(&plan, &[r#"{"user":{"kind":"B"},"kind":"A"}"#]));
}
