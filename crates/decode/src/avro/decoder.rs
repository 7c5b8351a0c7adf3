//! Records in Confluent's wire format with Avro in them.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

use super::program::{Program, Scratch};
use super::schema::{Node, Schema};
use crate::error::DecodeReason;
use crate::fixed_schema::FixedSchema;
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
    /// Every value is written with this schema, without a number before it.
    fixed: Option<Box<Program>>,
    scratch: Scratch,
}

impl AvroDecoder {
    /// A decoder that knows no schema yet.
    pub fn new(plan: Arc<TablePlan>) -> AvroDecoder {
        AvroDecoder { plan, programs: SchemaTable::new(), fixed: None, scratch: Scratch::default() }
    }

    /// A decoder for values that are all bare Avro of one schema. Errors: why it cannot be used.
    pub fn with_schema(plan: Arc<TablePlan>, schema: &FixedSchema) -> Result<AvroDecoder, SchemaFault> {
        let parsed = Schema::parse(&schema.registered(SchemaKind::Avro))?;
        let program = Program::compile(parsed, &plan)?;
        Ok(AvroDecoder { fixed: Some(Box::new(program)), ..AvroDecoder::new(plan) })
    }

    pub(crate) fn check_schema(schema: &FixedSchema) -> Result<(), SchemaFault> {
        let parsed = Schema::parse(&schema.registered(SchemaKind::Avro))?;
        match parsed.node(parsed.root) {
            Node::Record { .. } => Ok(()),
            _ => Err(SchemaFault::NoFields),
        }
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
        let AvroDecoder { plan, programs, fixed, scratch } = self;
        let (program, body) = match (fixed, record.value) {
            (Some(program), Some(body)) => (&**program, body),
            (Some(_), None) => return Err(plain(DecodeReason::NotAnObject { found: None }).into()),
            (None, value) => {
                let (id, body) = split_prefix(value).map_err(plain)?;
                (&*programs.get(id)?, body)
            }
        };
        let rows = segment.rows();
        let result = one_row(segment, |columns| program.run(plan, columns, rows, &record, body, scratch));
        if scratch.json.capacity() > SCRATCH_BYTES_MAX {
            *scratch = Scratch::default();
        }
        result.map_err(Undecoded::Refused)
    }
}
