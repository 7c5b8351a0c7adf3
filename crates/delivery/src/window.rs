//! How long a table certainly remembers a token. Carries R7's first half and R8's same-server clause.
use pumphouse_types::{Millis, ServerMillis, TableUuid};

use crate::batch::Batch;

/// How a table deduplicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableEngine {
    /// MergeTree family without replication: a window of blocks in a log that is written before the
    /// part is in place, so a hit does not prove the part (R8).
    Plain,
    /// Replicated or shared: tokens and parts are committed together in Keeper.
    Replicated,
}

/// What the server says of a table at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFacts {
    /// `database.table`.
    pub name: String,
    /// Identity of the table.
    pub uuid: TableUuid,
    /// How it deduplicates.
    pub engine: TableEngine,
    /// The server's version text.
    pub server_version: String,
    /// Start of the server process (now - uptime()), on its own clock.
    pub server_started: ServerMillis,
    /// Blocks that the window holds.
    pub window_blocks: u64,
    /// Time that the window holds; `None` where only blocks count.
    pub window_ms: Option<u64>,
    /// A count of inserted blocks that only grows; `None` if it could not be read.
    pub blocks: Option<u64>,
    /// Fingerprint of the table's definition: of its text without settings (the upper half) and the time of its last change on this
    /// server, in seconds since 1970 (the lower half).
    pub definition: u64,
    /// Views hang on the table: an error may come after a part of the block was committed (R10).
    pub has_views: bool,
    /// What the table checks depends on nothing but the row, so that a block that it refuses for its
    /// data was refused before, too, as long as the definition is the same (R10).
    pub pure_checks: bool,
    /// The server's clock, half a round trip added ...
    pub server_now: ServerMillis,
    /// ... at this moment of the process's own.
    pub read_at: Millis,
}

impl TableFacts {
    /// The server's clock at `now`, carried on from the reading.
    pub fn server_clock(&self, now: Millis) -> ServerMillis {
        self.server_now.plus(now.since(self.read_at))
    }
}

/// R12: a batch may be sent again for half the window, and its last attempt may need as long as the first: a window of
/// four times that leaves a margin of two.
pub const WINDOW_FACTOR: u64 = 4;

/// R12: how long a table has to remember a token, for attempts with such deadlines and commits.
pub fn window_needed_ms(deadline_ms: u64, commit_ms_max: u64) -> u64 {
    WINDOW_FACTOR.saturating_mul(deadline_ms.saturating_add(commit_ms_max))
}

/// The start of a process is computed from two clock readings; equal ones agree within this.
pub const SERVER_START_TOLERANCE_MS: u64 = 2_000;

/// Why a batch must not be sent again blindly: whether it landed has to be seen in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NeedsEvidence {
    /// The table was dropped and created again, or exchanged.
    #[error("the table has another uuid")]
    OtherTable,
    /// Another version may compute other block identities.
    #[error("the server has another version")]
    OtherVersion,
    /// The window's settings or the engine are not the recorded ones.
    #[error("the table's deduplication settings have changed")]
    OtherWindow,
    /// The window may have been smaller for a while, and tokens are forgotten with it.
    #[error("the table may have been altered, and altered back, since the token was first recorded")]
    Altered,
    /// Half of the window has passed.
    #[error("the token is {age_ms} ms old, the table's window is {window_ms} ms")]
    TooOld {
        /// Since the token was first recorded.
        age_ms: u64,
        /// The whole window.
        window_ms: u64,
    },
    /// Half of the window's blocks were inserted since.
    #[error("{blocks} blocks were inserted since, the table's window is {window_blocks}")]
    TooManyBlocks {
        /// Since the token was first recorded.
        blocks: u64,
        /// The whole window.
        window_blocks: u64,
    },
    /// At the rate that was measured, the table forgets the token before another attempt ends (R12).
    #[error(
        "R12: {blocks} blocks were inserted since, and so many come that the window of {window_blocks} may be used up"
    )]
    WindowUsedUp {
        /// Since the token was first recorded.
        blocks: u64,
        /// The whole window.
        window_blocks: u64,
    },
    /// The count of blocks fell or could not be read.
    #[error("the table's count of inserted blocks is unknown")]
    BlocksUnknown,
    /// The token covers only what was missing when it was recorded, by another claim.
    #[error("the batch holds only what was missing in the table when it was recorded")]
    ByEvidence,
    /// A person has decided about what was sent so far: nothing is sent under the token any more.
    #[error("a decision about the batch is to be carried out")]
    Decided,
    /// Entries of the batch were overwritten (R17).
    #[error("offsets of the batch were set by somebody else")]
    OffsetsSet,
    /// The server refused the block; what earlier attempts did is not known (R10).
    #[error("the block was refused (code {code}), but an earlier attempt may have been taken")]
    RefusedLater {
        /// ClickHouse's code.
        code: i32,
    },
    /// Plain MergeTree and another server process: a hit may stand for a part that was lost (R8).
    #[error("the server was restarted since the token was first recorded")]
    OtherProcess,
}

