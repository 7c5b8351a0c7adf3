//! Secrets that are planted in every place for one, and looked for in everything that the process says.
use pumphouse_testkit::unique_name;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, bed};

use crate::command::Files;

const PLANTED: &str = "pl4nted-s3cret";

/// Everything that a worker shows.
fn shown(worker: &Worker, connector: &str) -> String {
    let paths = [
        "/".to_owned(),
        "/connectors?expand=info&expand=status".to_owned(),
        format!("/connectors/{connector}"),
        format!("/connectors/{connector}/config"),
        format!("/connectors/{connector}/status"),
        format!("/connectors/{connector}/tasks"),
        "/connector-plugins/ClickHouseSink/config".to_owned(),
        "/metrics".to_owned(),
    ];
    let mut all = worker.log();
    for path in paths {
        all.push_str(&worker.get(&path).unwrap().text);
    }
    all
}

#[track_caller]
fn check(all: &str) {
    assert!(!all.contains("s3cret"), "{}", all.lines().find(|line| line.contains("s3cret")).unwrap());
}

#[test]
fn no_secret_is_shown_by_a_worker() {
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("secrets.properties");
    std::fs::write(&secrets, format!("password={PLANTED}\n")).unwrap();
    let placeholder = format!("${{file:{}:password}}", secrets.display());
    let options = WorkerOptions::called("w")
        .with("config.providers", "file")
        .with("config.providers.file.class", "org.apache.kafka.common.config.provider.FileConfigProvider")
        .with("sasl.jaas.config", &format!("org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"{PLANTED}\";"));
    let corner = Corner::new(bed(), "secrets", 1)
        .with("producer.override.ssl.key.password", PLANTED)
        .with("value.converter.basic.auth.user.info", &format!("u:{PLANTED}"));
    corner.create_events_table(Engine::Plain);
    let mut worker = corner.worker(&options);
    worker.wait_running();
    check(&shown(&worker, &corner.connector));
    assert!(worker.stop().success());
    check(&worker.log());

    // A password that the server refuses, from a placeholder and as it stands.
    for (id, password) in [("wrong-file", placeholder.as_str()), ("wrong-plain", PLANTED)] {
        let refused = Corner::on_topic(bed(), &corner.topic, 1).with("password", password);
        refused.create_events_table(Engine::Plain);
        let mut options = options.clone();
        options.id = id.to_owned();
        let mut worker = refused.worker(&options);
        let why = worker.wait_refused();
        assert!(why.contains("516") || why.contains("CLICKHOUSE"), "{why}");
        let config = worker.get(&format!("/connectors/{}/config", refused.connector)).unwrap().json();
        let expected = if id == "wrong-file" { placeholder.as_str() } else { "********" };
        assert_eq!(config["password"], expected);
        check(&shown(&worker, &refused.connector));
    }
}

/// With all that it can log.
#[test]
fn no_secret_is_shown_by_a_check() {
    let corner = Corner::new(bed(), "secret_check", 1);
    corner.create_events_table(Engine::Plain);
    let worker = format!("sasl.password={PLANTED}\nssl.key.password={PLANTED}\n");
    let options = [
        ("topics", corner.topic.as_str()),
        ("password", PLANTED),
        ("consumer.override.ssl.key.password", PLANTED),
        ("value.converter.bearer.auth.token", PLANTED),
    ];
    let answer = Files::new(bed(), &unique_name("secret"), &options, &worker).check(&[]).is(1);
    answer.says(&["NOT READY"]);
    check(&answer.stdout);
    check(&answer.stderr);
}
