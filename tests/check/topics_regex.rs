//! `topics.regex`: all that match are read, a new one is taken up, and nothing is lost or doubled by it.
use std::time::Duration;

use pumphouse_testkit::{events, unique_name};
use pumphouse_tests::{Corner, Engine, WorkerOptions, bed};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn topics_that_match_are_read_and_new_ones_taken_up() {
    let prefix = unique_name("regex");
    let first = Corner::new(bed(), &format!("{prefix}_a"), 2)
        .without("topics")
        .with("topics.regex", &format!("{prefix}_.*"))
        .with("consumer.override.metadata.max.age.ms", "1000")
        .with_small_batches(200, 50);
    let second = Corner::new(bed(), &format!("{prefix}_b"), 1);
    let other = Corner::new(bed(), &format!("other_{prefix}"), 1);
    for corner in [&first, &second] {
        corner.create_events_table(Engine::Plain);
    }
    let events = |corner: &Corner<'_>, from: u64, count: usize| {
        let partitions = corner.partitions();
        corner.write(events::events(7, from).take(count).map(|event| event.into_record(partitions)));
    };
    events(&first, 0, 1_000);
    events(&second, 0, 500);
    events(&other, 0, 10);
    let mut worker = first.worker(&WorkerOptions::called("w"));
    first.wait_rows_above(999, &mut worker, LIMIT);
    let table_rows = |corner: &Corner<'_>| corner.rows();
    wait(|| table_rows(&second) == 500);

    // A third topic appears while the first is written to.
    let third = Corner::new(bed(), &format!("{prefix}_c"), 1);
    third.create_events_table(Engine::Plain);
    events(&third, 0, 700);
    events(&first, 1_000, 1_000);
    wait(|| table_rows(&third) == 700 && table_rows(&first) == 2_000);
    worker.check();
    assert!(worker.stop().success());
    for corner in [&first, &second, &third] {
        corner.check_events();
    }
    assert!(worker.log().contains("other topics match topics.regex"), "{}", worker.log());
}

#[track_caller]
fn wait(mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < LIMIT, "not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
