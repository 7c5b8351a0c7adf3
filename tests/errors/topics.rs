//! Topics and offsets that are not as they should be: KAFKA and WORKER-002.
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::{FillRecord, fill_fast};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

use crate::case::{Case, NUMBERS, try_all};

const LIMIT: Duration = Duration::from_secs(60);

const LETTERS: &[(&str, &str)] =
    &[("errors.tolerance", "all"), ("errors.deadletterqueue.topic.name", "{t}_letters")];

fn beyond_the_end(corner: &Corner<'_>) {
    corner.set_offset(0, 1_000);
}

fn compacted_letters(corner: &Corner<'_>) {
    let name = format!("{}_letters", corner.table);
    corner.bed().topics().unwrap().create(&name, 1, &[("cleanup.policy", "compact")]).unwrap();
}

#[test]
fn topics_and_offsets_are_mended_as_the_pages_say() {
    try_all(
        "topic",
        &[
            Case {
                code: "KAFKA-011",
                given_by: beyond_the_end,
                done: |corner| corner.set_offset(0, 0),
                ..Case::NONE
            },
            Case {
                code: "KAFKA-021",
                options: &[
                    ("errors.tolerance", "all"),
                    ("errors.deadletterqueue.topic.name", "{t}_letters"),
                    ("errors.deadletterqueue.topic.replication.factor", "3"),
                ],
                set: &[("errors.deadletterqueue.topic.replication.factor", "1")],
                ..Case::NONE
            },
            Case {
                code: "KAFKA-027",
                options: LETTERS,
                given_by: compacted_letters,
                set: &[
                    ("errors.deadletterqueue.topic.name", "{t}_other_letters"),
                    ("errors.deadletterqueue.topic.replication.factor", "1"),
                ],
                ..Case::NONE
            },
            Case {
                code: "WORKER-002",
                options: &[("consumer.override.auto.offset.reset", "none")],
                done: |corner| corner.set_offset(0, 0),
                ..Case::NONE
            },
            Case {
                code: "WORKER-002",
                options: &[("consumer.override.auto.offset.reset", "none")],
                set: &[("consumer.override.auto.offset.reset", "earliest")],
                ..Case::NONE
            },
        ],
    );
}

/// KAFKA-012: the task waits for its topic, and takes it when it is there.
#[test]
fn a_topic_that_is_made_later() {
    let corner = Corner::new(bed(), "late", 1).with_small_batches(100, 50);
    corner.create_table("n UInt64", "n", Engine::Plain);
    let late = format!("{}_late", corner.topic);
    let map = format!("{late}={}", corner.table);
    let corner = corner.with("topics", &late).with("topic2TableMap", &map);
    let mut worker = corner.worker(&WorkerOptions::called("w"));
    let begun = Instant::now();
    while !worker.log().contains("KAFKA-012") {
        assert!(begun.elapsed() < LIMIT && worker.is_running(), "{}", worker.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    corner.bed().topics().unwrap().create(&late, 1, &[]).unwrap();
    let record =
        |value: &&str| FillRecord { partition: 0, key: None, value: Some(value.as_bytes().to_vec()) };
    fill_fast(corner.bed().bootstrap(), &late, NUMBERS.iter().map(record)).unwrap();
    assert_eq!(corner.wait_rows_above(2, &mut worker, LIMIT), 3);
}
