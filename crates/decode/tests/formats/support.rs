//! Tables, segments and their blocks.
use std::sync::Arc;

use pumphouse_columns::{Segment, encode_block};
use pumphouse_decode::{
    DefaultKind, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan, Undecoded,
    UnknownFields,
};
use pumphouse_types::{ReferencedSchema, RegisteredSchema, SchemaId, SchemaKind};

pub fn column(name: &str, type_text: &str, default: &str) -> TableColumn {
    TableColumn {
        name: name.to_owned(),
        type_text: type_text.to_owned(),
        default_kind: if default.is_empty() { DefaultKind::None } else { DefaultKind::Default },
        default_expression: default.to_owned(),
    }
}

pub fn plan(columns: &[TableColumn]) -> Arc<TablePlan> {
    Arc::new(TablePlan::compile(columns, PlanOptions::default()).unwrap())
}

pub fn refusing_plan(columns: &[TableColumn]) -> Arc<TablePlan> {
    let options = PlanOptions { unknown_fields: UnknownFields::Refuse, ..PlanOptions::default() };
    Arc::new(TablePlan::compile(columns, options).unwrap())
}

pub fn record(value: Option<&[u8]>) -> RecordRef<'_> {
    RecordRef {
        topic: "t",
        partition: 3,
        offset: 17,
        timestamp_ms: None,
        key: None,
        headers: HeadersRef::NONE,
        value,
    }
}

pub fn block(plan: &TablePlan, segment: &Segment) -> Vec<u8> {
    let mut out = Vec::new();
    let shape = plan.shape();
    encode_block(&shape.wire_names(), &shape.wire_types(), &[segment], &mut out).unwrap();
    out
}

/// The block that JSON records become.
pub fn json_block(plan: &Arc<TablePlan>, records: &[&str]) -> Vec<u8> {
    let mut decoder = JsonDecoder::new(Arc::clone(plan));
    let mut segment = plan.new_segment();
    for text in records {
        decoder.decode(&mut segment, record(Some(text.as_bytes()))).unwrap_or_else(|e| panic!("{text}: {e}"));
    }
    block(plan, &segment)
}

pub fn schema(id: u32, kind: SchemaKind, text: &str, references: &[(&str, &str)]) -> RegisteredSchema {
    let reference =
        |(name, text): &(&str, &str)| ReferencedSchema { name: (*name).to_owned(), text: (*text).to_owned() };
    RegisteredSchema {
        id: SchemaId(id),
        kind,
        text: text.to_owned(),
        references: references.iter().map(reference).collect(),
    }
}

/// Confluent's wire format.
pub fn framed(id: u32, body: &[u8]) -> Vec<u8> {
    let mut value = vec![0];
    value.extend(id.to_be_bytes());
    value.extend(body);
    value
}

/// The code of a refusal.
pub fn code(result: Result<(), Undecoded>) -> String {
    match result.unwrap_err() {
        Undecoded::NeedsSchema(id) => format!("needs {id}"),
        Undecoded::Refused(error) => error.to_string()[..10].to_owned(),
    }
}
