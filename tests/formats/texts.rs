//! StringConverter: texts that are JSON objects.
use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn corner(prefix: &str) -> Corner<'static> {
    Corner::new(bed(), prefix, 1)
        .without("value.converter.schemas.enable")
        .with("value.converter", "org.apache.kafka.connect.storage.StringConverter")
}

#[test]
fn texts_of_json_land() {
    let corner = corner("texts").with("insertFormat", "JSON");
    corner.create_table("id UInt64, s String", "id", Engine::Plain);
    corner.write_json(&[r#"{"id": 1, "s": "ü"}"#, r#"{"s": "b", "id": "2"}"#]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = corner.sql().text(&format!("SELECT id, s FROM {} ORDER BY id", corner.table)).unwrap();
    assert_eq!(rows, "1\tü\n2\tb");
    assert!(worker.stop().success());
}

#[test]
fn texts_without_a_format_are_refused_at_the_start() {
    let corner = corner("texts_unsaid");
    let log = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(log.contains("CONFIG-002: insertFormat"), "{log}");
}

#[test]
fn a_converter_that_is_not_built_is_refused_with_those_that_are() {
    let corner = corner("converters")
        .with("value.converter", "org.apache.kafka.connect.converters.ByteArrayConverter");
    let log = corner.worker(&WorkerOptions::called("w")).wait_refused();
    assert!(log.contains("CONFIG-005: value.converter") && log.contains("AvroConverter"), "{log}");
}
