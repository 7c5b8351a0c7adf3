//! A batch that is open for another table than the topic goes to now: R15.
use super::stage::{Stage, check};
use crate::{Action, StopReason};

const FOUND: &str = "open p0 90..120; mapped; claim p0; entries; re-read";

#[test]
fn r15_a_batch_is_resolved_in_its_own_table() {
    check(
        "open p0 90..120; mapped; assign p0 | claimed; entries; re-read",
        "R15; gather p0; re-read 0:90..120; settle",
    );
    check(
        &format!("{FOUND} | settled; recorded; accepted"),
        "write p0 open 90..120; insert A #1; landed A; fetch p0@120",
    );
}

#[test]
fn r15_what_follows_goes_to_the_new_table() {
    check(
        &format!("{FOUND}; settled; recorded; accepted | fill p0 10; wait 1; recorded"),
        "seal; write p0 open 120..130; insert B into db.other #1",
    );
}

/// What is filled for other partitions meanwhile waits for the new table to be read again.
#[test]
fn r15_nothing_is_recorded_with_what_the_other_table_says() {
    check(
        "open p0 90..120; mark p1 0; mapped; claim p0 p1; fill p1 10; entries; re-read; settled; recorded | \
         accepted; wait 1; recorded",
        "landed A; write p0 at 120, p1 open 0..10; fetch p0@120 p1@10; insert B into db.other #1",
    );
}

#[test]
fn r15_evidence_is_looked_for_in_its_own_table() {
    check(
        "plain-table; open p0 90..120; restart; mapped; claim p0; entries; re-read | settled; found p0 90..120",
        "R7; look for p0 90..120; R7; landed A; fetch p0@120",
    );
    check(
        "plain-table; open p0 90..120; restart; mapped; claim p0; entries; re-read; settled | found; recorded",
        "R7; write p0 open 90..120; insert B #1",
    );
}

#[test]
fn r15_a_table_that_was_renamed_is_the_same_one() {
    check(
        "open p0 90..120; renamed; claim p0; entries; re-read; settled | recorded; accepted",
        "insert A into db.other #1; landed A; fetch p0@120",
    );
}

#[test]
fn r15_a_table_that_is_gone_is_asked_about() {
    check(&format!("{FOUND}; dropped | settled; recorded"), "write p0 open 90..120; stop with DELIVERY-010");
    check(
        "plain-table; open p0 90..120; restart; mapped; claim p0; entries; re-read; settled; dropped | found; recorded",
        "write p0 open 90..120; stop with DELIVERY-010",
    );
}

#[test]
fn r15_decisions_about_a_table_that_is_gone() {
    let decided = |word: &str| {
        format!("decide {word} 0:90..120; open p0 90..120; mapped; dropped; claim p0; entries; re-read")
    };
    check(&format!("{} | found", decided("landed")), "R7; landed A; fetch p0@120");
    for word in ["again", "missing"] {
        check(
            &format!("{} | found; re-read; wait 1; recorded", decided(word)),
            "R7; re-read 0:90..120; R15; write p0 open 90..120; insert B into db.other #1",
        );
    }
}

#[test]
fn r15_at_least_once_the_records_go_to_the_new_table() {
    check(
        "at-least-once; open p0 90..120; mapped; dropped; claim p0; entries; re-read | settled; re-read; wait 1; \
         recorded",
        "re-read 0:90..120; R15; write p0 open 90..120; insert B into db.other #1",
    );
}

#[test]
fn r15_a_block_that_does_not_fit_the_other_table_is_built_for_that_one() {
    check(
        "open p0 90..120; config 2; mapped; claim p0; entries; re-read; settled; recorded | no-table; found; wait 1; re-read",
        "R7; look for p0 90..120; re-read 0:90..120; R15; write p0 open 90..120",
    );
}

#[test]
fn r15_batches_of_several_tables_have_each_its_own() {
    check(
        "open p0 90..120; mapped; open p1 5..9; claim p0 p1; entries; re-read; settled; recorded | \
         accepted; entries; re-read; settled; recorded",
        "landed A; gather p1; fetch p0@120; re-read 1:5..9; settle; write p0 at 120, p1 open 5..9; \
         insert B into db.other #1",
    );
}

/// As without another table: what is asked about is what a later claim carries the decision out for.
#[test]
fn r15_a_piece_by_evidence_whose_table_is_gone_is_asked_about_as_all_that_is_left() {
    let mut stage = Stage::new();
    stage.run("open p0 90..100; mapped; claim p0; entries; re-read; settled; recorded; bad-data; found p0 97..98; recorded");
    stage.run("lost-answer; wait 100; dropped; settled; recorded");
    let Action::Fail(StopReason::TableGone { ranges, .. }) =
        stage.last_asked(|a| matches!(a, Action::Fail(_)))
    else {
        panic!("nobody is asked");
    };
    assert_eq!(ranges, "0:90..100");
}

/// A piece is open in a table that is another one now, and more rows are behind it.
const PIECE: &str = "claim p0; fill p0 10; wait 1; recorded; bad-data; re-read; recorded";

#[test]
fn r15_what_is_behind_a_piece_that_a_person_accepts_goes_to_the_new_table() {
    check(
        &format!(
            "{PIECE}; decide-open landed; mapped; dropped; claim p0; entries; re-read \
             | found; re-read; wait 1; recorded"
        ),
        // The new task of this stage draws the same tokens again.
        "R7; landed B; re-read 0:5..10; R15; write p0 open 5..10; insert A p0 5..10 into db.other #1",
    );
}
