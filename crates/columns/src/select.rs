//! A new column of some rows of another one: how a refused block is cut into smaller pieces (R11).
//! What comes out is what the same rows, pushed alone, would have made.
use std::ops::Range;

use crate::column::Column;
use crate::nested::{ArrayColumn, MapColumn, NullableColumn};

impl Column {
    /// The rows of all `ranges`, one range after the other.
    /// Shape: every range lies within the column; ranges may touch, repeat or stand in any order.
    /// Panics if one does not.
    pub fn select(&self, ranges: &[Range<usize>]) -> Column {
        match self {
            Column::U8(values) => Column::U8(pick(values, ranges)),
            Column::U16(values) => Column::U16(pick(values, ranges)),
            Column::U32(values) => Column::U32(pick(values, ranges)),
            Column::U64(values) => Column::U64(pick(values, ranges)),
            Column::U128(values) => Column::U128(pick(values, ranges)),
            Column::Uuid(values) => Column::Uuid(pick(values, ranges)),
            Column::I8(values) => Column::I8(pick(values, ranges)),
            Column::I16(values) => Column::I16(pick(values, ranges)),
            Column::I32(values) => Column::I32(pick(values, ranges)),
            Column::I64(values) => Column::I64(pick(values, ranges)),
            Column::I128(values) => Column::I128(pick(values, ranges)),
            Column::F32(values) => Column::F32(pick(values, ranges)),
            Column::F64(values) => Column::F64(pick(values, ranges)),
            Column::Date32(values) => Column::Date32(pick(values, ranges)),
            Column::Enum8 { values, default } => {
                Column::Enum8 { values: pick(values, ranges), default: *default }
            }
            Column::Enum16 { values, default } => {
                Column::Enum16 { values: pick(values, ranges), default: *default }
            }
            Column::Text(text) => Column::Text(text.select(ranges)),
            Column::Json(text) => Column::Json(text.select(ranges)),
            Column::Fixed(fixed) => Column::Fixed(fixed.select(ranges)),
            Column::Low(low) => Column::Low(Box::new(low.select(ranges))),
            Column::Nullable(nullable) => Column::Nullable(Box::new(NullableColumn {
                nulls: pick(&nullable.nulls, ranges),
                values: nullable.values.select(ranges),
            })),
            Column::Array(array) => {
                let (value_ends, inner) = inner_ranges(&array.value_ends, ranges);
                Column::Array(Box::new(ArrayColumn { value_ends, values: array.values.select(&inner) }))
            }
            Column::Map(map) => {
                let (value_ends, inner) = inner_ranges(&map.value_ends, ranges);
                let (keys, values) = (map.keys.select(&inner), map.values.select(&inner));
                Column::Map(Box::new(MapColumn { value_ends, keys, values }))
            }
        }
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
fn inner_ranges(value_ends: &[u64], ranges: &[Range<usize>]) -> (Vec<u64>, Vec<Range<usize>>) {
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
