//! One text into one row.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use super::cell::{CellKind, put_cell};
use super::csv::Csv;
use super::tsv::Tsv;
use crate::error::{DecodeError, DecodeReason};
use crate::json_decoder::{RecordRef, fill, of_column, plain, put_mask};
use crate::plan::{Absent, ColumnPlan, Source, TablePlan};
use crate::source_row::{conversion_of, one_row, put_given, put_null_field};

/// A text buffer larger than this is given back after the record that needed it.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimited {
    /// `CSV`, commas between.
    Csv,
    /// `TabSeparated`.
    Tsv,
}

/// What stands in a place of a text.
pub(super) enum Found<'a> {
    /// `\N`.
    Null,
    /// Nothing, without quotes.
    Empty,
    Text(&'a [u8]),
}

/// Buffers that are kept from record to record.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// A field without quotes and escapes.
    pub(super) text: Vec<u8>,
    /// A list or map as JSON.
    pub(super) json: Vec<u8>,
    /// Texts of it without escapes.
    pub(super) unescaped: Vec<u8>,
}

/// A text being taken apart.
pub(super) trait Fields<'a> {
    /// Takes a field; what stands behind it was taken before.
    fn field<'s>(&mut self, text: &'s mut Vec<u8>) -> Result<Found<'s>, DecodeReason>
    where
        'a: 's;

    /// Takes the mark between two fields; `false` at the row's end.
    fn another(&mut self) -> bool;

    /// Takes the row's end. Errors: DECODE-040 where more follows, DECODE-038.
    fn end(&mut self) -> Result<(), DecodeReason>;
}

/// Writes texts into segments of one plan. Single-threaded.
#[derive(Debug)]
pub struct DelimitedDecoder {
    plan: Arc<TablePlan>,
    format: Delimited,
    /// Per column of the plan; lineage columns have none, and no place in the text.
    cells: Vec<Option<CellKind>>,
    scratch: Scratch,
}

impl DelimitedDecoder {
    /// A decoder for a plan.
    pub fn new(plan: Arc<TablePlan>, format: Delimited) -> DelimitedDecoder {
        let cell = |column: &ColumnPlan| match &column.source {
            Source::Field { conversion, .. } => Some(CellKind::of(conversion)),
            Source::Lineage(_) => None,
        };
        let cells = plan.columns.iter().map(cell).collect();
        DelimitedDecoder { plan, format, cells, scratch: Scratch::default() }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Appends one row to `segment`, which the plan made.
    /// Errors: [`DecodeError`]; the segment is then as it was before.
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), DecodeError> {
        let value = record.value.ok_or_else(|| plain(DecodeReason::NotAnObject { found: None }))?;
        if let Err(error) = std::str::from_utf8(value) {
            return Err(plain(DecodeReason::InvalidUtf8 { at: error.valid_up_to() }));
        }
        let DelimitedDecoder { plan, format, cells, scratch } = self;
        let result = one_row(segment, |columns| match format {
            Delimited::Csv => put_row(plan, cells, columns, &record, &mut Csv::new(value), scratch),
            Delimited::Tsv => put_row(plan, cells, columns, &record, &mut Tsv::new(value), scratch),
        });
        if scratch.text.capacity() > SCRATCH_BYTES_MAX || scratch.json.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        result
    }
}

fn put_row<'a>(
    plan: &TablePlan,
    cells: &[Option<CellKind>],
    columns: &mut [Column],
    record: &RecordRef<'_>,
    fields: &mut impl Fields<'a>,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let wanted = cells.iter().flatten().count();
    let mut found = 0;
    for (column_plan, cell) in plan.columns.iter().zip(cells) {
        let Some(cell) = cell else {
            fill(column_plan, columns, record).map_err(|reason| of_column(column_plan, reason))?;
            continue;
        };
        if found > 0 && !fields.another() {
            return Err(plain(DecodeReason::WrongFieldCount { found, wanted }));
        }
        found += 1;
        put_field(*cell, column_plan, columns, record, fields, scratch)?;
    }
    if fields.another() {
        return Err(plain(DecodeReason::WrongFieldCount { found: found + 1, wanted }));
    }
    fields.end().map_err(plain)?;
    plan.dotted.check_lengths(plan, columns)
}

fn put_field<'a>(
    cell: CellKind,
    column_plan: &ColumnPlan,
    columns: &mut [Column],
    record: &RecordRef<'_>,
    fields: &mut impl Fields<'a>,
    scratch: &mut Scratch,
) -> Result<(), DecodeError> {
    let mut text = std::mem::take(&mut scratch.text);
    let result = match fields.field(&mut text) {
        Err(reason) => Err(plain(reason)),
        Ok(found) => match found {
            Found::Null => put_null_field(column_plan, columns),
            Found::Empty => put_empty(column_plan, columns, record),
            Found::Text(text) => put_given(column_plan, columns, |conversion, column| {
                put_cell(cell, conversion, column, text, scratch)
            }),
        }
        .map_err(|reason| of_column(column_plan, reason)),
    };
    scratch.text = text;
    result
}

/// Nothing stands there: the DEFAULT, NULL, or else what the type has for nothing, as with the server's
/// `input_format_csv_empty_as_default`.
fn put_empty(
    column_plan: &ColumnPlan,
    columns: &mut [Column],
    record: &RecordRef<'_>,
) -> Result<(), DecodeReason> {
    match &column_plan.source {
        Source::Field { missing: Absent::Refuse, .. } => {
            debug_assert!(!matches!(conversion_of(column_plan), crate::conversion::Conversion::Nullable(_)));
            columns[column_plan.wire].push_default();
            put_mask(column_plan, columns, 1);
            Ok(())
        }
        _ => fill(column_plan, columns, record),
    }
}
