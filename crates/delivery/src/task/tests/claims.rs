//! What a claim finds, and how an open batch is taken up: R5, R6, R9, R15.
use super::stage::check;

#[test]
fn r6_an_open_batch_is_resolved_before_anything_new() {
    check("open p0 90..120; assign p0 | claimed", "gather p0");
    check("open p0 90..120; assign p0; claimed; refuses p0 | entries", "re-read 0:90..120");
    check("open p0 90..120; claim p0; entries | re-read; settled", "settle; write p0 open 90..120");
    check(
        "open p0 90..120; claim p0; entries; re-read; settled | recorded; accepted",
        "insert A #1; landed A; fetch p0@120",
    );
}

#[test]
fn r6_the_new_owner_records_again_before_it_sends() {
    check("open p0 90..120; claim p0; entries; re-read | settled; wait 100", "write p0 open 90..120");
}

#[test]
fn r6_a_scattered_batch_has_one_fate() {
    // p1 belongs to another task; its entry is rewritten, and freed, by the owner of p0.
    check(
        "open p0 90..120 p1 5..9; claim p0 | entries; re-read; settled; recorded; accepted",
        "re-read 0:90..120 1:5..9; settle; write p0 open 90..120, p1 open 5..9 while it is the topic; insert A #1; \
         landed A; write p0 at 120, p1 at 9 while it is the topic; fetch p0@120",
    );
}

#[test]
fn r6_what_is_not_the_lead_waits_for_the_leads_owner() {
    check("open p0 90..120 p1 5..9; assign p1 | claimed; wait 499", "");
    check("open p0 90..120 p1 5..9; claim p1 | refuses p1; wait 500; entries", "look at p0 p1");
}

#[test]
fn r6_a_waiting_partition_goes_on_when_its_entry_is_free() {
    check("open p0 90..120 p1 5..9; claim p1; mark p0 120; mark p1 9; wait 500 | entries", "fetch p1@9");
}

#[test]
fn r6_a_waiting_partition_holds_no_other_one_up() {
    check(
        "open p0 90..120 p1 5..9; mark p2 0; claim p1 p2 | fill p2 10; recorded",
        "seal; write p2 open 0..10; insert B #1",
    );
}

#[test]
fn r6_several_open_batches_are_taken_up_one_after_the_other() {
    let first = "open p0 90..120; open p1 5..9; claim p0 p1";
    check(
        &format!("{first} | entries; re-read; settled; recorded"),
        "re-read 0:90..120; settle; write p0 open 90..120; insert A #1",
    );
    check(
        &format!("{first}; entries; re-read; settled; recorded | accepted; entries"),
        "landed A; gather p1; fetch p0@120; re-read 1:5..9",
    );
}

/// Found by the simulator (seed 701): a process that stood still while another one took its
/// partitions over and landed the batch stopped for a person when it continued.
#[test]
fn r17_a_stale_member_looks_again() {
    check(
        "open p0 90..120; claim p0; mark p0 120; entries; claim p0 | fill p0 10",
        "seal; write p0 open 120..130",
    );
}

#[test]
fn r9_rows_that_are_not_the_recorded_ones_stop_the_task() {
    check("open p0 90..120; claim p0; entries | re-read-other", "stop with DELIVERY-003");
}

#[test]
fn r9_a_recreated_topic_starts_its_own_ledger() {
    check(
        "old-topic p0 90..120; assign p0 | claimed; started",
        "warn: topic of p0 is gone; ask start p0; write p0 at 0; fetch p0@0",
    );
    check("mark p0 40; topic-id t 8; assign p0 | claimed", "ask start p0");
}

#[test]
fn r9_a_topic_that_becomes_another_one_begins_anew() {
    check(
        "claim p0; fill p0 10; recorded; topic-id t 8; topic-ids; assign p0 | claimed",
        "warn: topic of p0 is gone; ask start p0",
    );
    check("claim p0 | topic-ids", "");
}

#[test]
fn r15_a_topic_that_is_gone_has_no_lane() {
    check("mark p0 7; gone t; mark u/p0 3; assign p0 u/p0 | claimed; wait 1000", "fetch u/p0@3");
}

