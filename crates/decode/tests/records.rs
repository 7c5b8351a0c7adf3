//! What records become, seen from outside: rows are read back from the Native block.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use pumphouse_columns::{Segment, encode_block};
use pumphouse_decode::{
    DecodeError, DefaultKind, HeadersRef, JsonDecoder, PlanError, PlanOptions, RecordRef, TableColumn,
    TablePlan, UnknownFields,
};

fn column(name: &str, type_text: &str, default: &str) -> TableColumn {
    TableColumn {
        name: name.to_owned(),
        type_text: type_text.to_owned(),
        default_kind: if default.is_empty() { DefaultKind::None } else { DefaultKind::Default },
        default_expression: default.to_owned(),
    }
}

struct Table {
    plan: Arc<TablePlan>,
    decoder: JsonDecoder,
    segment: Segment,
}

impl Table {
    fn with(columns: &[TableColumn], options: PlanOptions) -> Table {
        let plan = Arc::new(TablePlan::compile(columns, options).unwrap());
        Table { decoder: JsonDecoder::new(Arc::clone(&plan)), segment: plan.new_segment(), plan }
    }

    fn of(type_text: &str) -> Table {
        Table::with(&[column("c", type_text, "")], PlanOptions::default())
    }

    fn put(&mut self, value: &[u8]) -> Result<(), DecodeError> {
        let record = RecordRef {
            topic: "t",
            partition: 3,
            offset: 17,
            timestamp_ms: None,
            key: None,
            headers: HeadersRef::NONE,
            value: Some(value),
        };
        self.decoder.decode(&mut self.segment, record)
    }

    fn block(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let shape = self.plan.shape();
        encode_block(&shape.wire_names(), &shape.wire_types(), &[&self.segment], &mut out).unwrap();
        out
    }
}

/// The body of the only value of the only column, as it travels.
fn wire(type_text: &str, json: &str) -> Result<Vec<u8>, String> {
    let mut table = Table::of(type_text);
    let head = |table: &Table| 2 + 3 + 1 + table.plan.shape().wire_types()[0].to_string().len();
    let record = format!("{{\"c\":{json}}}");
    table.put(record.as_bytes()).map_err(|error| error.to_string()[..10].to_owned())?;
    Ok(table.block()[head(&table)..].to_vec())
}

fn same(type_text: &str, json: &str, body: &[u8]) {
    assert_eq!(wire(type_text, json).as_deref(), Ok(body), "{json} into {type_text}");
}

fn refused(type_text: &str, json: &str, code: &str) {
    assert_eq!(wire(type_text, json), Err(code.to_owned()), "{json} into {type_text}");
}

#[test]
fn integers_are_taken_exactly_or_refused() {
    same("UInt8", "255", &[255]);
    same("UInt8", "true", &[1]);
    same("Int8", "-128", &[0x80]);
    same("Int16", "\"-2\"", &[0xfe, 0xff]);
    same("UInt32", "1e3", &1000u32.to_le_bytes());
    same("Int32", "1.0", &1i32.to_le_bytes());
    same("UInt64", "18446744073709551615", &u64::MAX.to_le_bytes());
    same("UInt128", "340282366920938463463374607431768211455", &u128::MAX.to_le_bytes());
    same("Int128", "-170141183460469231731687303715884105728", &i128::MIN.to_le_bytes());
    for (type_text, json) in [
        ("UInt8", "256"),
        ("UInt8", "-1"),
        ("Int8", "128"),
        ("UInt64", "18446744073709551616"),
        ("Int32", "1.5"),
        ("Int64", "1e400"),
        ("UInt128", "-1"),
        ("UInt32", "\"4294967296\""),
    ] {
        refused(type_text, json, "DECODE-005");
    }
    for (type_text, json) in [
        ("Int32", "\"\""),
        ("Int32", "\"12a\""),
        ("Int32", "\"007\""),
        ("Int32", "true"),
        ("Int32", "[1]"),
        ("Int32", "{}"),
    ] {
        refused(type_text, json, "DECODE-006");
    }
}

