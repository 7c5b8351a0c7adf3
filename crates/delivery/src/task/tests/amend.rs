//! What follows a block that is refused for its rows: R10, R11, R15.
use pumphouse_types::{ConfigVersion, Partition};

use super::stage::{Stage, check, tp};
use crate::{Action, Entry};

const SENT: &str = "claim p0; fill p0 10; recorded";

#[test]
fn r11_a_refused_block_is_halved_under_a_fresh_token() {
    check(
        &format!("{SENT} | bad-data; re-read; recorded"),
        "re-read 0:0..10; R11; write p0 open 0..10; insert B p0 0..5 #1",
    );
    check(
        &format!("{SENT}; bad-data; re-read; recorded | bad-data; recorded"),
        "R11; write p0 open 0..10; insert C p0 0..2 #1",
    );
}

#[test]
fn r11_a_piece_that_lands_makes_the_next_one_larger() {
    let halved = format!("{SENT}; bad-data; re-read; recorded; bad-data; recorded");
    check(&format!("{halved} | accepted; recorded"), "landed C; write p0 open 2..10; insert D p0 2..6 #1");
    check(
        &format!("{halved}; accepted; recorded | accepted; recorded; accepted; wait 1000"),
        "landed D; write p0 open 6..10; insert E p0 6..10 #1; landed E; write p0 at 10",
    );
}

#[test]
fn r11_the_last_record_of_a_refused_piece_is_a_dead_letter() {
    // 0..10, 0..5, 0..2, 0..1: the first record is the bad one.
    let single = format!("{SENT}; bad-data; re-read; recorded; bad-data; recorded; bad-data; recorded");
    check(
        &format!("{single} | bad-data; recorded; accepted; recorded"),
        "R11; write p0 open 1..10, letter p0:0; insert E p0 1..2 #1; landed E; write p0 open 2..10; \
         insert F p0 2..4 #1",
    );
    // The dead letter goes with every write until one stands, and not again.
    check(
        &format!("{single}; bad-data; not-recorded | wait 200; recorded; lost-answer; wait 100; settled"),
        "write p0 open 1..10, letter p0:0; insert E p0 1..2 #1; settle; write p0 open 1..10",
    );
}

/// The server names the row: what is before it is sent, then the row alone, then as much again.
#[test]
fn r11_a_named_row_is_cut_out() {
    let cut = format!("{SENT}; bad-fourth; re-read; recorded");
    check(
        &format!("{SENT} | bad-fourth; re-read; recorded"),
        "re-read 0:0..10; R11; write p0 open 0..10; insert B p0 0..3 #1",
    );
    check(&format!("{cut} | accepted; recorded"), "landed B; write p0 open 3..10; insert C p0 3..4 #1");
    check(
        &format!("{cut}; accepted; recorded | bad-first; recorded"),
        "R11; write p0 open 4..10, letter p0:3; insert D p0 4..10 #1",
    );
}

/// A hint that does not hold costs attempts and nothing else.
#[test]
fn r11_a_wrongly_named_row_is_not_taken_for_bad() {
    check(
        &format!(
            "{SENT}; bad-fourth; re-read; recorded; accepted; recorded | accepted; recorded; accepted; recorded; accepted; wait 1000"
        ),
        "landed C; write p0 open 4..10; insert D p0 4..6 #1; landed D; write p0 open 6..10; insert E p0 6..10 #1; \
         landed E; write p0 at 10",
    );
}

#[test]
fn r11_a_batch_whose_last_record_is_bad_ends_with_its_dead_letter() {
    check(
        "claim p0; fill p0 1; wait 1000; recorded; bad-data | re-read; recorded; wait 2000",
        "R11; write p0 at 1, letter p0:0",
    );
}

#[test]
fn r11_a_refused_block_whose_records_the_source_has_lost_is_settled() {
    check(&format!("{SENT}; bad-data | re-read-nothing; wait 1000"), "R9; write p0 at 10");
}

#[test]
fn r11_a_record_that_is_left_of_a_refused_block_was_not_refused_itself() {
    // The source has lost the other one.
    let lost = "claim p0; fill p0 2; wait 1000; recorded; bad-data";
    check(&format!("{lost} | re-read-fewer; recorded"), "R9; R11; write p0 open 0..2; insert B #1");
    check(
        &format!("{lost}; re-read-fewer; recorded | bad-data; recorded"),
        "R11; write p0 at 2, letter p0:0",
    );
    // An earlier attempt has brought the other one.
    let found = "open p0 90..92; claim p0; entries; re-read; settled; recorded; bad-data; found p0 90..91";
    check(
        &format!("{found} | recorded; bad-data; recorded"),
        "insert B p0 91..92 #1; R11; write p0 at 92, letter p0:91; fetch p0@92",
    );
}

#[test]
fn r11_without_tolerance_the_task_stops_before_the_bad_record() {
    check(
        "tolerate-none; claim p0; fill p0 2; wait 1000; recorded; bad-data; re-read; recorded; accepted; recorded \
         | bad-data; wait 9000",
        "stop with DELIVERY-008",
    );
}

