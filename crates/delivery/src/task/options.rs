//! What a task is told at its beginning.
use std::collections::BTreeMap;

use pumphouse_types::QuestionId;

use crate::talk::Decision;

/// Limits of a task's batches.
#[derive(Debug, Clone)]
pub struct TaskOptions {
    /// Rows at which a block is sealed.
    pub batch_rows_max: u64,
    /// Bytes of column data at which a block is sealed.
    pub batch_bytes_max: u64,
    /// Longest time that a row waits for its block to be sealed, in ms; five times as long while the lane is behind:
    /// one record more waits for so many as ten that the block has.
    pub batch_linger_ms: u64,
    /// How far ahead an attempt's deadline is set, in ms.
    pub deadline_ms: u64,
    /// Longest time from the check of an attempt's deadline to its commit, in ms.
    pub commit_ms_max: u64,
    /// Whether what cannot be proven is looked into (R7, R8, R10); else it is sent again, and batches
    /// are sent before they are recorded: at least once.
    pub exactly_once: bool,
    /// Whether records that cannot be inserted are left out (`errors.tolerance=all`).
    pub leaves_out: bool,
    /// How long a batch is tried before the task stops; `None` = for ever.
    pub retry_timeout_ms: Option<u64>,
    /// Longest pause between two attempts.
    pub retry_delay_ms_max: u64,
    /// How much of a pause is drawn, in per cent.
    pub retry_jitter_percent: u64,
    /// What an operator has decided about batches whose fate cannot be proven, by what was asked: whatever is sent
    /// of a batch afterwards is another question, and takes a decision of its own (R7).
    pub decisions: BTreeMap<QuestionId, Decision>,
    /// 128 random bits, drawn anew for each task that is started: batch ids and tokens come from it.
    pub seed: u128,
}

#[cfg(test)]
impl TaskOptions {
    /// Everything is proven, and bad records are left out.
    pub(crate) fn for_tests() -> TaskOptions {
        TaskOptions {
            batch_rows_max: 10,
            batch_bytes_max: 1_000,
            batch_linger_ms: 1_000,
            deadline_ms: 30_000,
            commit_ms_max: 60_000,
            exactly_once: true,
            leaves_out: true,
            retry_timeout_ms: None,
            retry_delay_ms_max: 10_000,
            retry_jitter_percent: 0,
            decisions: BTreeMap::new(),
            seed: 7,
        }
    }
}
