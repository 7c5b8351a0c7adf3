//! Records in Confluent's wire format with Protobuf in them.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId, SchemaKind};

use super::program::{Program, Scratch};
use super::schema::Schema;
use crate::error::DecodeReason;
use crate::fixed_schema::FixedSchema;
use crate::json_decoder::{RecordRef, plain};
use crate::plan::TablePlan;
use crate::schema_error::{SchemaError, SchemaFault};
use crate::schema_table::{SchemaTable, body_at, split_prefix};
use crate::source_row::one_row;
use crate::undecoded::Undecoded;

/// Buffers larger than this are given back after the record that needed them.
const SCRATCH_BYTES_MAX: usize = 1 << 20;
const SCRATCH_ENTRIES_MAX: usize = 1 << 16;

/// Places in a value are 32 bits; Kafka's records are smaller anyway.
const VALUE_BYTES_MAX: usize = u32::MAX as usize;

/// Writes Protobuf records into segments of one plan. Single-threaded; keeps compiled schemas and buffers.
#[derive(Debug)]
pub struct ProtobufDecoder {
    plan: Arc<TablePlan>,
    programs: SchemaTable<Program>,
    /// Every value is a message of this schema, without a number before it.
    fixed: Option<Box<Program>>,
    scratch: Scratch,
}

impl ProtobufDecoder {
    /// A decoder that knows no schema yet.
    pub fn new(plan: Arc<TablePlan>) -> ProtobufDecoder {
        ProtobufDecoder { plan, programs: SchemaTable::new(), fixed: None, scratch: Scratch::default() }
    }

    /// A decoder for values that are bare messages of one schema. Errors: why it cannot be used.
    pub fn with_schema(plan: Arc<TablePlan>, schema: &FixedSchema) -> Result<ProtobufDecoder, SchemaFault> {
        let parsed = Schema::parse(&schema.registered(SchemaKind::Protobuf))?;
        let program = Program::of_message(parsed, schema.message.as_deref())?;
        Ok(ProtobufDecoder { fixed: Some(Box::new(program)), ..ProtobufDecoder::new(plan) })
    }

    pub(crate) fn check_schema(schema: &FixedSchema) -> Result<(), SchemaFault> {
        let parsed = Schema::parse(&schema.registered(SchemaKind::Protobuf))?;
        parsed.named(schema.message.as_deref()).map(drop)
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        &self.plan
    }

    /// Reads a schema. Errors: why it cannot be used; its records are refused from now on.
    pub fn add_schema(&mut self, registered: &RegisteredSchema) -> Result<(), SchemaError> {
        let parsed = match registered.kind {
            SchemaKind::Protobuf => Schema::parse(registered),
            found => Err(SchemaFault::OtherLanguage { found, wanted: SchemaKind::Protobuf }),
        };
        let (program, result) = match parsed {
            Ok(schema) => (Some(Program::new(schema)), Ok(())),
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
    #[inline]
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), Undecoded> {
        let ProtobufDecoder { plan, programs, fixed, scratch } = self;
        let (program, body_at) = match fixed {
            Some(program) if record.value.is_some() => (&mut **program, 0),
            Some(_) => return Err(plain(DecodeReason::NotAnObject { found: None }).into()),
            None => {
                let (id, _) = split_prefix(record.value).map_err(plain)?;
                (programs.get(id)?, body_at())
            }
        };
        let value = record.value.unwrap_or_default();
        if value.len() > VALUE_BYTES_MAX {
            return Err(plain(DecodeReason::TooManyValues).into());
        }
        let rows = segment.rows();
        let result =
            one_row(segment, |columns| program.run(plan, columns, rows, &record, (value, body_at), scratch));
        if scratch.json.capacity() > SCRATCH_BYTES_MAX || scratch.entries.capacity() > SCRATCH_ENTRIES_MAX {
            *scratch = Scratch::default();
        }
        result.map_err(Undecoded::Refused)
    }
}
