//! The usual JSON value of a column, straight into its vector: a text without escapes, a short number, a
//! time as `2013-01-01T10:00:00.120Z`. Whatever differs from that in the least is left where it stands
//! for the general way (`json_decoder.rs`, `scalar.rs`), which also words the errors.
use pumphouse_columns::{ArrayColumn, Column};

use crate::conversion::Conversion;
use crate::plan::Absent;
use crate::scalar::{decimal_fits, seconds_of, ticks_of};
use crate::usual_tokens as token;

/// What one column's usual value is: all that is asked per value, beside one another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usual {
    kind: Kind,
    /// Of a Decimal or DateTime64.
    precision: u8,
    /// Of a Decimal.
    scale: u8,
    /// Times have to say that they are of UTC: without a zone of their own they would be of another one.
    zoned: bool,
    /// Whether null may go into a Nullable column.
    takes_null: bool,
    wire: usize,
    mask: Option<usize>,
}

/// Of which kind the values are, those in a Nullable or Array column too.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// There is no usual one.
    Never,
    Text,
    LowText,
    Int64,
    UInt64,
    Int32,
    UInt32,
    Int16,
    UInt16,
    Int8,
    UInt8,
    Float64,
    Decimal32,
    Decimal64,
    DateTime64,
    DateTime,
    Bool,
    Uuid,
}

impl Kind {
    fn of(conversion: &Conversion) -> Kind {
        match conversion {
            Conversion::String => Kind::Text,
            Conversion::Low(inner) if matches!(**inner, Conversion::String) => Kind::LowText,
            Conversion::Int64 => Kind::Int64,
            Conversion::UInt64 => Kind::UInt64,
            Conversion::Int32 => Kind::Int32,
            Conversion::UInt32 => Kind::UInt32,
            Conversion::Int16 => Kind::Int16,
            Conversion::UInt16 => Kind::UInt16,
            Conversion::Int8 => Kind::Int8,
            Conversion::UInt8 => Kind::UInt8,
            Conversion::Float64 => Kind::Float64,
            Conversion::Decimal { precision: 0..=9, .. } => Kind::Decimal32,
            Conversion::Decimal { precision: 10..=18, .. } => Kind::Decimal64,
            Conversion::DateTime64 { .. } => Kind::DateTime64,
            Conversion::DateTime { .. } => Kind::DateTime,
            Conversion::Bool => Kind::Bool,
            Conversion::Uuid => Kind::Uuid,
            _ => Kind::Never,
        }
    }
}

impl Usual {
    /// Of no column.
    pub(crate) const NEVER: Usual = Usual {
        kind: Kind::Never,
        precision: 0,
        scale: 0,
        zoned: false,
        takes_null: false,
        wire: 0,
        mask: None,
    };

    /// `null`: what the column gets for null.
    pub(crate) fn of(conversion: &Conversion, null: Absent, wire: usize, mask: Option<usize>) -> Usual {
        let inner = match conversion {
            Conversion::Nullable(inner) | Conversion::Array(inner) => inner,
            plain => plain,
        };
        let (precision, scale, zoned) = match inner {
            Conversion::Decimal { precision, scale } => (*precision, *scale, false),
            Conversion::DateTime64 { precision, zone } => (*precision, 0, zone.is_some()),
            Conversion::DateTime { zone } => (0, 0, zone.is_some()),
            _ => (0, 0, false),
        };
        let takes_null = null == Absent::Null;
        Usual { kind: Kind::of(inner), precision, scale, zoned, takes_null, wire, mask }
    }
}

