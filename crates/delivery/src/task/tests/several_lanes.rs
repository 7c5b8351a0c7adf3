//! Lanes advance independently and share one ledger write.
use pumphouse_types::Partition;

use super::stage::{Stage, check, tp};
use crate::Action;
use crate::entry::ENTRY_TEXT_CHARS_MAX;

#[test]
fn one_write_is_under_way_at_a_time() {
    check(
        "claim p0 u/p0; fill p0 10; fill u/p0 10 | wait 1; recorded; recorded",
        "insert A #1; write u/p0 open 0..10; u insert B #1",
    );
}

/// Their first marks are three lanes' in one write; an answer is all of theirs.
#[test]
fn plain_marks_that_are_due_go_together() {
    check(
        "no-entry p0; assign p0 u/p0 v/p0; claimed | started; not-recorded; wait 200; recorded; fill u/p0 10; wait 1000",
        "write p0 at 0, u/p0 at 0, v/p0 at 0; fetch p0@0 u/p0@0 v/p0@0; write p0 at 0, u/p0 at 0, v/p0 at 0; u seal; write \
         u/p0 open 0..10",
    );
}

#[test]
fn a_lane_that_always_has_something_to_write_holds_none_up() {
    // t is ready again as soon as it has landed, but u and v come first.
    check(
        "claim p0 u/p0 v/p0; fill p0 10; fill u/p0 10; fill v/p0 10; fill p0 10; recorded; accepted \
         | recorded; recorded",
        "u insert B #1; write v/p0 open 0..10; v insert C #1; write p0 open 10..20",
    );
}

#[test]
fn a_lane_whose_server_is_slow_holds_no_other_one_up() {
    check(
        "claim p0 u/p0; fill p0 10; recorded | fill u/p0 10; recorded; accepted",
        "u seal; write u/p0 open 0..10; u insert B #1; landed A",
    );
}

#[test]
fn the_ledgers_text_seals_a_block_of_many_partitions_early() {
    let mut stage = Stage::with_rows_max(1_000_000);
    let partitions: Vec<String> = (1_000..1_400).map(|n| format!("p{n}")).collect();
    stage.run(&format!("claim {}", partitions.join(" ")));
    let mut filled = 0;
    for partition in &partitions {
        let tp = tp(partition);
        // Room for many rows: only the text may end the block.
        if !stage.task.takes(&tp.topic, tp.partition) {
            break;
        }
        stage.fill_far(&tp, 1_000_000_000_000 + i64::from(tp.partition.0));
        filled += 1;
    }
    assert!((20..400).contains(&filled), "{filled} partitions were taken");
    stage.shown.clear();
    stage.run("wait 1");
    assert!(stage.shown[0] == "seal", "{:?}", stage.shown);
    let record = stage.last_asked(|action| matches!(action, Action::Record { .. }));
    let Action::Record { entries, .. } = record else { unreachable!() };
    let lead = entries.iter().find(|(tp, _)| tp.partition == Partition(1_000)).unwrap().1;
    let chars = lead.metadata.encode_utf16().count();
    assert!(chars <= ENTRY_TEXT_CHARS_MAX && chars > ENTRY_TEXT_CHARS_MAX / 3, "{chars} characters");
}
