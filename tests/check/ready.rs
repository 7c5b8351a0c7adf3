//! What `check` says, and that it leaves no trace.
use pumphouse_testkit::{events, unique_name};
use pumphouse_tests::{Corner, Engine, bed};

use crate::command::Files;

#[test]
fn a_connector_that_would_run_is_ready_and_nothing_is_written() {
    let corner = Corner::new(bed(), "check_ready", 2);
    corner.create_events_table(Engine::Plain);
    corner.write(events::events(1, 0).take(500).map(|event| event.into_record(2)));
    let state_topic = unique_name("check-state");
    let worker = format!("pumphouse.state.topic={state_topic}\n");
    let name = unique_name("check");
    let files = Files::new(
        bed(),
        &name,
        &[("topics", &corner.topic), ("exactlyOnce", "true"), ("zkPath", "/kafka-connect")],
        &worker,
    );
    let answer = files.check(&[]).is(0);
    answer.says(&[
        "READY: the connector would run",
        &format!("topic {}: 2 partitions", corner.topic),
        "has no offset and begins where auto.offset.reset says: partition 0, 1",
        "takes batches exactly once (R12)",
        "500 of 500 records tried become rows",
        "zkPath is without effect",
        "not in KeeperMap",
    ]);
    assert!(!answer.stdout.contains("WRONG"), "{}", answer.stdout);

    assert_eq!(corner.rows(), 0);
    let topics = bed().topics().unwrap().list().unwrap();
    assert!(!topics.contains(&state_topic), "{topics:?}");
    let group = format!("connect-{name}");
    let committed = bed().topics().unwrap().committed(&group, &corner.topic).unwrap();
    assert!(committed.values().all(|mark| mark.offset < 0), "{committed:?}");
    let answer = files.check(&["--sample", "10"]).is(0);
    answer.says(&["10 of 10 records tried become rows"]);
}

#[test]
fn what_would_stop_a_connector_is_wrong_and_has_its_code() {
    let corner = Corner::new(bed(), "check_wrong", 1);
    let table = &corner.table;
    corner
        .sql()
        .run(&format!("CREATE TABLE {table} (id UInt64, extra String DEFAULT 'd') ENGINE = Memory"))
        .unwrap();
    corner.write_json(&[r#"{"id": 1, "strange": 2}"#, r#"{"id": "x"}"#, "no json"]);
    let options = [("topics", corner.topic.as_str()), ("exactlyOnce", "true")];
    let answer = Files::new(bed(), "check-wrong", &options, "").check(&[]).is(1);
    answer.says(&[
        "NOT READY",
        "PROOF-003",
        "1 of 3 records tried become rows",
        "1 records, the first of partition 0 at offset 1: ",
        "1 records, the first of partition 0 at offset 2: ",
        "fields without a column (pumphouse.unknown.fields): strange",
        "columns without a field in the sample: extra",
    ]);

    // Without the demand the table will do, and tolerated records are no obstacle.
    let options = [("topics", corner.topic.as_str()), ("errors.tolerance", "all"), ("exactlyOnce", "")];
    let answer = Files::new(bed(), "check-less", &options, "").check(&[]).is(0);
    answer.says(&["at least once", "PROOF-003", "tolerated: errors.tolerance=all"]);
}

#[test]
fn mistakes_in_the_files_are_told_all_at_once() {
    let options =
        [("topics", "t"), ("port", "x"), ("tasksmax", "1"), ("consumer.override.interceptor.classes", "x.Y")];
    let answer = Files::new(bed(), "check-files", &options, "").check(&[]).is(1);
    answer.says(&["CONFIG-003: port", "CONFIG-004: tasksmax", "NOT READY"]);
    let options = [("topics", "t"), ("consumer.override.interceptor.classes", "x.Y")];
    let answer = Files::new(bed(), "check-client", &options, "").check(&[]).is(1);
    answer.says(&["consumer.override.interceptor.classes", "KAFKA-003"]);
}
