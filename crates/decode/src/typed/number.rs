//! Booleans, integers and floats.
use pumphouse_columns::Column;

use super::{TextBuffer, mismatch};
use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::scalar::{Scalar, holds_ticks, put_scalar};

const LOSSY: DecodeReason = DecodeReason::Lossy { found: ValueKind::Number };

/// Floats with an exponent in this range are written without one.
const PLAIN_FLOATS: std::ops::Range<f64> = 1e-7..1e21;

#[inline]
pub(crate) fn put_boolean(
    conversion: &Conversion,
    column: &mut Column,
    value: bool,
) -> Result<(), DecodeReason> {
    put_scalar(conversion, column, Scalar::Bool(value))
}

/// Pushes to the vector of the kind that the plan built, range-checked.
macro_rules! push {
    ($column:expr, $kind:ident, $value:expr) => {
        match $column {
            Column::$kind(values) => values.push($value.try_into().map_err(|_| LOSSY)?),
            _ => mismatch(),
        }
    };
}

#[inline]
pub(crate) fn put_integer(
    conversion: &Conversion,
    column: &mut Column,
    value: i64,
) -> Result<(), DecodeReason> {
    match conversion {
        Conversion::Int64 => push!(column, I64, value),
        Conversion::Int32 => push!(column, I32, value),
        Conversion::UInt64 => push!(column, U64, value),
        Conversion::UInt32 => push!(column, U32, value),
        Conversion::Nullable(inner) => {
            let Column::Nullable(nullable) = column else { mismatch() };
            put_integer(inner, nullable.values(), value)?;
            nullable.value_pushed();
        }
        _ => return put_rarer_integer(conversion, column, value),
    }
    Ok(())
}

fn put_rarer_integer(conversion: &Conversion, column: &mut Column, value: i64) -> Result<(), DecodeReason> {
    match conversion {
        Conversion::Int8 => push!(column, I8, value),
        Conversion::Int16 => push!(column, I16, value),
        Conversion::Int128 => push!(column, I128, value),
        Conversion::UInt8 => push!(column, U8, value),
        Conversion::UInt16 => push!(column, U16, value),
        Conversion::UInt128 => push!(column, U128, value),
        Conversion::DateTime64 { precision, .. } => {
            let ticks = Some(value).filter(|ticks| holds_ticks(*ticks, *precision));
            push!(column, I64, ticks.ok_or(LOSSY)?);
        }
        Conversion::DateTime { .. } => push!(column, U32, value),
        Conversion::Float64 => match column {
            // To the nearest float, as with numbers in JSON.
            Column::F64(values) => values.push(value as f64),
            _ => mismatch(),
        },
        _ => {
            let text = TextBuffer::<20>::of(format_args!("{value}"));
            return put_scalar(conversion, column, Scalar::Number(text.as_bytes()));
        }
    }
    Ok(())
}

/// As [`put_integer`], for numbers that may lie above its range.
pub(crate) fn put_unsigned(
    conversion: &Conversion,
    column: &mut Column,
    value: u64,
) -> Result<(), DecodeReason> {
    match i64::try_from(value) {
        Ok(value) => put_integer(conversion, column, value),
        Err(_) => {
            let text = TextBuffer::<20>::of(format_args!("{value}"));
            put_scalar(conversion, column, Scalar::Number(text.as_bytes()))
        }
    }
}

/// To the nearest float where the column is narrower; overflow and underflow are refused.
#[inline]
pub(crate) fn put_double(
    conversion: &Conversion,
    column: &mut Column,
    value: f64,
) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::Float64, Column::F64(values)) => values.push(value),
        (Conversion::Float32, Column::F32(values)) => {
            let narrow = value as f32;
            if (narrow.is_infinite() && value.is_finite()) || (narrow == 0.0 && value != 0.0) {
                return Err(LOSSY);
            }
            values.push(narrow);
        }
        (Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            put_double(inner, nullable.values(), value)?;
            nullable.value_pushed();
        }
        (conversion, column) => {
            let text = double_text(value);
            return put_scalar(conversion, column, float_scalar(value.is_finite(), text.as_bytes()));
        }
    }
    Ok(())
}

#[inline]
pub(crate) fn put_float(
    conversion: &Conversion,
    column: &mut Column,
    value: f32,
) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::Float32, Column::F32(values)) => values.push(value),
        (Conversion::Float64, Column::F64(values)) => values.push(f64::from(value)),
        (Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            put_float(inner, nullable.values(), value)?;
            nullable.value_pushed();
        }
        (conversion, column) => {
            let text = float_text(value);
            return put_scalar(conversion, column, float_scalar(value.is_finite(), text.as_bytes()));
        }
    }
    Ok(())
}

fn float_scalar(finite: bool, text: &[u8]) -> Scalar<'_> {
    if finite { Scalar::Number(text) } else { Scalar::Text(text) }
}

/// The shortest JSON number that reads back as the same float, or `NaN`, `Infinity`, `-Infinity`.
pub(crate) fn double_text(value: f64) -> TextBuffer<32> {
    if value.is_infinite() {
        return TextBuffer::of(format_args!("{}Infinity", if value < 0.0 { "-" } else { "" }));
    }
    if value == 0.0 || value.is_nan() || PLAIN_FLOATS.contains(&value.abs()) {
        TextBuffer::of(format_args!("{value}"))
    } else {
        TextBuffer::of(format_args!("{value:e}"))
    }
}

/// [`double_text`] with the digits that a 32-bit float has.
pub(crate) fn float_text(value: f32) -> TextBuffer<32> {
    if value.is_infinite() {
        return double_text(f64::from(value));
    }
    if value == 0.0 || value.is_nan() || PLAIN_FLOATS.contains(&f64::from(value.abs())) {
        TextBuffer::of(format_args!("{value}"))
    } else {
        TextBuffer::of(format_args!("{value:e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn floats_read_back_and_fit_their_buffer(value: f64, narrow: f32) {
            let text = double_text(value);
            let back: f64 = std::str::from_utf8(text.as_bytes()).unwrap().parse().unwrap();
            proptest::prop_assert_eq!(back.to_bits(), value.to_bits());
            let text = float_text(narrow);
            let back: f32 = std::str::from_utf8(text.as_bytes()).unwrap().parse().unwrap();
            proptest::prop_assert_eq!(back.to_bits(), narrow.to_bits());
        }
    }

    #[test]
    fn the_words_are_those_of_json_texts() {
        assert_eq!(double_text(f64::NAN).as_bytes(), b"NaN");
        assert_eq!(double_text(f64::NEG_INFINITY).as_bytes(), b"-Infinity");
        assert_eq!(float_text(f32::INFINITY).as_bytes(), b"Infinity");
        assert_eq!(double_text(1.5).as_bytes(), b"1.5");
        assert_eq!(double_text(1e300).as_bytes(), b"1e300");
        assert_eq!(double_text(-0.0).as_bytes(), b"-0");
    }
}
