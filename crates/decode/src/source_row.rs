//! How the fields of a source schema meet the columns of a table: decided once per schema.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use crate::conversion::Conversion;
use crate::dotted::{GroupFiller, Target};
use crate::error::{DecodeError, DecodeReason};
use crate::json_decoder::{RecordRef, fill, of_column, put_absent, put_mask, put_null};
use crate::plan::{Absent, ColumnPlan, Source, TablePlan, UnknownFields};
use crate::scanner::Scanner;
use crate::seen::Seen;

/// The conversion of a column that a field goes to.
pub(crate) fn conversion_of(column_plan: &ColumnPlan) -> &Conversion {
    match &column_plan.source {
        Source::Field { conversion, .. } => conversion,
        Source::Lineage(_) => unreachable!("lineage columns have no name to be found by"),
    }
}

/// Which columns a schema's fields go to, and which are left.
#[derive(Debug)]
pub(crate) struct Binding {
    /// Per field of the schema: its place in the plan's columns.
    pub(crate) targets: Vec<Option<usize>>,
    /// Fields that stand for a group of columns with dots in their names: field and group.
    groups: Vec<(usize, usize)>,
    /// The columns of those groups.
    grouped: Vec<usize>,
    /// Columns that no field fills.
    absent: Vec<usize>,
    /// A field has no column, and the configuration refuses that.
    refused: bool,
}

/// What filling groups needs; kept from record to record.
#[derive(Debug, Default)]
pub(crate) struct GroupScratch {
    /// Per column of the plan: whether this record had it.
    seen: Seen,
    /// A text without escapes.
    text: Vec<u8>,
}

impl Binding {
    /// Shape: every name once.
    pub(crate) fn new<'a>(plan: &TablePlan, names: impl Iterator<Item = &'a str>) -> Binding {
        let found: Vec<Option<Target>> = names.map(|name| plan.target(name.as_bytes())).collect();
        let column = |target: &Option<Target>| match target {
            Some(Target::Column(place)) => Some(*place),
            Some(Target::Group(_)) | None => None,
        };
        let targets: Vec<Option<usize>> = found.iter().map(column).collect();
        let groups: Vec<(usize, usize)> = found
            .iter()
            .enumerate()
            .filter_map(|(field, target)| match target {
                Some(Target::Group(group)) => Some((field, *group)),
                Some(Target::Column(_)) | None => None,
            })
            // A field whose own name has the dot comes first.
            .filter(|(_, group)| !plan.dotted.columns_of(*group).iter().any(|c| targets.contains(&Some(*c))))
            .collect();
        let grouped: Vec<usize> =
            groups.iter().flat_map(|(_, group)| plan.dotted.columns_of(*group)).copied().collect();
        let absent = (0..plan.columns.len())
            .filter(|index| !targets.contains(&Some(*index)) && !grouped.contains(index))
            .collect();
        let unknown = found.contains(&None);
        let refused = plan.unknown_fields == UnknownFields::Refuse && unknown;
        Binding { targets, groups, grouped, absent, refused }
    }

    /// The group that a field stands for.
    pub(crate) fn group_of(&self, field: usize) -> Option<usize> {
        self.groups.iter().find(|(of, _)| *of == field).map(|(_, group)| *group)
    }

    /// Before the first group of a record.
    #[inline]
    pub(crate) fn begin_groups(&self, plan: &TablePlan, scratch: &mut GroupScratch) {
        if !self.groups.is_empty() {
            scratch.seen.begin(plan.columns.len());
        }
    }

    /// Fills a group's columns from its field's value as JSON. `rows`: whole rows in the segment.
    pub(crate) fn put_group(
        plan: &TablePlan,
        columns: &mut [Column],
        rows: usize,
        group: usize,
        json: &[u8],
        scratch: &mut GroupScratch,
    ) -> Result<(), DecodeError> {
        let GroupScratch { seen, text } = scratch;
        GroupFiller { plan, columns, rows, seen, scratch: text }.put(group, &mut Scanner::new(json), 1)
    }

    /// Behind the last group of a record: what they had nothing for.
    #[inline]
    pub(crate) fn end_groups(
        &self,
        plan: &TablePlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
        scratch: &GroupScratch,
    ) -> Result<(), DecodeError> {
        if self.groups.is_empty() {
            return Ok(());
        }
        for &index in self.grouped.iter().filter(|index| !scratch.seen.has(**index)) {
            let column_plan = &plan.columns[index];
            fill(column_plan, columns, record).map_err(|reason| of_column(column_plan, reason))?;
        }
        plan.dotted.check_lengths(plan, columns)
    }

    /// What does not depend on the record's bytes: unknown fields, absent columns, lineage.
    /// Errors: DECODE-009; what filling a column without a field may say.
    #[inline]
    pub(crate) fn fill_absent(
        &self,
        plan: &TablePlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
    ) -> Result<(), DecodeError> {
        if self.refused {
            return Err(crate::json_decoder::plain(DecodeReason::UnknownField { at: 0 }));
        }
        for &index in &self.absent {
            let column_plan = &plan.columns[index];
            fill(column_plan, columns, record).map_err(|reason| of_column(column_plan, reason))?;
        }
        Ok(())
    }
}

/// Appends what a column gets for a field that is there and null.
pub(crate) fn put_null_field(column_plan: &ColumnPlan, columns: &mut [Column]) -> Result<(), DecodeReason> {
    let Source::Field { null, .. } = &column_plan.source else {
        unreachable!("lineage columns have no name to be found by")
    };
    match null {
        Absent::Refuse => return Err(DecodeReason::UnexpectedNull),
        Absent::Masked => put_absent(column_plan, columns),
        Absent::Null => {
            put_null(&mut columns[column_plan.wire]);
            put_mask(column_plan, columns, 1);
        }
    }
    Ok(())
}

/// Appends what `put` makes of a field that is there and not null.
#[inline]
pub(crate) fn put_given(
    column_plan: &ColumnPlan,
    columns: &mut [Column],
    put: impl FnOnce(&Conversion, &mut Column) -> Result<(), DecodeReason>,
) -> Result<(), DecodeReason> {
    put(conversion_of(column_plan), &mut columns[column_plan.wire])?;
    put_mask(column_plan, columns, 1);
    Ok(())
}

/// Runs `decode` and makes what it pushed a row, or nothing.
#[inline]
pub(crate) fn one_row(
    segment: &mut Segment,
    decode: impl FnOnce(&mut [Column]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let result = decode(segment.columns_mut());
    match result {
        Ok(()) => segment.commit_row(),
        Err(_) => segment.undo_row(),
    }
    result
}

/// The error of a field's value; which column it was meant for is part of it.
#[cold]
pub(crate) fn at_column(column_plan: &ColumnPlan, reason: DecodeReason) -> DecodeError {
    let column = match reason {
        // The bytes are broken, whatever column was next.
        DecodeReason::BrokenBinary { .. } | DecodeReason::TooManyValues => None,
        _ => Some(Arc::clone(&column_plan.name)),
    };
    DecodeError { column, reason }
}
