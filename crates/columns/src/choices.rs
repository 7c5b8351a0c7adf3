//! Which member each row of a Variant or Dynamic column belongs to.
use std::ops::Range;

use crate::column::Column;
use crate::select::pick;

/// Stands where a row is NULL.
pub(crate) const NULL_MEMBER: u8 = u8::MAX;

/// A member's number per row, and the rows of each member: so that dropping the last rows costs
/// those rows only.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choices {
    rows: Vec<u8>,
    counts: Vec<usize>,
}

impl Choices {
    pub(crate) fn new(members: usize) -> Choices {
        Choices { rows: Vec::new(), counts: vec![0; members] }
    }

    /// Another member can be chosen from now on.
    pub(crate) fn add_member(&mut self) {
        self.counts.push(0);
    }

    #[inline]
    pub(crate) fn push(&mut self, member: usize) {
        self.counts[member] += 1;
        self.rows.push(member as u8);
    }

    #[inline]
    pub(crate) fn push_null(&mut self) {
        self.rows.push(NULL_MEMBER);
    }

    pub(crate) fn rows(&self) -> &[u8] {
        &self.rows
    }

    /// Rows of one member.
    pub(crate) fn count(&self, member: usize) -> usize {
        self.counts[member]
    }

    /// Keeps the first `rows` and makes the members as long as what is left of them.
    pub(crate) fn truncate(&mut self, rows: usize, members: &mut [Column]) {
        for &row in self.rows.get(rows..).unwrap_or_default() {
            if row != NULL_MEMBER {
                self.counts[usize::from(row)] -= 1;
            }
        }
        self.rows.truncate(rows);
        for (member, &count) in members.iter_mut().zip(&self.counts) {
            member.truncate(count);
        }
    }

    /// No rows; the members stay.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.counts.fill(0);
    }

    /// The picked rows, and the members' values that they stand for.
    pub(crate) fn select(&self, members: &[Column], ranges: &[Range<usize>]) -> (Choices, Vec<Column>) {
        let mut next = vec![0usize; members.len()];
        // Where each row's value stands in its member.
        let places: Vec<usize> = self
            .rows
            .iter()
            .map(|&row| match next.get_mut(usize::from(row)) {
                Some(next) => std::mem::replace(next, *next + 1),
                None => 0,
            })
            .collect();
        let mut picked: Vec<Vec<Range<usize>>> = vec![Vec::new(); members.len()];
        let mut choices = Choices { rows: pick(&self.rows, ranges), counts: vec![0; members.len()] };
        for row in ranges.iter().cloned().flatten() {
            let Some(picked) = picked.get_mut(usize::from(self.rows[row])) else { continue };
            choices.counts[usize::from(self.rows[row])] += 1;
            match picked.last_mut() {
                Some(last) if last.end == places[row] => last.end += 1,
                _ => picked.push(places[row]..places[row] + 1),
            }
        }
        (choices, members.iter().zip(&picked).map(|(member, ranges)| member.select(ranges)).collect())
    }
}
