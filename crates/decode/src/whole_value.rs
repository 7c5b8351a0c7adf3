//! Values without fields: the whole value goes to one column. What ByteArrayConverter, the converters of
//! single numbers, and StringConverter without `insertFormat` read.
use std::sync::Arc;

use pumphouse_columns::{Column, Segment};

use crate::conversion::Conversion;
use crate::error::{DecodeError, DecodeReason, ValueKind};
use crate::json_decoder::{RecordRef, fill, of_column, plain, put_value};
use crate::plan::TablePlan;
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::Scanner;
use crate::source_row::{one_row, put_given};
use crate::typed::{put_boolean, put_bytes, put_double, put_float, put_integer};

/// What the bytes of a value are. Numbers as Kafka's own serializers write them: highest byte first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum WholeValue {
    Bytes,
    /// UTF-8.
    Text,
    Short,
    Integer,
    Long,
    Float,
    Double,
    /// One byte, 0 or 1.
    Boolean,
}

/// Writes values into one column of a plan, which names it. Single-threaded.
#[derive(Debug)]
pub struct WholeValueDecoder {
    plan: Arc<TablePlan>,
    kind: WholeValue,
    scratch: Vec<u8>,
}

impl WholeValueDecoder {
    /// A decoder for a plan that was compiled with a [`crate::ValueColumn`].
    pub fn new(plan: Arc<TablePlan>, kind: WholeValue) -> WholeValueDecoder {
        WholeValueDecoder { plan, kind, scratch: Vec::new() }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Appends one row to `segment`, which the plan made.
    /// Errors: [`DecodeError`]; the segment is then as it was before.
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), DecodeError> {
        let WholeValueDecoder { plan, kind, scratch } = self;
        let value = record.value.ok_or_else(|| plain(DecodeReason::NotAnObject { found: None }))?;
        let own = plan.value_place.expect("whoever chose this format compiled the plan for it");
        one_row(segment, |columns| {
            for (place, column_plan) in plan.columns.iter().enumerate() {
                if place == own {
                    put_given(column_plan, columns, |conversion, column| {
                        put_whole(*kind, conversion, column, value, scratch)
                    })
                } else {
                    fill(column_plan, columns, &record)
                }
                .map_err(|reason| of_column(column_plan, reason))?;
            }
            Ok(())
        })
    }
}

fn put_whole(
    kind: WholeValue,
    conversion: &Conversion,
    column: &mut Column,
    value: &[u8],
    scratch: &mut Vec<u8>,
) -> Result<(), DecodeReason> {
    match kind {
        WholeValue::Bytes => put_bytes(conversion, column, value),
        WholeValue::Text => {
            if let Err(error) = std::str::from_utf8(value) {
                return Err(DecodeReason::InvalidUtf8 { at: error.valid_up_to() });
            }
            if !conversion.takes_json_objects() {
                return put_scalar(conversion, column, Scalar::Text(value));
            }
            let mut scanner = Scanner::new(value);
            put_value(conversion, column, &mut scanner, scratch, 0)?;
            scanner.end()
        }
        WholeValue::Short => put_integer(conversion, column, i16::from_be_bytes(exactly(value)?).into()),
        WholeValue::Integer => put_integer(conversion, column, i32::from_be_bytes(exactly(value)?).into()),
        WholeValue::Long => put_integer(conversion, column, i64::from_be_bytes(exactly(value)?)),
        WholeValue::Float => put_float(conversion, column, f32::from_be_bytes(exactly(value)?)),
        WholeValue::Double => put_double(conversion, column, f64::from_be_bytes(exactly(value)?)),
        WholeValue::Boolean => match exactly::<1>(value)? {
            [0] => put_boolean(conversion, column, false),
            [1] => put_boolean(conversion, column, true),
            [_] => Err(DecodeReason::WrongKind { found: ValueKind::Bytes }),
        },
    }
}

fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N], DecodeReason> {
    value.try_into().map_err(|_| DecodeReason::WrongWidth { bytes: value.len(), wanted: N })
}
