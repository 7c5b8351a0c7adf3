//! Record bytes straight into column builders.
//!
//! A [`TablePlan`] says once per table what every JSON field becomes; a [`JsonDecoder`] then writes
//! records into a [`pumphouse_columns::Segment`] without building anything in between. A record
//! either becomes exactly one row or a [`DecodeError`] and no row. What a record becomes depends on
//! its bytes and the plan alone: no clock, locale, randomness or map order (PROTOCOL R13).
//!
//! # Conversions
//! `docs/types.md` says what every kind of JSON value becomes in every type; `type_table.rs` is where
//! that page comes from. Nothing is rounded or cut silently.
//!
//! # Records and fields
//! - The value is one JSON object in UTF-8. A tombstone (no value) and `null` are data errors.
//! - Fields match columns by exact name. Of a field that stands there twice the last counts, as with
//!   Kafka Connect's JsonConverter. Fields without a column are ignored or refused ([`UnknownFields`]).
//! - Lineage columns come from the record's position, never from a field.
//! - A field that is not there: NULL for a Nullable column, the table's DEFAULT where there is one,
//!   else DECODE-003.
//! - A field that is null: NULL for a Nullable column (also one with DEFAULT); the DEFAULT for a
//!   column that cannot hold NULL but has one, as with the server's input_format_null_as_default;
//!   else DECODE-004.
#![forbid(unsafe_code)]

mod dotted;
mod error;
mod lineage;
mod plan;
mod references;
mod shape;
mod table_column;
mod type_table;

mod conversion;
mod dynamic_value;
mod headers;
mod json_decoder;
mod json_text;
mod marks;
mod nested_value;
mod scanner;
mod seen;
mod tuple_members;
mod usual_fields;
mod usual_tokens;
mod usual_value;
mod variant_choice;

mod connect_name;
mod fixed_schema;
mod schema_error;
mod schema_table;
mod source_row;
mod typed;
mod undecoded;

mod avro;
mod connect_json;
mod json_schema;
mod protobuf;

mod delimited;
mod whole_value;

mod decoder;

mod civil;
mod clock;
mod date_format;
mod digits;
mod fraction;
mod iso;
mod number;
mod scalar;
mod short_number;
mod utf8;
mod uuid_text;
mod varint;
mod wide;

pub use avro::AvroDecoder;
pub use connect_json::ConnectJsonDecoder;
pub use decoder::{Decoder, Format};
pub use delimited::{Delimited, DelimitedDecoder};
pub use error::{DecodeError, DecodeReason, ValueKind};
pub use fixed_schema::FixedSchema;
pub use headers::{HeadersRef, TakeHeader};
pub use json_decoder::{JsonDecoder, RecordRef};
pub use json_schema::JsonSchemaDecoder;
pub use lineage::LineageNames;
pub use plan::{PlanError, PlanOptions, TablePlan, UnknownFields, ValueColumn};
pub use protobuf::ProtobufDecoder;
pub use scanner::JSON_DEPTH_MAX;
pub use schema_error::{SCHEMA_BYTES_MAX, SchemaError, SchemaFault};
pub use shape::{InsertColumn, InsertShape, InsertTarget};
pub use table_column::{DefaultKind, TableColumn, UnknownDefaultKind};
pub use type_table::{CELL_NAMES, Cell, TYPE_TABLE, Takes, TypeRow, types_page};
pub use undecoded::Undecoded;
pub use whole_value::{WholeValue, WholeValueDecoder};
