//! What the next ledger write will say is foreseen while an attempt is under way; nothing depends on it.
use std::collections::BTreeMap;

use pumphouse_types::TopicPartition;

use super::stage::{Stage, check};
use crate::{Action, StoredEntry};

/// How long attempts take is known from the first that landed; none here takes any time.
const FIRST: &str = "claim p0 p1; fill p0 10; wait 1; recorded; accepted; ";

fn staged(script: &str) -> Stage {
    let mut stage = Stage::new();
    stage.run(script);
    stage
}

fn asked_to_record(stage: &Stage) -> &BTreeMap<TopicPartition, StoredEntry> {
    match stage.last_asked(|action| matches!(action, Action::Record { .. })) {
        Action::Record { entries, .. } => entries,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_write_says_what_was_foreseen_once_the_attempt_has_landed() {
    // p1's mark goes along: it is in the batch that lands, and not in the next one.
    let mut stage = staged(&format!("{FIRST} fill p0 4; fill p1 6; wait 1; recorded; fill p0 10"));
    assert_eq!(stage.foreseen.len(), 1, "once");
    stage.run("wait 500; accepted");
    assert_eq!(stage.foreseen[0], *asked_to_record(&stage));
    assert_eq!(stage.foreseen[0].len(), 2);
}

#[test]
fn readers_of_the_entries_have_half_of_the_time_for_themselves() {
    let first = FIRST.replace("accepted", "wait 400; accepted");
    let mut stage = staged(&format!("{first} fill p0 10; wait 1; recorded; fill p0 10; wait 190"));
    assert!(stage.foreseen.is_empty());
    stage.run("wait 20; wait 20");
    assert_eq!(stage.foreseen.len(), 1);
    // Nobody knows how long the first attempt will take.
    assert!(staged("claim p0; fill p0 10; wait 1; recorded; fill p0 10; wait 900").foreseen.is_empty());
}

#[test]
fn r3_nothing_is_recorded_ahead() {
    check(
        "claim p0; fill p0 10; wait 1; recorded | fill p0 10; wait 10; accepted",
        "seal; landed A; write p0 open 10..20",
    );
}

#[test]
fn a_refused_attempt_makes_what_was_foreseen_void() {
    let mut stage =
        staged(&format!("{FIRST} fill p0 10; wait 1; recorded; fill p0 10; overload; wait 3000; settled"));
    assert_eq!(stage.foreseen.len(), 1);
    let again = asked_to_record(&stage).clone();
    assert!(!stage.foreseen.contains(&again), "the open batch is recorded again");
    stage.run("recorded; accepted");
    // Too old: its deadline would be too near.
    assert!(!stage.foreseen.contains(asked_to_record(&stage)));
}

#[test]
fn r2_a_deadline_that_was_foreseen_long_ago_is_not_used() {
    let mut stage = staged(&format!("{FIRST} fill p0 10; wait 1; recorded; fill p0 10; wait 2100; accepted"));
    assert_eq!(stage.foreseen.len(), 1);
    assert_ne!(stage.foreseen[0], *asked_to_record(&stage));
    stage.run("recorded; accepted; fill p0 10");
}

#[test]
fn a_new_reading_of_the_table_makes_what_was_foreseen_void() {
    // The facts were read at the claim and are read again after 5 s.
    let mut stage = staged(&format!(
        "{FIRST} wait 4500; recorded; fill p0 10; wait 1; recorded; fill p0 10; wait 600; accepted"
    ));
    assert_ne!(stage.foreseen[0], *asked_to_record(&stage));
    stage.run("recorded");
}

#[test]
fn dead_letters_and_several_lanes_are_not_foreseen() {
    let letters = staged(&format!("{FIRST} fill p0 10; wait 1; recorded; leave-out p0; fill p0 9"));
    assert!(letters.foreseen.is_empty());
    let first = FIRST.replace("p1", "u/p0");
    let lanes = staged(&format!("{first} fill p0 10; wait 1; recorded; fill p0 10"));
    assert!(lanes.foreseen.is_empty());
}
