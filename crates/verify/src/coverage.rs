//! Which positions a set of reported ranges covers: the gaps between them, and where they overlap. For
//! tables without lineage columns, where only the inserts' own reports are known.
use std::collections::BTreeMap;

use pumphouse_types::{Offset, OffsetRange};

use crate::ranges::RangeList;

/// A range that an insert has reported as its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoveringRange<'a> {
    /// The positions.
    pub range: OffsetRange,
    /// The batch. Ranges of one batch may overlap: its pieces carry the whole batch's ranges (PROTOCOL R11).
    pub batch: &'a str,
    /// Inserts of this batch and token that wrote parts; more than one is an overlap by itself.
    pub written: u64,
}

/// What the ranges make of the positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Positions that no range covers, ascending.
    pub gaps: Vec<OffsetRange>,
    /// Positions that were written more than once.
    pub overlaps: RangeList,
}

/// What `ranges`, in any order, cover of `within`.
/// Time: sorts the ranges' ends; memory: two of them per range.
pub fn cover(within: OffsetRange, ranges: &[CoveringRange<'_>]) -> Coverage {
    let mut edges: Vec<(Offset, bool, &CoveringRange<'_>)> = Vec::with_capacity(2 * ranges.len());
    for covering in ranges {
        let first = covering.range.first().max(within.first());
        let end = covering.range.end().min(within.end());
        if first < end {
            edges.push((first, true, covering));
            edges.push((end, false, covering));
        }
    }
    edges.sort_unstable_by_key(|(at, begins, _)| (*at, *begins));
    let mut coverage = Coverage::default();
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    let mut open_twice = 0_u64;
    let mut from = within.first();
    for (at, begins, covering) in edges {
        coverage.add(from, at, open.len(), open_twice);
        from = at;
        let twice = u64::from(covering.written > 1);
        if begins {
            *open.entry(covering.batch).or_default() += 1;
            open_twice += twice;
        } else {
            let count = open.get_mut(covering.batch).expect("what ends has begun");
            *count -= 1;
            if *count == 0 {
                open.remove(covering.batch);
            }
            open_twice -= twice;
        }
    }
    coverage.add(from, within.end(), 0, 0);
    coverage
}

impl Coverage {
    fn add(&mut self, first: Offset, end: Offset, batches: usize, twice: u64) {
        let range = OffsetRange::new(first, end).expect("edges ascend");
        if range.is_empty() {
            return;
        }
        if batches > 1 || twice > 0 {
            self.overlaps.push_range(range);
        }
        if batches == 0 {
            match self.gaps.last_mut().filter(|gap| gap.end() == first) {
                Some(gap) => *gap = OffsetRange::new(gap.first(), end).expect("it grows"),
                None => self.gaps.push(range),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn range(first: i64, end: i64) -> OffsetRange {
        OffsetRange::new(at(first), at(end)).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn the_sweep_finds_what_each_position_says(
            given in prop::collection::vec((0..30_i64, 0..8_i64, 0..4_usize, 1..3_u64), 0..12),
            first in 0..10_i64,
            positions in 0..25_i64,
        ) {
            let batches = ["a", "b", "c", "d"];
            let within = range(first, first + positions);
            let ranges: Vec<CoveringRange<'_>> = given.iter()
                .map(|&(first, positions, batch, written)| CoveringRange {
                    range: range(first, first + positions), batch: batches[batch], written,
                })
                .collect();
            let found = cover(within, &ranges);
            let mut overlaps = RangeList::default();
            for offset in first..first + positions {
                let here: Vec<_> = ranges.iter().filter(|covering| covering.range.contains(at(offset))).collect();
                let by: BTreeSet<&str> = here.iter().map(|covering| covering.batch).collect();
                if by.len() > 1 || here.iter().any(|covering| covering.written > 1) {
                    overlaps.push(at(offset));
                }
                let in_gap = found.gaps.iter().any(|gap| gap.contains(at(offset)));
                prop_assert_eq!(in_gap, here.is_empty(), "{}", offset);
            }
            prop_assert_eq!(found.overlaps, overlaps);
        }
    }
}
