//! Records in Confluent's wire format with Avro in them.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

use super::program::{Program, Scratch};
use super::schema::Schema;
use crate::json_decoder::{RecordRef, plain};
use crate::plan::TablePlan;
use crate::schema_error::{SchemaError, SchemaFault};
use crate::schema_table::{SchemaTable, split_prefix};
use crate::source_row::one_row;
use crate::undecoded::Undecoded;

/// A text buffer larger than this is given back after the record that needed it.
pub(crate) const SCRATCH_BYTES_MAX: usize = 1 << 20;

/// Writes Avro records into segments of one plan. Single-threaded; keeps compiled schemas and buffers.
#[derive(Debug)]
pub struct AvroDecoder {
    plan: Arc<TablePlan>,
    programs: SchemaTable<Program>,
    scratch: Scratch,
}

impl AvroDecoder {
    /// A decoder that knows no schema yet.
    pub fn new(plan: Arc<TablePlan>) -> AvroDecoder {
        AvroDecoder { plan, programs: SchemaTable::new(), scratch: Scratch::default() }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Compiles a schema. Errors: why it cannot be used; its records are refused from now on.
    pub fn add_schema(&mut self, registered: &RegisteredSchema) -> Result<(), SchemaError> {
        let compiled = self.compile(registered);
        let (program, result) = match compiled {
            Ok(program) => (Some(program), Ok(())),
            Err(fault) => (None, Err(SchemaError { id: registered.id, fault })),
        };
        self.programs.add(registered.id, program);
        result
    }

    fn compile(&self, registered: &RegisteredSchema) -> Result<Program, SchemaFault> {
        if registered.kind != SchemaKind::Avro {
            return Err(SchemaFault::OtherLanguage { found: registered.kind, wanted: SchemaKind::Avro });
        }
        Program::compile(Schema::parse(registered)?, &self.plan)
    }

    /// The registry has no such schema: the next record with this number is refused with DECODE-032.
    pub fn schema_missing(&mut self, id: SchemaId) {
        self.programs.set_missing(id);
    }

    /// Appends one row to `segment`, which the plan made.
    /// Errors: [`Undecoded`]; the segment is then as it was before.
    #[inline]
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), Undecoded> {
        let AvroDecoder { plan, programs, scratch } = self;
        let (id, body) = split_prefix(record.value).map_err(plain)?;
        let program = programs.get(id)?;
        let rows = segment.rows();
        let result = one_row(segment, |columns| program.run(plan, columns, rows, &record, body, scratch));
        if scratch.json.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        result.map_err(Undecoded::Refused)
    }
}
