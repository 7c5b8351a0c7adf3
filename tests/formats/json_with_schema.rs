//! JsonConverter with schemas: values that say what they are.
use std::time::Duration;

use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

fn envelope(fields: &str, payload: &str) -> String {
    format!(
        r#"{{"schema":{{"type":"struct","optional":false,"name":"order","fields":[{fields}]}},"payload":{payload}}}"#
    )
}

const FIELDS: &str = r#"{"field":"id","type":"int64"},
    {"field":"day","type":"int32","name":"org.apache.kafka.connect.data.Date"},
    {"field":"at","type":"int64","name":"org.apache.kafka.connect.data.Timestamp"},
    {"field":"micros","type":"int64","name":"io.debezium.time.MicroTimestamp"},
    {"field":"price","type":"bytes","name":"org.apache.kafka.connect.data.Decimal","parameters":{"scale":"2"}},
    {"field":"note","type":"string","optional":true,"default":"none"}"#;

fn land(null_defaults: Option<&str>) -> String {
    let corner = Corner::new(bed(), "envelopes", 1).with("value.converter.schemas.enable", "true");
    let corner = match null_defaults {
        Some(text) => corner.with("value.converter.replace.null.with.default", text),
        None => corner,
    };
    corner.create_table(
        "id UInt64, day Date32, at DateTime64(3, 'UTC'), micros DateTime64(6, 'UTC'), \
         price Decimal(10, 2), note Nullable(String)",
        "id",
        Engine::Plain,
    );
    // -1.23 is 0xff85.
    let values = [
        envelope(
            FIELDS,
            r#"{"id":1,"day":19000,"at":1700000000123,"micros":1700000000123456,"price":"/4U=","note":null}"#,
        ),
        envelope(FIELDS, r#"{"id":2,"day":-1,"at":0,"micros":-1,"price":"AA==","note":"x"}"#),
        // Without schema, as JsonConverter takes it, too.
        r#"{"schema":null,"payload":{"id":3,"day":0,"at":0,"micros":0,"price":7,"note":"y"}}"#.to_owned(),
    ];
    corner.write_json(&values.iter().map(String::as_str).collect::<Vec<_>>());
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let rows = corner
        .sql()
        .text(&format!("SELECT id, day, at, micros, price, note FROM {} ORDER BY id", corner.table))
        .unwrap();
    assert!(worker.stop().success());
    rows
}

#[test]
fn logical_types_land_as_what_they_are() {
    let expected = "1\t2022-01-08\t2023-11-14 22:13:20.123\t2023-11-14 22:13:20.123456\t-1.23\tnone\n\
                    2\t1969-12-31\t1970-01-01 00:00:00.000\t1969-12-31 23:59:59.999999\t0\tx\n\
                    3\t1970-01-01\t1970-01-01 00:00:00.000\t1970-01-01 00:00:00.000000\t7\ty";
    assert_eq!(land(None), expected);
    assert_eq!(land(Some("false")), expected.replace("none", "\\N"));
}

#[test]
fn plain_json_is_refused_with_the_remedy() {
    let corner = Corner::new(bed(), "no_envelope", 1).without("value.converter.schemas.enable");
    corner.create_table("id UInt64", "id", Engine::Plain);
    corner.write_json(&[r#"{"id": 1}"#]);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    assert!(trace.contains("DECODE-035") && trace.contains("offset 0"), "{trace}");
    // Kafka's default was taken, which is said at the start.
    assert!(worker.log().contains("Set it to false for plain JSON"), "{}", worker.log());
    assert_eq!(corner.rows(), 0);
}