#[test]
fn floats_are_the_nearest_and_stay_finite() {
    same("Float64", "0.1", &0.1f64.to_le_bytes());
    same("Float32", "0.1", &0.1f32.to_le_bytes());
    same("Float64", "\"-1e3\"", &(-1000f64).to_le_bytes());
    same("Float64", "0e5", &0f64.to_le_bytes());
    same("Float64", "\"Infinity\"", &f64::INFINITY.to_le_bytes());
    refused("Float32", "1e39", "DECODE-005");
    refused("Float64", "1e309", "DECODE-005");
    refused("Float64", "1e-400", "DECODE-005");
    refused("Float64", "\"inf\"", "DECODE-006");
    refused("Float64", "false", "DECODE-006");
}

#[test]
fn texts_and_what_becomes_text() {
    same("String", "\"h\\u00e9\"", b"\x03h\xc3\xa9");
    same("String", "1.50", b"\x041.50");
    same("String", "true", b"\x04true");
    same("String", "{\"a\": [1]}", b"\x0a{\"a\": [1]}");
    same("Nullable(String)", "[]", b"\x00\x02[]");
    same("FixedString(3)", "\"ab\"", b"ab\0");
    refused("FixedString(3)", "\"abcd\"", "DECODE-005");
    refused("FixedString(3)", "12", "DECODE-006");
    refused("String", "null", "DECODE-004");
    refused("String", "\"\\ud800\"", "DECODE-008");
    same("JSON", "{\"a\":1}", b"\x01\0\0\0\0\0\0\0\x07{\"a\":1}");
    refused("JSON", "[1]", "DECODE-006");
}

#[test]
fn bools_uuids_enums_and_decimals() {
    same("Bool", "1", &[1]);
    same("Bool", "\"false\"", &[0]);
    refused("Bool", "2", "DECODE-005");
    let uuid = [0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa, 0x99, 0x88];
    same("UUID", "\"00112233-4455-6677-8899-AABBccddeeff\"", &uuid);
    same("UUID", "\"00112233445566778899aabbccddeeff\"", &uuid);
    refused("UUID", "\"00112233-4455-6677-8899-AABBccddeefg\"", "DECODE-006");
    same("Enum8('a' = -1, 'b' = 2)", "\"a\"", &[0xff]);
    same("Enum16('a' = -1, 'b' = 2)", "2", &[2, 0]);
    refused("Enum8('a' = -1, 'b' = 2)", "\"c\"", "DECODE-007");
    refused("Enum8('a' = -1, 'b' = 2)", "1", "DECODE-007");
    same("Decimal(9, 2)", "-1.50", &(-150i32).to_le_bytes());
    same("Decimal(18, 3)", "\"2\"", &2000i64.to_le_bytes());
    same(
        "Decimal(38, 0)",
        "99999999999999999999999999999999999999",
        &99999999999999999999999999999999999999i128.to_le_bytes(),
    );
    refused("Decimal(9, 2)", "1.505", "DECODE-005");
    refused("Decimal(9, 2)", "10000000", "DECODE-005");
}

#[test]
fn dates_and_times() {
    same("Date", "\"1970-01-02\"", &[1, 0]);
    same("Date", "65535", &[0xff, 0xff]);
    refused("Date", "\"1969-12-31\"", "DECODE-005");
    refused("Date", "\"2013-01-01T10:00:00Z\"", "DECODE-005");
    same("Date32", "\"1900-01-01\"", &(-25_567i32).to_le_bytes());
    refused("Date32", "\"1899-12-31\"", "DECODE-005");
    refused("Date32", "\"2300-01-01\"", "DECODE-005");
    same("DateTime", "\"2013-01-01T10:00:00Z\"", &1_357_034_400u32.to_le_bytes());
    same("DateTime('Europe/Berlin')", "\"2013-01-01 11:00:00.000\"", &1_357_034_400u32.to_le_bytes());
    same("DateTime", "1357034400", &1_357_034_400u32.to_le_bytes());
    refused("DateTime", "\"2013-01-01T10:00:00.5Z\"", "DECODE-005");
    refused("DateTime", "\"2106-02-07T06:28:16Z\"", "DECODE-005");
    refused("DateTime", "\"yesterday\"", "DECODE-006");
    same("DateTime64(3)", "\"2013-01-01T10:00:00.5Z\"", &1_357_034_400_500i64.to_le_bytes());
    same("DateTime64(3)", "1357034400500", &1_357_034_400_500i64.to_le_bytes());
    same(
        "DateTime64(9, 'UTC')",
        "\"1960-01-01 00:00:00.000000001\"",
        &(-315_619_199_999_999_999i64).to_le_bytes(),
    );
    refused("DateTime64(3)", "\"2013-01-01T10:00:00.0005Z\"", "DECODE-005");
    refused("DateTime64(9)", "\"2299-01-01 00:00:00\"", "DECODE-005");
    refused("DateTime64(3)", "99999999999999999", "DECODE-005");
}