/// Takes the value at the start of `bytes`, appends it, and answers what follows it; `None`, and nothing
/// appended, if it is not the usual one. Inlined where the fields of records are taken: a call would cost as
/// much as a short value.
#[inline(always)]
pub(crate) fn put_usual<'a>(usual: &Usual, columns: &mut [Column], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (column, given) = match columns.get_mut(usual.wire)? {
        Column::Nullable(nullable) => {
            if usual.takes_null
                && let Some(behind) = token::null(bytes)
            {
                nullable.push_null();
                put_given(usual, columns);
                return Some(behind);
            }
            let (values, given) = nullable.parts();
            (values, Some(given))
        }
        Column::Array(array) => {
            let behind = put_array(usual, array, bytes)?;
            put_given(usual, columns);
            return Some(behind);
        }
        plain => (plain, None),
    };
    let behind = put(usual, column, bytes)?;
    if let Some(given) = given {
        given.value_pushed();
    }
    put_given(usual, columns);
    Some(behind)
}

#[inline(always)]
fn put_given(usual: &Usual, columns: &mut [Column]) {
    if let Some(mask) = usual.mask
        && let Column::U8(values) = &mut columns[mask]
    {
        values.push(1);
    }
}

#[inline(never)]
fn put_array<'a>(usual: &Usual, array: &mut ArrayColumn, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let [b'[', rest @ ..] = bytes else { return None };
    let mut rest = rest;
    if let [b']', behind @ ..] = rest
        && !matches!(usual.kind, Kind::Never)
    {
        array.row_pushed();
        return Some(behind);
    }
    loop {
        match put(usual, array.values(), rest) {
            Some([b',', b' ', more @ ..] | [b',', more @ ..]) => rest = more,
            Some([b']', behind @ ..]) => {
                array.row_pushed();
                return Some(behind);
            }
            _ => {
                array.undo_values();
                return None;
            }
        }
    }
}

