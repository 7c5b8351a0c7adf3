//! R2: how late an attempt may begin to write.
use pumphouse_types::{Millis, ServerMillis, TableUuid};

use super::*;

/// The deadline, in ms after the first recording, of a record `age_ms` later.
fn deadline_after(age_ms: u64, window_ms: Option<u64>) -> u64 {
    let first = ServerMillis(1_000_000);
    let facts = TableFacts {
        name: "db.t".into(),
        uuid: TableUuid(1),
        engine: TableEngine::Replicated,
        server_version: "26.7".into(),
        server_started: ServerMillis(0),
        window_blocks: 100,
        window_ms,
        blocks: Some(0),
        definition: 0,
        has_views: false,
        pure_checks: false,
        server_now: first,
        read_at: Millis(10),
    };
    deadline_ahead(&facts, first, 30_000, Millis(10).plus(age_ms)).since(first)
}

#[test]
fn the_deadline_is_as_far_ahead_as_configured() {
    assert_eq!(deadline_after(0, Some(3_600_000)), 30_000);
    assert_eq!(deadline_after(7_000, Some(3_600_000)), 37_000);
}

#[test]
fn the_deadline_is_never_later_than_half_the_window_after_the_first_recording() {
    assert_eq!(deadline_after(0, Some(40_000)), 20_000);
    assert_eq!(deadline_after(1_790_000, Some(3_600_000)), 1_800_000);
}

#[test]
fn without_a_time_window_the_deadline_has_no_cap() {
    assert_eq!(deadline_after(9_000_000, None), 9_030_000);
}
