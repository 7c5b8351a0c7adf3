//! What would make exactly-once a lie is refused at the start, with a code and the remedy.

use std::fs;

use pumphouse_testkit::{ClickHouse, ClickHouseOptions, events};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

/// Starts a worker that has to refuse, and looks for each of these in what it says.
fn refuses(corner: &Corner<'_>, options: &WorkerOptions, facts: &[&str]) {
    corner.write_json(&[r#"{"n": 1}"#; 10]);
    let mut worker = corner.worker(options);
    let said = worker.wait_refused();
    for fact in facts {
        assert!(said.contains(fact), "`{fact}` is not in what it says: {said}");
    }
}

fn corner(prefix: &str) -> Corner<'static> {
    Corner::new(bed(), prefix, 1).with_small_batches(100, 50)
}

#[test]
fn a_table_without_a_window() {
    let corner = corner("no_window");
    let table = &corner.table;
    corner.sql().run(&format!("CREATE TABLE {table} (n UInt8) ENGINE = MergeTree ORDER BY n")).unwrap();
    refuses(
        &corner,
        &WorkerOptions::called("w"),
        &["PROOF-004", "ALTER TABLE", "non_replicated_deduplication_window"],
    );
    assert_eq!(corner.rows(), 0);
}

#[test]
fn a_window_that_is_too_small() {
    let corner = corner("small_window");
    let table = &corner.table;
    let engine = "MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 2";
    corner.sql().run(&format!("CREATE TABLE {table} (n UInt8) ENGINE = {engine}")).unwrap();
    refuses(&corner, &WorkerOptions::called("w"), &["PROOF-005", "ALTER TABLE"]);
    assert_eq!(corner.rows(), 0);
}

#[test]
fn an_engine_that_cannot_deduplicate() {
    let corner = corner("memory");
    corner.sql().run(&format!("CREATE TABLE {} (n UInt8) ENGINE = Memory", corner.table)).unwrap();
    refuses(&corner, &WorkerOptions::called("w"), &["PROOF-003", "Memory"]);
    assert_eq!(corner.rows(), 0);
}

#[test]
fn a_missing_table_and_a_missing_database() {
    refuses(&corner("no_table"), &WorkerOptions::called("w"), &["PROOF-002", "no_table"]);
    let elsewhere = corner("no_database").with("database", "nowhere");
    refuses(&elsewhere, &WorkerOptions::called("w"), &["PROOF-001", "nowhere"]);
}

#[test]
fn a_topic_that_does_not_exist() {
    let corner = corner("no_topic").with("topics", "no_such_topic_here");
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let said = worker.wait_refused();
    assert!(said.contains("no_such_topic_here"), "{said}");
}

#[test]
fn options_that_are_not_honoured_or_not_known() {
    for (name, value, facts) in [
        ("transforms", "route", ["CONFIG-005", "transforms"]),
        ("bufferSize", "10", ["CONFIG-004", "bufferSize"]),
        ("tasks.max", "none", ["CONFIG-003", "tasks.max"]),
        ("value.converter", "com.example.connect.CborConverter", ["CONFIG-005", "value.converter"]),
        ("consumer.override.isolation.level", "read_uncommitted", ["KAFKA-003", "isolation.level"]),
        ("clickhouseSettings", "async_insert=1", ["CONFIG-007", "async_insert"]),
    ] {
        let corner = corner("option").with(name, value);
        corner.create_events_table(Engine::Plain);
        refuses(&corner, &WorkerOptions::called("w"), &facts);
        assert_eq!(corner.rows(), 0, "{name}");
    }
}

#[test]
fn options_without_effect_are_accepted_and_said_once() {
    let corner = corner("no_effect")
        .with("zkPath", "/kafka-connect")
        .with("zkDatabase", "connect_state")
        .with("key.converter", "org.apache.kafka.connect.storage.StringConverter");
    corner.create_events_table(Engine::Plain);
    let options = WorkerOptions::called("w")
        .with("plugin.path", "/usr/share/java")
        .with("plugin.discovery", "hybrid_warn")
        .with("offset.storage.file.filename", "/tmp/connect.offsets")
        .with("offset.flush.interval.ms", "10000")
        .with("connector.client.config.override.policy", "All");
    let mut worker = corner.worker(&options);
    worker.wait_running();
    let log = worker.log();
    for option in ["zkPath", "zkDatabase", "plugin.path", "plugin.discovery", "offset.storage.file.filename"]
    {
        assert_eq!(log.matches(option).count(), 1, "{option} is to be named once:\n{log}");
    }
}

/// Users of a server that reads them from a file; this build has no users made by SQL.
fn users_xml(grants: &str) -> String {
    format!(
        "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>\
         <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>\
         <quota>default</quota></default>\
         <writer><password>w</password><networks><ip>::/0</ip></networks><profile>default</profile>\
         <quota>default</quota><grants>{grants}</grants></writer>\
         </users></clickhouse>"
    )
}

#[test]
fn a_user_without_the_right_to_insert() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.xml");
    let grant = |what: &str| format!("<query>GRANT {what}</query>");
    let database = pumphouse_testkit::DATABASE;
    let grants =
        [grant(&format!("SELECT ON {database}.*")), grant("SELECT ON system.*"), grant("KILL QUERY ON *.*")];
    fs::write(&path, users_xml(&grants.concat())).unwrap();
    let server = ClickHouse::start(ClickHouseOptions {
        memory_bytes_max: 2 << 30,
        extra_configuration: format!("<users_config>{}</users_config>", path.display()),
        ..ClickHouseOptions::default()
    })
    .unwrap();
    let corner = corner("rights")
        .with("port", &server.http_port().to_string())
        .with("username", "writer")
        .with("password", "w");
    let columns = events::TABLE_COLUMNS;
    let engine = "MergeTree ORDER BY id SETTINGS non_replicated_deduplication_window = 10000";
    server.sql().run(&format!("CREATE TABLE {} ({columns}) ENGINE = {engine}", corner.table)).unwrap();
    refuses(&corner, &WorkerOptions::called("w"), &["PROOF-007", "GRANT INSERT", "writer"]);

    let wrong = corner.with("password", "wrong");
    let mut worker = wrong.worker(&WorkerOptions::called("wrong"));
    let said = worker.wait_refused();
    assert!(said.contains("CLICKHOUSE-") && !said.contains("wrong_"), "{said}");
}