#[test]
fn r15_a_topic_that_comes_back_is_claimed() {
    check(
        "mark u/p0 3; gone t; assign p0 u/p0; claimed; topic-id t 9 | topic-ids",
        "warn: t was created again; end membership",
    );
}

#[test]
fn r15_a_topic_that_was_created_again_is_read_by_another_membership() {
    check("claim p0; topic-id t 9 | topic-ids", "warn: t was created again; end membership");
    // Also if it was not there when it was looked for in between.
    check("claim p0; gone t; topic-ids; topic-id t 9 | claimed", "warn: t was created again; end membership");
    // Whoever has no partition of it has nothing to do with it.
    check("assign u/p0; claimed; topic-id t 9 | topic-ids", "");
    // A new membership has met none of its lives.
    check("claim p0; topic-id t 9; topic-ids; assign p0 | claimed", "ask start p0");
}

#[test]
fn r15_nothing_is_recorded_of_records_that_may_be_of_another_life() {
    check(
        "claim p0; topic-id t 9 | fill p0 10; wait 5000",
        "seal; warn: t was created again; end membership",
    );
    check("claim p0; gone t | fill p0 10; wait 5000", "seal; claim p0");
}

#[test]
fn r15_what_was_read_again_of_another_life_is_not_sent() {
    check(
        "open p0 90..120; claim p0; entries; topic-id t 9 | re-read",
        "warn: t was created again; end membership",
    );
    check("open p0 90..120; claim p0; entries; gone t | re-read", "claim p0");
}

/// Found by the simulator (seed 2103440): an entry of the topic's next life was overwritten by whoever resolved a batch
/// of its earlier one over several partitions.
#[test]
fn r15_what_others_own_is_written_only_while_the_topic_is_the_claimed_one() {
    let found = "open p0 90..120 p1 5..9; claim p0; entries; re-read; settled";
    check(&format!("{found}; topic-id t 9 | other-topic"), "warn: t was created again; end membership");
    check(&format!("{found}; gone t | other-topic"), "claim p0");
    // Marks of what was resolved are written for others as well.
    check(
        &format!("{found} | recorded; accepted; topic-id t 9; other-topic"),
        "insert A #1; landed A; write p0 at 120, p1 at 9 while it is the topic; fetch p0@120; \
         warn: t was created again; end membership",
    );
    // What is the member's own needs no look: its next owner reads it after this one has given it up.
    check(
        "open p0 90..120 p1 5..9; claim p0 p1; entries; re-read | settled",
        "write p0 open 90..120, p1 open 5..9",
    );
}

#[test]
fn an_entry_that_cannot_be_read_stops_the_task() {
    check("garbage p0 12; assign p0 | claimed", "stop with DELIVERY-005");
}

#[test]
fn r15_a_batch_is_resolved_by_the_configuration_that_built_it() {
    check(
        "open p0 90..120; config 2; claim p0 | entries; re-read; settled; recorded; accepted",
        "re-read 0:90..120; settle; write p0 open 90..120; insert A #1; landed A; fetch p0@120",
    );
}

#[test]
fn r15_another_configuration_while_running_lands_first_and_claims_again() {
    check("claim p0; fill p0 3; config 2 | wait 5000", "seal; write p0 open 0..3");
    check(
        "claim p0; fill p0 3; config 2; wait 5000; refuses p0; recorded | accepted; recorded; claimed",
        "landed A; write p0 at 3; claim p0; fetch p0@3",
    );
}

#[test]
fn r5_answers_to_an_earlier_claim_are_not_heard() {
    // The write of the first claim is answered after the second has begun.
    check("claim p0; fill p0 10; assign p0 | recorded", "");
    check("claim p0; fill p0 10; recorded; assign p0 | accepted", "");
    check("open p0 90..120; claim p0; assign p0 | entries", "");
    check("open p0 90..120; claim p0; entries; assign p0 | re-read", "");
    check("open p0 90..120; claim p0; entries; re-read; assign p0 | settled", "");
    check("assign p0; assign p1 | claimed", "");
}
