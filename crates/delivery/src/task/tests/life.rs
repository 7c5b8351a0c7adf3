//! The life of a batch, from the first record to the mark: R1, R3, R4.
use super::stage::check;

#[test]
fn a_partition_without_an_entry_gets_one_before_anything_is_sealed() {
    check("assign p0; claimed | started", "write p0 at 0; fetch p0@0");
    check("assign p0; claimed; started; fill p0 3; wait 2000 | recorded", "seal; write p0 open 0..3");
}

#[test]
fn a_partition_with_a_mark_goes_on_there() {
    check("mark p0 40; assign p0 | claimed", "fetch p0@40");
}

#[test]
fn another_tools_offset_is_a_mark() {
    check("foreign-tool p0 12; assign p0 | claimed", "fetch p0@12");
}

#[test]
fn a_block_is_sealed_at_its_rows() {
    check("claim p0; fill p0 9 | fill p0 1", "seal; write p0 open 0..10");
}

#[test]
fn a_block_is_sealed_at_its_bytes() {
    check("claim p0; fill p0 1 | fill-bytes p0 1000", "seal; write p0 open 0..2");
}

#[test]
fn a_block_is_sealed_at_its_linger() {
    check("claim p0; fill p0 3; wait 999 | wait 1", "seal; write p0 open 0..3");
}

#[test]
fn a_block_of_a_lane_that_is_behind_is_filled_for_five_lingers() {
    check("claim p0; fill p0 3; waits p0 0; wait 999 | wait 1", "seal; write p0 open 0..3");
    check("claim p0; fill p0 3; waits p0 1; wait 999; fill p0 1; wait 998 | wait 1", "");
    let lingering = "claim p0; fill p0 1; waits p0 9; wait 900; fill p0 1; wait 900; fill p0 1; wait 900; fill p0 1; \
                     wait 900; fill p0 1; wait 900; fill p0 1; wait 499";
    check(&format!("{lingering} | wait 1"), "seal; write p0 open 0..6");
}

#[test]
fn a_block_does_not_wait_for_records_that_do_not_come() {
    check(
        "claim p0; fill p0 3; wait 500; fill p0 1; waits p0 50; wait 999 | wait 1",
        "seal; write p0 open 0..4",
    );
    // Those of a transaction that was aborted may count as waiting before it is known that they are none.
    check("claim p0; fill p0 3; waits p0 50; wait 500 | waits p0 0; wait 500", "seal; write p0 open 0..3");
}

#[test]
fn r1_nothing_is_sent_before_the_ledger_carries_it() {
    check("claim p0 p1; fill p0 4 | fill p1 6; wait 100", "seal; write p0 open 0..4, p1 open 0..6");
    check("claim p0 p1; fill p0 4; fill p1 6 | recorded", "insert A #1");
}

#[test]
fn r1_a_write_that_does_not_stand_is_tried_again_and_sends_nothing() {
    check("claim p0; fill p0 10 | not-recorded; wait 199", "");
    check("claim p0; fill p0 10; not-recorded | wait 200; recorded", "write p0 open 0..10; insert A #1");
}

#[test]
fn r3_the_next_block_waits_until_the_open_batch_has_landed() {
    check("claim p0; fill p0 10; recorded | fill p0 10; wait 5000", "seal");
    check(
        "claim p0; fill p0 10; recorded; fill p0 10 | accepted; recorded",
        "landed A; write p0 open 10..20; insert B #1",
    );
}

#[test]
fn no_more_is_taken_than_one_block_beside_the_open_batch() {
    check("claim p0; fill p0 10; recorded; takes p0; fill p0 10; takes p0; fill p0 10; refuses p0", ALL);
}
const ALL: &str = "claim p0; ask start p0; write p0 at 0; fetch p0@0; seal; write p0 open 0..10; \
                   insert A #1; seal";

#[test]
fn one_write_per_batch_says_what_landed_before() {
    // p0 landed with A; the write of p1's batch carries its mark.
    check(
        "claim p0 p1; fill p0 10; recorded; fill p1 10 | accepted",
        "landed A; write p0 at 10, p1 open 0..10",
    );
}

#[test]
fn when_idle_a_plain_write_says_that_it_landed() {
    check("claim p0; fill p0 10; recorded | accepted; wait 999", "landed A");
    check("claim p0; fill p0 10; recorded; accepted | wait 1000", "write p0 at 10");
    check("claim p0; fill p0 10; recorded; accepted; wait 1000; recorded | wait 5000", "");
}

#[test]
fn a_mark_that_does_not_stand_is_written_again() {
    check("claim p0; fill p0 10; recorded; accepted; wait 1000 | not-recorded; wait 200", "write p0 at 10");
}

#[test]
fn markers_behind_the_last_record_leave_no_lag() {
    check("claim p0; fill p0 10; recorded; accepted; pass p0 11 | wait 1000", "write p0 at 11");
    check("claim p0; pass p0 5; wait 999 | wait 1", "write p0 at 5");
}

#[test]
fn markers_between_records_lie_inside_the_range() {
    check("claim p0; fill p0 3; pass p0 8; fill p0 2 | wait 1000", "seal; write p0 open 0..10");
}

#[test]
fn markers_are_not_marked_over_an_open_batch() {
    check("claim p0; fill p0 10; recorded; pass p0 50 | wait 5000", "");
    check(
        "claim p0; fill p0 10; recorded; pass p0 50; wait 5000 | accepted; wait 1000",
        "landed A; write p0 at 50",
    );
}

#[test]
fn r4_a_refused_batch_is_not_passed() {
    check("claim p0; fill p0 10; recorded | no-right; wait 60000", "stop with DELIVERY-002");
}

#[test]
fn r4_a_record_that_is_left_out_goes_with_its_batch() {
    check(
        "claim p0 p1; fill p0 2; leave-out p0; fill p0 1; leave-out p1; wait 1000 | recorded; accepted",
        "insert A #1; landed A",
    );
    check(
        "claim p0 p1; fill p0 2; leave-out p0; fill p0 1; leave-out p1 | wait 1000; not-recorded; wait 200",
        "seal; write p0 open 0..4, p1 open 0..1, letter p0:2, letter p1:0; \
         write p0 open 0..4, p1 open 0..1, letter p0:2, letter p1:0",
    );
}

/// Once: a write that records the batch again does not carry them.
#[test]
fn r4_a_dead_letter_goes_out_once() {
    check(
        "claim p0; fill p0 2; leave-out p0; wait 1000; recorded; lost-answer | wait 100; settled; recorded",
        "settle; write p0 open 0..3; insert A #2",
    );
}

#[test]
fn r4_dead_letters_alone_are_passed_by_the_write_that_carries_them() {
    check(
        "claim p0; leave-out p0; leave-out p0 | wait 1000; not-recorded; wait 200; recorded; wait 5000",
        "seal; write p0 at 2, letter p0:0, letter p0:1; write p0 at 2, letter p0:0, letter p0:1",
    );
}

#[test]
fn nothing_is_recorded_with_an_old_reading_of_the_table() {
    check("claim p0; silent; wait 20001 | fill p0 10; wait 1", "seal");
    check("claim p0; silent; wait 19000 | fill p0 10", "seal; write p0 open 0..10");
}

#[test]
fn a_ledger_that_refuses_for_good_stops_the_task() {
    check("claim p0; fill p0 10 | refused-write", "stop with DELIVERY-007");
}

#[test]
fn a_task_that_has_ended_says_no_more() {
    check("claim p0; fill p0 10; recorded; no-right | wait 9000; stop; revoke; assign p0", "");
}
