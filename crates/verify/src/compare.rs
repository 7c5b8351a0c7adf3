//! The comparison itself: which offsets the source has, which the rows, which the dead letters; which of
//! them are missing, doubled, foreign. Sorted lists in, differences out; one walk over the three, no server.
use pumphouse_clickhouse::RowCopies;
use pumphouse_types::Offset;

use crate::ranges::RangeList;

/// What was seen of the same positions of one partition.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Offsets of the committed records that the source has; strictly ascending.
    pub records: &'a [Offset],
    /// Offsets that rows have; strictly ascending.
    pub rows: &'a [RowCopies],
    /// Offsets that dead letters stand for; ascending, one that has two dead letters stands here twice.
    pub dead_letters: &'a [Offset],
}

/// What a row is whose record the source does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsourced {
    /// Nothing that was ever committed: the source removes nothing here.
    Foreign,
    /// Older than the source: retention or compaction may have removed its record.
    Older,
}

/// What was found in one partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Differences {
    /// Committed records that are neither in the table nor among the dead letters.
    pub missing: RangeList,
    /// Offsets with more than one row, more than one dead letter, or both.
    pub doubled: RangeList,
    /// Rows and dead letters of the doubled offsets, beyond one each.
    pub doubled_surplus: u64,
    /// Rows of positions that no committed record has.
    pub foreign: RangeList,
    /// Committed records of the source that were compared.
    pub records: u64,
    /// Rows that were compared, copies included.
    pub rows: u64,
    /// Dead letters of the records that were compared.
    pub dead_letters: u64,
    /// Rows whose record the source no longer has.
    pub rows_older_than_source: u64,
}

impl Differences {
    /// Whether everything is there once, and nothing else.
    pub fn is_none(&self) -> bool {
        self.missing.is_empty() && self.doubled.is_empty() && self.foreign.is_empty()
    }

    fn doubled(&mut self, offset: Offset, copies: u64) {
        self.doubled.push(offset);
        self.doubled_surplus += copies - 1;
    }
}

/// Compares and adds to `found`. Calls for one partition come in ascending order of their positions.
/// Time: one step per element of the lists.
pub fn compare(seen: Seen<'_>, unsourced: Unsourced, found: &mut Differences) {
    let (mut records, mut rows, mut dead) = (seen.records, seen.rows, seen.dead_letters);
    loop {
        let heads = [records.first().copied(), rows.first().map(|row| row.offset), dead.first().copied()];
        let Some(offset) = heads.into_iter().flatten().min() else { return };
        let sourced = records.first() == Some(&offset);
        if sourced {
            records = &records[1..];
        }
        let mut copies = 0;
        if let Some(row) = rows.first().filter(|row| row.offset == offset) {
            copies = u64::from(row.copies);
            rows = &rows[1..];
        }
        let letters = dead.iter().take_while(|&&letter| letter == offset).count();
        dead = &dead[letters..];
        judge(offset, sourced, copies, letters as u64, unsourced, found);
    }
}

fn judge(
    offset: Offset,
    sourced: bool,
    rows: u64,
    letters: u64,
    unsourced: Unsourced,
    found: &mut Differences,
) {
    found.rows += rows;
    if sourced {
        found.records += 1;
        found.dead_letters += letters;
        match rows + letters {
            0 => found.missing.push(offset),
            1 => {}
            copies => found.doubled(offset, copies),
        }
        return;
    }
    // A dead letter that is older than its record is nobody's concern.
    match (unsourced, rows) {
        (_, 0) => {}
        (Unsourced::Foreign, _) => found.foreign.push(offset),
        (Unsourced::Older, copies) => {
            found.rows_older_than_source += copies;
            if copies > 1 {
                found.doubled(offset, copies);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    /// Every element is looked up in sets; nothing is walked.
    fn naive(
        records: &BTreeSet<i64>,
        rows: &BTreeMap<i64, u32>,
        dead: &BTreeMap<i64, usize>,
        unsourced: Unsourced,
    ) -> Differences {
        let mut found = Differences::default();
        for offset in 0..40 {
            let copies = u64::from(rows.get(&offset).copied().unwrap_or(0));
            let letters = dead.get(&offset).copied().unwrap_or(0) as u64;
            let is_record = records.contains(&offset);
            let older = !is_record && unsourced == Unsourced::Older;
            found.rows += copies;
            found.records += u64::from(is_record);
            found.dead_letters += if is_record { letters } else { 0 };
            found.rows_older_than_source += if older { copies } else { 0 };
            if is_record && copies + letters == 0 {
                found.missing.push(at(offset));
            }
            let twice = (is_record && copies + letters > 1) || (older && copies > 1);
            if twice {
                found.doubled.push(at(offset));
                found.doubled_surplus += if is_record { copies + letters } else { copies } - 1;
            }
            if !is_record && !older && copies > 0 {
                found.foreign.push(at(offset));
            }
        }
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_walk_finds_what_the_sets_find(
            records in prop::collection::btree_set(0..40_i64, 0..40),
            rows in prop::collection::btree_map(0..40_i64, 1..4_u32, 0..40),
            dead in prop::collection::btree_map(0..40_i64, 1..3_usize, 0..10),
            older in any::<bool>(),
            cut in 0..41_i64,
        ) {
            let unsourced = if older { Unsourced::Older } else { Unsourced::Foreign };
            let mut found = Differences::default();
            // In two slices, as a long partition is compared.
            for within in [0..cut, cut..40] {
                let records: Vec<Offset> = records.iter().filter(|o| within.contains(o)).map(|&o| at(o)).collect();
                let rows: Vec<RowCopies> = rows.iter().filter(|(o, _)| within.contains(o))
                    .map(|(&o, &copies)| RowCopies { offset: at(o), copies }).collect();
                let dead_letters: Vec<Offset> = dead.iter().filter(|(o, _)| within.contains(o))
                    .flat_map(|(&o, &letters)| vec![at(o); letters]).collect();
                let seen = Seen { records: &records, rows: &rows, dead_letters: &dead_letters };
                compare(seen, unsourced, &mut found);
            }
            prop_assert_eq!(found, naive(&records, &rows, &dead, unsourced));
        }
    }

    #[test]
    fn each_kind_has_its_ranges() {
        let rows = [(0, 1), (1, 2), (2, 1), (7, 1), (8, 1)];
        let rows = rows.map(|(offset, copies)| RowCopies { offset: at(offset), copies });
        let records = [0, 1, 2, 3, 4, 6].map(at);
        let mut found = Differences::default();
        let seen = Seen { records: &records, rows: &rows, dead_letters: &[at(2), at(4)] };
        compare(seen, Unsourced::Foreign, &mut found);
        let texts = |list: &RangeList| list.shown().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts(&found.missing), ["3..4", "6..7"]);
        assert_eq!(texts(&found.doubled), ["1..3"]);
        assert_eq!(texts(&found.foreign), ["7..9"]);
        assert_eq!((found.doubled_surplus, found.dead_letters), (2, 2));
    }
}