#[test]
fn arrays_maps_and_wrappers() {
    same("Array(UInt8)", "[1, 2]", &[2, 0, 0, 0, 0, 0, 0, 0, 1, 2]);
    same("Array(Nullable(UInt8))", "[null]", &[1, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    same("Map(String, UInt8)", "{\"a\":7}", &[1, 0, 0, 0, 0, 0, 0, 0, 1, b'a', 7]);
    same(
        "Map(Int8, Array(UInt8))",
        "{\"-1\":[5]}",
        &[1, 0, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0, 0, 0, 0, 0, 5],
    );
    refused("Array(UInt8)", "[1,null]", "DECODE-004");
    refused("Array(UInt8)", "[1,256]", "DECODE-005");
    refused("Array(UInt8)", "{}", "DECODE-006");
    refused("Map(String, UInt8)", "[]", "DECODE-006");
    same("Nullable(UInt8)", "null", &[1, 0]);
    same("Nullable(UInt8)", "7", &[0, 7]);
}

#[test]
fn records_that_are_not_objects() {
    let mut table = Table::of("String");
    let code = |result: Result<(), DecodeError>| result.unwrap_err().to_string()[..10].to_owned();
    for (value, expected) in [
        ("", "DECODE-001"),
        ("{\"c\":\"a\"} x", "DECODE-001"),
        ("{\"c\":\"a\"", "DECODE-001"),
        ("{\"c\":tru}", "DECODE-001"),
        ("[1]", "DECODE-002"),
        ("null", "DECODE-002"),
        ("{}", "DECODE-003"),
        ("{\"d\":\"x\"}", "DECODE-003"),
    ] {
        assert_eq!(code(table.put(value.as_bytes())), expected, "{value}");
    }
    assert_eq!(code(table.put(b"{\"c\":\"\xff\"}")), "DECODE-008");
    let bomb = format!("{{\"c\":{}", "[".repeat(100_000));
    assert_eq!(code(table.put(bomb.as_bytes())), "DECODE-010");
    let tombstone = RecordRef {
        topic: "t",
        partition: 0,
        offset: 0,
        timestamp_ms: None,
        key: None,
        headers: HeadersRef::NONE,
        value: None,
    };
    assert_eq!(code(table.decoder.decode(&mut table.segment, tombstone)), "DECODE-002");
    assert_eq!(table.segment.rows(), 0);
}

#[test]
fn fields_are_found_by_name_in_any_order() {
    let columns = [column("a", "UInt8", ""), column("b", "UInt8", ""), column("é", "Nullable(UInt8)", "")];
    let mut table = Table::with(&columns, PlanOptions::default());
    for json in [
        "{\"a\":1,\"b\":2,\"\\u00e9\":3}",
        "{\"é\":3,\"x\":{\"a\":9},\"b\":2,\"a\":1}",
        "{\"a\":9,\"b\":2,\"a\":1,\"é\":3}",
        "{\"b\":2,\"a\":1}",
    ] {
        table.put(json.as_bytes()).unwrap();
    }
    let block = table.block();
    let tails: Vec<&[u8]> = vec![&[1, 1, 1, 1], &[2, 2, 2, 2], &[0, 0, 0, 1, 3, 3, 3, 0]];
    for tail in tails {
        assert!(block.windows(tail.len()).any(|window| window == tail), "{tail:?} in {block:?}");
    }
    let mut strict = Table::with(
        &columns,
        PlanOptions { unknown_fields: UnknownFields::Refuse, ..PlanOptions::default() },
    );
    let error = strict.put(b"{\"a\":1,\"b\":1,\"x\":1}").unwrap_err();
    assert_eq!(error.to_string(), "DECODE-009: a field that the table has no column for, at byte 14");
}

#[test]
fn lineage_comes_from_the_position_only() {
    let columns = [
        column("v", "UInt8", ""),
        column("_topic", "LowCardinality(String)", ""),
        column("_partition", "UInt32", ""),
        column("_offset", "UInt64", ""),
    ];
    let mut table = Table::with(&columns, PlanOptions::default());
    assert!(table.plan.has_lineage());
    table.put(b"{\"_offset\":99,\"v\":1,\"_topic\":\"forged\"}").unwrap();
    let block = table.block();
    assert!(block.ends_with(&17u64.to_le_bytes()));
    assert!(!block.windows(6).any(|window| window == b"forged"));
    let narrow = TablePlan::compile(&[column("_offset", "UInt32", "")], PlanOptions::default());
    assert!(matches!(narrow, Err(PlanError::Lineage { .. })));
}

#[test]
fn defaults_travel_as_null_or_behind_a_mask() {
    let columns = [
        column("id", "UInt8", "5"),
        column("n", "Nullable(UInt8)", "7"),
        column("l", "LowCardinality(String)", "'x'"),
        column("a", "Array(UInt8)", "[1, id]"),
        column("wide", "UInt8", ""),
    ];
    let plan = TablePlan::compile(&columns, PlanOptions::default()).unwrap();
    let shape = plan.shape();
    assert_eq!(
        shape.input_structure(),
        "`w_0` Nullable(UInt8), `w_1` Nullable(UInt8), `w_1_given` UInt8, `w_2` LowCardinality(Nullable(String)), \
         `w_3` Array(UInt8), `w_3_given` UInt8, `w_4` UInt8"
    );
    assert_eq!(shape.column_list(), "`id`, `n`, `l`, `a`, `wide`");
    assert_eq!(
        shape.select_list(),
        "if(isNull(w_0), CAST(5, 'UInt8'), assumeNotNull(w_0)) AS `id`, if(w_1_given, w_1, CAST(7, 'Nullable(UInt8)')) AS `n`, \
         w_2 AS `l`, if(w_3_given, w_3, CAST([1, id], 'Array(UInt8)')) AS `a`, w_4 AS `wide`"
    );
    let mut table = Table::with(&columns[1..2], PlanOptions::default());
    for json in ["{}", "{\"n\":null}", "{\"n\":9}"] {
        table.put(json.as_bytes()).unwrap();
    }
    let block = table.block();
    assert!(block.windows(6).any(|window| window == [1, 1, 0, 0, 0, 9]));
    assert!(block.ends_with(&[0, 1, 1]));
}

#[test]
fn a_default_that_needs_the_server_is_refused_where_it_must_be_written_out() {
    let mut made = column("m", "UInt8", "1");
    made.default_kind = DefaultKind::Materialized;
    let masked = column("a", "Array(UInt8)", "[m]");
    let result = TablePlan::compile(&[made.clone(), masked], PlanOptions::default());
    assert!(matches!(result, Err(PlanError::DefaultNeedsServer { .. })));
    assert!(
        TablePlan::compile(&[made.clone(), column("p", "UInt8", "m + 1")], PlanOptions::default()).is_ok()
    );
    assert!(matches!(TablePlan::compile(&[made], PlanOptions::default()), Err(PlanError::NoColumns)));
}

#[test]
fn what_cannot_be_written_is_named() {
    let message = |type_text: &str| {
        TablePlan::compile(&[column("c", type_text, "")], PlanOptions::default()).unwrap_err().to_string()
    };
    assert_eq!(message("QBit(Float32, 4)"), "PLAN-003: column c: type QBit(Float32, 4) is not supported");
    assert_eq!(
        message("Array(AggregateFunction(sum, UInt64))"),
        "PLAN-003: column c: type AggregateFunction(sum, UInt64) is not supported"
    );
    assert_eq!(
        message("Nullable(Array(UInt8))"),
        "PLAN-003: column c: type Nullable(Array(UInt8)) is not supported"
    );
    assert_eq!(
        message("DateTime('Mars/Olympus')"),
        "PLAN-004: column c: time zone Mars/Olympus is not known"
    );
    assert!(message("Array(").starts_with("PLAN-002: column c: COLUMNS-001"));
}

#[test]
fn errors_say_nothing_of_the_content() {
    let mut table = Table::of("UInt8");
    for json in ["{\"c\":\"secret\"}", "{\"c\":987654}", "{\"c\":[\"secret\"]}", "{\"c\":secret}"] {
        let error = table.put(json.as_bytes()).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret") && !text.contains("987654"), "{text}");
    }
}

mod any_bytes {
    use super::*;
    use proptest::prelude::*;

    const TYPES: [&str; 16] = [
        "UInt8",
        "Int64",
        "Float32",
        "String",
        "FixedString(2)",
        "Decimal(20, 4)",
        "Date32",
        "DateTime('Europe/Berlin')",
        "DateTime64(9)",
        "UUID",
        "Enum8('a' = 1)",
        "LowCardinality(Nullable(String))",
        "Array(Map(String, Array(UInt16)))",
        "JSON",
        "Nullable(DateTime64(3))",
        "LowCardinality(UInt32)",
    ];

    fn all_types() -> Table {
        let columns: Vec<TableColumn> = TYPES
            .iter()
            .enumerate()
            .map(|(n, type_text)| {
                let needs_default = !type_text.contains("Nullable");
                column(&format!("c{n}"), type_text, if needs_default { "0" } else { "" })
            })
            .collect();
        Table::with(&columns, PlanOptions::default())
    }

    const GOOD: &str = r#"{"c0":1,"c1":-5,"c2":1.5,"c3":"x\ny","c4":"ab","c5":"12.5","c6":"2013-01-01","c7":"2013-01-01T10:00:00","c8":17,"c9":"00112233-4455-6677-8899-aabbccddeeff","c10":"a","c11":null,"c12":[{"k":[1,2]},{}],"c13":{"a":[1]},"c14":"2013-01-01T10:00:00.123+01:00","c15":7}"#;

    /// Whatever came before, a good record still becomes the same row.
    fn stays_whole(values: &[Vec<u8>]) {
        let mut fresh = all_types();
        fresh.put(GOOD.as_bytes()).unwrap();
        let mut used = all_types();
        for value in values {
            let rows = used.segment.rows();
            let taken = used.put(value).is_ok();
            assert_eq!(used.segment.rows(), rows + usize::from(taken));
            assert!(used.segment.columns().iter().all(|column| column.len() == used.segment.rows()));
        }
        used.segment.truncate(0);
        used.put(GOOD.as_bytes()).unwrap();
        assert!(used.block() == fresh.block());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8)) {
            stays_whole(&values);
        }

        #[test]
        fn mutated_records_never_panic_or_leave_traces(
            edits in proptest::collection::vec((0..GOOD.len(), any::<u8>(), 0usize..4), 1..6),
        ) {
            let mut value = GOOD.as_bytes().to_vec();
            let mut values = Vec::new();
            for (at, byte, kind) in edits {
                let at = at.min(value.len().saturating_sub(1));
                match kind {
                    0 => value[at] = byte,
                    1 => value.insert(at, b"{}[]\",:\\0-e."[byte as usize % 12]),
                    2 => drop(value.remove(at)),
                    _ => value.truncate(at.max(1)),
                }
                values.push(value.clone());
                if value.is_empty() {
                    break;
                }
            }
            stays_whole(&values);
        }
    }
}
