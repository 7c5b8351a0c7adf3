//! What is done about a batch whose fate is not known: R7's second half, R8, R9, at least once.
use pumphouse_types::{DedupToken, QuestionId, ServerMillis};

use super::stage::{SERVER_EPOCH_MS, Stage, check};
use crate::{Action, StopReason};

/// The table was exchanged while an attempt was under way.
const DOUBTED: &str = "claim p0; fill p0 10; recorded; lost-answer; wait 100; table uuid 2; settled";

#[test]
fn r7_rows_that_are_all_there_have_landed() {
    check(&format!("{DOUBTED} | found p0 0..10; re-read"), "re-read 0:0..10; R7; landed A");
    check(&format!("{DOUBTED} | some-found p0 0..10; re-read"), "re-read 0:0..10; R7; landed A");
}

#[test]
fn r7_rows_that_are_missing_are_recorded_under_a_new_token() {
    check(&format!("{DOUBTED} | found; recorded"), "R7; write p0 open 0..10; insert B #1");
    check(
        &format!("{DOUBTED} | found p0 3..7; re-read; recorded; accepted; wait 1000"),
        "re-read 0:0..10; R7; write p0 open 0..10; insert B p0 0,1,2,7,8,9 #1; landed B; write p0 at 10",
    );
}

/// Only this claim knows which rows the token covers.
#[test]
fn r7_what_was_missing_is_looked_for_again_by_the_next_claim() {
    check(
        &format!("{DOUBTED}; found p0 3..7; re-read; recorded; claim p0; entries | re-read; found p0 0..10"),
        "R7; look for p0 0..10; R7; landed B; fetch p0@10",
    );
    check(
        &format!(
            "{DOUBTED}; found p0 3..7; re-read; recorded; claim p0; entries; re-read | found p0 3..7; recorded"
        ),
        "R7; write p0 open 0..10; insert C p0 0,1,2,7,8,9 #1",
    );
}

#[test]
fn r7_missing_rows_prove_nothing_where_rows_may_have_gone() {
    let asks = "write p0 open 0..10; stop with DELIVERY-001";
    let looks_closer = format!("re-read 0:0..10; {asks}");
    check(&format!("{DOUBTED} | some-found p0 3..7; re-read; recorded"), &looks_closer);
    check(&format!("{DOUBTED} | some-found; re-read; recorded"), &looks_closer);
    check(&format!("{DOUBTED} | unclear; recorded"), asks);
}

#[test]
fn r7_an_attempt_that_the_query_log_shows_has_landed() {
    check(&format!("{DOUBTED} | finished"), "R7; landed A");
}

#[test]
fn r7_an_operator_decides_where_nothing_can_be_told() {
    let open = "open p0 90..92; table uuid 2; claim p0; entries; re-read";
    check(&format!("decide landed; {open} | unclear"), "R7; landed A; fetch p0@92");
    check(&format!("decide again; {open} | unclear; recorded"), "R7; R7; write p0 open 90..92; insert B #1");
    check(
        &format!("decide missing; {open} | some-found p0 90..91; recorded"),
        "R7; R7; write p0 open 90..92; insert B p0 91..92 #1",
    );
    check(
        &format!("decide missing; {open} | unclear-found p0 90..91; recorded"),
        "R7; R7; write p0 open 90..92; insert B p0 91..92 #1",
    );
    check(
        &format!("decide missing; {open} | unclear; recorded"),
        "R7; write p0 open 90..92; stop with DELIVERY-001",
    );
}

/// Found by the simulator (seed 2017268): a batch that was decided about was sent again first, under the same token. It
/// landed, could not be marked, and was inserted "again".
#[test]
fn r7_what_was_decided_about_is_not_sent_any_more() {
    check(
        "decide again; open p0 90..92; claim p0; entries | re-read; found; recorded",
        "R7; look for p0 90..92; R7; write p0 open 90..92; insert B #1",
    );
    // Where the table tells by itself, that counts.
    check(
        "decide again; open p0 90..92; claim p0; entries; re-read | some-found p0 90..92",
        "R7; landed A; fetch p0@92",
    );
}

/// A member that does not know of the decision sends the batch again: what was decided says nothing of that.
#[test]
fn r7_a_decision_is_about_the_attempts_before_it() {
    let open = "open p0 90..92; claim p0; entries; re-read; wait 10; settled";
    check(
        &format!("{open}; not-recorded; decide again; claim p0; entries | re-read"),
        "R7; look for p0 90..92",
    );
    check(&format!("{open}; recorded; lost-answer; decide again; claim p0; entries | re-read"), "settle");
}

/// Found by the simulator (seed 2029142): a member that stood still asked a person about a batch that its successor had
/// landed meanwhile.
#[test]
fn r5_only_who_is_in_charge_asks_a_person() {
    check(&format!("{DOUBTED} | unclear; fenced"), "write p0 open 0..10; end membership");
    check(&format!("{DOUBTED} | unclear; unknown-write"), "write p0 open 0..10; claim p0");
    check(
        &format!("{DOUBTED}; unclear | not-recorded; wait 200; recorded"),
        "write p0 open 0..10; stop with DELIVERY-001",
    );
    check(&format!("{DOUBTED}; unclear; not-recorded | revoke"), "give up");
}

/// A deadline that no ledger has is of no attempt: what is asked about is the one before.
#[test]
fn r7_a_write_that_did_not_come_about_changes_no_question() {
    let mut stage = Stage::new();
    stage.run("open p0 90..92; claim p0; entries; re-read; wait 10; settled; not-recorded; table uuid 2");
    stage.run("wait 200; settled; unclear; recorded");
    let Action::Fail(StopReason::EvidenceNeeded { question, .. }) =
        stage.last_asked(|action| matches!(action, Action::Fail(_)))
    else {
        panic!("nobody is asked");
    };
    let opened = ServerMillis(SERVER_EPOCH_MS + 1_000);
    assert_eq!(*question, QuestionId::about(DedupToken(2_001), opened.plus(30_000), "0:90..92"));
}

