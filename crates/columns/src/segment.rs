//! The rows of one topic partition on their way into a block.
use std::ops::Range;

use crate::column::{Column, UnsupportedType};
use crate::data_type::DataType;

/// The columns of one table for the rows of one topic partition, in offset order.
/// Shape: between records every column has the same number of rows.
#[derive(Debug, Clone)]
pub struct Segment {
    columns: Vec<Column>,
    rows: usize,
    most_bytes: usize,
}

impl Segment {
    /// An empty segment for a block's columns.
    pub fn new(wire_types: &[DataType]) -> Result<Segment, UnsupportedType> {
        let columns = wire_types.iter().map(Column::new).collect::<Result<_, _>>()?;
        Ok(Segment { columns, rows: 0, most_bytes: 0 })
    }

    /// Whole rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in block order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns to push one row to; then [`Segment::commit_row`] or [`Segment::undo_row`].
    #[inline]
    pub fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Makes what was pushed since the last whole row a row.
    /// Panics in debug builds if the columns differ in length.
    #[inline]
    pub fn commit_row(&mut self) {
        self.rows += 1;
        debug_assert!(self.columns.iter().all(|column| column.len() == self.rows));
    }

    /// Drops what was pushed since the last whole row.
    pub fn undo_row(&mut self) {
        for column in &mut self.columns {
            column.truncate(self.rows);
        }
    }

    /// Drops all rows from `rows` on.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.undo_row();
    }

    /// Drops all rows and keeps the memory.
    pub fn clear(&mut self) {
        self.most_bytes = self.most_bytes.max(self.bytes());
        self.rows = 0;
        self.columns.iter_mut().for_each(Column::clear);
    }

    /// A new segment with the rows of all `ranges`, one range after the other. It encodes to the very
    /// bytes that a segment encodes to into which only these rows were pushed.
    /// Shape: every range lies within the rows; panics if one does not.
    pub fn select(&self, ranges: &[Range<usize>]) -> Segment {
        let columns = self.columns.iter().map(|column| column.select(ranges)).collect();
        Segment { columns, rows: ranges.iter().map(ExactSizeIterator::len).sum(), most_bytes: 0 }
    }

    /// The most bytes that it held before it was cleared: about the memory that it keeps.
    pub fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Memory of the data held; costs a few nanoseconds per column.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }
}
