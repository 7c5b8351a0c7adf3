//! The usual JSON value of a column, straight into its vector: a text without escapes, a short number, a
//! time as `2013-01-01T10:00:00.120Z`. Whatever differs from that in the least is left where it stands
//! for the general way (`json_decoder.rs`, `scalar.rs`), which also words the errors.
use pumphouse_columns::Column;

use crate::conversion::Conversion;
use crate::scalar::{decimal_fits, seconds_of, ticks_of};
use crate::scanner::Scanner;

/// As [`put_usual`], for values that lie in others.
pub(crate) fn put_usual_inner(
    conversion: &Conversion,
    column: &mut Column,
    scanner: &mut Scanner<'_>,
) -> bool {
    put_usual(conversion, column, scanner)
}

/// Takes one value and appends it; `false`, and nothing taken or appended, if it is not the usual one.
/// Inlined where the fields of records are taken: a call would cost as much as a short value.
#[inline(always)]
pub(crate) fn put_usual(conversion: &Conversion, column: &mut Column, scanner: &mut Scanner<'_>) -> bool {
    macro_rules! integer {
        ($values:expr) => {
            scanner
                .usual(Scanner::short_integer, |value| value.try_into().ok())
                .map(|value| $values.push(value))
        };
    }
    let put = match (conversion, column) {
        (Conversion::String, Column::Text(texts)) => scanner.plain_text().map(|text| texts.push(text)),
        (Conversion::Low(inner), Column::Low(low)) if matches!(**inner, Conversion::String) => {
            scanner.plain_text().map(|text| low.push_text(text))
        }
        (Conversion::Int64, Column::I64(values)) => integer!(values),
        (Conversion::UInt64, Column::U64(values)) => integer!(values),
        (Conversion::Int32, Column::I32(values)) => integer!(values),
        (Conversion::UInt32, Column::U32(values)) => integer!(values),
        (Conversion::Int16, Column::I16(values)) => integer!(values),
        (Conversion::UInt16, Column::U16(values)) => integer!(values),
        (Conversion::Int8, Column::I8(values)) => integer!(values),
        (Conversion::UInt8, Column::U8(values)) => integer!(values),
        (Conversion::Float64, Column::F64(values)) => {
            scanner.usual(Scanner::short_number, |number| number.float()).map(|value| values.push(value))
        }
        (Conversion::Decimal { precision, scale }, Column::I32(values)) => scanner
            .usual(Scanner::quoted_number, |number| decimal_fits(number.scaled(*scale)?, *precision))
            .and_then(|value| i32::try_from(value).ok())
            .map(|value| values.push(value)),
        (Conversion::Decimal { precision, scale }, Column::I64(values)) => scanner
            .usual(Scanner::quoted_number, |number| decimal_fits(number.scaled(*scale)?, *precision))
            .map(|value| values.push(value)),
        (Conversion::DateTime64 { precision, zone }, Column::I64(values)) => scanner
            .usual(Scanner::usual_time, |time| ticks_of(&time, *precision, zone.as_ref()))
            .map(|value| values.push(value)),
        (Conversion::DateTime { zone }, Column::U32(values)) => scanner
            .usual(Scanner::usual_time, |time| seconds_of(&time, zone.as_ref())?.try_into().ok())
            .map(|value| values.push(value)),
        (Conversion::Bool, Column::U8(values)) => {
            scanner.usual_boolean().map(|value| values.push(u8::from(value)))
        }
        (Conversion::Uuid, Column::Uuid(values)) => {
            scanner.usual(Scanner::plain_text, crate::uuid_text::parse).map(|value| values.push(value))
        }
        (Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            let put = put_usual_inner(inner, nullable.values(), scanner);
            put.then(|| nullable.value_pushed())
        }
        _ => None,
    };
    put.is_some()
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
