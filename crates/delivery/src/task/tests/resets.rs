//! An operator's reset of offsets meets an open batch: R17.
use super::stage::check;

/// The lead carries the batch, its member does not.
const MEMBER_RESET: &str = "open p0 90..120 p1 5..9; mark p1 5";

fn again(times: usize, round: &str) -> String {
    vec![round; times].join("; ")
}

#[test]
fn r17_entries_that_disagree_are_looked_at_under_new_memberships_first() {
    check(&format!("{MEMBER_RESET}; claim p0 | entries"), "end membership");
    check("open p0 90..120 p1 5..9; mark p0 90; assign p0 p1 | claimed", "fetch p0@90; end membership");
    // The member waits, and the lead's entry was overwritten.
    check("open p0 90..120 p1 5..9; claim p1; mark p0 90; wait 500 | entries", "end membership");
    check("open p0 90..120; claim p0; no-entry p0 | entries", "end membership");
}

#[test]
fn r17_what_the_lead_still_carries_is_resolved_by_evidence() {
    let thrice = again(3, "claim p0; entries");
    check(
        &format!(
            "{MEMBER_RESET}; {thrice}; claim p0 | entries; re-read; found p0 90..100; recorded; accepted; wait 1000"
        ),
        "R17; re-read 0:90..120; R7; look for p0 90..120; R7; write p0 open 90..120; insert B p0 100..120 #1; \
         landed B; fetch p0@120; write p0 at 120",
    );
}

#[test]
fn r17_members_without_their_lead_are_resolved_by_evidence() {
    let thrice = again(3, "assign p0 p1 p2; claimed");
    check(
        &format!(
            "open p0 90..120 p1 5..9 p2 7..8; mark p0 40; {thrice}; assign p0 p1 p2 \
             | claimed; re-read; found p1 5..9; recorded; accepted; wait 1000"
        ),
        "R17; re-read 1:5..9 2:7..8; fetch p0@40; R7; look for p1 5..9 p2 7..8; R7; \
         write p1 open 5..9, p2 open 7..8; insert B p2 7..8 #1; landed B; fetch p0@40 p1@9 p2@8; \
         write p1 at 9, p2 at 8",
    );
}

#[test]
fn r17_a_waiting_member_whose_lead_was_reset_is_resolved_by_evidence() {
    let round = "claim p1; wait 500; entries";
    check(
        &format!(
            "open p0 90..120 p1 5..9; mark p0 40; {} ; claim p1; wait 500 | entries; re-read",
            again(3, round)
        ),
        "R17; re-read 1:5..9; R7; look for p1 5..9",
    );
}

#[test]
fn r17_without_lineage_a_person_decides() {
    let thrice = again(3, "claim p0; entries");
    check(
        &format!("{MEMBER_RESET}; {thrice}; claim p0; entries; re-read | unclear; recorded"),
        "write p0 open 90..120; stop with DELIVERY-001",
    );
}

/// Orphaned shares have no token of their own to name: their batch's id and their ranges stand for them under every claim.
#[test]
fn r17_a_person_decides_about_an_orphan() {
    let round = "claim p1; wait 500; entries";
    check(
        &format!(
            "decide-orphan again 1:5..9; open p0 90..120 p1 5..9; mark p0 40; {} ; claim p1; wait 500; entries; re-read \
             | unclear; recorded",
            again(3, round)
        ),
        "R7; R7; write p1 open 5..9; insert B #1",
    );
}

/// Owners of shares were asked one and the same question, and what was decided about one share was carried out for others.
#[test]
fn r17_what_is_decided_about_one_share_says_nothing_of_others() {
    let round = "claim p1; wait 500; entries";
    check(
        &format!(
            "decide-orphan landed 2:7..8; open p0 90..120 p1 5..9 p2 7..8; mark p0 40; {} ; claim p1; wait 500; \
             entries; re-read | unclear",
            again(3, round)
        ),
        "stop with DELIVERY-001",
    );
}