/// R7: whether the table certainly remembers `batch`'s token, and R8: whether a 200 will prove it.
/// Errors: the first reason against it.
pub fn may_send_again(batch: &Batch, facts: &TableFacts, now: Millis) -> Result<(), NeedsEvidence> {
    let seen = &batch.table;
    if seen.uuid != facts.uuid {
        return Err(NeedsEvidence::OtherTable);
    }
    if seen.server_version != facts.server_version {
        return Err(NeedsEvidence::OtherVersion);
    }
    if seen.engine != facts.engine
        || seen.window_blocks != facts.window_blocks
        || seen.window_ms != facts.window_ms
    {
        return Err(NeedsEvidence::OtherWindow);
    }
    if is_altered_back(seen.definition, facts.definition, batch.first_recorded) {
        return Err(NeedsEvidence::Altered);
    }
    if let Some(window_ms) = facts.window_ms {
        let age_ms = facts.server_clock(now).since(batch.first_recorded);
        if age_ms >= window_ms / 2 {
            return Err(NeedsEvidence::TooOld { age_ms, window_ms });
        }
    }
    let (Some(then), Some(since)) = (seen.blocks, facts.blocks) else {
        return Err(NeedsEvidence::BlocksUnknown);
    };
    // A count that fell is no count: parts were dropped, or the table was moved.
    let blocks = since.checked_sub(then).ok_or(NeedsEvidence::BlocksUnknown)?;
    if blocks >= facts.window_blocks / 2 {
        let window_blocks = facts.window_blocks;
        return Err(NeedsEvidence::TooManyBlocks { blocks, window_blocks });
    }
    same_process(batch, facts.server_started)
}

/// Whether a table that looks as it did may have been changed since `recorded`. One that looks otherwise has been changed for
/// that: its window, which is what counts, was compared. Each replica has a time of its own.
fn is_altered_back(seen: u64, now: u64, recorded: ServerMillis) -> bool {
    seen >> 32 == now >> 32 && may_have_changed_since(now, recorded)
}

/// Whether the last change that `definition` tells of may be later than `moment`. Its time has no milliseconds, so a change
/// in the moment's own second may be: a time that is the same as before says nothing there.
pub(crate) fn may_have_changed_since(definition: u64, moment: ServerMillis) -> bool {
    let changed_s = definition & 0xffff_ffff;
    (changed_s + 1) * 1_000 > moment.0
}

/// R8: on plain MergeTree, the process that answers must be the one that first saw the token.
pub fn same_process(batch: &Batch, server_started: ServerMillis) -> Result<(), NeedsEvidence> {
    match batch.table.engine {
        TableEngine::Replicated => Ok(()),
        TableEngine::Plain => {
            let apart_ms = batch.table.server_started.0.abs_diff(server_started.0);
            if apart_ms <= SERVER_START_TOLERANCE_MS { Ok(()) } else { Err(NeedsEvidence::OtherProcess) }
        }
    }
}

#[cfg(test)]
mod tests;
