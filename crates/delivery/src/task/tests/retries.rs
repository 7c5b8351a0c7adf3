//! What follows an attempt: R2, R7, R8.
use pumphouse_types::ServerMillis;

use super::stage::{SERVER_EPOCH_MS, Stage, check};
use crate::Action;

const SENT: &str = "claim p0; fill p0 10; recorded";
const SENT_PLAIN: &str = "plain-table; claim p0; fill p0 10; recorded";

#[test]
fn r2_an_attempt_of_unknown_fate_is_sent_again_unchanged() {
    check(
        &format!("{SENT} | lost-answer; wait 100; settled; recorded"),
        "settle; write p0 open 0..10; insert A #2",
    );
    for refusal in ["overload", "too-late"] {
        check(
            &format!("{SENT}; {refusal} | wait 100; settled; recorded"),
            "settle; write p0 open 0..10; insert A #2",
        );
    }
}

#[test]
fn r2_the_pause_doubles() {
    let again = "settled; recorded; lost-answer";
    check(&format!("{SENT}; lost-answer | wait 99"), "");
    check(&format!("{SENT}; lost-answer; wait 100; {again} | wait 199"), "");
    check(&format!("{SENT}; lost-answer; wait 100; {again} | wait 200"), "settle");
    check(&format!("{SENT}; lost-answer; wait 100; {again}; wait 200; {again} | wait 399"), "");
    check(&format!("{SENT}; lost-answer; wait 100; {again}; wait 200; {again} | wait 400"), "settle");
}

#[test]
fn r2_the_pause_is_bounded() {
    let mut script = format!("{SENT}; lost-answer");
    for _ in 0..12 {
        script.push_str("; wait 10000; settled; recorded; lost-answer");
    }
    check(&format!("{script} | wait 9999"), "");
    check(&format!("{script} | wait 10000"), "settle");
}

#[test]
fn a_late_answer_to_an_earlier_attempt_is_not_heard() {
    // The second `accepted` would answer an attempt that does not run.
    check(
        &format!("{SENT}; lost-answer; wait 100 | settled; recorded; accepted; wait 999"),
        "write p0 open 0..10; insert A #2; landed A",
    );
}

#[test]
fn r7_a_table_that_may_have_forgotten_the_token_needs_evidence() {
    for change in
        ["table uuid 2", "table blocks 6000", "table blocks none", "table window-ms 10", "wait 1800001"]
    {
        check(&format!("{SENT}; lost-answer; wait 100; {change} | settled"), "R7; look for p0 0..10");
    }
}

#[test]
fn r8_the_first_and_only_answer_proves_landing() {
    check(&format!("{SENT_PLAIN} | accepted"), "landed A");
}

#[test]
fn r8_a_later_answer_proves_only_with_the_same_process() {
    let later = format!("{SENT_PLAIN}; lost-answer; wait 100; settled; recorded");
    check(&format!("{later} | accepted; confirmed"), "confirm; R8; landed A");
    check(&format!("{later}; accepted; restart | confirmed"), "R7; look for p0 0..10");
}

#[test]
fn r8_an_overload_makes_the_next_answer_a_later_one() {
    check(&format!("{SENT_PLAIN}; overload; wait 100; settled; recorded | accepted"), "confirm");
}

#[test]
fn r8_another_process_is_not_asked_at_all() {
    check(&format!("{SENT_PLAIN}; lost-answer; wait 100; restart | settled"), "R7; look for p0 0..10");
    check(&format!("{SENT}; lost-answer; wait 100; restart | settled"), "write p0 open 0..10");
}

#[test]
fn r8_after_a_claim_no_attempt_is_the_first_and_only() {
    check(
        "plain-table; open p0 90..120; claim p0; entries | re-read; settled; recorded; accepted; confirmed",
        "settle past deadline; write p0 open 90..120; insert A #1; confirm; R8; landed A; fetch p0@120",
    );
}

#[test]
fn r8_the_deadline_is_waited_for_on_plain_tables_only() {
    check(&format!("{SENT_PLAIN}; lost-answer | wait 100"), "settle past deadline");
    check(&format!("{SENT}; lost-answer | wait 100"), "settle");
}

/// An attempt that was answered has ended: nobody has to wait for its deadline.
#[test]
fn r8_the_deadline_of_an_answered_attempt_is_not_waited_for() {
    check(&format!("{SENT_PLAIN}; overload | wait 100"), "settle");
    check(&format!("{SENT_PLAIN}; too-late | wait 100"), "settle");
}

#[test]
fn r2_an_attempt_that_came_too_late_gives_the_next_one_more_time() {
    let mut stage = Stage::new();
    stage.run(SENT_PLAIN);
    let mut pause = 100;
    let mut ahead = Vec::new();
    for _ in 0..8 {
        ahead.push(deadline_ahead_s(&stage));
        stage.run(&format!("too-late; wait {pause}; settled; recorded"));
        pause = (pause * 2).min(10_000);
    }
    assert_eq!(ahead, [30, 60, 120, 240, 480, 600, 600, 600]);
    stage.shown.clear();
    stage.run("too-late");
    assert_eq!(stage.shown, ["stop with DELIVERY-002"]);
}

/// How far ahead the deadline lies that the last attempt carries.
fn deadline_ahead_s(stage: &Stage) -> u64 {
    let Action::Insert { batch, .. } = stage.last_asked(|a| matches!(a, Action::Insert { .. })) else {
        unreachable!()
    };
    (batch.deadline.0 - SERVER_EPOCH_MS - stage.now_ms()) / 1_000
}

