//! One registry for all tests of this binary, and the way from a producer's bytes to a block.
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pumphouse_columns::{Segment, encode_block};
use pumphouse_decode::{
    Decoder, DefaultKind, Format, HeadersRef, JsonDecoder, PlanOptions, RecordRef, TableColumn, TablePlan,
    Undecoded,
};
use pumphouse_registry::{Registry, RegistryError, RegistrySettings};
use pumphouse_testkit::install::schema_producers;
use pumphouse_testkit::{SchemaRegistry, SchemaRegistryOptions};
use pumphouse_types::{RegisteredSchema, SchemaId};

static SERVER: Mutex<Option<SchemaRegistry>> = Mutex::new(None);

/// The shared server's address.
pub fn registry_url() -> String {
    let mut server: MutexGuard<'_, _> = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    server.get_or_insert_with(|| SchemaRegistry::start(SchemaRegistryOptions::default()).unwrap()).url()
}

pub fn fetch(registry: &Registry, id: SchemaId) -> Result<Arc<RegisteredSchema>, RegistryError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(registry.schema(id, Some("orders-value")))
}

/// The records that a script of this folder writes.
pub fn produced(script: &str, arguments: &[&str]) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_registry/");
    let mut command: Command = schema_producers().unwrap().command();
    let output = command.arg(format!("{folder}{script}")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(bytes_of).collect()
}

fn bytes_of(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

pub fn plan(columns: &[(&str, &str)]) -> Arc<TablePlan> {
    let column = |(name, type_text): &(&str, &str)| TableColumn {
        name: (*name).to_owned(),
        type_text: (*type_text).to_owned(),
        default_kind: DefaultKind::None,
        default_expression: String::new(),
    };
    let columns: Vec<_> = columns.iter().map(column).collect();
    Arc::new(TablePlan::compile(&columns, PlanOptions::default()).unwrap())
}

fn record(value: &[u8], offset: usize) -> RecordRef<'_> {
    RecordRef {
        topic: "orders",
        partition: 0,
        offset: offset as i64,
        timestamp_ms: None,
        key: None,
        headers: HeadersRef::NONE,
        value: Some(value),
    }
}

fn block(plan: &TablePlan, segment: &Segment) -> Vec<u8> {
    let (shape, mut out) = (plan.shape(), Vec::new());
    encode_block(&shape.wire_names(), &shape.wire_types(), &[segment], &mut out).unwrap();
    out
}

/// Decodes as the worker does: what the decoder lacks is fetched, and the record decoded again.
/// Answers how many schemas were fetched.
pub fn decode(format: Format, plan: &Arc<TablePlan>, records: &[Vec<u8>]) -> (Vec<u8>, usize) {
    let registry = Registry::new(RegistrySettings::new(vec![registry_url()])).unwrap();
    let mut decoder = Decoder::new(format, Arc::clone(plan));
    let mut segment = plan.new_segment();
    let mut fetched = 0;
    for (offset, value) in records.iter().enumerate() {
        loop {
            match decoder.decode(&mut segment, record(value, offset)) {
                Ok(()) => break,
                Err(Undecoded::NeedsSchema(id)) => {
                    fetched += 1;
                    decoder.add_schema(&fetch(&registry, id).unwrap()).unwrap();
                }
                Err(Undecoded::Refused(error)) => panic!("record {offset}: {error}"),
            }
        }
    }
    (block(plan, &segment), fetched)
}

/// What the same records in JSON become.
pub fn json_block(plan: &Arc<TablePlan>, records: &[&str]) -> Vec<u8> {
    let mut decoder = JsonDecoder::new(Arc::clone(plan));
    let mut segment = plan.new_segment();
    for (offset, text) in records.iter().enumerate() {
        decoder.decode(&mut segment, record(text.as_bytes(), offset)).unwrap();
    }
    block(plan, &segment)
}
