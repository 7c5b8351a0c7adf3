//! How the fields of a source schema meet the columns of a table: decided once per schema.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason};
use crate::json_decoder::{RecordRef, fill, of_column, put_absent, put_mask, put_null};
use crate::plan::{Absent, ColumnPlan, Source, TablePlan, UnknownFields};

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
    /// Columns that no field fills.
    absent: Vec<usize>,
    /// A field has no column, and the configuration refuses that.
    refused: bool,
}

impl Binding {
    /// Shape: every name once.
    pub(crate) fn new<'a>(plan: &TablePlan, names: impl Iterator<Item = &'a str>) -> Binding {
        let targets: Vec<Option<usize>> =
            names.map(|name| plan.by_name.get(name.as_bytes()).copied()).collect();
        let absent = (0..plan.columns.len()).filter(|index| !targets.contains(&Some(*index))).collect();
        let refused = plan.unknown_fields == UnknownFields::Refuse && targets.contains(&None);
        Binding { targets, absent, refused }
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