/// A claim knows nothing of attempts that came too late: it recorded a sooner deadline over the grown one, and who then
/// looked for rows did not wait for the attempts before.
#[test]
fn r2_a_deadline_does_not_go_back_with_a_claim() {
    let mut stage = Stage::new();
    stage.run(&format!(
        "{SENT}; too-late; wait 100; settled; recorded; too-late; wait 200; settled; recorded"
    ));
    assert_eq!(deadline_ahead_s(&stage), 120);
    stage.run("lost-answer; claim p0; entries; re-read; wait 100; settled; recorded");
    assert_eq!(deadline_ahead_s(&stage), 119);
}

/// Nobody waits for a deadline that no attempt has.
#[test]
fn r2_a_deadline_that_was_not_recorded_is_forgotten() {
    let mut stage = Stage::new();
    stage.run(&format!("{SENT_PLAIN}; lost-answer; wait 100; settled"));
    stage.run("not-recorded; wait 200");
    let Action::Settle { after, .. } = stage.last_asked(|a| matches!(a, Action::Settle { .. })) else {
        unreachable!()
    };
    assert_eq!(*after, Some(ServerMillis(SERVER_EPOCH_MS + 1_000 + 30_000)));
}

#[test]
fn a_refusal_of_the_bounded_kind_is_not_followed_for_ever() {
    let mut script = format!("{SENT}; busy");
    for _ in 0..9 {
        script.push_str("; wait 10000; settled; recorded; busy");
    }
    check(&format!("{script} | wait 10000; settled; recorded"), "settle; write p0 open 0..10; insert A #11");
    check(&format!("{script}; wait 10000; settled; recorded | busy"), "stop with DELIVERY-002");
}

#[test]
fn a_batch_is_tried_for_as_long_as_was_asked_for() {
    let sent =
        "retry-timeout 5000; claim p0; fill p0 10; recorded; lost-answer; wait 4900; settled; recorded";
    check(&format!("{sent} | overload; wait 99"), "");
    check(&format!("{sent}; wait 101 | overload"), "stop with DELIVERY-009");
}

/// A server that is gone does not even answer whether attempts still run.
#[test]
fn the_limit_holds_while_an_answer_is_waited_for() {
    let sent = "retry-timeout 5000; claim p0; fill p0 10; recorded; lost-answer";
    check(&format!("{sent}; wait 100 | wait 4800"), "");
    check(&format!("{sent}; wait 100 | wait 5000"), "stop with DELIVERY-009");
    let found = "retry-timeout 5000; open p0 90..92; claim p0; entries; re-read";
    check(&format!("{found} | wait 4900"), "");
    check(&format!("{found} | wait 5100"), "stop with DELIVERY-009");
}

/// Batches that are looked for without an attempt before had no limit.
#[test]
fn the_limit_holds_while_a_batch_is_looked_for_as_it_was_found() {
    let decided = "retry-timeout 5000; open p0 90..92; decide-open again; claim p0; entries; re-read";
    check(&format!("{decided} | wait 4900"), "");
    check(&format!("{decided} | wait 5100"), "stop with DELIVERY-009");
    let by_evidence = "retry-timeout 5000; claim p0; fill p0 10; recorded; lost-answer; wait 100; table uuid 2; \
                       settled; found p0 3..7; re-read; recorded; claim p0; entries; re-read";
    check(&format!("{by_evidence} | wait 4900"), "");
    check(&format!("{by_evidence} | wait 5100"), "stop with DELIVERY-009");
}

#[test]
fn on_a_replicated_table_every_acceptance_proves() {
    check(&format!("{SENT}; lost-answer; wait 100; settled; recorded | accepted"), "landed A");
}

#[test]
fn a_batch_that_was_recorded_late_counts_as_not_sent() {
    check("plain-table; claim p0; fill p0 10; not-recorded; wait 200; recorded | accepted", "landed A");
}

/// Found by the simulator: the ledger took no writes for long after the table was asked, the window
/// rolled on, and the block that had landed was inserted once more.
#[test]
fn r7_the_table_is_asked_again_when_the_ledger_kept_a_retry_waiting() {
    let refused = format!("{SENT}; lost-answer; wait 100; settled; not-recorded");
    check(&format!("{refused} | wait 199"), "");
    check(&format!("{refused} | wait 200; settled"), "settle; write p0 open 0..10");
    check(&format!("{refused}; table blocks 6000; wait 200 | settled"), "R7; look for p0 0..10");
}

/// Half a window without a ledger does not make a token old that nobody has seen.
#[test]
fn r7_a_token_that_stands_nowhere_does_not_age() {
    check(
        "claim p0; fill p0 10; not-recorded; wait 1800001 | recorded; lost-answer; wait 100; settled",
        "insert A #1; settle; write p0 open 0..10",
    );
}

#[test]
fn r12_a_window_that_is_used_up_too_fast_is_warned_of() {
    // 40 blocks per second, while an attempt may take 90 s.
    check("claim p0; table blocks 300 | wait 5000; wait 5000; wait 5000", "warn: 14400 blocks are needed");
    check("claim p0; table blocks 200 | wait 5000", "");
}

#[test]
fn r12_what_the_table_may_forget_meanwhile_is_looked_for() {
    let lost = |blocks: u32| {
        format!("claim p0; table blocks {blocks}; wait 5000; fill p0 10; recorded; lost-answer; wait 100")
    };
    check(&format!("{} | settled", lost(300)), "write p0 open 0..10");
    check(&format!("{} | settled", lost(600)), "R7; look for p0 0..10");
}
