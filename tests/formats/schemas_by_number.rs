//! Avro, Protobuf and JSON Schema with a schema registry: two writers' schemas alternate, some records name a schema that
//! does not exist, and the worker is killed all the while.
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::sync::LazyLock;
use std::time::Duration;

use pumphouse_testkit::{SchemaRegistry, SchemaRegistryOptions, unique_name};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

use crate::orders::{self, Writer};

const PARTITIONS: i32 = 4;
const LIMIT: Duration = Duration::from_secs(120);
const SIGKILL: i32 = 9;

/// Orders written before each life of the worker.
const ORDERS_PER_LIFE: u64 = 4_000;

/// Recorded but not sent; half sent; landed, but the ledger does not say so: each makes the next life read
/// a batch again, schemas included.
const MOMENTS: [&str; 4] = ["ledger_answered:2", "half_body:2", "accepted:1", "accepted:3"];

/// The number of a schema that nobody has registered.
const UNKNOWN_SCHEMA: u32 = 2_000_000_000;

fn names_no_schema(number: u64) -> bool {
    number % 500 == 77
}

/// One registry for the tests that do not break it.
fn registry_url() -> String {
    static SERVER: LazyLock<SchemaRegistry> =
        LazyLock::new(|| SchemaRegistry::start(SchemaRegistryOptions::default()).unwrap());
    SERVER.url()
}

pub fn corner_for(writer: Writer, prefix: &str, url: &str, partitions: i32) -> Corner<'static> {
    Corner::new(bed(), prefix, partitions)
        .without("value.converter.schemas.enable")
        .with("value.converter", writer.converter())
        .with("value.converter.schema.registry.url", url)
}

fn two_schemas_alternate_and_the_worker_dies(writer: Writer) {
    let url = registry_url();
    let letters_topic = unique_name("dead_letters");
    let corner = corner_for(writer, "numbered", &url, PARTITIONS)
        .with_small_batches(700, 50)
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &letters_topic)
        .with("errors.deadletterqueue.topic.replication.factor", "1")
        .with("errors.deadletterqueue.context.headers.enable", "true");
    orders::create_table(&corner, Engine::Plain);

    let lives = MOMENTS.len() as u64 + 1;
    let mut values = Vec::new();
    for life in 0..lives {
        let numbers = life * ORDERS_PER_LIFE..(life + 1) * ORDERS_PER_LIFE;
        let mut written = orders::written(writer, &url, &corner.topic, numbers.clone(), None);
        for (number, value) in numbers.clone().zip(&mut written) {
            if names_no_schema(number) {
                value[1..5].copy_from_slice(&UNKNOWN_SCHEMA.to_be_bytes());
            }
        }
        corner.write(numbers.zip(&written).map(|(n, value)| orders::record(n, PARTITIONS, value.clone())));
        values.append(&mut written);
        if let Some(moment) = MOMENTS.get(life as usize) {
            let mut worker = corner.worker(&WorkerOptions::called("w").dying_at(moment));
            let status = worker.wait_exit(LIMIT);
            assert_eq!(status.signal(), Some(SIGKILL), "{moment}: {status}\n{}", worker.log());
        }
    }
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    let log = worker.log();
    assert!(worker.stop().success());
    let resolved = log.matches("its ranges are read again (R6)").count();
    assert!(resolved >= MOMENTS.len(), "only {resolved} batches were read again\n{log}");

    orders::check(&corner, 0..lives * ORDERS_PER_LIFE, names_no_schema);
    let mut letters = BTreeMap::new();
    for letter in corner.read_topic(&letters_topic) {
        let number: u64 = String::from_utf8(letter.key.unwrap()).unwrap().parse().unwrap();
        assert_eq!(letter.value.as_ref(), Some(&values[number as usize]), "a letter is the record as it was");
        let headers = &letter.headers;
        assert_eq!(headers["__connect.errors.exception.class.name"], "DECODE-032");
        assert_eq!(headers["__connect.errors.class.name"], writer.converter());
        *letters.entry(number).or_insert(0) += 1;
    }
    let bad = (0..lives * ORDERS_PER_LIFE).filter(|number| names_no_schema(*number)).map(|n| (n, 1));
    assert_eq!(letters, bad.collect(), "each record without schema is a dead letter once");
}

#[test]
fn avro_of_two_schemas_and_the_worker_dies() {
    two_schemas_alternate_and_the_worker_dies(Writer::Avro);
}

#[test]
fn protobuf_of_two_schemas_and_the_worker_dies() {
    two_schemas_alternate_and_the_worker_dies(Writer::Protobuf);
}

#[test]
fn json_of_two_schemas_and_the_worker_dies() {
    two_schemas_alternate_and_the_worker_dies(Writer::JsonSchema);
}

#[test]
fn a_schema_that_does_not_exist_stops_a_strict_task() {
    let url = registry_url();
    let corner = corner_for(Writer::Avro, "avro_strict", &url, 1).with_small_batches(30, 50);
    orders::create_table(&corner, Engine::Plain);
    let mut values = orders::written(Writer::Avro, &url, &corner.topic, 0..50, None);
    values[40][1..5].copy_from_slice(&UNKNOWN_SCHEMA.to_be_bytes());
    corner.write((0..).zip(values).map(|(number, value)| orders::record(number, 1, value)));
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let trace = worker.wait_refused();
    for fact in ["DECODE-032", &UNKNOWN_SCHEMA.to_string(), "offset 40"] {
        assert!(trace.contains(fact), "`{fact}` is not in the trace: {trace}");
    }
    corner.wait_rows_above(39, &mut corner.worker(&WorkerOptions::called("other")), LIMIT);
    orders::check(&corner, 0..40, |_| false);
}
