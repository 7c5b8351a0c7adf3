//! Protobuf into columns. The bytes are put together here, field by field; records of Confluent's own
//! serializers are read in the registry's tests and in the black-box suite.
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use pumphouse_decode::ProtobufDecoder;
use pumphouse_types::SchemaKind;

use crate::support::{block, code, column, framed, json_block, plan, record, schema};

fn varint(mut raw: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while raw >= 0x80 {
        out.push(raw as u8 | 0x80);
        raw >>= 7;
    }
    out.push(raw as u8);
    out
}

fn tag(number: u64, wire: u64) -> Vec<u8> {
    varint(number << 3 | wire)
}

/// A field of a varint.
fn v(number: u64, value: i64) -> Vec<u8> {
    [tag(number, 0), varint(value as u64)].concat()
}

/// A field of a length and bytes.
fn b(number: u64, bytes: &[u8]) -> Vec<u8> {
    [tag(number, 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

fn fixed64(number: u64, bits: u64) -> Vec<u8> {
    [tag(number, 1), bits.to_le_bytes().to_vec()].concat()
}

fn fixed32(number: u64, bits: u32) -> Vec<u8> {
    [tag(number, 5), bits.to_le_bytes().to_vec()].concat()
}

/// `proto`: what follows the syntax; `index`: the record's message index as it stands in the bytes.
fn decode(type_text: &str, proto: &str, index: &[u8], body: &[u8]) -> Result<Vec<u8>, String> {
    let plan = plan(&[column("c", type_text, "")]);
    let mut decoder = ProtobufDecoder::new(Arc::clone(&plan));
    decoder.add_schema(&schema(1, SchemaKind::Protobuf, proto, &[])).unwrap();
    let mut segment = plan.new_segment();
    match decoder.decode(&mut segment, record(Some(&framed(1, &[index, body].concat())))) {
        Ok(()) => Ok(block(&plan, &segment)),
        refused => Err(code(refused)),
    }
}

fn proto3(fields: &str) -> String {
    format!("syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message R {{ {fields} }}")
}

#[track_caller]
fn same(type_text: &str, fields: &str, body: &[u8], json: &str) {
    let plan = plan(&[column("c", type_text, "")]);
    let expected = json_block(&plan, &[&format!("{{\"c\":{json}}}")]);
    let found = decode(type_text, &proto3(fields), &[0], body);
    assert_eq!(found, Ok(expected), "{fields} into {type_text} as {json}");
}

#[track_caller]
fn refused(type_text: &str, fields: &str, body: &[u8], expected: &str) {
    assert_eq!(decode(type_text, &proto3(fields), &[0], body), Err(expected.to_owned()), "{fields}");
}

#[test]
fn numbers_are_what_their_kind_says() {
    same("Int32", "int32 c = 1;", &v(1, -7), "-7");
    same("Int64", "int64 c = 1;", &v(1, i64::MIN), "-9223372036854775808");
    same("UInt64", "uint64 c = 1;", &v(1, -1), "18446744073709551615");
    same("UInt32", "fixed32 c = 1;", &fixed32(1, u32::MAX), "4294967295");
    same("Int64", "sint64 c = 1;", &v(1, 3), "-2");
    same("Int32", "sfixed32 c = 1;", &fixed32(1, u32::MAX), "-1");
    same("Float64", "double c = 1;", &fixed64(1, 0.1f64.to_bits()), "0.1");
    same("Float32", "float c = 1;", &fixed32(1, 0.5f32.to_bits()), "0.5");
    same("Bool", "bool c = 1;", &v(1, 1), "true");
    same("String", "uint64 c = 1;", &v(1, -1), "18446744073709551615");
    refused("Int8", "int32 c = 1;", &v(1, 1000), "DECODE-005");
}

#[test]
fn absent_is_null_where_the_schema_can_tell_and_zero_where_not() {
    same("Nullable(Int32)", "int32 c = 1;", &[], "0");
    same("Nullable(Int32)", "optional int32 c = 1;", &[], "null");
    same("Nullable(Int32)", "optional int32 c = 1;", &v(1, 0), "0");
    same("Nullable(String)", "string c = 1;", &[], "\"\"");
    same("Nullable(String)", "oneof o { string c = 1; int32 d = 2; }", &v(2, 5), "null");
    same("Array(Int32)", "repeated int32 c = 1;", &[], "[]");
    same("Map(String, Int32)", "map<string, int32> c = 1;", &[], "{}");
    refused("Int32", "optional int32 c = 1;", &[], "DECODE-004");
    let proto2 = "syntax = \"proto2\"; message R { optional int32 c = 1; }";
    let plan = plan(&[column("c", "Nullable(Int32)", "")]);
    let expected = json_block(&plan, &[r#"{"c":null}"#]);
    assert_eq!(decode("Nullable(Int32)", proto2, &[0], &[]), Ok(expected));
}

#[test]
fn fields_may_come_again_in_any_order_and_unknown_ones_are_passed_over() {
    let fields = "int32 a = 1; string c = 2; repeated int32 d = 3;";
    let body = [b(2, b"first"), v(9, 1), fixed32(8, 1), b(7, b"x"), v(3, 1), v(1, 2), b(2, b"last")].concat();
    same("String", fields, &body, "\"last\"");
    // A group of another schema, with a group in it.
    let group = [tag(6, 3), tag(5, 3), v(1, 1), tag(5, 4), tag(6, 4)].concat();
    same("String", fields, &[group, b(2, b"x")].concat(), "\"x\"");
    // A field whose form is another than the schema's is none of it.
    same("String", fields, &v(2, 1), "\"\"");
    // Of a oneof the last member counts.
    let oneof = "oneof o { string c = 1; int32 d = 2; }";
    same("Nullable(String)", oneof, &[b(1, b"x"), v(2, 5)].concat(), "null");
    same("Nullable(String)", oneof, &[v(2, 5), b(1, b"x")].concat(), "\"x\"");
}

#[test]
fn lists_come_packed_or_not_and_in_pieces() {
    let list = "repeated sint32 c = 1;";
    let packed = b(1, &[varint(1), varint(2)].concat());
    same("Array(Int32)", list, &packed, "[-1,1]");
    same("Array(Int32)", list, &[packed.clone(), v(1, 4), packed].concat(), "[-1,1,2,-1,1]");
    same("Array(String)", "repeated string c = 1;", &[b(1, b"a"), b(1, b"")].concat(), r#"["a",""]"#);
    same("String", list, &v(1, 1), "\"[-1]\"");
    refused("Array(Int32)", list, &b(1, &[0x80]), "DECODE-030");
}

/// A message in the schema's order is taken in one pass; a field that nobody knows, at its end, keeps it from that.
#[test]
fn a_message_means_the_same_in_one_pass_and_in_two() {
    let at = |seconds, nanos| b(1, &[v(1, seconds), v(2, nanos)].concat());
    let packed =
        |numbers: &[u64]| b(1, &numbers.iter().flat_map(|number| varint(*number)).collect::<Vec<u8>>());
    let uuid = b"61f0c404-5cb3-11e7-907b-a6006ad3dba0";
    let time = "google.protobuf.Timestamp c = 1;";
    let cases: [(&str, &str, Vec<u8>); 31] = [
        ("Array(String)", "repeated string c = 1;", vec![]),
        ("Array(String)", "repeated string c = 1;", [b(1, b""), b(1, b"b"), b(1, &[b'c'; 300])].concat()),
        ("Array(String)", "repeated string c = 1;", [b(1, b"a"), b(1, &[0xff])].concat()),
        ("Array(String)", "repeated string c = 1;", b"\x0a\x05abc".to_vec()),
        ("Array(LowCardinality(String))", "repeated string c = 1;", [b(1, b"a"), b(1, b"a")].concat()),
        ("Array(Nullable(String))", "repeated string c = 1;", [b(1, b"a"), b(1, b"")].concat()),
        ("Array(UUID)", "repeated string c = 1;", [b(1, uuid), b(1, uuid)].concat()),
        ("Array(String)", "repeated bytes c = 1;", [b(1, &[0xff]), b(1, b"")].concat()),
        ("Array(Int32)", "repeated int32 c = 1;", packed(&[1, 300, u64::MAX])),
        ("Array(Int32)", "repeated int32 c = 1;", [packed(&[1]), packed(&[]), packed(&[2])].concat()),
        ("Array(Int32)", "repeated int32 c = 1;", [v(1, 1), v(1, 2)].concat()),
        ("Array(Int8)", "repeated int32 c = 1;", packed(&[1, 300])),
        ("Array(Int64)", "repeated sint64 c = 1;", b(1, &[1, 0x80])),
        (
            "Array(Float64)",
            "repeated double c = 1;",
            b(1, &[0.5f64.to_le_bytes(), 7f64.to_le_bytes()].concat()),
        ),
        ("Array(UInt32)", "repeated fixed32 c = 1;", b(1, &[1, 0, 0, 0, 2, 0, 0])),
        ("Array(Bool)", "repeated bool c = 1;", packed(&[0, 1, 2])),
        ("Array(String)", "enum E { A = 0; B = 1; } repeated E c = 1;", packed(&[0, 1])),
        ("String", "repeated sint32 c = 1;", packed(&[1, 2])),
        ("UUID", "string c = 1;", b(1, uuid)),
        ("UUID", "string c = 1;", b(1, b"61f0c4045cb311e7907ba6006ad3dba0")),
        ("UUID", "string c = 1;", b(1, b"61f0c404")),
        ("UUID", "string c = 1;", vec![]),
        ("Nullable(UUID)", "optional string c = 1;", b(1, uuid)),
        ("DateTime64(3)", time, at(1_700_000_000, 120_000_000)),
        ("DateTime64(3)", time, at(1_700_000_000, 120_000_001)),
        ("DateTime64(9)", time, at(-1, 1)),
        ("DateTime64(3)", time, b(1, &[v(2, 1_000_000), v(1, 5)].concat())),
        ("DateTime64(3)", time, [at(1, 0), at(0, 2_000_000)].concat()),
        ("Nullable(DateTime64(3))", time, vec![]),
        ("Nullable(DateTime64(3))", time, b(1, &[])),
        ("DateTime64(3)", time, at(0, -1)),
    ];
    for (type_text, fields, body) in cases {
        let in_one = decode(type_text, &proto3(fields), &[0], &body);
        let in_two = decode(type_text, &proto3(fields), &[0], &[body.clone(), v(99, 1)].concat());
        // What is cut off in the middle ends elsewhere with the other field behind it.
        if !(in_one.is_err() && in_two.is_err()) {
            assert_eq!(in_one, in_two, "{fields} into {type_text}: {body:?}");
        }
    }
}

/// A schema's own file may bring a Timestamp of that name whose numbers are written otherwise.
#[test]
fn a_timestamp_of_somebodys_own_is_read_as_it_is_declared() {
    let proto = "syntax = \"proto3\"; package google.protobuf; message R { Timestamp c = 1; } \
                 message Timestamp { sint64 seconds = 1; int32 nanos = 2; }";
    let body = b(1, &v(1, 10));
    let in_one = decode("DateTime64(3)", proto, &[0], &body);
    assert_eq!(in_one, decode("DateTime64(3)", proto, &[0], &[body, v(99, 1)].concat()));
    let plan = plan(&[column("c", "DateTime64(3)", "")]);
    assert_eq!(in_one, Ok(json_block(&plan, &[r#"{"c":"1970-01-01T00:00:05.000Z"}"#])));
}

/// What no column takes stands between what columns take.
#[test]
fn lists_that_no_column_takes_are_passed_over() {
    let fields = "repeated string a = 1; repeated int32 b = 2; repeated R r = 3; string c = 4;";
    let lists = [b(1, b"x"), b(1, b"y"), b(2, &[1, 2]), b(2, &[3]), b(3, &b(4, b"z")), b(3, b"")].concat();
    same("String", fields, &[lists, b(4, b"c")].concat(), "\"c\"");
}

#[test]
fn maps_have_keys_of_every_kind() {
    let entry = |key: &[u8], value: &[u8]| b(1, &[key, value].concat());
    same("Map(String, Int32)", "map<string, int32> c = 1;", &entry(&b(1, b"k"), &v(2, 5)), r#"{"k":5}"#);
    // A part that is absent is its zero.
    same("Map(String, Int32)", "map<string, int32> c = 1;", &entry(&[], &[]), r#"{"":0}"#);
    same("Map(Int64, String)", "map<int64, string> c = 1;", &entry(&v(1, 7), &b(2, b"x")), r#"{"7":"x"}"#);
    same("JSON", "map<int64, string> c = 1;", &entry(&v(1, 7), &b(2, b"x")), r#"{"7":"x"}"#);
}

#[test]
fn messages_go_to_tuples_and_json_merged_from_their_parts() {
    let inner = "message I { int32 x = 1; optional string s = 2; repeated int32 l = 3; } I c = 1;";
    let body = [b(1, &[v(1, 5), v(3, 1)].concat()), b(1, &[b(2, b"q"), v(3, 2)].concat())].concat();
    same("Tuple(x Int32, s Nullable(String), l Array(Int8))", inner, &body, r#"{"x":5,"s":"q","l":[1,2]}"#);
    same("Nullable(String)", "message I {} I c = 1;", &[], "null");
    let list = "message I { int32 x = 1; } repeated I c = 1;";
    let body = [b(1, &v(1, 1)), b(1, &[])].concat();
    same("Array(Tuple(x Int32))", list, &body, r#"[{"x":1},{"x":0}]"#);
    same("JSON", "message I { bytes x = 1; } I c = 1;", &b(1, &b(1, b"\xff")), r#"{"x":"/w=="}"#);
}

#[test]
fn enums_are_their_names() {
    let fields = "enum E { A = 0; B = 1; } E c = 1;";
    same("String", fields, &v(1, 1), "\"B\"");
    same("Enum8('A' = 10, 'B' = 20)", fields, &[], "\"A\"");
    // Nobody's name: the number stays.
    same("String", fields, &v(1, 7), "\"7\"");
}

#[test]
fn well_known_types_are_what_they_stand_for() {
    let at = [v(1, 1_700_000_000), v(2, 123_000_000)].concat();
    let timestamp = "google.protobuf.Timestamp c = 1;";
    same("DateTime64(3, 'UTC')", timestamp, &b(1, &at), "1700000000123");
    same("Nullable(DateTime64(3))", timestamp, &[], "null");
    refused("DateTime64(1)", timestamp, &b(1, &at), "DECODE-005");
    same("Nullable(Int64)", "google.protobuf.Int64Value c = 1;", &b(1, &[]), "0");
    same("Nullable(Int64)", "google.protobuf.Int64Value c = 1;", &[], "null");
    same(
        "Date32",
        "google.type.Date c = 1;",
        &b(1, &[v(1, 2024), v(2, 2), v(3, 29)].concat()),
        "\"2024-02-29\"",
    );
    refused("Date32", "google.type.Date c = 1;", &b(1, &v(1, 2024)), "DECODE-005");
    let half = b(1, &[v(1, 1), v(2, 500_000_000)].concat());
    same("Decimal(10, 3)", "google.protobuf.Duration c = 1;", &half, "1.5");
    let decimal = b(1, &[b(1, &[0xff, 0x85]), v(2, 5), v(3, 2)].concat());
    same("Decimal(10, 2)", "confluent.type.Decimal c = 1;", &decimal, "-1.23");
    // {"a": [true, null, 1.5]}
    let values = [b(1, &v(4, 1)), b(1, &v(1, 0)), b(1, &fixed64(2, 1.5f64.to_bits()))].concat();
    let field = [b(1, b"a"), b(2, &b(6, &values))].concat();
    same("String", "google.protobuf.Struct c = 1;", &b(1, &b(1, &field)), r#""{\"a\":[true,null,1.5]}""#);
}

#[test]
fn the_index_names_the_message() {
    let file = "syntax = \"proto3\"; message A { map<string, string> m = 1; message B { int32 c = 1; }
        message C { int32 c = 2; } } message D { int32 c = 3; }";
    let plan = plan(&[column("c", "Int32", "")]);
    let expected = json_block(&plan, &[r#"{"c":7}"#]);
    // How many steps, then each, in zigzag numbers. Entries of maps are not counted.
    for (index, body) in [(&[4, 0, 0][..], v(1, 7)), (&[4, 0, 2], v(2, 7)), (&[2, 2], v(3, 7))] {
        assert_eq!(decode("Int32", file, index, &body), Ok(expected.clone()), "{index:?}");
    }
    for index in [&[4, 0, 8][..], &[2, 4], &[4, 0], &[1], &[]] {
        assert_eq!(decode("Int32", file, index, &[]), Err("DECODE-030".to_owned()), "{index:?}");
    }
}

#[test]
fn broken_bytes_are_refused() {
    let fields = "string c = 1; R r = 2;";
    for body in [
        &[0x0a, 5, b'x'][..],
        &[0x0a],
        &[0x80],
        &[0x00, 0],
        &[0x0c],
        &[0x13],
        &[0x0e],
        &[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
    ] {
        refused("String", fields, body, "DECODE-030");
    }
    refused("String", fields, &b(1, b"\xff"), "DECODE-008");
    // Groups without end, and messages in one another without end.
    refused("String", fields, &vec![0x13; 1_000], "DECODE-010");
    let mut deep = Vec::new();
    for _ in 0..200 {
        deep = b(2, &deep);
    }
    refused("JSON", "R c = 2;", &deep, "DECODE-010");
}

/// `syntax = "proto3"; message R { int32 c = 1; }` as a descriptor, in base64.
#[test]
fn a_schema_may_come_as_a_descriptor() {
    let field = [b(1, b"c"), v(3, 1), v(4, 1), v(5, 5)].concat();
    let file = |field: &[u8]| [b(4, &[b(1, b"R"), b(2, field)].concat()), b(12, b"proto3")].concat();
    let plan = plan(&[column("c", "Int32", "")]);
    let expected = json_block(&plan, &[r#"{"c":7}"#]);
    assert_eq!(decode("Int32", &base64(&file(&field)), &[0], &v(1, 7)), Ok(expected.clone()));
    // A oneof that the message does not have is none.
    let astray = [field, v(9, 1 << 30)].concat();
    assert_eq!(decode("Int32", &base64(&file(&astray)), &[0], &[v(1, 3), v(1, 7)].concat()), Ok(expected));
    let mut decoder = ProtobufDecoder::new(plan);
    for broken in ["A", "/////w=="] {
        let error = decoder.add_schema(&schema(1, SchemaKind::Protobuf, broken, &[])).unwrap_err();
        assert!(error.to_string().starts_with("SCHEMA-001"), "{error}");
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = (0..3).fold(0, |group, at| group << 8 | usize::from(*chunk.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let digit = char::from(DIGITS[group >> (18 - 6 * place) & 63]);
            text.push(if place <= chunk.len() { digit } else { '=' });
        }
    }
    text
}

#[test]
fn hostile_schemas_are_refused() {
    let deep = format!("message A {}{}", "{ message A ".repeat(100), "}".repeat(100));
    let own_wrapper = "syntax = \"proto3\"; package google.protobuf; message StringValue {}";
    let mut decoder = ProtobufDecoder::new(plan(&[column("c", "String", "")]));
    let mut add = |text: &str, references: &[(&str, &str)]| {
        let added = decoder.add_schema(&schema(1, SchemaKind::Protobuf, text, references));
        added.map_err(|error| error.to_string()[..10].to_owned())
    };
    assert_eq!(add(&deep, &[]), Err("SCHEMA-002".to_owned()));
    assert_eq!(add("message", &[]), Err("SCHEMA-001".to_owned()));
    assert_eq!(add("syntax = \"proto3\"; message A { Nobody c = 1; }", &[]), Err("SCHEMA-004".to_owned()));
    assert_eq!(
        add("syntax = \"proto3\"; message A { int32 c = 1; int32 d = 1; }", &[]),
        Err("SCHEMA-001".to_owned())
    );
    let wrapped = "syntax = \"proto3\"; message R { google.protobuf.StringValue c = 1; }";
    assert_eq!(add(wrapped, &[("own.proto", own_wrapper)]), Ok(()));
    let mut segment = plan(&[column("c", "String", "")]).new_segment();
    // Not a panic: a message without fields is an object without fields.
    decoder.decode(&mut segment, record(Some(&framed(1, &[0, 0x0a, 0])))).unwrap();
}

/// A record of a few bytes must be refused, or taken, at once.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn short_records_are_short_work() {
    // Each of many tiny messages is written out with a thousand fields.
    let fields: String = (1..=1_000).map(|number| format!("int32 f{number} = {number};")).collect();
    let wide = format!("message W {{ {fields} }} repeated W c = 1;");
    let begun = Instant::now();
    refused("JSON", &wide, &b(1, &[]).repeat(20_000), "DECODE-034");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    // And with a thousand oneofs.
    let oneofs: String = (1..=1_000).map(|n| format!("oneof o{n} {{ int32 f{n} = {n}; }}")).collect();
    let wide = format!("message W {{ {oneofs} }} repeated W c = 1;");
    let begun = Instant::now();
    refused("Array(Tuple(f1 Nullable(Int32)))", &wide, &b(1, &[]).repeat(20_000), "DECODE-034");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

const EVERYTHING: &str = "enum E { A = 0; B = 1; } message I { int32 x = 1; I i = 2; repeated I l = 3; }
    oneof o { string s = 1; double d = 2; } repeated sint64 n = 3; map<string, I> m = 4; I i = 5; E e = 6;
    google.protobuf.Timestamp t = 7; google.protobuf.Value v = 8; bytes b = 9; uint64 u = 10;
    google.protobuf.StringValue w = 11;";

fn everything() -> Vec<u8> {
    let inner = [v(1, 5), b(2, &v(1, 6)), b(3, &[]), b(3, &v(1, 7))].concat();
    let at = [v(1, 1_700_000_000), v(2, 123_000_000)].concat();
    [
        b(1, b"text"),
        b(3, &[1, 2, 3]),
        b(4, &[b(1, b"key"), b(2, &inner)].concat()),
        b(5, &inner),
        v(6, 1),
        b(7, &at),
        b(8, &b(3, b"value")),
        b(9, b"\x00\xff"),
        v(10, -1),
        b(11, &b(1, b"w")),
    ]
    .concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_break_the_decoder(
        cut in 0usize..110,
        edits in prop::collection::vec((0usize..110, any::<u8>()), 0..4),
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let columns = [
            column("s", "Nullable(String)", ""),
            column("d", "Nullable(Float64)", ""),
            column("n", "Array(Int64)", ""),
            column("m", "Map(String, String)", ""),
            column("i", "JSON", ""),
            column("e", "String", ""),
            column("t", "Nullable(DateTime64(9))", ""),
            column("v", "String", ""),
            column("b", "String", ""),
            column("u", "UInt64", ""),
            column("w", "Nullable(String)", ""),
        ];
        let plan = plan(&columns);
        let mut decoder = ProtobufDecoder::new(Arc::clone(&plan));
        decoder.add_schema(&schema(1, SchemaKind::Protobuf, &proto3(EVERYTHING), &[])).unwrap();
        let mut segment = plan.new_segment();
        let good = [vec![0], everything()].concat();
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
    }
}
