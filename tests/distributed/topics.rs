//! The workers' topics are made as they have to be, and refused if they are not.
use std::time::Duration;

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{WorkerProcess, unique_name};
use pumphouse_tests::bed;
use pumphouse_tests::client::send;

use crate::cluster::{LIMIT, setup};

#[test]
fn a_topic_that_would_forget_connectors_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let group = unique_name("workers");
    let [port] = free_ports().unwrap();
    let address = format!("127.0.0.1:{port}");
    let mut setup = setup(&group, &address, directory.path());
    let topic = setup.worker["config.storage.topic"].clone();
    bed().topics().unwrap().create(&topic, 1, &[("cleanup.policy", "delete")]).unwrap();
    let mut worker = WorkerProcess::start_distributed(&setup).unwrap();
    let status = worker.wait_exit(Duration::from_secs(120)).unwrap();
    let log = worker.log_text();
    assert!(!status.success(), "{log}");
    assert!(
        log.contains("WORKER-009") && log.contains(&topic) && log.contains("cleanup.policy=compact"),
        "{log}"
    );

    // Another one, as its page says.
    setup.worker.insert("config.storage.topic".to_owned(), format!("{group}-others"));
    let mut worker = WorkerProcess::start_distributed(&setup).unwrap();
    wait_until("the worker's REST API", LIMIT, || {
        worker.check_running().map_err(|error| error.to_string())?;
        send(&address, "GET", "/connectors", &[], None).map(drop)
    })
    .unwrap_or_else(|error| panic!("{error}\n{}", worker.log_text()));
}
