//! R12's measured half: both sides of each bound.
use pumphouse_types::{Millis, ServerMillis, TableUuid};

use super::*;
use crate::window::TableEngine;

fn facts(at_ms: u64, blocks: Option<u64>) -> TableFacts {
    TableFacts {
        name: "db.t".into(),
        uuid: TableUuid(1),
        engine: TableEngine::Plain,
        server_version: "26.7.1".into(),
        server_started: ServerMillis(0),
        window_blocks: 1_000,
        window_ms: None,
        blocks,
        definition: 0,
        has_views: false,
        pure_checks: false,
        server_now: ServerMillis(1_000_000 + at_ms),
        read_at: Millis(0),
    }
}

fn measured(readings: &[(u64, u64)]) -> Rate {
    let mut rate = Rate::default();
    readings.iter().for_each(|(at_ms, blocks)| rate.read(&facts(*at_ms, Some(*blocks))));
    rate
}

#[test]
fn r12_the_rate_is_measured_between_readings() {
    assert_eq!(measured(&[]).blocks_within(1_000), None);
    assert_eq!(measured(&[(0, 5)]).blocks_within(1_000), None);
    assert_eq!(measured(&[(0, 5), (3_999, 90)]).blocks_within(1_000), None, "too close together");
    let rate = measured(&[(0, 5), (5_000, 55)]);
    assert_eq!((rate.blocks_within(1_000), rate.blocks_within(50)), (Some(10), Some(1)));
    // What was long ago does not count any more.
    let minutes: Vec<(u64, u64)> =
        (0..40).map(|n| (n * 5_000, if n < 20 { 0 } else { (n - 19) * 5 })).collect();
    assert_eq!(measured(&minutes).blocks_within(1_000), Some(1));
    assert_eq!(measured(&minutes).blocks_within(60_000), Some(60));
}

#[test]
fn r12_a_count_that_falls_or_is_missing_begins_anew() {
    let mut rate = measured(&[(0, 500), (5_000, 600)]);
    rate.read(&facts(10_000, Some(10)));
    assert_eq!(rate.blocks_within(1_000), None);
    rate.read(&facts(15_000, Some(20)));
    assert_eq!(rate.blocks_within(1_000), Some(2));
    rate.read(&facts(20_000, None));
    assert_eq!(rate.blocks_within(1_000), None);
}

#[test]
fn r12_a_short_window_is_told_once() {
    // 10 blocks per second; four times 25 s take the window of 1,000.
    let mut rate = measured(&[(0, 0), (5_000, 50)]);
    assert_eq!(rate.turned_short(&facts(5_000, Some(50)), 25_000), None);
    let short = rate.turned_short(&facts(5_000, Some(50)), 25_100);
    assert_eq!(short, Some(Short { blocks_per_minute: 600, window_blocks: 1_000, needed_blocks: 1_004 }));
    assert_eq!(rate.turned_short(&facts(5_000, Some(50)), 25_100), None, "it was told");
    assert_eq!(rate.turned_short(&facts(5_000, Some(50)), 1_000), None);
    assert!(rate.turned_short(&facts(5_000, Some(50)), 25_100).is_some(), "it turned short again");
}

#[test]
fn r12_an_attempt_must_end_while_its_token_is_remembered() {
    let rate = measured(&[(0, 0), (5_000, 50)]);
    let leaves = |since, in_flight_ms| rate.leaves_room(&facts(5_000, Some(50)), since, in_flight_ms);
    assert!(leaves(0, 49_900) && !leaves(0, 50_000));
    assert!(leaves(499, 25_000) && !leaves(500, 25_000));
    assert!(Rate::default().leaves_room(&facts(0, Some(0)), 999, 1 << 40), "not measured");
}
