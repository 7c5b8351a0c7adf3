//! Columns around other columns: Nullable, Array, Map.
use std::ops::Range;

use crate::column::Column;
use crate::select::{inner_ranges, pick};

/// A Nullable column: one byte per row (1 = NULL), and a value for every row.
#[derive(Debug, Clone)]
pub struct NullableColumn {
    pub(crate) nulls: Vec<u8>,
    pub(crate) values: Column,
}

impl NullableColumn {
    pub(crate) fn new(values: Column) -> NullableColumn {
        NullableColumn { nulls: Vec::new(), values }
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.values.push_under_null();
        self.nulls.push(1);
    }

    /// The values, to push exactly one to; then call [`NullableColumn::value_pushed`].
    #[inline]
    pub fn values(&mut self) -> &mut Column {
        &mut self.values
    }

    /// [`NullableColumn::values`], and what to tell of the value pushed to them: for who holds on to both.
    #[inline]
    pub fn parts(&mut self) -> (&mut Column, GivenValues<'_>) {
        (&mut self.values, GivenValues(&mut self.nulls))
    }

    /// Makes the value pushed last a row that is not NULL.
    #[inline]
    pub fn value_pushed(&mut self) {
        self.nulls.push(0);
        debug_assert!(self.nulls.len() == self.values.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.nulls.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.nulls.len() + self.values.bytes()
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.nulls.truncate(rows);
        self.values.truncate(self.nulls.len());
    }

    pub(crate) fn clear(&mut self) {
        self.nulls.clear();
        self.values.clear();
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> NullableColumn {
        NullableColumn { nulls: pick(&self.nulls, ranges), values: self.values.select(ranges) }
    }
}

/// Takes down which rows of a Nullable column are not NULL.
#[derive(Debug)]
pub struct GivenValues<'a>(&'a mut Vec<u8>);

impl GivenValues<'_> {
    /// As [`NullableColumn::value_pushed`].
    #[inline]
    pub fn value_pushed(self) {
        self.0.push(0);
    }
}

/// An Array column: running totals of the rows' lengths, and all values in one column.
#[derive(Debug, Clone)]
pub struct ArrayColumn {
    pub(crate) value_ends: Vec<u64>,
    pub(crate) values: Column,
}

impl ArrayColumn {
    pub(crate) fn new(values: Column) -> ArrayColumn {
        ArrayColumn { value_ends: Vec::new(), values }
    }

    /// The flat values: push those of one row, then call [`ArrayColumn::row_pushed`].
    #[inline]
    pub fn values(&mut self) -> &mut Column {
        &mut self.values
    }

    /// Makes all values pushed since the last row one row.
    #[inline]
    pub fn row_pushed(&mut self) {
        self.value_ends.push(self.values.len() as u64);
    }

    /// Drops the values pushed since the last row.
    pub fn undo_values(&mut self) {
        self.truncate(self.value_ends.len());
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.value_ends.truncate(rows);
        self.values.truncate(self.value_ends.last().map_or(0, |&end| end as usize));
    }

    pub(crate) fn len(&self) -> usize {
        self.value_ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.value_ends.as_slice()) + self.values.bytes()
    }

    pub(crate) fn clear(&mut self) {
        self.value_ends.clear();
        self.values.clear();
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> ArrayColumn {
        let (value_ends, inner) = inner_ranges(&self.value_ends, ranges);
        ArrayColumn { value_ends, values: self.values.select(&inner) }
    }

    fn whole_values(&self) -> u64 {
        self.value_ends.last().copied().unwrap_or(0)
    }

    /// Values pushed since the last row.
    pub fn open_values(&self) -> u64 {
        self.values.len() as u64 - self.whole_values()
    }

    /// Drops all but the first `count` of the values pushed since the last row.
    pub fn keep_open_values(&mut self, count: u64) {
        self.values.truncate((self.whole_values() + count) as usize);
    }

    /// Values of the last row; 0 without rows.
    pub fn last_row_len(&self) -> u64 {
        match self.value_ends.as_slice() {
            [.., before, last] => last - before,
            [only] => *only,
            [] => 0,
        }
    }
}

/// A Map column: as an array of pairs, keys and values in a column each.
#[derive(Debug, Clone)]
pub struct MapColumn {
    pub(crate) value_ends: Vec<u64>,
    pub(crate) keys: Column,
    pub(crate) values: Column,
}

impl MapColumn {
    pub(crate) fn new(keys: Column, values: Column) -> MapColumn {
        MapColumn { value_ends: Vec::new(), keys, values }
    }

    /// The flat keys; every key pushed gets one value in [`MapColumn::values`].
    #[inline]
    pub fn keys(&mut self) -> &mut Column {
        &mut self.keys
    }

    /// The flat values.
    #[inline]
    pub fn values(&mut self) -> &mut Column {
        &mut self.values
    }

    /// Makes all pairs pushed since the last row one row.
    #[inline]
    pub fn row_pushed(&mut self) {
        assert!(self.keys.len() == self.values.len(), "every key has one value");
        self.value_ends.push(self.keys.len() as u64);
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.value_ends.truncate(rows);
        let pairs = self.value_ends.last().map_or(0, |&end| end as usize);
        self.keys.truncate(pairs);
        self.values.truncate(pairs);
    }

    pub(crate) fn len(&self) -> usize {
        self.value_ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.value_ends.as_slice()) + self.keys.bytes() + self.values.bytes()
    }

    pub(crate) fn clear(&mut self) {
        self.value_ends.clear();
        self.keys.clear();
        self.values.clear();
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> MapColumn {
        let (value_ends, inner) = inner_ranges(&self.value_ends, ranges);
        MapColumn { value_ends, keys: self.keys.select(&inner), values: self.values.select(&inner) }
    }
}
