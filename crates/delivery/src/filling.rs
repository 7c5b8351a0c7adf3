//! The open block's share of the protocol: which positions it covers and when it is full.
use std::collections::BTreeMap;

use pumphouse_types::{Millis, Offset, OffsetRange, OffsetsHash, Partition};

use crate::batch::BatchRange;
use crate::entry::{RANGES_TEXT_CHARS_MAX, range_text};
use crate::task::TaskOptions;

/// Records of one block that could not become rows: their dead letters go out in one ledger write,
/// which is to stay well within its time-out.
const LEFT_OUT_MAX: usize = 1_000;

/// Digits that the end of a range that is still growing may come to have.
const RANGE_GROWTH_CHARS: usize = 20;

/// For how many lingers a block is filled at most while its lane is behind.
const LINGERS_BEHIND: u64 = 5;

/// A lane is behind while the source has one record more for so many that the block has: at the rate at which it was filled,
/// what is still to come is another tenth of a linger and more.
const ROWS_PER_WAITING: u64 = 10;

#[derive(Debug, Clone, Copy)]
struct FillRange {
    first: Offset,
    end: Offset,
    rows: u64,
    hash: OffsetsHash,
    left_out: u64,
}

impl FillRange {
    fn is_empty(&self) -> bool {
        self.rows == 0 && self.left_out == 0
    }
}

/// What a lane has taken since its last seal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filling {
    ranges: BTreeMap<Partition, FillRange>,
    rows: u64,
    bytes: u64,
    text_chars: usize,
    left_out: Vec<(Partition, Offset)>,
    /// When its first record was taken, and its last one.
    since: Option<(Millis, Millis)>,
    /// Records that the source has beyond what was taken.
    waiting: u64,
    no_room: bool,
}

impl Filling {
    /// Whether the ledger's text still has room for `partition`; remembers a no, so that the block
    /// is sealed.
    pub(crate) fn room_for(&mut self, partition: Partition) -> bool {
        let taken = self.ranges.get(&partition).is_some_and(|range| !range.is_empty());
        self.no_room |= !taken && self.text_chars > RANGES_TEXT_CHARS_MAX - 3 * RANGE_GROWTH_CHARS;
        !self.no_room
    }

    /// Takes records of `partition` that became rows; `first` is where its range begins if it has
    /// none yet, `block_bytes` the size of the whole open block.
    pub(crate) fn take(
        &mut self,
        partition: Partition,
        first: Offset,
        offsets: &[Offset],
        block_bytes: u64,
        now: Millis,
    ) {
        let range = self.range(partition, first);
        let was_empty = range.is_empty();
        for &offset in offsets {
            assert!(offset >= range.end, "R4: {offset} of {partition} comes below {}", range.end);
            range.hash = range.hash.push(offset);
            range.end = offset.next();
        }
        range.rows += offsets.len() as u64;
        let grown = OffsetRange::new(range.first, range.end).expect("offsets ascend");
        self.rows += offsets.len() as u64;
        self.bytes = block_bytes;
        if was_empty && !offsets.is_empty() {
            self.text_chars += range_text(partition, grown).len() + RANGE_GROWTH_CHARS;
        }
        self.took(now);
    }

    /// A record of `partition` that could not become a row: its dead letter goes with the batch (R4).
    pub(crate) fn leave_out(
        &mut self,
        partition: Partition,
        first: Offset,
        offset: Offset,
        block_bytes: u64,
        now: Millis,
    ) {
        let range = self.range(partition, first);
        let was_empty = range.is_empty();
        assert!(offset >= range.end, "R4: {offset} of {partition} comes below {}", range.end);
        range.end = offset.next();
        range.left_out += 1;
        let grown = OffsetRange::new(range.first, range.end).expect("offsets ascend");
        self.left_out.push((partition, offset));
        self.bytes = block_bytes;
        if was_empty {
            self.text_chars += range_text(partition, grown).len() + RANGE_GROWTH_CHARS;
        }
        self.took(now);
    }

    fn took(&mut self, now: Millis) {
        let first = self.since.map_or(now, |(first, _)| first);
        self.since = Some((first, now));
    }

    /// The source has so many records beyond what was taken.
    pub(crate) fn waits(&mut self, records: u64) {
        self.waiting = records;
    }

    /// The source has nothing more below `position` (markers, aborted data, compacted records).
    pub(crate) fn pass(&mut self, partition: Partition, first: Offset, position: Offset) {
        let range = self.range(partition, first);
        range.end = range.end.max(position);
    }

    fn range(&mut self, partition: Partition, first: Offset) -> &mut FillRange {
        self.ranges.entry(partition).or_insert(FillRange {
            first,
            end: first,
            rows: 0,
            hash: OffsetsHash::EMPTY,
            left_out: 0,
        })
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether there is nothing to record: neither a row nor a dead letter.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0 && self.left_out.is_empty()
    }

    pub(crate) fn is_full(&self, options: &TaskOptions) -> bool {
        self.rows >= options.batch_rows_max
            || self.bytes >= options.batch_bytes_max
            || self.left_out.len() >= LEFT_OUT_MAX
            || (self.no_room && !self.is_empty())
    }

    pub(crate) fn percent_full(&self, options: &TaskOptions) -> u64 {
        let percent = |of: u64, max: u64| of.saturating_mul(100) / max.max(1);
        percent(self.rows, options.batch_rows_max).max(percent(self.bytes, options.batch_bytes_max))
    }

    /// Nothing more finds room, so that it is sealed unless it is empty.
    pub(crate) fn close(&mut self) {
        self.no_room |= !self.is_empty();
    }

    /// Whether its oldest row has waited for the linger. That is several times as long while the lane is behind and records
    /// do come: rows that are late already get into fewer parts.
    pub(crate) fn is_due(&self, now: Millis, options: &TaskOptions) -> bool {
        let Some((first, last)) = self.since else { return false };
        let linger_ms = options.batch_linger_ms;
        let waits_for_more = self.waiting.saturating_mul(ROWS_PER_WAITING) >= self.rows.max(1);
        let is_behind = waits_for_more && now.since(last) < linger_ms;
        let lingers = if is_behind { LINGERS_BEHIND } else { 1 };
        !self.is_empty() && now.since(first) >= linger_ms.saturating_mul(lingers)
    }

    /// What becomes a batch, and the records that it leaves out. Ranges with neither stay: there is
    /// nothing of them to insert.
    pub(crate) fn seal(&mut self) -> (BTreeMap<Partition, BatchRange>, Vec<(Partition, Offset)>) {
        let filled = std::mem::take(self);
        let mut sealed = BTreeMap::new();
        for (partition, fill) in filled.ranges {
            if fill.is_empty() {
                self.ranges.insert(partition, fill);
                continue;
            }
            let range = OffsetRange::new(fill.first, fill.end).expect("offsets ascend");
            let FillRange { rows, hash, left_out, .. } = fill;
            sealed.insert(partition, BatchRange { range, rows, hash, left_out });
        }
        (sealed, filled.left_out)
    }

    /// Takes out the ranges that hold neither row nor dead letter: positions that only need a plain mark.
    pub(crate) fn take_passed(&mut self) -> Vec<(Partition, Offset)> {
        let passed: Vec<_> = self
            .ranges
            .iter()
            .filter(|(_, range)| range.is_empty())
            .map(|(partition, range)| (*partition, range.end))
            .collect();
        for (partition, _) in &passed {
            self.ranges.remove(partition);
        }
        passed
    }
}

#[cfg(test)]
mod tests;
