//! Tuple columns: one column per member, side by side. Geo points are pairs of floats.
use std::ops::Range;

use crate::column::Column;
use crate::select::rows_of;

/// A Tuple column. An empty tuple has rows too, so they are counted here.
#[derive(Debug, Clone)]
pub struct TupleColumn {
    pub(crate) members: Vec<Column>,
    pub(crate) rows: usize,
}

impl TupleColumn {
    pub(crate) fn new(members: Vec<Column>) -> TupleColumn {
        TupleColumn { members, rows: 0 }
    }

    /// The members, in the order of the type: push exactly one value to each, then call
    /// [`TupleColumn::row_pushed`].
    #[inline]
    pub fn members(&mut self) -> &mut [Column] {
        &mut self.members
    }

    /// Makes the values pushed to the members one row. Panics if a member has none or several.
    #[inline]
    pub fn row_pushed(&mut self) {
        self.rows_pushed(1);
    }

    /// Makes the `rows` values pushed to each member that many rows. Panics if the members have more
    /// or fewer.
    #[inline]
    pub fn rows_pushed(&mut self, rows: usize) {
        self.rows += rows;
        assert!(
            self.members.iter().all(|member| member.len() == self.rows),
            "every member has a value for each row"
        );
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn push_default(&mut self) {
        self.members.iter_mut().for_each(Column::push_default);
        self.row_pushed();
    }

    pub(crate) fn push_under_null(&mut self) {
        self.members.iter_mut().for_each(Column::push_under_null);
        self.row_pushed();
    }

    pub(crate) fn bytes(&self) -> usize {
        self.members.iter().map(Column::bytes).sum()
    }

    /// Members may hold more than the rows: what a half-decoded record left goes too.
    pub(crate) fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.members.iter_mut().for_each(|member| member.truncate(self.rows));
    }

    pub(crate) fn clear(&mut self) {
        self.rows = 0;
        self.members.iter_mut().for_each(Column::clear);
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> TupleColumn {
        let members = self.members.iter().map(|member| member.select(ranges)).collect();
        TupleColumn { members, rows: rows_of(ranges) }
    }
}
