//! What `/config/validate` answers, beside what a Kafka Connect 4.1.0 worker answered for the file sink
//! (`recorded/`; its documentation texts are left out, ours are our own).
#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use pumphouse_config::{
    RawConfig, SINK_CLASSES, WorkerConfig, check_plugin, converter_definitions, parse_properties,
    sink_definitions, validate,
};
use serde_json::{Value, json};

const WORKER: &str = "bootstrap.servers=k:9092\n\
    key.converter=org.apache.kafka.connect.json.JsonConverter\n\
    value.converter=org.apache.kafka.connect.json.JsonConverter\n";

fn worker() -> WorkerConfig {
    WorkerConfig::from_raw(&parse_properties(WORKER.as_bytes()).unwrap()).unwrap()
}

fn answer(config: &RawConfig) -> Value {
    serde_json::to_value(validate(config, &worker(), Vec::new())).unwrap()
}

fn recorded(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The recorded request, for our sink.
fn request(recorded: &Value) -> RawConfig {
    let given = recorded["request"].as_object().unwrap().iter();
    let mut config: RawConfig = given.map(|(name, value)| (name.as_str(), value.as_str().unwrap())).collect();
    config.set("connector.class", "ClickHouseSinkConnector");
    config.set("hostname", "h");
    config
}

fn by_name(answer: &Value) -> BTreeMap<String, Value> {
    let configs = answer["configs"].as_array().unwrap().iter();
    configs.map(|info| (info["value"]["name"].as_str().unwrap().to_owned(), info.clone())).collect()
}

/// Where our definition of Connect's option differs on purpose: option, field, our value.
fn differences() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        // There is one version of everything.
        ("connector.plugin.version", "default_value", Value::Null),
        // Inserts are tried until they work, converters fail the same way each time.
        ("errors.retry.timeout", "default_value", Value::Null),
        ("errors.retry.delay.max.ms", "default_value", json!("10000")),
        // Headers are taken as they are.
        ("header.converter", "default_value", Value::Null),
    ]
}

