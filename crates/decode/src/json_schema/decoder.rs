//! Records in Confluent's wire format with JSON in them.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

use super::program::Program;
use super::schema;
use crate::connect_json::Scratch;
use crate::json_decoder::{RecordRef, plain};
use crate::plan::TablePlan;
use crate::schema_error::{SchemaError, SchemaFault};
use crate::schema_table::{SchemaTable, split_prefix};
use crate::undecoded::Undecoded;

/// A text buffer larger than this is given back after the record that needed it.
const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// Writes JSON records with a schema's number into segments of one plan. Single-threaded; keeps compiled
/// schemas and buffers.
#[derive(Debug)]
pub struct JsonSchemaDecoder {
    plan: Arc<TablePlan>,
    programs: SchemaTable<Program>,
    scratch: Scratch,
}

impl JsonSchemaDecoder {
    /// A decoder that knows no schema yet.
    pub fn new(plan: Arc<TablePlan>) -> JsonSchemaDecoder {
        JsonSchemaDecoder { plan, programs: SchemaTable::new(), scratch: Scratch::default() }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Compiles a schema. Errors: why it cannot be used; its records are refused from now on.
    pub fn add_schema(&mut self, registered: &RegisteredSchema) -> Result<(), SchemaError> {
        let parsed = match registered.kind {
            SchemaKind::JsonSchema => schema::parse(registered),
            found => Err(SchemaFault::OtherLanguage { found, wanted: SchemaKind::JsonSchema }),
        };
        let (program, result) = match parsed {
            Ok(root) => (Some(Program::new(root, &self.plan)), Ok(())),
            Err(fault) => (None, Err(SchemaError { id: registered.id, fault })),
        };
        self.programs.add(registered.id, program);
        result
    }

    /// The registry has no such schema: the next record with this number is refused with DECODE-032.
    pub fn schema_missing(&mut self, id: SchemaId) {
        self.programs.set_missing(id);
    }

    /// Appends one row to `segment`, which the plan made.
    /// Errors: [`Undecoded`]; the segment is then as it was before.
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), Undecoded> {
        let JsonSchemaDecoder { plan, programs, scratch } = self;
        let (id, _) = split_prefix(record.value).map_err(plain)?;
        let result = programs.get(id)?.run(plan, segment, record, scratch);
        if scratch.json.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        result.map_err(Undecoded::Refused)
    }
}