#[test]
fn r11_the_lead_carries_the_batch_until_all_of_it_is_settled() {
    let sent = "claim p0 p1; fill p0 2; fill p1 4; wait 1000; recorded; bad-data; re-read; recorded";
    check(
        sent,
        concat!(
            "claim p0 p1; ask start p0 p1; write p0 at 0, p1 at 0; fetch p0@0 p1@0; seal; ",
            "write p0 open 0..2, p1 open 0..4; insert A #1; re-read 0:0..2 1:0..4; R11; ",
            "write p0 open 0..2, p1 open 0..4; insert B p0 0..2 p1 0..1 #1"
        ),
    );
    check(
        &format!("{sent} | accepted; recorded; accepted; wait 1000; recorded; wait 5000"),
        "landed B; write p0 open 2..2, p1 open 1..4; insert C p1 1..4 #1; landed C; write p0 at 2, p1 at 4",
    );
}

#[test]
fn r11_a_piece_that_was_found_open_is_sent_as_it_was() {
    let halved = format!("{SENT}; bad-data; re-read; recorded");
    check(
        &format!("{halved}; claim p0; accepted | entries; re-read; settled; recorded; accepted; recorded"),
        "re-read 0:0..10; settle; write p0 open 0..10; insert B p0 0..5 #1; landed B; write p0 open 5..10; \
         insert C p0 5..10 #1",
    );
}

#[test]
fn r10_a_refusal_proves_nothing_while_another_attempt_is_unknown() {
    let again = format!("{SENT}; lost-answer; wait 100; settled; recorded");
    check(&format!("{again} | bad-data"), "R7; look for p0 0..10");
    // It had landed: the table's checks have changed since.
    check(&format!("{again}; bad-data | found p0 0..10; re-read"), "re-read 0:0..10; R7; landed A");
    // It had not.
    check(
        &format!("{again}; bad-data | found; re-read; recorded"),
        "re-read 0:0..10; R11; write p0 open 0..10; insert B p0 0..5 #1",
    );
}

/// A person is asked under the fence of the claim.
const ASKS: &str = "write p0 open 90..92; stop with DELIVERY-001";

#[test]
fn r10_after_a_claim_another_attempt_is_unknown() {
    let found = "open p0 90..92; claim p0; entries; re-read; settled; recorded";
    check(&format!("{found} | bad-data"), "R7; look for p0 90..92");
    check(&format!("{found}; bad-data | unclear; recorded"), ASKS);
}

#[test]
fn r10_checks_of_the_row_alone_speak_for_earlier_attempts() {
    let found = "pure-checks; open p0 90..92; claim p0; entries; re-read; settled; recorded; bad-data";
    check(&format!("{found} | unclear; recorded"), "R10; R11; write p0 open 90..92; insert B p0 90..91 #1");
    check(&format!("{found}; table definition 6 | unclear; recorded"), ASKS);
    check(&format!("{found}; table uuid 6 | unclear; recorded"), ASKS);
    check(&format!("{found}; views | unclear; recorded"), ASKS);
}

#[test]
fn r10_a_refusal_proves_nothing_where_a_view_may_have_failed() {
    check(&format!("views; {SENT} | bad-data"), "stop with DELIVERY-002");
    check(&format!("views; {SENT} | no-table"), "stop with DELIVERY-002");
}

#[test]
fn r15_a_block_of_another_shape_is_built_again() {
    check(
        &format!("{SENT}; config 2 | no-table; re-read; recorded; accepted; wait 1000; recorded; claimed"),
        "re-read 0:0..10; R15; write p0 open 0..10; insert B #1; landed B; write p0 at 10; claim p0; fetch p0@10",
    );
    check(&format!("{SENT}; config 2; no-table | re-read-fewer"), "stop with DELIVERY-006");
    check(&format!("{SENT} | no-table"), "stop with DELIVERY-002");
}

/// The block that the worker keeps is of the version that was asked for, whatever the table has become since.
#[test]
fn r15_a_rebuilt_block_names_the_version_that_built_it() {
    let mut stage = Stage::new();
    stage.run(&format!("{SENT}; config 2; no-table; config 3; wait 6000; re-read"));
    let Action::Record { entries, .. } = stage.last_asked(|action| matches!(action, Action::Record { .. }))
    else {
        unreachable!()
    };
    let Ok(Entry::Lead(batch)) = Entry::parse(Partition(0), &entries[&tp("p0")]) else {
        panic!("{entries:?}");
    };
    assert_eq!(batch.config_version, ConfigVersion(2));
}

#[test]
fn at_least_once_a_refused_block_is_amended_all_the_same() {
    check(
        "at-least-once; claim p0; fill p0 2; wait 1000; bad-data; re-read | recorded; accepted; recorded; bad-data; recorded",
        "insert B p0 0..1 #1; landed B; write p0 open 1..2; insert C p0 1..2 #1; R11; write p0 at 2, letter p0:1",
    );
}

/// What is known to be there behind a piece is not in the entry: the next claim looks for all that is left.
#[test]
fn r7_rows_that_are_there_behind_a_piece_are_not_sent_by_the_next_claim() {
    let pieces = format!(
        "{SENT}; lost-answer; wait 100; settled; recorded; bad-data; found p0 7..9; re-read; recorded; claim p0; entries"
    );
    check(
        &format!("{pieces} | re-read; found p0 7..9; recorded"),
        "R7; look for p0 0..10; R7; write p0 open 0..10; insert C p0 0,1,2,3,4,5,6,9 #1",
    );
    check(
        &format!("{pieces} | re-read; found p0 0..9; recorded"),
        "R7; look for p0 0..10; R7; write p0 open 0..10; insert C p0 9..10 #1",
    );
    // An attempt that finished wrote the piece, and says nothing of what lies behind it.
    let asks = format!("R7; look for p0 0..10; {ASKS}");
    check(&format!("{pieces} | re-read; finished; recorded"), &asks.replace("90..92", "0..10"));
}