#[test]
fn connects_options_are_defined_as_connect_defines_them() {
    let connect = recorded(include_str!("recorded/ok.json"));
    let ours = answer(&request(&connect));
    let (theirs, mine) = (by_name(&connect["answer"]), by_name(&ours));
    let mut compared = Vec::new();
    for (name, info) in theirs {
        // Versions of converters are nothing to choose here; the file is the file sink's.
        if name == "file" || name.ends_with("converter.plugin.version") {
            continue;
        }
        let mut expected = info["definition"].clone();
        for (_, field, value) in differences().into_iter().filter(|(option, ..)| *option == name) {
            expected[field] = value;
        }
        let mut found = mine[&name]["definition"].clone();
        assert!(found["documentation"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        found.as_object_mut().unwrap().remove("documentation");
        assert_eq!(found, expected, "{name}");
        compared.push(name);
    }
    assert_eq!(compared.len(), 21);
    let order = |answer: &Value| -> Vec<String> {
        let names = answer["configs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|info| info["value"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| compared.contains(name)).collect()
    };
    assert_eq!(order(&ours), order(&connect["answer"]));
    assert_eq!(ours["groups"].as_array().unwrap()[..4], connect["answer"]["groups"].as_array().unwrap()[..]);
}

#[test]
fn fields_stand_in_connects_order() {
    let mut config = request(&recorded(include_str!("recorded/ok.json")));
    config.set("value.converter", "JsonConverter");
    let text = serde_json::to_string(&validate(&config, &worker(), Vec::new())).unwrap();
    assert!(text.starts_with("{\"name\":\"ClickHouseSinkConnector\",\"error_count\":2,\"groups\":[\"Common\",\"Transforms\",\"Predicates\",\"Error Handling\","), "{}", &text[..200]);
    let tasks_max = "{\"definition\":{\"name\":\"tasks.max\",\"type\":\"INT\",\"required\":false,\"default_value\":\"1\",\"importance\":\"HIGH\",\"documentation\":\"How many tasks share the partitions.\",\"group\":\"Common\",\"width\":\"SHORT\",\"display_name\":\"Tasks max\",\"dependents\":[],\"order\":4},\"value\":{\"name\":\"tasks.max\",\"value\":\"2\",\"recommended_values\":[],\"errors\":[],\"visible\":true}}";
    assert!(text.contains(tasks_max));
    // The file sink's `file` is the other one. Connect leaves options that nobody knows to the connector; here one may be a typing mistake.
    let unknown = "{\"definition\":null,\"value\":{\"name\":\"extra.unknown\",\"value\":\"1\",\"recommended_values\":[],\"errors\":[\"CONFIG-004: extra.unknown: there is no such option. Remove it; docs/configuration.md lists every option.\"],\"visible\":true}}";
    assert!(text.contains(unknown));
}

#[test]
fn mistakes_are_told_in_connects_words() {
    for (text, options) in [
        (
            include_str!("recorded/bad.json"),
            &["name", "tasks.max", "config.action.reload", "errors.tolerance", "topics", "topics.regex"][..],
        ),
        (include_str!("recorded/topics_both.json"), &["topics", "topics.regex"]),
    ] {
        let recorded = recorded(text);
        let (theirs, ours) = (by_name(&recorded["answer"]), by_name(&answer(&request(&recorded))));
        for option in options {
            assert!(!theirs[*option]["value"]["errors"].as_array().unwrap().is_empty());
            assert_eq!(ours[*option]["value"]["errors"], theirs[*option]["value"]["errors"], "{option}");
        }
    }
}

#[test]
fn a_dead_letter_topic_that_is_read_is_refused_where_connect_refuses_it() {
    let recorded = recorded(include_str!("recorded/dlq.json"));
    let answer = answer(&request(&recorded));
    let ours = by_name(&answer);
    // Ours blames the dead letter topic, which is the one to change.
    let errors = &ours["errors.deadletterqueue.topic.name"]["value"]["errors"];
    assert!(errors[0].as_str().unwrap().starts_with("CONFIG-006: "), "{errors}");
    let flag = &ours["value.converter.schemas.enable"]["value"];
    assert_eq!(flag["value"], Value::Null);
    assert_eq!(
        flag["errors"],
        json!([
            "Invalid value maybe for configuration value.converter.schemas.enable: Expected value to be either true or false"
        ])
    );
}

#[test]
fn passwords_are_hidden_and_placeholders_shown() {
    let mut config = request(&recorded(include_str!("recorded/ok.json")));
    config.set("password", "hunter2-secret");
    config.set("consumer.override.sasl.jaas.config", "X required password=\"hunter2-secret\";");
    let text = answer(&config).to_string();
    assert!(!text.contains("hunter2"), "{text}");
    assert_eq!(by_name(&answer(&config))["password"]["value"]["value"], "[hidden]");
    config.set("password", "${file:/no/such/file:pw}");
    let password = by_name(&answer(&config))["password"]["value"].clone();
    assert_eq!(password["value"], "${file:/no/such/file:pw}");
    assert!(password["errors"][0].as_str().unwrap().starts_with("CONFIG-008: "), "{password}");
}

#[test]
fn plugins_are_known_by_connects_short_names() {
    let config: RawConfig =
        [("connector.class", "com.clickhouse.kafka.connect.ClickHouseSinkConnector")].into_iter().collect();
    for plugin in
        ["com.clickhouse.kafka.connect.ClickHouseSinkConnector", "ClickHouseSinkConnector", "ClickHouseSink"]
    {
        assert_eq!(check_plugin(plugin, &config), Ok(()), "{plugin}");
    }
    let refused = check_plugin("FileStreamSink", &config).unwrap_err();
    assert_eq!(refused.status, 400);
    assert_eq!(
        refused.message,
        "Included connector type com.clickhouse.kafka.connect.ClickHouseSinkConnector does not match request type FileStreamSink"
    );
    let nothing: RawConfig = [("name", "a")].into_iter().collect();
    let refused = check_plugin("ClickHouseSink", &nothing).unwrap_err();
    assert_eq!(
        (refused.status, refused.message.as_str()),
        (
            500,
            "org.apache.kafka.connect.runtime.rest.errors.BadRequestException: Connector config {name=a} contains no connector type"
        )
    );
}

#[test]
fn every_option_of_a_connector_is_defined() {
    let names: Vec<String> = sink_definitions()
        .iter()
        .map(|definition| serde_json::to_value(definition).unwrap()["name"].as_str().unwrap().to_owned())
        .collect();
    for option in pumphouse_config::all_options() {
        let of_connector =
            option.scope.covers(pumphouse_config::Scope::Connector) && option.family_prefix().is_none();
        let of_converter = ["key", "value", "header"]
            .iter()
            .any(|side| option.name.starts_with(&format!("{side}.converter.")));
        let count = names.iter().filter(|name| *name == option.name).count();
        assert_eq!(count, usize::from(of_connector && !of_converter), "{}", option.name);
    }
    let json =
        serde_json::to_value(converter_definitions("org.apache.kafka.connect.json.JsonConverter")).unwrap();
    assert!(
        json.as_array().unwrap().iter().any(|definition| definition["name"] == "schemas.enable"),
        "{json}"
    );
}

#[test]
fn a_configuration_as_long_as_a_request_can_be_is_checked() {
    // Two megabytes, the most that the API takes: a check that compares everything with everything would take hours.
    let many = 20_000;
    let topics: Vec<String> = (0..many).map(|number| format!("t{number}")).collect();
    let fields: Vec<String> = (0..many).map(|number| format!("f{number}=c{number}")).collect();
    let mut config: RawConfig = [
        ("name", "c"),
        ("connector.class", SINK_CLASSES[0]),
        ("topics", &topics.join(",")),
        ("pumphouse.field.columns", &fields.join(",")),
    ]
    .into_iter()
    .collect();
    for number in 0..many {
        config.set(format!("no.such.option.{number}"), "x".to_owned());
    }
    config.set("x".repeat(1_000_000), "x".to_owned());
    let infos = validate(&config, &worker(), Vec::new());
    assert!(infos.error_count() > many, "{}", infos.error_count());
}
