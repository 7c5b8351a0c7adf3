//! One decoder for whatever format a connector's value converter names.
use std::sync::Arc;

use pumphouse_columns::Segment;
use pumphouse_types::{RegisteredSchema, SchemaId};

use crate::avro::AvroDecoder;
use crate::connect_json::ConnectJsonDecoder;
use crate::delimited::{Delimited, DelimitedDecoder};
use crate::fixed_schema::FixedSchema;
use crate::json_decoder::{JsonDecoder, RecordRef};
use crate::json_schema::JsonSchemaDecoder;
use crate::plan::TablePlan;
use crate::protobuf::ProtobufDecoder;
use crate::schema_error::{SchemaError, SchemaFault};
use crate::undecoded::Undecoded;
use crate::whole_value::{WholeValue, WholeValueDecoder};

/// What the values of a topic are; a value converter's class and options say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON objects without a schema: `JsonConverter` with `schemas.enable=false`.
    Json,
    /// Avro in Confluent's wire format: `AvroConverter`.
    Avro,
    /// Protobuf in Confluent's wire format: `ProtobufConverter`.
    Protobuf,
    /// JSON with the number of its JSON Schema: `JsonSchemaConverter`.
    JsonSchema,
    /// JSON that carries its schema: `JsonConverter` with `schemas.enable=true`.
    ConnectJson {
        /// Null, and a field that is not there, become the schema's default
        /// (`replace.null.with.default`).
        null_defaults: bool,
    },
    /// The whole value goes to one column: `ByteArrayConverter` and the converters of single values. The
    /// plan has to name the column.
    Whole(WholeValue),
    /// Texts of one row: `StringConverter` with `insertFormat` CSV or TSV.
    Delimited(Delimited),
}

/// By name, and the name: what a recorded configuration says (R15). A name never changes its meaning.
const NAMES: [(&str, Format); 16] = [
    ("json", Format::Json),
    ("avro", Format::Avro),
    ("protobuf", Format::Protobuf),
    ("json schema", Format::JsonSchema),
    ("json with schema", Format::ConnectJson { null_defaults: true }),
    ("json with schema, null stays", Format::ConnectJson { null_defaults: false }),
    ("bytes", Format::Whole(WholeValue::Bytes)),
    ("text", Format::Whole(WholeValue::Text)),
    ("short", Format::Whole(WholeValue::Short)),
    ("integer", Format::Whole(WholeValue::Integer)),
    ("long", Format::Whole(WholeValue::Long)),
    ("float", Format::Whole(WholeValue::Float)),
    ("double", Format::Whole(WholeValue::Double)),
    ("boolean", Format::Whole(WholeValue::Boolean)),
    ("csv", Format::Delimited(Delimited::Csv)),
    ("tsv", Format::Delimited(Delimited::Tsv)),
];

impl Format {
    /// The format of a name. `None`: this build does not know it.
    pub fn from_name(name: &str) -> Option<Format> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, format)| *format)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = NAMES.iter().find(|(_, format)| *format == self);
        named.expect("every format stands in the table, as a test sees to").0
    }
}

/// Decodes one format. Which one is looked up once per record; within a format nothing is dynamic.
#[derive(Debug)]
pub enum Decoder {
    /// JSON objects.
    Json(JsonDecoder),
    /// Avro.
    Avro(Box<AvroDecoder>),
    /// Protobuf.
    Protobuf(Box<ProtobufDecoder>),
    /// JSON with the number of its schema.
    JsonSchema(Box<JsonSchemaDecoder>),
    /// JSON that carries its schema.
    ConnectJson(Box<ConnectJsonDecoder>),
    /// Values without fields.
    Whole(WholeValueDecoder),
    /// Texts of one row.
    Delimited(Box<DelimitedDecoder>),
}

impl Decoder {
    /// A decoder for a plan.
    pub fn new(format: Format, plan: Arc<TablePlan>) -> Decoder {
        match format {
            Format::Json => Decoder::Json(JsonDecoder::new(plan)),
            Format::Avro => Decoder::Avro(Box::new(AvroDecoder::new(plan))),
            Format::Protobuf => Decoder::Protobuf(Box::new(ProtobufDecoder::new(plan))),
            Format::JsonSchema => Decoder::JsonSchema(Box::new(JsonSchemaDecoder::new(plan))),
            Format::ConnectJson { null_defaults } => {
                Decoder::ConnectJson(Box::new(ConnectJsonDecoder::new(plan, null_defaults)))
            }
            Format::Whole(kind) => Decoder::Whole(WholeValueDecoder::new(plan, kind)),
            Format::Delimited(which) => Decoder::Delimited(Box::new(DelimitedDecoder::new(plan, which))),
        }
    }

