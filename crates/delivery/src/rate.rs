//! How fast a table's window is used up, measured by the count of blocks that each reading of the table brings:
//! ours, and those of everybody else. Carries R12's measured half.
use std::collections::VecDeque;

use pumphouse_types::ServerMillis;

use crate::window::{TableFacts, WINDOW_FACTOR};

/// Readings closer together say too little, and are passed over.
const READING_MS_MIN: u64 = 4_000;

/// The rate is that of the last minute, or of as long as the table has been read.
const MEASURED_MS_MAX: u64 = 60_000;

/// What the last attempt of a batch needs of the window, with a margin of two.
const LAST_ATTEMPT_FACTOR: u64 = 2;

/// The count of a table's blocks over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rate {
    readings: VecDeque<(ServerMillis, u64)>,
    warned: bool,
}

/// A window that is used up faster than the rule allows for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short {
    pub blocks_per_minute: u64,
    pub window_blocks: u64,
    pub needed_blocks: u64,
}

impl Rate {
    /// Takes in a reading. Of another kind of count, or one that fell, the measuring begins anew.
    pub(crate) fn read(&mut self, facts: &TableFacts) {
        let Some(blocks) = facts.blocks else { return self.readings.clear() };
        let at = facts.server_now;
        if let Some(&(last_at, last)) = self.readings.back() {
            if blocks < last || at < last_at {
                self.readings.clear();
            } else if at.since(last_at) < READING_MS_MIN {
                return;
            }
        }
        self.readings.push_back((at, blocks));
        while self.readings.len() > 2 && at.since(self.readings[0].0) > MEASURED_MS_MAX {
            self.readings.pop_front();
        }
    }

    /// Blocks that come within `ms`, rounded up; `None`: not measured yet.
    pub(crate) fn blocks_within(&self, ms: u64) -> Option<u64> {
        let (&(first_at, first), &(last_at, last)) = (self.readings.front()?, self.readings.back()?);
        let measured_ms = last_at.since(first_at);
        if measured_ms < READING_MS_MIN {
            return None;
        }
        let blocks = u128::from(last - first) * u128::from(ms);
        Some(u64::try_from(blocks.div_ceil(u128::from(measured_ms))).unwrap_or(u64::MAX))
    }

    /// Whether the window is too short for attempts that take up to `in_flight_ms`; told once, until it is not.
    pub(crate) fn turned_short(&mut self, facts: &TableFacts, in_flight_ms: u64) -> Option<Short> {
        let needed_blocks = self.blocks_within(WINDOW_FACTOR.saturating_mul(in_flight_ms))?;
        let short = needed_blocks > facts.window_blocks;
        if !std::mem::replace(&mut self.warned, short) && short {
            let blocks_per_minute = self.blocks_within(60_000)?;
            return Some(Short { blocks_per_minute, window_blocks: facts.window_blocks, needed_blocks });
        }
        None
    }

    /// Whether a token, since whose recording `since` blocks came, is still remembered when an attempt ends that
    /// takes up to `in_flight_ms` from now. Not measured yet: the start-up proof stands in for it.
    pub(crate) fn leaves_room(&self, facts: &TableFacts, since: u64, in_flight_ms: u64) -> bool {
        let coming = self.blocks_within(LAST_ATTEMPT_FACTOR.saturating_mul(in_flight_ms)).unwrap_or(0);
        since.saturating_add(coming) < facts.window_blocks
    }
}

#[cfg(test)]
mod tests;
