//! A new column of some rows of another one: how a refused block is cut into smaller pieces (R11).
//! What comes out is what the same rows, pushed alone, would have made.
use std::ops::Range;

use crate::column::Column;

impl Column {
    /// The rows of all `ranges`, one range after the other.
    /// Shape: every range lies within the column; ranges may touch, repeat or stand in any order.
    /// Panics if one does not.
    pub fn select(&self, ranges: &[Range<usize>]) -> Column {
        /// The same kind of column of the picked rows.
        macro_rules! picked {
            (plain: $($plain:ident)*; compound: $($compound:ident)*; boxed: $($boxed:ident)*) => {
                match self {
                    $(Column::$plain(values) => Column::$plain(pick(values, ranges)),)*
                    $(Column::$compound(inner) => Column::$compound(inner.select(ranges)),)*
                    $(Column::$boxed(inner) => Column::$boxed(Box::new(inner.select(ranges))),)*
                    Column::Enum8 { values, default } => {
                        Column::Enum8 { values: pick(values, ranges), default: *default }
                    }
                    Column::Enum16 { values, default } => {
                        Column::Enum16 { values: pick(values, ranges), default: *default }
                    }
                }
            };
        }
        picked!(
            plain: U8 U16 U32 U64 U128 Uuid Ipv6 I8 I16 I32 I64 I128 Wide F32 F64 Date32;
            compound: Text Json Fixed;
            boxed: Low Nullable Array Map Tuple Variant Dynamic
        )
    }
}

/// Rows in all ranges together.
pub(crate) fn rows_of(ranges: &[Range<usize>]) -> usize {
    ranges.iter().map(ExactSizeIterator::len).sum()
}

pub(crate) fn pick<T: Copy>(values: &[T], ranges: &[Range<usize>]) -> Vec<T> {
    let mut picked = Vec::with_capacity(rows_of(ranges));
    for range in ranges {
        picked.extend_from_slice(&values[range.clone()]);
    }
    picked
}

/// The running totals of the picked rows, and where their values stand.
pub(crate) fn inner_ranges(value_ends: &[u64], ranges: &[Range<usize>]) -> (Vec<u64>, Vec<Range<usize>>) {
    let start_of = |row: usize| if row == 0 { 0 } else { value_ends[row - 1] };
    let mut picked_ends = Vec::with_capacity(rows_of(ranges));
    let mut inner = Vec::with_capacity(ranges.len());
    let mut total = 0;
    for range in ranges {
        let (start, end) = (start_of(range.start), start_of(range.end));
        picked_ends.extend(value_ends[range.clone()].iter().map(|value_end| total + value_end - start));
        total += end - start;
        inner.push(start as usize..end as usize);
    }
    (picked_ends, inner)
}
