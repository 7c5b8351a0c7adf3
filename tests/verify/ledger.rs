//! What the ledger says decides what is expected.
use std::time::Duration;

use pumphouse_testkit::events;
use pumphouse_testkit::wait::wait_until;
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};
use serde_json::json;

use crate::command::{RUN_LIMIT, WORKER, landed, start, verify};

/// The worker dies at `moment`; its open batch of 300 rows is neither missing nor foreign.
fn an_open_batch_is_open(moment: &str, rows_open: u64) {
    let corner = Corner::new(bed(), "verify_open", 1).with_small_batches(300, 50);
    corner.create_events_table(Engine::Replicated);
    corner.write(events::events(1, 0).take(900).map(|event| event.into_record(1)));
    let mut worker = corner.worker(&WorkerOptions::called(WORKER).dying_at(&format!("{moment}:2")));
    worker.wait_exit(RUN_LIMIT);

    let answer = verify(&corner, &[]).is(0);
    let partition = answer.partition(0);
    let landed = partition["ledger"]["landed"].as_i64().unwrap();
    assert_eq!(partition["ledger"]["open"], json!([landed, landed + 300]), "{answer:?}");
    assert_eq!(partition["records"], landed);
    assert_eq!(partition["rows_open"], rows_open);

    let mut worker = start(&corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    let answer = verify(&corner, &[]).is(0);
    assert_eq!(answer.partition(0)["records"], 900);
    assert!(worker.stop().success());
}

#[test]
fn a_batch_that_was_recorded_and_not_sent_is_open() {
    an_open_batch_is_open("ledger_answered", 0);
}

#[test]
fn a_batch_that_landed_and_is_not_marked_is_open() {
    an_open_batch_is_open("accepted", 300);
}

#[test]
fn a_group_without_offsets_cannot_be_checked() {
    let corner = landed("verify_no_entry", 1, 200);
    let (topics, group) = (bed().topics().unwrap(), corner.group());
    // Refused while a member is left; the leave of the one that stopped may still be on its way.
    wait_until("the end of the group", Duration::from_secs(60), || {
        topics.delete_group(&group).map_err(|error| error.to_string())
    })
    .unwrap();
    let answer = verify(&corner, &[]).is(2);
    let error = answer.partition(0)["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("VERIFY-002") && error.contains("200 rows"), "{answer:?}");
}

#[test]
fn a_partition_that_was_never_taken_expects_nothing() {
    let corner = Corner::new(bed(), "verify_fresh", 2);
    corner.create_events_table(Engine::Plain);
    let mut worker = start(&corner);
    worker.wait_running();
    assert!(worker.stop().success());
    let answer = verify(&corner, &[]).is(0);
    assert_eq!(answer.total("records"), 0);
}

/// The entry counts in the topic that is gone.
#[test]
fn a_topic_that_was_created_again_cannot_be_checked() {
    let corner = landed("verify_recreated", 1, 200);
    let topics = bed().topics().unwrap();
    topics.delete(&corner.topic).unwrap();
    topics.create(&corner.topic, 1, &[]).unwrap();
    // The broker drops the offsets of a topic with it; which of the two is seen, neither is taken for well.
    let answer = verify(&corner, &[]).is(2);
    let error = answer.partition(0)["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.contains("VERIFY-002"), "{answer:?}");
}
