//! One record through a decoder, and what has to be true whatever its bytes are.
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pumphouse_columns::{Segment, encode_block};
use pumphouse_decode::{
    Decoder, DefaultKind, Format, HeadersRef, PlanOptions, RecordRef, TYPE_TABLE, TableColumn, TablePlan,
    Undecoded, UnknownFields,
};
use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

use super::Outcome;

/// Which table records go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// `c0`, `c1`, ..: the types of the table of types, then some around others. Fields without a column
    /// are passed over.
    Wide,
    /// The same, and fields without a column are refused.
    WideRefusing,
    /// `a` to `i`, as the fixed schemas have them.
    Fixed,
}

/// Types around others, and dotted names.
const AROUND: [(&str, &str); 8] = [
    ("lists", "Array(Array(Nullable(String)))"),
    ("map", "Map(String, Array(Tuple(n UInt8, v Nullable(Decimal(18, 2)))))"),
    ("low", "LowCardinality(Nullable(String))"),
    ("low_number", "LowCardinality(UInt64)"),
    ("choice", "Array(Variant(Array(UInt8), String, UInt64))"),
    ("doc", "JSON(n UInt32, a.b Array(String))"),
    ("p.q.r", "UInt8"),
    ("n.b", "Array(Nullable(String))"),
];

const FIXED: [(&str, &str); 9] = [
    ("a", "Nullable(String)"),
    ("b", "Array(Nullable(String))"),
    ("c", "Map(String, Float64)"),
    ("d", "Decimal(18, 2)"),
    ("e", "DateTime64(6, 'UTC')"),
    ("f", "FixedString(3)"),
    ("g", "JSON"),
    ("h", "LowCardinality(String)"),
    ("i", "Dynamic"),
];

/// The column of a row of the table of types.
pub fn column_of(row: usize) -> String {
    format!("c{row}")
}

fn column(name: &str, type_text: &str) -> TableColumn {
    // With a DEFAULT, so that a record need not have them all.
    TableColumn {
        name: name.to_owned(),
        type_text: type_text.to_owned(),
        default_kind: DefaultKind::Default,
        default_expression: "DEFAULT".to_owned(),
    }
}

/// A plan for columns that may all be left out.
pub fn compile(columns: &[(&str, &str)]) -> Arc<TablePlan> {
    let columns: Vec<TableColumn> = columns.iter().map(|(name, type_text)| column(name, type_text)).collect();
    Arc::new(TablePlan::compile(&columns, PlanOptions::default()).expect("types of our own choice"))
}

fn make(table: Table) -> Arc<TablePlan> {
    let mut columns = Vec::new();
    match table {
        Table::Fixed => columns.extend(FIXED.map(|(name, type_text)| column(name, type_text))),
        Table::Wide | Table::WideRefusing => {
            // A state cannot have a DEFAULT; `type_text` has records for one without.
            let state = |type_text: &str| type_text.starts_with("AggregateFunction");
            let rows = TYPE_TABLE.iter().enumerate().filter(|(_, row)| !state(row.example_type));
            columns.extend(rows.map(|(place, row)| column(&column_of(place), row.example_type)));
            columns.extend(AROUND.map(|(name, type_text)| column(name, type_text)));
        }
    }
    let unknown_fields = match table {
        Table::WideRefusing => UnknownFields::Refuse,
        Table::Wide | Table::Fixed => UnknownFields::Ignore,
    };
    let options = PlanOptions { unknown_fields, ..PlanOptions::default() };
    Arc::new(TablePlan::compile(&columns, options).expect("types of the table of types"))
}

/// The plan of a table; compiled once per thread.
pub fn plan(table: Table) -> Arc<TablePlan> {
    thread_local! {
        static PLANS: RefCell<BTreeMap<Table, Arc<TablePlan>>> = const { RefCell::new(BTreeMap::new()) };
    }
    PLANS.with_borrow_mut(|plans| Arc::clone(plans.entry(table).or_insert_with(|| make(table))))
}

/// A decoder that knows no schema.
pub fn decoder(format: Format, plan: &Arc<TablePlan>) -> Decoder {
    Decoder::new(format, Arc::clone(plan))
}

/// A schema without references.
pub fn schema(id: u32, kind: SchemaKind, text: &str) -> RegisteredSchema {
    RegisteredSchema { id: SchemaId(id), kind, text: text.to_owned(), references: Vec::new() }
}

/// Confluent's wire format, with schema 1.
pub fn framed(body: &[u8]) -> Vec<u8> {
    [&[0, 0, 0, 0, 1], body].concat()
}

/// Decodes a value. Panics unless: a record becomes one whole row or none; the same bytes become the same
/// again, from a decoder that has seen others (PROTOCOL R13); and what is held can be encoded.
pub fn decode(decoder: &mut Decoder, value: &[u8]) -> Result<(), Undecoded> {
    let record = RecordRef {
        topic: "topic",
        partition: 3,
        offset: 17,
        timestamp_ms: Some(1_357_034_400_123),
        key: Some(b"key"),
        headers: HeadersRef::NONE,
        value: Some(value),
    };
    let plan = Arc::clone(decoder.plan());
    let mut segment = plan.new_segment();
    let first = decoder.decode(&mut segment, record);
    check_shape(&segment, usize::from(first.is_ok()));
    // A schema that is missing is asked for once.
    if let Err(Undecoded::NeedsSchema(_)) = first {
        return first;
    }
    let again = decoder.decode(&mut segment, record);
    assert_eq!(first, again, "the same bytes, decoded again");
    check_shape(&segment, 2 * usize::from(first.is_ok()));
    if first.is_ok() {
        assert!(block(&plan, &segment, 0) == block(&plan, &segment, 1), "the same bytes became other rows");
    }
    first
}

fn check_shape(segment: &Segment, rows: usize) {
    assert_eq!(segment.rows(), rows);
    for column in segment.columns() {
        assert_eq!(column.len(), rows, "{column:?}");
    }
}

fn block(plan: &TablePlan, segment: &Segment, row: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let shape = plan.shape();
    let one = segment.select(std::slice::from_ref(&(row..row + 1)));
    encode_block(&shape.wire_names(), &shape.wire_types(), &[&one], &mut out).expect("one plan made both");
    out
}

/// The code of a refusal; `ok` and `needs` else.
pub fn code(result: &Result<(), Undecoded>) -> String {
    match result {
        Ok(()) => "ok".to_owned(),
        Err(Undecoded::NeedsSchema(_)) => "needs".to_owned(),
        Err(Undecoded::Refused(error)) => error.to_string()[..10].to_owned(),
    }
}

/// A number for whatever can be told apart.
pub fn outcome(what: impl Hash) -> Outcome {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The code and the column, which together say how far a record came.
pub fn outcome_of(result: &Result<(), Undecoded>) -> Outcome {
    match result {
        Err(Undecoded::Refused(error)) => outcome((code(result), error.column.as_deref())),
        _ => outcome(code(result)),
    }
}