/// A decision that is left in the configuration says nothing of what is sent later.
#[test]
fn r7_a_decision_is_carried_out_once() {
    let again = "decide again; open p0 90..92; table uuid 2; claim p0; entries; re-read; unclear; recorded";
    let asks = "write p0 open 90..92; stop with DELIVERY-001";
    check(&format!("{again}; lost-answer; wait 100; table uuid 3; settled | unclear; recorded"), asks);
    check(&format!("{again}; claim p0; entries; re-read; table uuid 3; settled | unclear; recorded"), asks);
}

/// What a piece was asked about that had been recorded by evidence, the next claim, which takes it for all that is left,
/// carried out for the rows behind it, too.
#[test]
fn r7_a_piece_by_evidence_is_asked_about_as_all_that_is_left() {
    let piece = "claim p0; fill p0 10; recorded; lost-answer; wait 100; table uuid 2; settled; found p0 7..8; re-read; \
                 recorded; bad-data; recorded; lost-answer; wait 200; table uuid 3; settled";
    check(
        &format!("{piece} | unclear; unclear; recorded"),
        "R7; look for p0 0..10; write p0 open 0..10; stop with DELIVERY-001",
    );
    let mut stage = Stage::new();
    stage.run(&format!("{piece}; unclear; unclear; recorded"));
    let Action::Fail(StopReason::EvidenceNeeded { question, ranges, .. }) =
        stage.last_asked(|action| matches!(action, Action::Fail(_)))
    else {
        panic!("nobody is asked");
    };
    assert_eq!(ranges, "0:0..10");
    let asked = *question;
    // The task that is begun then asks the same.
    stage.run("retry-timeout none; claim p0; entries; re-read; unclear; recorded");
    let Action::Fail(StopReason::EvidenceNeeded { question, ranges, .. }) =
        stage.last_asked(|action| matches!(action, Action::Fail(_)))
    else {
        panic!("nobody is asked");
    };
    assert_eq!((*question, ranges.as_str()), (asked, "0:0..10"));
    check(
        &format!(
            "{piece}; unclear; unclear; recorded; decide-open landed; claim p0; entries; re-read | unclear"
        ),
        "R7; landed C; fetch p0@10",
    );
    // Where the table tells of all that is left, nobody is asked.
    check(
        &format!("{piece}; unclear | found p0 7..8; recorded"),
        "R7; write p0 open 0..10; insert D p0 0,1,2,3,4,5,6,8,9 #1",
    );
}

#[test]
fn r8_a_restarted_server_is_answered_by_evidence() {
    let restarted = "plain-table; claim p0; fill p0 10; recorded; lost-answer; wait 100; restart; settled";
    check(
        &format!("{restarted} | found; recorded; accepted"),
        "R7; write p0 open 0..10; insert B #1; landed B",
    );
    // The new token is this process's own.
    check(
        &format!(
            "{restarted}; found; recorded | lost-answer; wait 200; settled; recorded; accepted; confirmed"
        ),
        "settle past deadline; write p0 open 0..10; insert B #2; confirm; R8; landed B",
    );
}

#[test]
fn r9_records_that_the_source_has_lost_are_left_out() {
    check(
        "open p0 90..120; claim p0; entries | re-read-fewer; settled; recorded; accepted",
        "R9; settle; write p0 open 90..120; insert A #1; landed A; fetch p0@120",
    );
    // Beyond the window only what is there counts.
    check(
        "open p0 90..120; claim p0; entries; re-read-fewer; table uuid 2 | settled; found p0 90..119",
        "R7; look for p0 90..120; R7; landed A; fetch p0@120",
    );
}

#[test]
fn r9_a_batch_that_the_source_has_lost_is_passed() {
    check(
        "open p0 90..120; claim p0; entries | re-read-nothing; wait 1000",
        "R9; fetch p0@120; write p0 at 120",
    );
}

#[test]
fn at_least_once_what_is_not_proven_is_sent_again() {
    check(
        "at-least-once; claim p0; fill p0 10; lost-answer; wait 100; table uuid 2 | settled; accepted",
        "R7; insert B #1; landed B",
    );
}

#[test]
fn at_least_once_nothing_is_recorded_before_it_is_sent() {
    check(
        "at-least-once; claim p0; fill p0 10 | accepted; fill p0 10; accepted; wait 1000; recorded; fill p0 10",
        "landed A; seal; insert B #1; landed B; write p0 at 20; seal; insert C #1",
    );
    // Marks are written under load, too.
    check(
        "at-least-once; claim p0; fill p0 10; accepted; fill p0 10; wait 1001 | accepted; fill p0 10; recorded",
        "landed B; write p0 at 20; seal; insert C #1",
    );
}

/// Found by the simulator (seed 244): a server that died between its log of tokens and the part took a retry for
/// a duplicate, and the rows were lost.
#[test]
fn r8_at_least_once_a_hit_in_another_process_is_no_landing() {
    let sent_again =
        "plain-table; at-least-once; claim p0; fill p0 10; lost-answer; wait 100; settled; recorded";
    check(&format!("{sent_again} | accepted; confirmed"), "confirm; R8; landed A");
    check(
        &format!("{sent_again}; restart | accepted; confirmed; accepted"),
        "confirm; R7; insert B #1; landed B",
    );
}
