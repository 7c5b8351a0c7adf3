//! Nothing is found where nothing is wrong.
use pumphouse_tests::{Corner, Engine, bed};
use serde_json::json;

use crate::command::{RUN_LIMIT, landed, start, verify, verify_as};

fn with_aborted_transactions(engine: Engine) {
    let corner = Corner::new(bed(), "verify_healthy", 3).with_small_batches(500, 50);
    corner.create_events_table(engine);
    let mut feed = corner.feed(11);
    feed.write(5_000, 40);
    let mut worker = start(&corner);
    feed.finish(&mut [&mut worker], RUN_LIMIT);

    // The worker is running.
    let answer = verify(&corner, &[]).is(0);
    assert_eq!(answer.json()["verdict"], "all_there");
    assert_eq!(answer.topic()["proof"], "lineage");
    assert_eq!(answer.total("records"), 5_000);
    assert_eq!(answer.total("rows"), 5_000);

    let text = verify_as(&corner, &[]).is(0).stdout;
    assert!(text.ends_with("ALL THERE: every record once, and nothing else\n"), "{text}");
    assert!(worker.stop().success());
}

#[test]
fn aborted_records_are_never_expected_in_merge_tree() {
    with_aborted_transactions(Engine::Plain);
}

#[test]
fn aborted_records_are_never_expected_in_replicated_merge_tree() {
    with_aborted_transactions(Engine::Replicated);
}

/// Records land while they are counted: none of them is foreign, none missing.
#[test]
fn a_worker_that_lands_records_meanwhile_changes_nothing() {
    let corner = Corner::new(bed(), "verify_running", 2).with_small_batches(300, 50);
    corner.create_events_table(Engine::Plain);
    let mut feed = corner.feed(12);
    feed.write(2_000, 100);
    let mut worker = start(&corner);
    corner.wait_rows_above(0, &mut worker, RUN_LIMIT);
    std::thread::scope(|scope| {
        let feeding = scope.spawn(|| {
            for _ in 0..20 {
                feed.write(1_000, 50);
            }
        });
        let mut looks = 0;
        while !feeding.is_finished() || looks == 0 {
            verify(&corner, &[]).is(0);
            looks += 1;
        }
    });
    feed.finish(&mut [&mut worker], RUN_LIMIT);
    assert_eq!(verify(&corner, &[]).is(0).total("records"), feed.committed_records());
    assert!(worker.stop().success());
}

#[test]
fn only_what_is_asked_for_is_looked_at() {
    let corner = landed("verify_part", 2, 2_000);
    let answer = verify(&corner, &["--partition", "1", "--from", "100", "--to", "250"]).is(0);
    assert_eq!(answer.topic()["partitions"].as_array().unwrap().len(), 1);
    let partition = answer.partition(1);
    assert_eq!(partition["range"], json!([100, 250]));
    assert_eq!((&partition["records"], &partition["rows"]), (&json!(150), &json!(150)));

    assert!(verify(&corner, &["--topic", "another"]).is(2).stderr.contains("VERIFY-003"));
    let answer = verify(&corner, &["--partition", "7"]).is(2);
    assert!(answer.topic()["error"].as_str().unwrap().contains("VERIFY-003"), "{answer:?}");
}

#[test]
fn a_sample_looks_at_some_and_finds_what_lies_there() {
    let corner = landed("verify_sample", 2, 30_000);
    let answer = verify(&corner, &["--sample", "1", "--seed", "5"]).is(0);
    let looked_at = answer.total("positions_checked");
    assert!(looked_at > 0 && looked_at <= 10_000, "{answer:?}");
    assert_eq!(answer.total("records"), looked_at);

    // So many draws find every block of so short a topic.
    corner
        .sql()
        .run(&format!(
            "ALTER TABLE {} DELETE WHERE _partition = 1 AND _offset IN (7, 8) SETTINGS mutations_sync = 2",
            corner.table
        ))
        .unwrap();
    let answer = verify(&corner, &["--sample", "200", "--seed", "5"]).is(1);
    assert_eq!(answer.ranges(1, "missing"), json!([[7, 9]]));
}
