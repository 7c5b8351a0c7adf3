//! A registry that asks who we are, whose first server is gone, and that freezes: the lane waits with what
//! it has taken, the status says for what, and nothing is lost or passed.
use std::time::Duration;

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{SchemaRegistry, SchemaRegistryOptions};
use pumphouse_tests::{Engine, WorkerOptions};

use crate::orders::{self, Writer};
use crate::schemas_by_number::corner_for;

const LIMIT: Duration = Duration::from_secs(90);
const LOGIN: &str = "alice:hunter2";

#[test]
fn a_frozen_registry_is_waited_for() {
    let basic_auth = LOGIN.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()));
    let mut registry =
        SchemaRegistry::start(SchemaRegistryOptions { basic_auth, ..Default::default() }).unwrap();
    let [closed] = free_ports().unwrap();
    let urls = format!("http://127.0.0.1:{closed}, {}", registry.url());
    let corner = corner_for(Writer::Avro, "avro_waits", &urls, 1)
        .with("value.converter.basic.auth.credentials.source", "USER_INFO")
        .with("value.converter.basic.auth.user.info", LOGIN)
        .with_small_batches(1_000, 50);
    orders::create_table(&corner, Engine::Plain);
    let values = orders::written(Writer::Avro, &registry.url(), &corner.topic, 0..3_000, Some(LOGIN));
    let mut records: Vec<_> =
        (0..).zip(values).map(|(number, value)| orders::record(number, 1, value)).collect();
    // The other schema comes with the first odd order.
    let later = records.split_off(1);
    corner.write(records);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    corner.wait_rows_above(0, &mut worker, LIMIT);

    registry.pause().unwrap();
    corner.write(later);
    let said = wait_until("a word about the registry", LIMIT, || {
        let status = worker.status()?;
        let task = &status["tasks"][0];
        let trace = task["trace"].as_str().unwrap_or_default().to_owned();
        assert_eq!(task["state"], "RUNNING", "{status}");
        if trace.contains("REGISTRY-001") { Ok(trace) } else { Err(status.to_string()) }
    })
    .unwrap();
    assert!(said.contains(&corner.topic) && !said.contains("hunter2"), "{said}");
    assert_eq!(corner.rows(), 1, "nothing is passed over while the lane waits");

    registry.resume().unwrap();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    orders::check(&corner, 0..3_000, |_| false);
    wait_until("a clear status", LIMIT, || {
        let status = worker.status()?;
        if status["tasks"][0]["trace"].is_null() { Ok(()) } else { Err(status.to_string()) }
    })
    .unwrap();
    assert!(!worker.log().contains("hunter2"), "{}", worker.log());
    assert!(worker.stop().success());
}

#[test]
fn wrong_credentials_are_waited_for_as_well() {
    let basic_auth = Some(("alice".to_owned(), "right".to_owned()));
    let registry = SchemaRegistry::start(SchemaRegistryOptions { basic_auth, ..Default::default() }).unwrap();
    let values = orders::written(Writer::Avro, &registry.url(), "any", 0..10, Some("alice:right"));
    let url = registry.url().replace("http://", "http://alice:hunter2@");
    let corner = corner_for(Writer::Avro, "avro_login", &url, 1).with_small_batches(1_000, 50);
    orders::create_table(&corner, Engine::Plain);
    corner.write((0..).zip(values).map(|(number, value)| orders::record(number, 1, value)));
    let worker = corner.worker(&WorkerOptions::called("w"));
    let said = wait_until("a word about the registry", LIMIT, || {
        let status = worker.status()?.to_string();
        if status.contains("REGISTRY-003") { Ok(status) } else { Err(status) }
    })
    .unwrap();
    assert!(!said.contains("hunter2") && !worker.log().contains("hunter2"), "{said}");
    let config = worker.get(&format!("/connectors/{}/config", corner.connector)).unwrap();
    assert!(config.text.contains("schema.registry.url") && !config.text.contains("hunter2"), "{config:?}");
    assert_eq!(corner.rows(), 0);
}
