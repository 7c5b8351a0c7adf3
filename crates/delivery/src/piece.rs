//! Pieces of a batch: lists of rows in source order, cut and compared. Carries the arithmetic of R11.
use std::collections::BTreeMap;

use pumphouse_types::{Offset, OffsetRange, OffsetsHash, Partition};

use crate::batch::{BatchRange, Cut};

/// Offsets of rows, by partition and in order. Partitions without rows are left out.
pub(crate) type RowList = BTreeMap<Partition, Vec<Offset>>;

/// Rows over all partitions.
pub(crate) fn count(rows: &RowList) -> u64 {
    rows.values().map(|offsets| offsets.len() as u64).sum()
}

/// The rows before `end`, all of them if there is none.
pub(crate) fn before(rows: &RowList, end: Option<Cut>) -> RowList {
    let Some(end) = end else { return rows.clone() };
    retain(rows, |partition, offset| end.is_behind(partition, offset))
}

/// The rows at or behind `start`.
pub(crate) fn from(rows: &RowList, start: Cut) -> RowList {
    retain(rows, |partition, offset| !start.is_behind(partition, offset))
}

/// `rows` without those of `others`.
pub(crate) fn without(rows: &RowList, others: &RowList) -> RowList {
    retain(rows, |partition, offset| {
        others.get(&partition).is_none_or(|offsets| offsets.binary_search(&offset).is_err())
    })
}

/// The rows of either list.
pub(crate) fn union(rows: &RowList, others: &RowList) -> RowList {
    let mut all = rows.clone();
    for (partition, offsets) in others {
        let merged = all.entry(*partition).or_default();
        merged.extend(offsets);
        merged.sort_unstable();
        merged.dedup();
    }
    all
}

fn retain(rows: &RowList, keep: impl Fn(Partition, Offset) -> bool) -> RowList {
    let mut kept = RowList::new();
    for (partition, offsets) in rows {
        let offsets: Vec<Offset> =
            offsets.iter().copied().filter(|offset| keep(*partition, *offset)).collect();
        if !offsets.is_empty() {
            kept.insert(*partition, offsets);
        }
    }
    kept
}

/// The place right behind the first `rows_max` rows. `None` = there are no more than that.
pub(crate) fn cut_after(rows: &RowList, rows_max: u64) -> Option<Cut> {
    let mut left = rows_max;
    let mut cut = None;
    for (partition, offsets) in rows {
        let taken = left.min(offsets.len() as u64);
        if let Some(last) = taken.checked_sub(1).map(|at| offsets[at as usize]) {
            cut = Some(Cut { partition: *partition, offset: last.next() });
        }
        left -= taken;
        if taken < offsets.len() as u64 {
            return cut;
        }
    }
    None
}

/// What is left of a batch's ranges behind `start`, with `rows` left in them. The lead stays, also
/// when nothing of it is left: whoever owns it settles the rest of the batch (R6).
pub(crate) fn shrink(
    ranges: &BTreeMap<Partition, BatchRange>,
    rows: &RowList,
    start: Cut,
) -> BTreeMap<Partition, BatchRange> {
    let lead = ranges.keys().next().copied();
    let mut left = BTreeMap::new();
    for (partition, share) in ranges {
        let first = settled_up_to(*partition, share, start);
        let range = OffsetRange::new(first, share.range.end()).expect("a front is inside of its range");
        let offsets = rows.get(partition).map_or(&[][..], Vec::as_slice);
        if range.is_empty() && Some(*partition) != lead {
            continue;
        }
        left.insert(*partition, share_of(range, offsets, share.left_out));
    }
    left
}

/// How far `partition` is settled when everything before `start` is.
pub(crate) fn settled_up_to(partition: Partition, share: &BatchRange, start: Cut) -> Offset {
    let (first, end) = (share.range.first(), share.range.end());
    match partition.cmp(&start.partition) {
        std::cmp::Ordering::Less => end,
        std::cmp::Ordering::Equal => start.offset.clamp(first, end),
        std::cmp::Ordering::Greater => first,
    }
}

/// The share that has these rows.
pub(crate) fn share_of(range: OffsetRange, offsets: &[Offset], left_out_max: u64) -> BatchRange {
    let rows = offsets.len() as u64;
    let hash = offsets.iter().fold(OffsetsHash::EMPTY, |hash, offset| hash.push(*offset));
    BatchRange { range, rows, hash, left_out: left_out_max.min(range.positions() - rows) }
}

#[cfg(test)]
mod tests;
