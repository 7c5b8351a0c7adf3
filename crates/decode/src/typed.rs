//! Values whose kind a source schema tells, into columns.
//!
//! The usual pairs of source kind and column go straight into the column's vector. Every other pair
//! goes through the value's text and the conversions of JSON values, so that a value means the same
//! whatever format it came in. Nothing here allocates.
mod bytes;
mod decimal;
mod fit;
mod json_text;
mod moment;
mod number;
mod text_buffer;

pub(crate) use bytes::{decode_base64, encode_base64, put_bytes};
pub(crate) use decimal::{Unscaled, decimal_text, put_decimal};
pub(crate) use fit::Fit;
pub(crate) use json_text::{append_json_float, append_json_text};
pub(crate) use moment::{Moment, moment_text, put_moment, put_uuid, uuid_text};
pub(crate) use number::{
    double_text, float_text, put_boolean, put_double, put_float, put_integer, put_unsigned,
};
pub(crate) use text_buffer::TextBuffer;

use pumphouse_columns::Column;

use crate::conversion::Conversion;
use crate::error::DecodeReason;
use crate::scalar::{Scalar, put_scalar};

/// What the numbers, texts and byte strings of a source schema's node stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// What they are.
    Plain,
    /// A byte string: a whole number (two's complement, highest byte first) of 10^-`scale`.
    Decimal { scale: i32 },
    /// A number: days since 1970, or what [`Moment`] else counts.
    Moment(Moment),
    /// Sixteen bytes.
    Uuid,
    /// Twelve bytes: months, days, milliseconds (u32 little-endian each).
    Duration,
}

/// Appends a text. Shape: UTF-8.
#[inline]
pub(crate) fn put_text(
    conversion: &Conversion,
    column: &mut Column,
    text: &[u8],
) -> Result<(), DecodeReason> {
    put_scalar(conversion, column, Scalar::Text(text))
}

/// As [`put_text`], without a call for the usual columns of texts, and for decimals.
#[inline(always)]
pub(crate) fn put_usual_text(
    conversion: &Conversion,
    column: &mut Column,
    text: &[u8],
) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::String, Column::Text(texts)) => texts.push(text),
        (Conversion::Low(inner), Column::Low(low)) if matches!(**inner, Conversion::String) => {
            low.push_text(text);
        }
        (conversion, column) => return put_text(conversion, column, text),
    }
    Ok(())
}

#[cold]
fn mismatch() -> ! {
    unreachable!("segments are built by the plan that also compiled the conversions")
}
