//! Bare Avro and Protobuf: one schema for all values, and no number of it.
use std::sync::Arc;

use pumphouse_decode::{Decoder, FixedSchema, Format};

use crate::support::{block, code, column, json_block, plan, record};

fn schema(texts: &[&str], message: Option<&str>) -> FixedSchema {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    FixedSchema { texts, message: message.map(str::to_owned) }
}

fn decoded(format: Format, schema: &FixedSchema, value: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let plan = plan(&[column("id", "Int64", ""), column("s", "String", "")]);
    let mut decoder = Decoder::with_schema(format, Arc::clone(&plan), schema).unwrap();
    let mut segment = plan.new_segment();
    let result = decoder.decode(&mut segment, record(value));
    if result.is_err() { Err(code(result)) } else { Ok(block(&plan, &segment)) }
}

fn wanted() -> Vec<u8> {
    json_block(&plan(&[column("id", "Int64", ""), column("s", "String", "")]), &[r#"{"id":1,"s":"a"}"#])
}

const NAME: &str = r#"{"type":"enum","name":"x.Name","symbols":["a","b"]}"#;
const ORDER: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},
    {"name":"s","type":"x.Name"}]}"#;

#[test]
fn avro_of_files_is_read_without_a_number() {
    let order = schema(&[NAME, ORDER], None);
    assert_eq!(decoded(Format::Avro, &order, Some(&[2, 0])), Ok(wanted()));
    // What a registry's producer writes is something else.
    assert_eq!(decoded(Format::Avro, &order, Some(&[0, 0, 0, 0, 1, 2, 0])), Err("DECODE-030".to_owned()));
    assert_eq!(decoded(Format::Avro, &order, Some(&[])), Err("DECODE-030".to_owned()));
    assert_eq!(decoded(Format::Avro, &order, None), Err("DECODE-002".to_owned()));
}

const FILE: &str = r#"syntax = "proto3"; package shop; message Other { int64 x = 1; }
    message Order { int64 id = 1; string s = 2; message Line { string s = 1; int64 id = 2; } }"#;

#[test]
fn protobuf_of_a_file_is_read_as_the_message_that_is_named() {
    let value: &[u8] = &[8, 1, 18, 1, b'a'];
    assert_eq!(decoded(Format::Protobuf, &schema(&[FILE], Some("shop.Order")), Some(value)), Ok(wanted()));
    let line: &[u8] = &[10, 1, b'a', 16, 1];
    assert_eq!(
        decoded(Format::Protobuf, &schema(&[FILE], Some("shop.Order.Line")), Some(line)),
        Ok(wanted())
    );
    let only = schema(&["syntax = \"proto3\"; message R { int64 id = 1; string s = 2; }"], None);
    assert_eq!(decoded(Format::Protobuf, &only, Some(value)), Ok(wanted()));
    assert_eq!(decoded(Format::Protobuf, &only, Some(&[8])), Err("DECODE-030".to_owned()));
    assert_eq!(decoded(Format::Protobuf, &only, None), Err("DECODE-002".to_owned()));
}

#[test]
fn files_that_cannot_be_are_refused_before_any_record() {
    let fault = |format, schema: FixedSchema| Decoder::check_schema(format, &schema).unwrap_err().to_string();
    assert!(fault(Format::Avro, schema(&[ORDER], None)).contains("SCHEMA-004"));
    assert!(fault(Format::Avro, schema(&[NAME], None)).contains("SCHEMA-005"));
    assert!(fault(Format::Avro, schema(&[FILE], None)).contains("SCHEMA-001"));
    assert!(fault(Format::Protobuf, schema(&[FILE], None)).contains("SCHEMA-006"));
    assert!(fault(Format::Protobuf, schema(&[FILE], Some("Order"))).contains("SCHEMA-004"));
    assert!(fault(Format::Json, schema(&[ORDER], None)).contains("SCHEMA-005"));
}
