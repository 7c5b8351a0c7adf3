//! Bare Avro and Protobuf, by the schema of a file.
use std::time::Duration;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

const AVRO: &str = r#"{"type":"record","name":"R","fields":[{"name":"id","type":"long"},
    {"name":"s","type":{"type":"record","name":"S","fields":[{"name":"t","type":"string"}]}}]}"#;
const PROTOBUF: &str = r#"syntax = "proto3"; package shop; message Other { int64 x = 1; }
    message Order { int64 id = 1; S s = 2; } message S { string t = 1; }"#;

/// Writes `values` and lands them; a struct fills a column with a dot in its name.
fn land(class: &str, schema: &str, options: &[(&str, &str)], values: [&[u8]; 2]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("schema");
    std::fs::write(&file, schema).unwrap();
    let mut corner = Corner::new(bed(), "bare", 1)
        .without("value.converter.schemas.enable")
        .with("value.converter", class)
        .with("pumphouse.value.schema.file", file.to_str().unwrap())
        .with("pumphouse.field.columns", "id=number");
    for (name, value) in options {
        corner = corner.with(name, value);
    }
    corner.create_table("number UInt64, `s.t` String", "number", Engine::Plain);
    let record = |value: &[u8]| FillRecord { partition: 0, key: None, value: Some(value.to_vec()) };
    corner.write(values.map(record));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());
    corner.sql().text(&format!("SELECT number, `s.t` FROM {} ORDER BY number", corner.table)).unwrap()
}

#[test]
fn avro_of_a_file_lands() {
    let rows = land("AvroConverter", AVRO, &[], [&[2, 2, b'a'], &[4, 0]]);
    assert_eq!(rows, "1\ta\n2\t");
}

#[test]
fn protobuf_of_a_file_lands() {
    let message = [("pumphouse.value.schema.message", "shop.Order")];
    let rows = land("ProtobufConverter", PROTOBUF, &message, [&[8, 1, 18, 3, 10, 1, b'a'], &[8, 2, 18, 0]]);
    assert_eq!(rows, "1\ta\n2\t");
}

#[test]
fn a_file_that_is_not_there_is_told_at_the_start() {
    let corner = Corner::new(bed(), "no_file", 1)
        .without("value.converter.schemas.enable")
        .with("value.converter", "AvroConverter")
        .with("pumphouse.value.schema.file", "/nowhere/orders.avsc");
    corner.create_table("id UInt64", "id", Engine::Plain);
    let said = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(said.contains("pumphouse.value.schema.file") && said.contains("/nowhere/orders.avsc"), "{said}");
}
