//! Values without fields into one column.
use std::sync::Arc;

use pumphouse_decode::{
    Decoder, Format, PlanError, PlanOptions, TableColumn, TablePlan, ValueColumn, WholeValue,
};

use crate::support::{block, code, column, json_block, plan, record};

fn plan_for(columns: &[TableColumn], value_column: ValueColumn) -> Result<Arc<TablePlan>, PlanError> {
    TablePlan::compile(columns, PlanOptions { value_column, ..PlanOptions::default() }).map(Arc::new)
}

fn same(kind: WholeValue, type_text: &str, value: &[u8], json: &str) {
    let columns = [column("c", type_text, ""), column("_offset", "Int64", ""), column("d", "Int8", "5")];
    let whole = plan_for(&columns, ValueColumn::Named("c".to_owned())).unwrap();
    let mut decoder = Decoder::new(Format::Whole(kind), Arc::clone(&whole));
    let mut segment = whole.new_segment();
    decoder.decode(&mut segment, record(Some(value))).unwrap_or_else(|e| panic!("{kind:?} {type_text}: {e}"));
    let wanted = json_block(&plan(&columns), &[&format!("{{\"c\":{json}}}")]);
    assert_eq!(block(&whole, &segment), wanted, "{kind:?} into {type_text}");
}

fn refused(kind: WholeValue, type_text: &str, value: Option<&[u8]>, wanted: &str) {
    let whole = plan_for(&[column("c", type_text, "")], ValueColumn::Only).unwrap();
    let mut decoder = Decoder::new(Format::Whole(kind), Arc::clone(&whole));
    let mut segment = whole.new_segment();
    assert_eq!(code(decoder.decode(&mut segment, record(value))), wanted, "{kind:?} into {type_text}");
    assert_eq!(segment.rows(), 0);
}

#[test]
fn every_converter_fills_its_column() {
    same(WholeValue::Text, "String", "ü".as_bytes(), "\"ü\"");
    same(WholeValue::Text, "DateTime('UTC')", b"2024-01-02T03:04:05Z", "\"2024-01-02T03:04:05Z\"");
    same(WholeValue::Text, "JSON", br#"{"a":1}"#, r#"{"a":1}"#);
    same(WholeValue::Bytes, "String", b"hi", "\"hi\"");
    same(WholeValue::Bytes, "LowCardinality(Nullable(String))", b"", "\"\"");
    same(WholeValue::Short, "Int32", &(-2i16).to_be_bytes(), "-2");
    same(WholeValue::Integer, "Int32", &i32::MIN.to_be_bytes(), "-2147483648");
    same(WholeValue::Long, "Nullable(UInt64)", &i64::MAX.to_be_bytes(), "9223372036854775807");
    same(WholeValue::Float, "Float64", &1.5f32.to_be_bytes(), "1.5");
    same(WholeValue::Double, "Float64", &f64::NAN.to_be_bytes(), "\"NaN\"");
    same(WholeValue::Boolean, "Bool", &[1], "true");
}

#[test]
fn bytes_need_not_be_text() {
    let whole = plan_for(&[column("c", "String", "")], ValueColumn::Only).unwrap();
    let mut decoder = Decoder::new(Format::Whole(WholeValue::Bytes), Arc::clone(&whole));
    let mut segment = whole.new_segment();
    decoder.decode(&mut segment, record(Some(&[0xff, 0, 0x80]))).unwrap();
    assert!(block(&whole, &segment).ends_with(&[3, 0xff, 0, 0x80]));
}

#[test]
fn other_values_are_refused() {
    refused(WholeValue::Integer, "Int32", Some(&[0; 5]), "DECODE-037");
    refused(WholeValue::Long, "Int64", Some(b""), "DECODE-037");
    refused(WholeValue::Boolean, "Bool", Some(&[2]), "DECODE-006");
    refused(WholeValue::Long, "Int8", Some(&300i64.to_be_bytes()), "DECODE-005");
    refused(WholeValue::Text, "String", Some(&[0xff]), "DECODE-008");
    refused(WholeValue::Text, "JSON", Some(b"{\"a\":1} x"), "DECODE-001");
    refused(WholeValue::Bytes, "Int8", Some(b"1"), "DECODE-006");
    refused(WholeValue::Bytes, "Nullable(String)", None, "DECODE-002");
}

#[test]
fn the_column_has_to_be_clear() {
    let two = [column("a", "String", ""), column("b", "String", ""), column("_offset", "Int64", "")];
    let why = |wanted| plan_for(&two, wanted).unwrap_err().to_string();
    assert!(why(ValueColumn::Only).contains("PLAN-009") && why(ValueColumn::Only).contains("a and b"));
    for missing in ["c", "_offset"] {
        assert!(why(ValueColumn::Named(missing.to_owned())).contains(missing));
    }
    assert!(plan_for(&two[1..], ValueColumn::Only).is_ok());
    assert!(plan_for(&two, ValueColumn::Named("a".to_owned())).is_ok());
}
