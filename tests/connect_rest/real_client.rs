//! An ordinary client of Kafka Connect (kafka-connect-py) does a day's work with Pumphouse.
use std::time::Duration;

use pumphouse_testkit::install::connect_client;
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::{Value, json};

use crate::bare_worker::{BareWorker, states};

const LIMIT: Duration = Duration::from_secs(60);

/// What the client printed. It ends well even where the API refused, so the text tells.
fn kc(worker: &BareWorker, arguments: &[&str]) -> String {
    let client = connect_client().unwrap();
    let output = client.command(&format!("http://{}", worker.address)).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn kc_json(worker: &BareWorker, arguments: &[&str]) -> Value {
    let printed = kc(worker, arguments);
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {printed}"))
}

#[test]
fn a_client_of_kafka_connect_manages_a_connector() {
    let corner = Corner::new(bed(), "client", 1).with_small_batches(100, 50);
    corner.create_table("n UInt8", "n", Engine::Plain);
    corner.write_json(&[r#"{"n": 1}"#, r#"{"n": 2}"#]);
    let mut worker = BareWorker::start();
    let name = corner.connector.as_str();
    assert!(kc_json(&worker, &["info"])["kafka_cluster_id"].is_string());

    let request = json!({"name": name, "config": corner.config()}).to_string();
    assert_eq!(kc_json(&worker, &["create", "--config-data", &request])["name"], name);
    worker.wait_running(&corner, 1);
    corner.wait_caught_up(&mut [], LIMIT);
    assert_eq!(corner.rows(), 2);
    assert_eq!(kc_json(&worker, &["list"]), json!([name]));
    assert_eq!(states(&kc_json(&worker, &["status", name])).0, "RUNNING");
    assert_eq!(kc_json(&worker, &["config", name])["topics"], corner.topic);
    assert_eq!(kc_json(&worker, &["list-tasks", name])[0]["id"]["task"], 0);
    assert_eq!(kc_json(&worker, &["task-status", name, "0"])["state"], "RUNNING");
    assert_eq!(kc_json(&worker, &["list-topics", name])[name]["topics"], json!([corner.topic]));

    kc(&worker, &["pause", name]);
    worker.wait(name, "PAUSED", 1);
    kc(&worker, &["resume", name]);
    worker.wait_running(&corner, 1);
    kc(&worker, &["restart", name, "--include-tasks"]);
    worker.wait_running(&corner, 1);
    kc(&worker, &["restart-task", name, "0"]);
    worker.wait_running(&corner, 1);

    // Read, changed, written back: the password stays what it was.
    let mut config = kc_json(&worker, &["config", name]);
    config["tasks.max"] = json!("2");
    assert_eq!(kc_json(&worker, &["update", name, "--config-data", &config.to_string()])["name"], name);
    worker.wait_running(&corner, 2);

    let class = "com.clickhouse.kafka.connect.ClickHouseSinkConnector";
    let plugins = kc_json(&worker, &["list-plugins"]);
    assert!(plugins.as_array().unwrap().iter().any(|plugin| plugin["class"] == class), "{plugins}");
    // Not its validate-config: that sends the configuration as one JSON text, which no Connect worker takes.

    kc(&worker, &["delete", name]);
    assert_eq!(kc_json(&worker, &["list"]), json!([]));
    assert_eq!(corner.rows(), 2);
    worker.stop();
}
