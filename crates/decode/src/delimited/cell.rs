//! A field's text into a column: as texts of JSON become values, and where ClickHouse writes values
//! otherwise than JSON does, as ClickHouse writes them.
use pumphouse_columns::Column;

use super::decoder::{Delimited, Scratch};
use super::literal::append_literal;
use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::json_decoder::put_value;
use crate::number::{exact_signed, is_number, short_integer};
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::Scanner;
use crate::typed::TextBuffer;

/// Numbers from here on are ticks of a DateTime64, smaller ones seconds; the server draws this line.
const TICKS_FROM: i64 = 9_908_870_400;

const WRONG: DecodeReason = DecodeReason::WrongKind { found: ValueKind::Text };

/// How the texts of a column are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CellKind {
    /// As texts of JSON.
    Text,
    Bool,
    Float,
    /// Seconds since 1970 may stand there.
    DateTime,
    DateTime64 {
        precision: u8,
    },
    /// A number where it is one: columns that take any kind of value.
    Any,
    /// JSON.
    Json,
    /// `['a', 'b']`, `{'k': 1}`, `(1, 'x')`.
    Literal,
    /// A tuple whose members stand in fields of their own, as CSV has them.
    Members,
}

impl CellKind {
    /// How the text of a table's column is read.
    pub(super) fn of_column(conversion: &Conversion, format: Delimited) -> CellKind {
        match (conversion, format) {
            (Conversion::Tuple(_), Delimited::Csv) => CellKind::Members,
            (conversion, _) => CellKind::of(conversion),
        }
    }

    pub(super) fn of(conversion: &Conversion) -> CellKind {
        match conversion {
            Conversion::Nullable(inner) | Conversion::Low(inner) => CellKind::of(inner),
            Conversion::Bool => CellKind::Bool,
            Conversion::Float32 | Conversion::Float64 | Conversion::BFloat16 => CellKind::Float,
            Conversion::DateTime { .. } => CellKind::DateTime,
            Conversion::DateTime64 { precision, .. } => CellKind::DateTime64 { precision: *precision },
            Conversion::Variant(_) | Conversion::Dynamic(_) => CellKind::Any,
            Conversion::Json(_) => CellKind::Json,
            Conversion::Array(_) | Conversion::Map(..) | Conversion::Tuple(_) | Conversion::Nested(_) => {
                CellKind::Literal
            }
            _ => CellKind::Text,
        }
    }
}

/// Appends what a text stands for. Shape: UTF-8.
pub(super) fn put_cell(
    kind: CellKind,
    conversion: &Conversion,
    column: &mut Column,
    text: &[u8],
    scratch: &mut Scratch,
) -> Result<(), DecodeReason> {
    let scalar = match kind {
        CellKind::Text => Scalar::Text(text),
        CellKind::Bool => Scalar::Bool(boolean(text).ok_or(WRONG)?),
        CellKind::Float => float(text),
        CellKind::DateTime | CellKind::Any if is_number(text) => Scalar::Number(text),
        CellKind::DateTime | CellKind::Any => Scalar::Text(text),
        CellKind::DateTime64 { precision } if is_number(text) => {
            let ticks = ticks(text, precision)?;
            let ticks = TextBuffer::<40>::of(format_args!("{ticks}"));
            return put_scalar(conversion, column, Scalar::Number(ticks.as_bytes()));
        }
        CellKind::DateTime64 { .. } => Scalar::Text(text),
        CellKind::Json => return put_json(conversion, column, text, &mut scratch.unescaped),
        CellKind::Literal | CellKind::Members => {
            let Scratch { json, unescaped, .. } = scratch;
            json.clear();
            append_literal(text, json)?;
            return put_json(conversion, column, json, unescaped);
        }
    };
    put_scalar(conversion, column, scalar)
}

fn put_json(
    conversion: &Conversion,
    column: &mut Column,
    json: &[u8],
    unescaped: &mut Vec<u8>,
) -> Result<(), DecodeReason> {
    let mut scanner = Scanner::new(json);
    // Where JSON breaks says nothing about the record's text.
    put_value(conversion, column, &mut scanner, unescaped, 1)
        .and_then(|()| scanner.end())
        .map_err(|reason| if let DecodeReason::BrokenJson { .. } = reason { WRONG } else { reason })
}

/// The words that the server takes.
fn boolean(text: &[u8]) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    match () {
        () if is(&["true", "1", "t", "y", "yes", "on", "enable", "enabled"]) => Some(true),
        () if is(&["false", "0", "f", "n", "no", "off", "disable", "disabled"]) => Some(false),
        () => None,
    }
}

fn float(text: &[u8]) -> Scalar<'_> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word.as_bytes()));
    match () {
        () if is(&["nan", "+nan", "-nan"]) => Scalar::Text(b"NaN"),
        () if is(&["inf", "+inf", "infinity", "+infinity"]) => Scalar::Text(b"Infinity"),
        () if is(&["-inf", "-infinity"]) => Scalar::Text(b"-Infinity"),
        () => Scalar::Text(text),
    }
}

/// Seconds with a fraction, or ticks.
fn ticks(text: &[u8], precision: u8) -> Result<i128, DecodeReason> {
    if short_integer(text).is_some_and(|whole| whole >= TICKS_FROM) {
        return exact_signed(text, 0).map_err(|_| WRONG);
    }
    exact_signed(text, precision).map_err(|_| DecodeReason::Lossy { found: ValueKind::Text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seconds_until_they_would_be_too_many() {
        assert_eq!(ticks(b"1700000000", 3).unwrap(), 1_700_000_000_000);
        assert_eq!(ticks(b"1700000000.25", 3).unwrap(), 1_700_000_000_250);
        assert_eq!(ticks(b"1700000000250", 3).unwrap(), 1_700_000_000_250);
        assert!(ticks(b"1700000000.0005", 3).is_err());
    }
}
