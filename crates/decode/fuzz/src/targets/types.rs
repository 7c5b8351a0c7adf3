//! The type texts and DEFAULT expressions of a table.
use pumphouse_columns::{Column, DataType};
use pumphouse_decode::{DefaultKind, Format, PlanOptions, TYPE_TABLE, TableColumn, TablePlan};

use super::Outcome;
use super::records::{decode, decoder, outcome, outcome_of};

/// Between a type's text and a DEFAULT expression.
const END_OF_TEXT: u8 = 0;

/// Whether a width of more than three digits follows.
fn is_wide(text: &str) -> bool {
    let width = text.trim_start_matches(|c: char| !c.is_ascii_alphanumeric());
    width.bytes().take_while(u8::is_ascii_digit).count() > 3
}

/// A type's text, and behind a zero byte the column's DEFAULT expression.
pub fn run(input: &[u8]) -> Outcome {
    let end = input.iter().position(|byte| *byte == END_OF_TEXT).unwrap_or(input.len());
    let Ok(text) = std::str::from_utf8(&input[..end]) else { return 0 };
    let Ok(expression) = std::str::from_utf8(input.get(end + 1..).unwrap_or_default()) else { return 0 };
    let parsed: DataType = match text.parse() {
        Ok(parsed) => parsed,
        Err(error) => return outcome(std::mem::discriminant(&error)),
    };
    // What we print is what we read.
    let printed = parsed.to_string();
    assert_eq!(printed.parse().as_ref(), Ok(&parsed), "{printed:?} of {text:?}");
    let column = Column::new(&parsed.input_type());
    let given =
        [("c", text, expression), ("other", "UInt8", "")].map(|(name, type_text, expression)| TableColumn {
            name: name.to_owned(),
            type_text: type_text.to_owned(),
            default_kind: if expression.is_empty() { DefaultKind::None } else { DefaultKind::Default },
            default_expression: expression.to_owned(),
        });
    let plan = TablePlan::compile(&given, PlanOptions::default());
    let plan = match plan {
        Ok(plan) => std::sync::Arc::new(plan),
        Err(error) => return outcome(("refused", std::mem::discriminant(&error), column.is_ok())),
    };
    // Plans are for types with a builder, and a plan decodes. Aggregate states travel as another type.
    assert!(column.is_ok() || matches!(parsed, DataType::AggregateFunction(_)), "{text}");
    // As many bytes in every row, whatever the record: the table's will, not a fault.
    if printed.split("FixedString").skip(1).any(is_wide) {
        return outcome("wide");
    }
    let records: [&[u8]; 5] = [
        b"{\"other\":1}",
        b"{\"c\":null,\"other\":1}",
        b"{\"c\":[],\"other\":1}",
        b"{\"c\":{},\"other\":1}",
        b"{\"c\":\"1\",\"other\":1}",
    ];
    let taken = records.map(|record| outcome_of(&decode(&mut decoder(Format::Json, &plan), record)));
    outcome((taken, std::mem::discriminant(&parsed)))
}

/// The types of the table of types, and what servers print of harder ones.
pub fn seeds() -> Vec<Vec<u8>> {
    let harder = [
        "Enum8('it\\'s' = -128, '\\\\' = 0, '' = 127)",
        "Tuple(`a b` UInt8, `c``d` Array(Nullable(String)))",
        "JSON(max_dynamic_paths=8, a.b UInt32, `c d`.e Array(JSON), SKIP x.y, SKIP REGEXP 'z.*')",
        "AggregateFunction(quantiles(0.5, 0.9), Float64)",
        "AggregateFunction(1, sumMap, Array(UInt8), Array(UInt64))",
        "SimpleAggregateFunction(anyLast, Nullable(DateTime64(3, 'Europe/Berlin')))",
        "Nested(a UInt8, b Nested(c String))",
        "DateTime64(9, 'America/New_York')",
        "Map(LowCardinality(String), Array(Tuple(a Decimal(76, 38), b IPv6)))",
        "Dynamic(max_types=3)",
        "UInt8\0now() + other",
        "DateTime\0toDateTime('2020-01-01 00:00:00')",
    ];
    TYPE_TABLE.iter().map(|row| row.example_type).chain(harder).map(|text| text.as_bytes().to_vec()).collect()
}
