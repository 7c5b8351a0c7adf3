//! R7's first half: every reason that speaks against sending a batch again, one by one.
use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, OffsetRange, OffsetsHash, Partition, ServerMillis,
    TableUuid, TopicId,
};

use super::*;
use crate::batch::{BatchRange, TableSeen};

/// A text, and a change at 500 s.
const DEFINITION: u64 = (7 << 32) | 500;

const HOUR_MS: u64 = 3_600_000;

fn facts(engine: TableEngine) -> TableFacts {
    TableFacts {
        name: "db.t".into(),
        uuid: TableUuid(1),
        engine,
        server_version: "26.7.1".into(),
        server_started: ServerMillis(500_000),
        window_blocks: 10_000,
        window_ms: (engine == TableEngine::Replicated).then_some(HOUR_MS),
        blocks: Some(100),
        definition: DEFINITION,
        has_views: false,
        pure_checks: false,
        server_now: ServerMillis(1_000_000),
        read_at: Millis(0),
    }
}

/// What is said of a batch recorded with the facts as they were, after `change` happened to them.
fn after(engine: TableEngine, change: impl FnOnce(&mut TableFacts)) -> Result<(), NeedsEvidence> {
    recorded(engine, |_| {}, change)
}

/// The same, for facts that were otherwise from the beginning.
fn recorded(
    engine: TableEngine,
    before: impl FnOnce(&mut TableFacts),
    change: impl FnOnce(&mut TableFacts),
) -> Result<(), NeedsEvidence> {
    let mut facts = facts(engine);
    before(&mut facts);
    let end = Offset::ZERO.next();
    let range = OffsetRange::new(Offset::ZERO, end).unwrap();
    let batch = Batch {
        id: BatchId(1),
        token: DedupToken(2),
        topic_id: TopicId(3),
        ranges: BTreeMap::from([(
            Partition(0),
            BatchRange { range, rows: 1, hash: OffsetsHash::EMPTY, left_out: 0 },
        )]),
        table: TableSeen::from_facts(&facts),
        first_recorded: facts.server_now,
        deadline: facts.server_now.plus(30_000),
        config_version: ConfigVersion(1),
        piece_end: None,
        by_evidence: false,
    };
    change(&mut facts);
    may_send_again(&batch, &facts, facts.read_at)
}

fn replicated(change: impl FnOnce(&mut TableFacts)) -> Result<(), NeedsEvidence> {
    after(TableEngine::Replicated, change)
}

fn plain(change: impl FnOnce(&mut TableFacts)) -> Result<(), NeedsEvidence> {
    after(TableEngine::Plain, change)
}

#[test]
fn an_unchanged_table_remembers() {
    assert_eq!(replicated(|_| {}), Ok(()));
    assert_eq!(plain(|_| {}), Ok(()));
}

#[test]
fn another_table_version_or_setting_does_not_count() {
    assert_eq!(replicated(|f| f.uuid = TableUuid(9)), Err(NeedsEvidence::OtherTable));
    assert_eq!(replicated(|f| f.server_version = "26.8".into()), Err(NeedsEvidence::OtherVersion));
    assert_eq!(replicated(|f| f.window_blocks += 1), Err(NeedsEvidence::OtherWindow));
    assert_eq!(replicated(|f| f.window_ms = Some(2 * HOUR_MS)), Err(NeedsEvidence::OtherWindow));
    assert_eq!(replicated(|f| f.window_ms = None), Err(NeedsEvidence::OtherWindow));
    assert_eq!(plain(|f| f.engine = TableEngine::Replicated), Err(NeedsEvidence::OtherWindow));
}

/// A window that was made small and as large again leaves no other trace. Its token was recorded at 1,000,000 ms.
#[test]
fn a_table_that_was_altered_back_may_have_forgotten() {
    let changed_at = |s: u64| move |f: &mut TableFacts| f.definition = (DEFINITION & !0xffff_ffff) | s;
    for engine in [TableEngine::Plain, TableEngine::Replicated] {
        assert_eq!(after(engine, changed_at(1_001)), Err(NeedsEvidence::Altered));
        assert_eq!(after(engine, changed_at(1_000)), Err(NeedsEvidence::Altered), "in the same second");
        // As the batch has it, which was recorded in that second: before the change, or after it.
        let recorded_at = |ms| recorded(engine, |f| f.server_now = ServerMillis(ms), |_| {});
        assert_eq!(recorded_at(500_999), Err(NeedsEvidence::Altered));
        assert_eq!(recorded_at(501_000), Ok(()));
        // Another replica, which was not changed since.
        assert_eq!(after(engine, changed_at(999)), Ok(()));
        // What an operator does about a refused row.
        assert_eq!(after(engine, |f| f.definition = (8 << 32) | 1_001), Ok(()));
    }
}

#[test]
fn a_token_is_too_old_at_half_the_window() {
    let aged = |ms| replicated(|f| f.server_now = f.server_now.plus(ms));
    assert_eq!(aged(HOUR_MS / 2 - 1), Ok(()));
    let too_old = NeedsEvidence::TooOld { age_ms: HOUR_MS / 2, window_ms: HOUR_MS };
    assert_eq!(aged(HOUR_MS / 2), Err(too_old));
}

#[test]
fn a_token_ages_between_readings_too() {
    let mut facts = facts(TableEngine::Replicated);
    facts.read_at = Millis(5_000);
    assert_eq!(facts.server_clock(Millis(7_500)), facts.server_now.plus(2_500));
}

#[test]
fn without_a_time_window_age_does_not_count() {
    assert_eq!(plain(|f| f.server_now = f.server_now.plus(1_000 * HOUR_MS)), Ok(()));
}

#[test]
fn half_the_windows_blocks_are_too_many() {
    assert_eq!(plain(|f| f.blocks = Some(100 + 4_999)), Ok(()));
    let too_many = NeedsEvidence::TooManyBlocks { blocks: 5_000, window_blocks: 10_000 };
    assert_eq!(plain(|f| f.blocks = Some(100 + 5_000)), Err(too_many));
}

#[test]
fn a_count_that_fell_or_is_missing_is_unknown() {
    assert_eq!(plain(|f| f.blocks = Some(99)), Err(NeedsEvidence::BlocksUnknown));
    assert_eq!(replicated(|f| f.blocks = None), Err(NeedsEvidence::BlocksUnknown));
}

#[test]
fn r8_another_process_matters_to_plain_tables_only() {
    let by = |ms: u64| move |f: &mut TableFacts| f.server_started = f.server_started.plus(ms);
    assert_eq!(plain(by(SERVER_START_TOLERANCE_MS)), Ok(()));
    assert_eq!(plain(by(SERVER_START_TOLERANCE_MS + 1)), Err(NeedsEvidence::OtherProcess));
    assert_eq!(replicated(by(HOUR_MS)), Ok(()));
}
