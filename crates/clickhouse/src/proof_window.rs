//! Whether a table remembers tokens for as long as a batch may be sent again (PROTOCOL R12).
use pumphouse_delivery::window_needed_ms;

use crate::inspect::{Engine, Inspection};
use crate::proof::ProofLimits;
use crate::proof_failure::ProofFailure;
use crate::table_name::TableName;

/// The window in blocks and in time, against what is needed.
pub(crate) fn check_window(
    table: &TableName,
    found: &Inspection,
    limits: ProofLimits,
    failed: &mut Vec<ProofFailure>,
) {
    let setting = match &found.engine {
        Engine::Plain => "non_replicated_deduplication_window",
        Engine::Replicated => "replicated_deduplication_window",
        Engine::Other(engine) => {
            let (table, engine) = (table.to_string(), engine.clone());
            failed.push(ProofFailure::Engine { table, engine });
            return;
        }
    };
    let (needed_ms, needed_blocks) = (needed_ms(limits), needed_blocks(limits));
    let (table, sql) = (table.to_string(), table.sql());
    if found.window_blocks == 0 {
        failed.push(ProofFailure::NoWindow { table, sql, setting, needed_blocks });
        return;
    }
    if found.window_blocks < needed_blocks {
        let (table, sql, window_blocks) = (table.clone(), sql.clone(), found.window_blocks);
        failed.push(ProofFailure::FewBlocks { table, sql, setting, window_blocks, needed_blocks });
    }
    if let Some(window_ms) = found.window_ms
        && window_ms < needed_ms
    {
        failed.push(ProofFailure::ShortWindow { table, sql, window_ms, needed_ms });
    }
}

/// Table partitions that a block may fall into before the window is worth a warning.
const FAN_OUT_MIN: u64 = 10;

/// Each table partition that a block falls into takes an entry of the window; how many that are is not
/// known before the records.
pub(crate) fn check_fan_out(
    table: &TableName,
    found: &Inspection,
    limits: ProofLimits,
    warnings: &mut Vec<String>,
) {
    let fan_out = found.window_blocks / needed_blocks(limits);
    if !found.partition_key.is_empty() && (1..FAN_OUT_MIN).contains(&fan_out) {
        warnings.push(format!(
            "{table} remembers enough blocks if each falls into no more than {fan_out} table partitions; \
             widen its deduplication window if records of many partitions come together"
        ));
    }
}

/// How long a token has to be remembered.
pub(crate) fn needed_ms(limits: ProofLimits) -> u64 {
    window_needed_ms(limits.deadline_ms, limits.max_execution_ms)
}

/// Blocks that come in that time, one per linger and lane.
pub(crate) fn needed_blocks(limits: ProofLimits) -> u64 {
    (needed_ms(limits) / limits.linger_ms.max(1)).max(1) * limits.lanes.max(1)
}
