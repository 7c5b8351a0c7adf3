//! One text into one row.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use super::cell::{CellKind, put_cell};
use super::csv::Csv;
use super::tsv::Tsv;
use crate::conversion::Conversion;
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
    /// Takes a field; what stands before it was taken. `literal`: it is a list, map or tuple, which has
    /// escapes of its own.
    fn field<'s>(&mut self, text: &'s mut Vec<u8>, literal: bool) -> Result<Found<'s>, DecodeReason>
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
            Source::Field { conversion, .. } => Some(CellKind::of_column(conversion, format)),
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
    let fields_of = |plan: &ColumnPlan, cell: &CellKind| match cell {
        CellKind::Members => members(conversion_of(plan)),
        _ => 1,
    };
    let columns_of_text =
        plan.columns.iter().zip(cells).filter_map(|(column, cell)| Some((column, cell.as_ref()?)));
    let wanted = columns_of_text.map(|(column, cell)| fields_of(column, cell)).sum();
    let mut row = Row { fields, scratch, found: 0, wanted };
    for (column_plan, cell) in plan.columns.iter().zip(cells) {
        match cell {
            None => fill(column_plan, columns, record).map_err(|reason| of_column(column_plan, reason))?,
            Some(CellKind::Members) => {
                put_given(column_plan, columns, |conversion, column| row.put_members(conversion, column))
                    .map_err(|reason| of_column(column_plan, reason))?
            }
            Some(cell) => row.put_field(*cell, column_plan, columns, record)?,
        }
    }
    if row.fields.another() {
        return Err(plain(DecodeReason::WrongFieldCount { found: wanted + 1, wanted }));
    }
    row.fields.end().map_err(plain)?;
    plan.dotted.check_lengths(plan, columns)
}

/// How many fields a tuple has, those of the tuples in it counted.
fn members(conversion: &Conversion) -> usize {
    match conversion {
        Conversion::Tuple(tuple) => tuple.conversions().iter().map(members).sum(),
        _ => 1,
    }
}

/// A row being read.
struct Row<'r, F> {
    fields: &'r mut F,
    scratch: &'r mut Scratch,
    found: usize,
    wanted: usize,
}

impl<'a, F: Fields<'a>> Row<'_, F> {
    /// Takes the mark before the next field.
    fn go_on(&mut self) -> Result<(), DecodeReason> {
        if self.found > 0 && !self.fields.another() {
            return Err(DecodeReason::WrongFieldCount { found: self.found, wanted: self.wanted });
        }
        self.found += 1;
        Ok(())
    }

    fn put_field(
        &mut self,
        cell: CellKind,
        column_plan: &ColumnPlan,
        columns: &mut [Column],
        record: &RecordRef<'_>,
    ) -> Result<(), DecodeError> {
        self.go_on().map_err(plain)?;
        let mut text = std::mem::take(&mut self.scratch.text);
        let result = match self.fields.field(&mut text, cell == CellKind::Literal) {
            Err(reason) => Err(plain(reason)),
            Ok(found) => match found {
                Found::Null => put_null_field(column_plan, columns),
                Found::Empty => put_empty(column_plan, columns, record),
                Found::Text(text) => put_given(column_plan, columns, |conversion, column| {
                    put_cell(cell, conversion, column, text, self.scratch)
                }),
            }
            .map_err(|reason| of_column(column_plan, reason)),
        };
        self.scratch.text = text;
        result
    }

    /// The members of a tuple stand in fields of their own.
    fn put_members(&mut self, conversion: &Conversion, column: &mut Column) -> Result<(), DecodeReason> {
        let (Conversion::Tuple(tuple), Column::Tuple(values)) = (conversion, &mut *column) else {
            return self.put_member(conversion, column);
        };
        for (conversion, column) in tuple.conversions().iter().zip(values.members()) {
            self.put_members(conversion, column)?;
        }
        values.row_pushed();
        Ok(())
    }

    fn put_member(&mut self, conversion: &Conversion, column: &mut Column) -> Result<(), DecodeReason> {
        self.go_on()?;
        let cell = CellKind::of(conversion);
        let mut text = std::mem::take(&mut self.scratch.text);
        let result = match self.fields.field(&mut text, cell == CellKind::Literal) {
            Err(reason) => Err(reason),
            Ok(Found::Null) if column.push_null() => Ok(()),
            Ok(Found::Null) => Err(DecodeReason::UnexpectedNull),
            Ok(Found::Empty) => {
                column.push_default();
                Ok(())
            }
            Ok(Found::Text(text)) => put_cell(cell, conversion, column, text, self.scratch),
        };
        self.scratch.text = text;
        result
    }
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
            columns[column_plan.wire].push_default();
            put_mask(column_plan, columns, 1);
            Ok(())
        }
        _ => fill(column_plan, columns, record),
    }
}
