//! What a distributed Kafka Connect 4.1 worker answered (`recorded/distributed.json`, made by
//! `recorded/record.py`), asked of Pumphouse in the same order: same status, same headers, same text, byte
//! for byte, but for what is named here.
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::client::{Answer, send};
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::{Map, Value};

use crate::bare_worker::BareWorker;

const RECORDED: &str = include_str!("recorded/distributed.json");
const THEIR_CLASS: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";

/// Cases whose message has other words: Java's about its own classes, positions in a text, or validation
/// messages that carry our codes. Status, headers and form are the same.
const OTHER_WORDS: &[&str] = &[
    "no json",
    "a list",
    "a text",
    "config is a list",
    "config value is an object",
    "unknown field",
    "bad initial state",
    "empty config",
    "blank name",
    "no name",
    "no class",
    "unknown class",
    "no topics",
    "bad tasks.max",
    "put: a list",
    "put: no json",
    "put: empty",
    "put: bad tasks.max",
    "patch a list",
    "patch bad value",
    "alter a list",
    "alter no json",
    "alter unknown field",
    // Ours say why.
    "alter absent topic",
    "alter absent partition",
    // The loggers below it are other ones.
    "set level",
    "set level lower case",
];

/// Cases that are answered otherwise on purpose (docs/rest.md), and our status.
const OTHERWISE: &[(&str, u16)] = &[
    // An offset that no record can ever have had is refused.
    ("alter beyond end", 400),
    // A stopped connector has no tasks; Kafka Connect finds no leader for them, and answers 409.
    ("restart task stopped", 404),
    // Methods of a path are not listed.
    ("options", 405),
];

/// What each worker says of itself.
const OWN_TEXTS: &[&str] = &["worker_id", "version", "commit", "kafka_cluster_id"];

/// What Pumphouse needs beside Connect's options of the recorded connector.
fn our_config(theirs: &Map<String, Value>, corner: &Corner<'_>) -> Map<String, Value> {
    let mut ours: Map<String, Value> =
        corner.config().iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    ours.retain(|name, _| name != "topics" || theirs.contains_key("topics"));
    for (name, value) in theirs {
        match name.as_str() {
            "file" | "connector.class" | "topics" => {}
            _ => {
                ours.insert(name.clone(), value.clone());
            }
        }
    }
    ours
}

/// A value of theirs as it would be of a Pumphouse's connector.
fn translated(value: &Value, corner: &Corner<'_>) -> Value {
    match value {
        Value::Object(object) if object.get("connector.class") == Some(&Value::from(THEIR_CLASS)) => {
            Value::Object(our_config(object, corner))
        }
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.clone(), translated(value, corner))).collect()
        }
        Value::Array(list) => list.iter().map(|value| translated(value, corner)).collect(),
        Value::String(text) => Value::from(text.replace("rec-topic", &corner.topic)),
        other => other.clone(),
    }
}

fn body_of(step: &Value, corner: &Corner<'_>) -> Option<String> {
    let recorded = step["body"].as_str()?;
    match serde_json::from_str::<Value>(recorded) {
        Ok(body) => Some(translated(&body, corner).to_string()),
        Err(_) => Some(recorded.to_owned()),
    }
}

/// Replaces what stands between each `from` and the next `to`.
fn blanked(text: &str, from: &str, to: &str) -> String {
    let mut parts = text.split(from);
    let mut blank = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        blank.push_str(from);
        blank.push_str(part.find(to).map_or("", |end| &part[end..]));
    }
    blank
}

/// The text without what is compared apart, or is each worker's own.
fn comparable(step: &Value, text: &str) -> String {
    let mut text = blanked(text, "\"config\":{", "}");
    for own in OWN_TEXTS {
        text = blanked(&text, &format!("\"{own}\":\""), "\"");
    }
    text = blanked(&text, "\"last_modified\":1", "}");
    // Whether records were taken by then is a matter of time.
    if step["case"] == "topics" {
        text = blanked(&text, "\"topics\":[", "]");
    }
    // A distributed worker answers before it knows the tasks of a new configuration.
    let changes = ["POST", "PUT", "PATCH"].iter().any(|method| step["method"] == *method);
    if changes && text.starts_with("{\"name\":") && text.contains("\"config\":") {
        text = blanked(&text, "\"tasks\":[", "],\"type\"");
    }
    text
}

