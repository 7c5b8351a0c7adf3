//! Offsets that belong together, as ranges of consecutive ones: the first few are kept, the rest is counted,
//! so that a table that lost everything needs no more memory than one that lost nothing.
use pumphouse_types::{Offset, OffsetRange};
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Ranges that a report shows of one kind in one partition; a person reads no more.
pub const RANGES_SHOWN_MAX: usize = 20;

/// Ascending offsets as ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RangeList {
    shown: Vec<OffsetRange>,
    ranges: u64,
    offsets: u64,
    end: Option<Offset>,
}

impl RangeList {
    /// Adds one offset. Panics: it is not behind all that were added before.
    pub fn push(&mut self, offset: Offset) {
        let range = OffsetRange::new(offset, offset.next()).expect("one position");
        self.push_range(range);
    }

    /// Adds a range of offsets. Panics: it does not lie behind all that was added before.
    pub fn push_range(&mut self, range: OffsetRange) {
        if range.is_empty() {
            return;
        }
        assert!(self.end.is_none_or(|end| end <= range.first()), "{range} comes behind {:?}", self.end);
        self.offsets += range.positions();
        let continues = self.end == Some(range.first());
        self.end = Some(range.end());
        if !continues {
            self.ranges += 1;
            if self.shown.len() < RANGES_SHOWN_MAX {
                self.shown.push(range);
            }
        } else if self.ranges <= self.shown.len() as u64 {
            // The last range is one of those that are kept.
            let last = self.shown.last_mut().expect("something was continued");
            *last = OffsetRange::new(last.first(), range.end()).expect("it grows");
        }
    }

    /// The ranges that are kept, ascending.
    pub fn shown(&self) -> &[OffsetRange] {
        &self.shown
    }

    /// Ranges that were counted only.
    pub fn ranges_left_out(&self) -> u64 {
        self.ranges - self.shown.len() as u64
    }

    /// Offsets in all ranges.
    pub fn offsets(&self) -> u64 {
        self.offsets
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.offsets == 0
    }
}

impl Serialize for RangeList {
    /// `{"offsets": 3, "ranges": [[17, 19], [25, 26]], "ranges_left_out": 0}`; ends are exclusive.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown: Vec<[i64; 2]> =
            self.shown.iter().map(|range| [range.first().get(), range.end().get()]).collect();
        let mut fields = serializer.serialize_struct("RangeList", 3)?;
        fields.serialize_field("offsets", &self.offsets)?;
        fields.serialize_field("ranges", &shown)?;
        fields.serialize_field("ranges_left_out", &self.ranges_left_out())?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn list(offsets: impl IntoIterator<Item = i64>) -> RangeList {
        let mut list = RangeList::default();
        offsets.into_iter().for_each(|offset| list.push(at(offset)));
        list
    }

    #[test]
    fn consecutive_offsets_are_one_range_across_what_is_kept_and_what_is_counted() {
        // 30 ranges of two offsets each; the last one grows by a third.
        let found = list((0..30).flat_map(|n| [n * 10, n * 10 + 1]).chain([292]));
        assert_eq!(found.shown().len(), RANGES_SHOWN_MAX);
        assert_eq!(found.shown()[19], OffsetRange::new(at(190), at(192)).unwrap());
        assert_eq!((found.ranges_left_out(), found.offsets()), (10, 61));
    }

    #[test]
    fn json_has_exclusive_ends() {
        let json = serde_json::to_string(&list([17, 18, 25])).unwrap();
        assert_eq!(json, r#"{"offsets":3,"ranges":[[17,19],[25,26]],"ranges_left_out":0}"#);
    }

    proptest! {
        #[test]
        fn every_offset_is_in_exactly_the_ranges_shown(set in prop::collection::btree_set(0..60_i64, 0..30)) {
            let found = list(set.iter().copied());
            prop_assert_eq!(found.offsets(), set.len() as u64);
            let naive = set.iter().filter(|&&offset| !set.contains(&(offset - 1))).count();
            prop_assert_eq!(found.shown().len() as u64 + found.ranges_left_out(), naive as u64);
            if found.ranges_left_out() == 0 {
                for offset in 0..60 {
                    let inside = found.shown().iter().any(|range| range.contains(at(offset)));
                    prop_assert_eq!(inside, set.contains(&offset));
                }
            }
        }
    }
}
