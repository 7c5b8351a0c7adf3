//! Variant columns: per row the number of a member type, and per member its values without gaps.
use std::ops::Range;

use crate::choices::Choices;
use crate::column::Column;

/// Most members that a Variant may have: the server keeps the last two numbers for itself.
pub const VARIANT_MEMBERS_MAX: usize = 254;

/// A Variant column. Members stand in the order in which the server prints them.
#[derive(Debug, Clone)]
pub struct VariantColumn {
    choices: Choices,
    pub(crate) members: Vec<Column>,
}

impl VariantColumn {
    /// `None` for more members than a row's byte can number.
    pub(crate) fn new(members: Vec<Column>) -> Option<VariantColumn> {
        (members.len() <= VARIANT_MEMBERS_MAX)
            .then(|| VariantColumn { choices: Choices::new(members.len()), members })
    }

    /// The members: push one value to one of them, then call [`VariantColumn::value_pushed`].
    #[inline]
    pub fn members(&mut self) -> &mut [Column] {
        &mut self.members
    }

    /// Makes the value pushed last to `member` a row. Panics for a member that is not there.
    #[inline]
    pub fn value_pushed(&mut self, member: usize) {
        self.choices.push(member);
        debug_assert!(self.members[member].len() == self.choices.count(member));
    }

    /// Drops what was pushed to `member` and did not become a row.
    pub fn undo_value(&mut self, member: usize) {
        self.members[member].truncate(self.choices.count(member));
    }

    /// Appends NULL.
    #[inline]
    pub fn push_null(&mut self) {
        self.choices.push_null();
    }

    /// Rows held.
    pub fn len(&self) -> usize {
        self.choices.rows().len()
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn numbers(&self) -> &[u8] {
        self.choices.rows()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.len() + self.members.iter().map(Column::bytes).sum::<usize>()
    }

    pub(crate) fn truncate(&mut self, rows: usize) {
        self.choices.truncate(rows, &mut self.members);
    }

    pub(crate) fn clear(&mut self) {
        self.choices.clear();
        self.members.iter_mut().for_each(Column::clear);
    }

    pub(crate) fn select(&self, ranges: &[Range<usize>]) -> VariantColumn {
        let (choices, members) = self.choices.select(&self.members, ranges);
        VariantColumn { choices, members }
    }
}