/// Every configuration in an answer.
fn configs(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Object(object) if object.contains_key("connector.class") => found.push(value.clone()),
        Value::Object(object) => object.values().for_each(|value| configs(value, found)),
        Value::Array(list) => list.iter().for_each(|value| configs(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn configs_of(text: &str) -> Vec<Value> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_str::<Value>(text) {
        configs(&value, &mut found);
    }
    found
}

/// What is wrong with an answer; empty: nothing.
fn differences(step: &Value, answer: &Answer, corner: &Corner<'_>) -> Vec<String> {
    let case = step["case"].as_str().unwrap();
    let mut wrong = Vec::new();
    if let Some((_, ours)) = OTHERWISE.iter().find(|(known, _)| *known == case) {
        if answer.status != *ours {
            wrong.push(format!("status {}, {ours} is meant", answer.status));
        }
        return wrong;
    }
    if step["status"] != answer.status {
        wrong.push(format!("status {}, Connect's is {}", answer.status, step["status"]));
    }
    let theirs = |name: &str| step["headers"][name].as_str();
    if answer.header("content-type") != theirs("content-type") {
        wrong.push(format!("content type {:?}", answer.header("content-type")));
    }
    let path = |location: &str| location.splitn(4, '/').nth(3).map(str::to_owned);
    if answer.header("location").and_then(path) != theirs("location").and_then(path) {
        wrong.push(format!("location {:?}", answer.header("location")));
    }
    let expected = step["answer"].as_str().unwrap().replace("rec-topic", &corner.topic);
    if OTHER_WORDS.contains(&case) {
        let shape = |text: &str| {
            let text = blanked(text, "\"message\":\"", "\"}");
            if text.starts_with('[') { "[..]".to_owned() } else { text }
        };
        if shape(&expected) != shape(&answer.text) {
            wrong.push(format!("{}\n    Connect's: {expected}", answer.text));
        }
        return wrong;
    }
    let whole_config = step["path"].as_str().unwrap().ends_with("/config")
        && step["method"] == "GET"
        && answer.status == 200;
    if !whole_config
        && !case.starts_with("tasks")
        && comparable(step, &expected) != comparable(step, &answer.text)
    {
        wrong.push(format!("{}\n    Connect's: {expected}", comparable(step, &answer.text)));
    }
    // A task's configuration has its class there.
    if !case.starts_with("tasks") {
        let theirs: Vec<Value> = configs_of(step["answer"].as_str().unwrap())
            .iter()
            .map(|config| translated(config, corner))
            .collect();
        let ours: Vec<Value> = configs_of(&answer.text).iter().map(unmasked).collect();
        if theirs != ours {
            wrong.push(format!("configuration {ours:?}\n    Connect's: {theirs:?}"));
        }
    }
    wrong
}

/// The password of these connectors is empty, and hidden all the same.
fn unmasked(config: &Value) -> Value {
    let mut config = config.clone();
    if let Some(password) = config.get_mut("password") {
        assert_ne!(*password, "", "a password is shown");
        *password = Value::from("");
    }
    config
}

#[test]
fn recorded_exchanges_are_answered_alike() {
    replay(BareWorker::start, "replay");
}

#[test]
fn recorded_exchanges_are_answered_alike_by_a_distributed_worker() {
    replay(BareWorker::start_distributed, "replay_distributed");
}

/// The recorded connector has one name, and so one consumer group: one replay at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn replay(start: fn() -> BareWorker, prefix: &str) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut worker = start();
    let corner = Corner::new(bed(), prefix, 2).with_small_batches(1_000, 50);
    corner.create_table("n UInt8", "n", Engine::Plain);
    corner.write_json(&[
        r#"{"n": 1}"#,
        r#"{"n": 2}"#,
        r#"{"n": 3}"#,
        r#"{"n": 4}"#,
        r#"{"n": 5}"#,
        r#"{"n": 6}"#,
    ]);
    let steps: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    assert!(steps.len() > 190, "{} steps", steps.len());
    let mut wrong = Vec::new();
    for step in &steps {
        if let Some(connector) = step["when"]["connector"].as_str() {
            let (state, tasks) =
                (step["when"]["state"].as_str().unwrap(), step["when"]["tasks"].as_u64().unwrap());
            worker.wait(connector, state, tasks as usize);
        }
        // Connect takes offsets behind the end.
        if step["case"] == "alter" {
            let record =
                |value: &str| FillRecord { partition: 1, key: None, value: Some(value.as_bytes().to_vec()) };
            corner.write([record(r#"{"n": 7}"#), record(r#"{"n": 8}"#)]);
        }
        // From here on it is about the offsets of a connector that has taken all there is.
        if step["case"] == "pause" {
            wait_until("the records to be taken", Duration::from_secs(60), || {
                let topics = bed().topics().map_err(|error| error.to_string())?;
                let marks =
                    topics.committed("connect-rec", &corner.topic).map_err(|error| error.to_string())?;
                let offsets: Vec<i64> = marks.values().map(|mark| mark.offset).collect();
                if offsets == [6, 0] { Ok(()) } else { Err(format!("{offsets:?}\n{}", worker.log())) }
            })
            .unwrap();
        }
        let headers: Vec<(String, String)> = step["request_headers"]
            .as_object()
            .map(|headers| {
                headers
                    .iter()
                    .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                    .collect()
            })
            .unwrap_or_default();
        let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
        let answer =
            send(&worker.address, method, path, &headers, body_of(step, &corner).as_deref()).unwrap();
        for difference in differences(step, &answer, &corner) {
            wrong.push(format!("{}: {method} {path}: {difference}", step["case"]));
        }
    }
    assert!(wrong.is_empty(), "{} differences:\n{}\n{}", wrong.len(), wrong.join("\n"), worker.log());
}

#[test]
fn differences_that_are_named_are_still_asked_for() {
    let steps: Vec<Value> = serde_json::from_str(RECORDED).unwrap();
    let cases: BTreeSet<&str> = steps.iter().filter_map(|step| step["case"].as_str()).collect();
    for named in OTHER_WORDS.iter().chain(OTHERWISE.iter().map(|(case, _)| case)) {
        assert!(cases.contains(named), "{named}");
    }
}
