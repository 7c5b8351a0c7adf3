//! Formats whose texts fill one column each: CSV and TSV, and values without fields. The first bytes choose
//! the format and the column's type.
use std::sync::Arc;

use pumphouse_decode::{
    DefaultKind, Delimited, Format, PlanOptions, TYPE_TABLE, TableColumn, TablePlan, ValueColumn, WholeValue,
};

use super::Outcome;
use super::records::{decode, decoder, outcome, outcome_of};

const WHOLE: [WholeValue; 8] = [
    WholeValue::Bytes,
    WholeValue::Text,
    WholeValue::Short,
    WholeValue::Integer,
    WholeValue::Long,
    WholeValue::Float,
    WholeValue::Double,
    WholeValue::Boolean,
];

fn type_of(choice: u8) -> &'static str {
    TYPE_TABLE[usize::from(choice) % TYPE_TABLE.len()].example_type
}

fn plan(choice: u8, value_column: ValueColumn) -> Option<Arc<TablePlan>> {
    let column = TableColumn {
        name: "c".to_owned(),
        type_text: type_of(choice).to_owned(),
        default_kind: DefaultKind::None,
        default_expression: String::new(),
    };
    let options = PlanOptions { value_column, ..PlanOptions::default() };
    TablePlan::compile(&[column], options).ok().map(Arc::new)
}

/// A byte for the format, one for the type, a text.
pub fn delimited(input: &[u8]) -> Outcome {
    let [which, choice, text @ ..] = input else { return 0 };
    let format = if which & 1 == 0 { Delimited::Csv } else { Delimited::Tsv };
    let Some(plan) = plan(*choice, PlanOptions::default().value_column) else { return 1 };
    let decoded = decode(&mut decoder(Format::Delimited(format), &plan), text);
    outcome((which & 1, type_of(*choice), outcome_of(&decoded)))
}

/// A byte for the converter, one for the type, a value.
pub fn whole(input: &[u8]) -> Outcome {
    let [which, choice, value @ ..] = input else { return 0 };
    let kind = usize::from(*which) % WHOLE.len();
    let Some(plan) = plan(*choice, ValueColumn::Only) else { return 1 };
    let decoded = decode(&mut decoder(Format::Whole(WHOLE[kind]), &plan), value);
    outcome((kind, type_of(*choice), outcome_of(&decoded)))
}

/// What the server prints of every example is what it would read again.
pub fn delimited_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (choice, row) in TYPE_TABLE.iter().enumerate() {
        for (json, printed) in row.cells.iter().flat_map(|cell| cell.examples) {
            let quoted = format!("\"{}\"", printed.replace('"', "\"\""));
            for (which, text) in [(0, quoted.as_str()), (1, *printed), (0, *json), (1, "\\N")] {
                seeds.push([&[which, choice as u8], text.as_bytes()].concat());
            }
        }
    }
    seeds
}

/// Every converter with some types.
pub fn whole_seeds() -> Vec<Vec<u8>> {
    let values: [&[u8]; 5] = [b"", b"\x01", b"\xff\xfe", b"\x7f\xf0\0\0", b"\x80\0\0\0\0\0\0\x01"];
    let mut seeds = Vec::new();
    for which in 0..WHOLE.len() as u8 {
        for (place, value) in values.iter().enumerate() {
            seeds.push([&[which, which.wrapping_mul(7).wrapping_add(place as u8)], *value].concat());
        }
    }
    seeds
}