#[inline(always)]
fn put<'a>(usual: &Usual, column: &mut Column, bytes: &'a [u8]) -> Option<&'a [u8]> {
    macro_rules! signed {
        ($kind:ident) => {{
            let Column::$kind(values) = column else { return None };
            let (negative, magnitude, behind) = token::integer(bytes)?;
            let magnitude = i64::try_from(magnitude).ok()?;
            values.push(if negative { -magnitude } else { magnitude }.try_into().ok()?);
            Some(behind)
        }};
    }
    macro_rules! unsigned {
        ($kind:ident) => {{
            let Column::$kind(values) = column else { return None };
            let (false, value, behind) = token::integer(bytes)? else { return None };
            values.push(value.try_into().ok()?);
            Some(behind)
        }};
    }
    macro_rules! decimal {
        ($kind:ident) => {{
            let Column::$kind(values) = column else { return None };
            let (number, behind) = token::quoted_number(bytes)?;
            values.push(decimal_fits(number.scaled(usual.scale)?, usual.precision)?.try_into().ok()?);
            Some(behind)
        }};
    }
    match usual.kind {
        Kind::Never => None,
        Kind::Text => {
            let Column::Text(texts) = column else { return None };
            let text = token::text(bytes)?;
            texts.push_start(text.bytes, text.length);
            Some(text.behind)
        }
        Kind::LowText => {
            let Column::Low(low) = column else { return None };
            let text = token::text(bytes)?;
            low.push_text_start(text.bytes, text.length);
            Some(text.behind)
        }
        Kind::Int64 => signed!(I64),
        Kind::UInt64 => unsigned!(U64),
        Kind::Int32 => signed!(I32),
        Kind::UInt32 => unsigned!(U32),
        Kind::Int16 => signed!(I16),
        Kind::UInt16 => unsigned!(U16),
        Kind::Int8 => signed!(I8),
        Kind::UInt8 => unsigned!(U8),
        Kind::Float64 => {
            let Column::F64(values) = column else { return None };
            let (number, behind) = token::number(bytes)?;
            values.push(number.float()?);
            Some(behind)
        }
        Kind::Decimal32 => decimal!(I32),
        Kind::Decimal64 => decimal!(I64),
        Kind::DateTime64 => {
            let Column::I64(values) = column else { return None };
            let (time, behind) = token::time(bytes)?;
            values.push(ticks_of(time.in_utc(usual.zoned)?, usual.precision, None)?);
            Some(behind)
        }
        Kind::DateTime => {
            let Column::U32(values) = column else { return None };
            let (time, behind) = token::time(bytes)?;
            values.push(seconds_of(time.in_utc(usual.zoned)?, None)?.try_into().ok()?);
            Some(behind)
        }
        Kind::Bool => {
            let Column::U8(values) = column else { return None };
            let (value, behind) = token::boolean(bytes)?;
            values.push(u8::from(value));
            Some(behind)
        }
        Kind::Uuid => {
            let Column::Uuid(values) = column else { return None };
            let (value, behind) = token::uuid(bytes)?;
            values.push(value);
            Some(behind)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use pumphouse_columns::encode_block;

    use crate::{
        DecodeError, DefaultKind, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan,
    };

    const TYPES: [&str; 22] = [
        "String",
        "LowCardinality(String)",
        "LowCardinality(Nullable(String))",
        "Int8",
        "UInt8",
        "Int16",
        "UInt16",
        "Int32",
        "UInt32",
        "Int64",
        "UInt64",
        "Float64",
        "Decimal(9, 2)",
        "Decimal(18, 4)",
        "Decimal(30, 4)",
        "DateTime64(3)",
        "DateTime64(6, 'Europe/Berlin')",
        "DateTime",
        "Bool",
        "UUID",
        "Nullable(Int32)",
        "Array(UInt16)",
    ];

    fn plan(type_text: &str) -> Arc<TablePlan> {
        let column = TableColumn {
            name: "c".to_owned(),
            type_text: type_text.to_owned(),
            default_kind: DefaultKind::None,
            default_expression: String::new(),
        };
        Arc::new(TablePlan::compile(&[column], PlanOptions::default()).unwrap())
    }

    /// The block of the value twice, so that the second record finds its marks where the first had them.
    fn block(plan: &Arc<TablePlan>, value: &[u8]) -> Result<Vec<u8>, DecodeError> {
        let mut decoder = JsonDecoder::new(Arc::clone(plan));
        let mut segment = plan.new_segment();
        for offset in 0..2 {
            let (topic, partition, timestamp_ms, key) = ("t", 0, None, None);
            let (headers, value) = (HeadersRef::NONE, Some(value));
            decoder.decode(
                &mut segment,
                RecordRef { topic, partition, offset, timestamp_ms, key, headers, value },
            )?;
        }
        let (shape, mut out) = (plan.shape(), Vec::new());
        encode_block(&shape.wire_names(), &shape.wire_types(), &[&segment], &mut out).unwrap();
        Ok(out)
    }

    fn reason(error: &DecodeError) -> std::mem::Discriminant<crate::DecodeReason> {
        std::mem::discriminant(&error.reason)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// White space before a value is all that keeps it from being the usual one.
        #[test]
        fn a_value_is_the_same_either_way(
            type_text in prop::sample::select(&TYPES[..]),
            value in prop_oneof![
                "-?[0-9]{1,22}(\\.[0-9]{0,6})?([eE][+-]?[0-9]{1,2})?",
                "\"-?[0-9]{0,11}(\\.[0-9]{0,5})?\"",
                "\"20[0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,10})?Z?\"",
                "\"[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{11}[0-9a-g]\"",
                "\"[a-c\\\\n]{0,20}\"",
                "true|false|null|fals|truee|\\[1,22,333\\]|\\[\\]|\\[-1\\]",
            ],
            behind in "[ ]{0,9}",
        ) {
            let plan = plan(type_text);
            let usual = block(&plan, format!("{{\"c\":{value}}}{behind}").as_bytes());
            let general = block(&plan, format!("{{\"c\": {value} }}{behind}").as_bytes());
            match (&usual, &general) {
                (Ok(usual), Ok(general)) => prop_assert!(usual == general, "{} in {}", value, type_text),
                (Err(usual), Err(general)) => prop_assert_eq!(reason(usual), reason(general), "{}", value),
                _ => prop_assert!(false, "{} in {}: {:?} and {:?}", value, type_text, usual, general),
            }
        }
    }
}
