//! The life of an assignment: R5, R15's clean stop.
use super::stage::check;

#[test]
fn an_unknown_write_ends_the_claim_and_the_entries_are_read_again() {
    check("claim p0; fill p0 10 | unknown-write; claimed", "claim p0; fetch p0@0");
    check("claim p0; fill p0 10; recorded; accepted; wait 1000 | unknown-write", "claim p0");
}

#[test]
fn after_an_unknown_write_late_answers_are_not_heard() {
    // An attempt of lane u is under way when the write of lane t is lost.
    check(
        "claim p0 u/p0; fill u/p0 10; recorded; fill p0 10 | unknown-write; claimed; accepted",
        "claim p0 u/p0; gather u/p0; fetch p0@0",
    );
}

#[test]
fn a_fenced_write_ends_the_membership() {
    check("claim p0; fill p0 10 | fenced; wait 10000", "end membership");
    check("claim p0; fill p0 10; fenced; refuses p0 | assign p0", "claim p0");
}

#[test]
fn a_revocation_with_nothing_under_way_gives_up_at_once() {
    check("claim p0 | revoke", "give up");
    check("claim p0; fill p0 3 | revoke", "give up");
    check("assign p0 | revoke; claimed", "give up");
}

#[test]
fn a_revocation_lets_an_attempt_end_and_marks_it() {
    check("claim p0; fill p0 10; recorded | revoke; wait 4999", "");
    check(
        "claim p0; fill p0 10; recorded; revoke; refuses p0 | accepted; recorded",
        "landed A; write p0 at 10; give up",
    );
}

#[test]
fn a_revocation_waits_for_five_seconds_at_most() {
    check("claim p0; fill p0 10; recorded; revoke | wait 5000; accepted", "give up");
    check("claim p0; fill p0 10; revoke | wait 5000; recorded", "give up");
}

/// p0 leads a batch that is open for p1 alone: its plain mark would tear it.
#[test]
fn r6_a_revocation_that_meets_a_failure_marks_nothing() {
    check(
        "tolerate-none; claim p0 p1; fill p0 1; fill p1 1; wait 1000; recorded; bad-data; re-read; recorded; accepted; \
         recorded; pass p1 9; revoke | bad-data",
        "stop with DELIVERY-008",
    );
}

#[test]
fn a_revocation_begins_nothing_new() {
    check(
        "claim p0; fill p0 10; recorded; fill p0 10; revoke | accepted; recorded",
        "landed A; write p0 at 10; give up",
    );
    check("claim p0; fill p0 10; recorded; revoke | lost-answer; wait 5000", "give up");
}

/// Its write waits for that of another lane, and with it the mark of the batch before it.
#[test]
fn r5_a_revocation_marks_what_landed_before_a_batch_that_is_not_recorded() {
    check(
        "claim p0 u/p0; fill p0 10; recorded; fill u/p0 10; fill p0 10; accepted; revoke \
         | recorded; recorded; accepted; recorded",
        "u insert B #1; write p0 at 10; u landed B; write u/p0 at 10; give up",
    );
}

/// At least once nothing of the batch is in the ledger when its record is refused; the next owner takes it again.
#[test]
fn r4_a_revocation_passes_no_record_without_its_dead_letter() {
    let refused = "at-least-once; claim p0; fill p0 1; wait 1000; pass p0 5; bad-data; re-read; not-recorded";
    check(&format!("{refused} | revoke; wait 200"), "give up");
}

#[test]
fn a_lost_assignment_is_given_up_at_once() {
    check("claim p0; fill p0 10; recorded | lost; accepted; wait 1000", "give up");
    check("claim p0; fill p0 10 | lost; recorded", "give up");
}

#[test]
fn after_giving_up_a_new_assignment_is_claimed() {
    check("claim p0; revoke | assign p1", "claim p1");
    check("claim p0 | assign", "");
}

#[test]
fn r15_a_clean_stop_lands_marks_and_leaves() {
    check(
        "claim p0; fill p0 3 | stop; recorded; accepted; recorded; recorded",
        "seal; write p0 open 0..3; insert A #1; landed A; write p0 at 3; rest p0 at 3; leave",
    );
    check("claim p0; stop | wait 1000", "");
}

#[test]
fn r15_a_clean_stop_marks_positions_without_rows() {
    check("claim p0; pass p0 7 | stop; recorded; recorded", "write p0 at 7; rest p0 at 7; leave");
}

#[test]
fn r15_a_clean_stop_takes_no_more() {
    check(
        "claim p0; fill p0 10; recorded; stop; refuses p0 | accepted; recorded; recorded",
        "landed A; write p0 at 10; rest p0 at 10; leave",
    );
}

/// Without the mark the partitions count as running, which is the safe side.
#[test]
fn r16_a_task_leaves_whether_its_rest_is_recorded_or_not() {
    for answer in ["recorded", "not-recorded", "fenced", "unknown-write"] {
        check(&format!("claim p0; stop | {answer}"), "leave");
    }
    check("claim p0; stop | revoke", "give up; leave");
    check("claim p0; stop | lost", "give up; leave");
    check("at-least-once; claim p0 | stop", "leave");
}

#[test]
fn a_stop_without_an_assignment_leaves_at_once() {
    check("stop", "leave");
    check("assign p0 | stop; claimed", "leave");
}

#[test]
fn a_stop_resolves_what_it_found_open() {
    check(
        "open p0 90..120; claim p0; stop | entries; re-read; settled; recorded; accepted; recorded; recorded",
        concat!(
            "re-read 0:90..120; settle; write p0 open 90..120; insert A #1; landed A; ",
            "write p0 at 120; fetch p0@120; rest p0 at 120; leave"
        ),
    );
}

#[test]
fn a_stop_that_meets_a_rebalance_leaves() {
    check(
        "claim p0; fill p0 10; recorded; stop | revoke; accepted; recorded",
        "landed A; write p0 at 10; give up; leave",
    );
    check("claim p0; fill p0 10; recorded; stop | lost; accepted", "give up; leave");
    check("claim p0; fill p0 10; recorded; revoke | stop; accepted", "leave");
    check("claim p0; fill p0 3; stop | fenced", "end membership; leave");
    check("claim p0; fill p0 3; stop | unknown-write", "end membership; leave");
}

#[test]
fn a_stop_that_meets_another_configuration_leaves() {
    check(
        "claim p0; fill p0 3; config 2; wait 5000; stop | recorded; accepted; recorded; recorded",
        "insert A #1; landed A; write p0 at 3; rest p0 at 3; leave",
    );
}
