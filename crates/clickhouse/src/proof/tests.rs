use std::time::Instant;

use pumphouse_types::{ServerMillis, TableUuid};

use super::*;

fn found(engine: Engine, window_blocks: u64, window_ms: Option<u64>) -> Inspection {
    Inspection {
        uuid: TableUuid(1),
        engine,
        engine_full: String::new(),
        partition_key: String::new(),
        schema_hash: String::new(),
        dependants: 0,
        server_version: "26.7".to_owned(),
        server_started: ServerMillis(0),
        server_now: ServerMillis(0),
        received: Instant::now(),
        window_blocks,
        window_ms,
        blocks: Some(0),
        lineage: None,
        keeps_rows: true,
        may_lose_rows: None,
        has_views: false,
        pure_checks: true,
        definition: 0,
    }
}

/// The deadline 30 s, the commit 20 s: 200 s are needed; with two lanes of a block a second, 400 blocks.
fn failures(found: &Inspection) -> Vec<String> {
    let limits = ProofLimits { deadline_ms: 30_000, max_execution_ms: 20_000, linger_ms: 1_000, lanes: 2 };
    let table = TableName { database: "d".to_owned(), table: "t".to_owned() };
    let mut failed = Vec::new();
    check_window(&table, found, limits, &mut failed);
    failed.iter().map(ToString::to_string).collect()
}

#[test]
fn a_window_of_the_needed_size_passes_and_one_less_does_not() {
    assert_eq!(failures(&found(Engine::Plain, 400, None)), [""; 0]);
    assert_eq!(failures(&found(Engine::Replicated, 400, Some(200_000))), [""; 0]);
    assert!(failures(&found(Engine::Plain, 399, None))[0].starts_with(
        "PROOF-005: d.t remembers 399 blocks, 400 are needed; ALTER TABLE `d`.`t` MODIFY SETTING \
         non_replicated_deduplication_window = 400"
    ));
    assert!(failures(&found(Engine::Replicated, 400, Some(199_999)))[0].starts_with(
        "PROOF-006: d.t remembers blocks for 199999 ms, 200000 are needed; ALTER TABLE `d`.`t` MODIFY SETTING \
         replicated_deduplication_window_seconds = 200"
    ));
}

#[test]
fn a_table_that_keeps_no_tokens_is_refused() {
    assert!(failures(&found(Engine::Plain, 0, None))[0].starts_with("PROOF-004"));
    assert!(failures(&found(Engine::Other("Buffer".to_owned()), 10, None))[0].starts_with("PROOF-003"));
}

#[test]
fn the_probes_block_names_its_column_and_has_no_rows() {
    let column = Column {
        name: "a".to_owned(),
        type_text: "UInt8".to_owned(),
        default_kind: String::new(),
        default_expression: String::new(),
    };
    let mut expected = Vec::new();
    pumphouse_columns::put_frames(
        pumphouse_columns::Compression::Lz4,
        b"\x01\x00\x01a\x05UInt8",
        &mut expected,
    );
    assert_eq!(block_without_rows(&column), expected);
}