    /// A decoder for values that are all of one schema and carry no number of it: bare Avro or Protobuf.
    /// Errors: why the schema cannot be used; `NoFields` for formats without such schemas.
    pub fn with_schema(
        format: Format,
        plan: Arc<TablePlan>,
        schema: &FixedSchema,
    ) -> Result<Decoder, SchemaFault> {
        match format {
            Format::Avro => Ok(Decoder::Avro(Box::new(AvroDecoder::with_schema(plan, schema)?))),
            Format::Protobuf => Ok(Decoder::Protobuf(Box::new(ProtobufDecoder::with_schema(plan, schema)?))),
            Format::Json
            | Format::JsonSchema
            | Format::ConnectJson { .. }
            | Format::Whole(_)
            | Format::Delimited(_) => Err(SchemaFault::NoFields),
        }
    }

    /// Whether [`Decoder::with_schema`] takes a schema, whatever the plan. Errors: why not.
    pub fn check_schema(format: Format, schema: &FixedSchema) -> Result<(), SchemaFault> {
        match format {
            Format::Avro => AvroDecoder::check_schema(schema),
            Format::Protobuf => ProtobufDecoder::check_schema(schema),
            Format::Json
            | Format::JsonSchema
            | Format::ConnectJson { .. }
            | Format::Whole(_)
            | Format::Delimited(_) => Err(SchemaFault::NoFields),
        }
    }

    /// The plan it decodes for.
    pub fn plan(&self) -> &Arc<TablePlan> {
        match self {
            Decoder::Json(decoder) => decoder.plan(),
            Decoder::Avro(decoder) => decoder.plan(),
            Decoder::Protobuf(decoder) => decoder.plan(),
            Decoder::JsonSchema(decoder) => decoder.plan(),
            Decoder::ConnectJson(decoder) => decoder.plan(),
            Decoder::Whole(decoder) => decoder.plan(),
            Decoder::Delimited(decoder) => decoder.plan(),
        }
    }

    /// Appends one row to `segment`, which the plan made (`TablePlan::new_segment`).
    /// Errors: [`Undecoded`]; the segment is then as it was before.
    #[inline]
    pub fn decode(&mut self, segment: &mut Segment, record: RecordRef<'_>) -> Result<(), Undecoded> {
        match self {
            Decoder::Json(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
            Decoder::Avro(decoder) => decoder.decode(segment, record),
            Decoder::Protobuf(decoder) => decoder.decode(segment, record),
            Decoder::JsonSchema(decoder) => decoder.decode(segment, record),
            Decoder::ConnectJson(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
            Decoder::Whole(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
            Decoder::Delimited(decoder) => decoder.decode(segment, record).map_err(Undecoded::Refused),
        }
    }

    /// Answers [`Undecoded::NeedsSchema`]: records with this number can be decoded from now on.
    /// Errors: the schema cannot be used, to be logged once; its records are refused with DECODE-033.
    pub fn add_schema(&mut self, registered: &RegisteredSchema) -> Result<(), SchemaError> {
        match self {
            Decoder::Avro(decoder) => decoder.add_schema(registered),
            Decoder::Protobuf(decoder) => decoder.add_schema(registered),
            Decoder::JsonSchema(decoder) => decoder.add_schema(registered),
            Decoder::Json(_) | Decoder::ConnectJson(_) | Decoder::Whole(_) | Decoder::Delimited(_) => Ok(()),
        }
    }

    /// Answers [`Undecoded::NeedsSchema`] where the registry has no such schema: the next record with
    /// this number is refused with DECODE-032, the one behind it asks again.
    pub fn schema_missing(&mut self, id: SchemaId) {
        match self {
            Decoder::Avro(decoder) => decoder.schema_missing(id),
            Decoder::Protobuf(decoder) => decoder.schema_missing(id),
            Decoder::JsonSchema(decoder) => decoder.schema_missing(id),
            Decoder::Json(_) | Decoder::ConnectJson(_) | Decoder::Whole(_) | Decoder::Delimited(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_has_a_name_of_its_own() {
        for (name, format) in NAMES {
            // Who adds a format finds this match, and the table.
            match format {
                Format::Json
                | Format::Avro
                | Format::Protobuf
                | Format::JsonSchema
                | Format::ConnectJson { null_defaults: true | false }
                | Format::Whole(
                    WholeValue::Bytes
                    | WholeValue::Text
                    | WholeValue::Short
                    | WholeValue::Integer
                    | WholeValue::Long
                    | WholeValue::Float
                    | WholeValue::Double
                    | WholeValue::Boolean,
                )
                | Format::Delimited(Delimited::Csv | Delimited::Tsv) => {}
            }
            assert_eq!((format.name(), Format::from_name(name)), (name, Some(format)));
        }
        assert_eq!(Format::from_name("xml"), None);
    }
}
