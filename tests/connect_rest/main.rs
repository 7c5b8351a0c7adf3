//! The promise: tools that speak Kafka Connect's REST API and Prometheus understand a worker.
#![allow(clippy::unwrap_used)]

mod bare_worker;
mod lifecycle;
mod real_client;
mod replay;

use std::time::Duration;

use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);

fn landed(prefix: &str) -> (Corner<'static>, pumphouse_tests::Worker) {
    let corner = Corner::new(bed(), prefix, 2).with("tasks.max", "2").with_small_batches(1_000, 50);
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(1);
    feed.write(5_000, 50);
    let mut worker = corner.worker(&WorkerOptions::called("rest-worker"));
    worker.wait_running();
    feed.finish(&mut [&mut worker], LIMIT);
    (corner, worker)
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_running_connector_is_described_as_connect_does() {
    let (corner, worker) = landed("running");
    let connector = &corner.connector;
    let json = |path: &str| {
        let answer = worker.get(path).unwrap();
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        assert!(answer.content_type.starts_with("application/json"), "{path}: {answer:?}");
        answer.json()
    };

    let root = json("/");
    assert!(root["version"].is_string() && root["commit"].is_string(), "{root}");
    assert!(root.as_object().unwrap().contains_key("kafka_cluster_id"), "{root}");
    assert_eq!(json("/health")["status"], "healthy");
    assert_eq!(json("/connectors"), json!([connector]));

    let own = json(&format!("/connectors/{connector}/status"))["connector"].clone();
    let (id, version) = (own["worker_id"].clone(), own["version"].clone());
    assert!(id.is_string() && version.is_string(), "{own}");
    let status = json!({
        "name": connector,
        "connector": {"state": "RUNNING", "worker_id": id, "version": version},
        "tasks": [
            {"id": 0, "state": "RUNNING", "worker_id": id, "version": version},
            {"id": 1, "state": "RUNNING", "worker_id": id, "version": version},
        ],
        "type": "sink",
    });
    assert_eq!(json(&format!("/connectors/{connector}/status")), status);
    let task = json!({"id": 1, "state": "RUNNING", "worker_id": id, "version": version});
    assert_eq!(json(&format!("/connectors/{connector}/tasks/1/status")), task);

    let info = json(&format!("/connectors/{connector}"));
    assert_eq!(names(&info), ["config", "name", "tasks", "type"]);
    assert_eq!(info["config"]["topics"], json!(corner.topic));
    assert_eq!(info["config"]["name"], json!(connector));
    assert_eq!(info["tasks"][1], json!({"connector": connector, "task": 1}));
    assert_eq!(json(&format!("/connectors/{connector}/config")), info["config"]);
    assert_eq!(
        json(&format!("/connectors/{connector}/tasks"))[0]["id"],
        json!({"connector": connector, "task": 0})
    );

    let expanded = json("/connectors?expand=status&expand=info");
    assert_eq!(expanded[connector]["status"], status);
    assert_eq!(expanded[connector]["info"], info);
}

#[test]
fn what_is_not_there_is_refused_as_connect_does() {
    let (_corner, worker) = landed("missing");
    for path in
        ["/connectors/nobody", "/connectors/nobody/status", "/connectors/nobody/config", "/no/such/path"]
    {
        let answer = worker.get(path).unwrap();
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        let body = answer.json();
        assert_eq!(names(&body), ["error_code", "message"], "{path}");
        assert_eq!(body["error_code"], 404, "{path}");
    }
}

#[test]
fn a_failed_task_gives_its_reason() {
    let corner = Corner::new(bed(), "failed", 1).with_small_batches(100, 50).with("password", "");
    corner.create_table("n UInt8", "n", Engine::Plain);
    corner.write_json(&[r#"{"n": 1}"#, r#"{"n": 1000}"#]);
    let mut worker = corner.worker(&WorkerOptions::called("rest-worker"));
    let trace = worker.wait_refused();
    assert!(trace.contains("DECODE-005") && trace.contains("column n"), "{trace}");
    let status = worker.status().unwrap();
    assert_eq!(names(&status), ["connector", "name", "tasks", "type"]);
    let task = &status["tasks"][0];
    assert_eq!(names(task), ["id", "state", "trace", "version", "worker_id"]);
    assert_eq!((task["id"].as_i64(), task["state"].as_str()), (Some(0), Some("FAILED")));
    assert_eq!(task["trace"].as_str(), Some(trace.as_str()));
    // As in Kafka Connect, the connector itself runs: it is its task that failed.
    assert_eq!(status["connector"]["state"], "RUNNING");
    assert_eq!(worker.metric("pumphouse_tasks_failed", &corner.connector), Some(1.0));
}

#[test]
fn metrics_are_those_of_what_was_done() {
    let (corner, worker) = landed("metrics");
    let answer = worker.get("/metrics").unwrap();
    assert_eq!(answer.status, 200);
    let is_text = ["text/plain", "application/openmetrics-text"]
        .iter()
        .any(|kind| answer.content_type.starts_with(kind));
    assert!(is_text, "{}", answer.content_type);
    let metric = |name: &str| {
        worker.metric(name, &corner.connector).unwrap_or_else(|| panic!("no {name} in\n{}", answer.text))
    };
    assert_eq!(metric("pumphouse_rows_landed_total"), 5_000.0);
    assert!(metric("pumphouse_batches_landed_total") >= 2.0);
    assert!(metric("pumphouse_record_bytes_total") > 5_000.0 * 100.0);
    assert!(metric("pumphouse_insert_sent_bytes_total") > 0.0);
    assert!(metric("pumphouse_insert_duration_seconds_count") >= 2.0);
    assert!(metric("pumphouse_insert_duration_seconds_sum") > 0.0);
    assert!(metric("pumphouse_ledger_write_duration_seconds_count") >= 2.0);
    assert_eq!(metric("pumphouse_tasks_failed"), 0.0);
    // The lag is measured every few seconds: one line per partition, and nothing is left to do.
    let measured = wait_until("the lag of both partitions", Duration::from_secs(30), || {
        let text = worker.get("/metrics")?.text;
        let lags: Vec<&str> =
            text.lines().filter(|line| line.starts_with("pumphouse_ledger_lag_records{")).collect();
        if lags.len() == 2 && lags.iter().all(|line| line.ends_with(" 0")) {
            Ok(())
        } else {
            Err(format!("{lags:?}"))
        }
    });
    measured.unwrap();
}

#[test]
fn a_password_is_never_shown() {
    let corner = Corner::new(bed(), "secret", 1).with("password", "hush-hush").with("username", "nobody");
    corner.create_table("n UInt8", "n", Engine::Plain);
    let mut worker = corner.worker(&WorkerOptions::called("rest-worker"));
    worker.wait_refused();
    for path in ["", "/config", "/status", "/tasks"] {
        let text = worker.get(&format!("/connectors/{}{path}", corner.connector)).unwrap().text;
        assert!(!text.contains("hush-hush"), "{path}: {text}");
    }
    assert!(!worker.log().contains("hush-hush"), "{}", worker.log());
}
