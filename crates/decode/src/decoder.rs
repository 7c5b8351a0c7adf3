//! One decoder for whatever format a connector's value converter names.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId};

use crate::avro::AvroDecoder;
use crate::connect_json::ConnectJsonDecoder;
use crate::json_decoder::{JsonDecoder, RecordRef};
use crate::plan::TablePlan;
use crate::schema_error::SchemaError;
use crate::undecoded::Undecoded;

/// What the values of a topic are; a value converter's class and options say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON objects without a schema: `JsonConverter` with `schemas.enable=false`.
    Json,
    /// Avro in Confluent's wire format: `AvroConverter`.
    Avro,
    /// JSON that carries its schema: `JsonConverter` with `schemas.enable=true`.
    ConnectJson,
}

/// Decodes one format. Which one is looked up once per record; within a format nothing is dynamic.
#[derive(Debug)]
pub enum Decoder {
    /// JSON objects.
    Json(JsonDecoder),
    /// Avro.
    Avro(Box<AvroDecoder>),
    /// JSON that carries its schema.
    ConnectJson(Box<ConnectJsonDecoder>),
}

impl Decoder {
    /// A decoder for a plan.
    pub fn new(format: Format, plan: Arc<TablePlan>) -> Decoder {
        match format {
            Format::Json => Decoder::Json(JsonDecoder::new(plan)),
            Format::Avro => Decoder::Avro(Box::new(AvroDecoder::new(plan))),
            Format::ConnectJson => Decoder::ConnectJson(Box::new(ConnectJsonDecoder::new(plan))),
        }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        match self {
            Decoder::Json(decoder) => decoder.plan(),
            Decoder::Avro(decoder) => decoder.plan(),
            Decoder::ConnectJson(decoder) => decoder.plan(),
        }
    }

    /// Appends one row to `segment`, which the plan made (`TablePlan::new_segment`).
    /// Errors: [`Undecoded`]; the segment is then as it was before.
    #[inline]
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), Undecoded> {
        match self {
            Decoder::Json(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
            Decoder::Avro(decoder) => decoder.decode(segment, record),
            Decoder::ConnectJson(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
        }
    }

    /// Answers [`Undecoded::NeedsSchema`]: records with this number can be decoded from now on.
    /// Errors: the schema cannot be used, to be logged once; its records are refused with DECODE-033.
    pub fn add_schema(&mut self, registered: &RegisteredSchema) -> Result<(), SchemaError> {
        match self {
            Decoder::Avro(decoder) => decoder.add_schema(registered),
            Decoder::Json(_) | Decoder::ConnectJson(_) => Ok(()),
        }
    }

    /// Answers [`Undecoded::NeedsSchema`] where the registry has no such schema: the next record with
    /// this number is refused with DECODE-032, the one behind it asks again.
    pub fn schema_missing(&mut self, id: SchemaId) {
        match self {
            Decoder::Avro(decoder) => decoder.schema_missing(id),
            Decoder::Json(_) | Decoder::ConnectJson(_) => {}
        }
    }
}
