//! Record bytes straight into column builders.
//!
//! A [`TablePlan`] says once per table what every JSON field becomes; a [`JsonDecoder`] then writes
//! records into a [`pumphouse_columns::Segment`] without building anything in between. A record
//! either becomes exactly one row or a [`DecodeError`] and no row. What a record becomes depends on
//! its bytes and the plan alone: no clock, locale, randomness or map order (PROTOCOL R13).
//!
//! # Conversions
//! Nothing is rounded or cut silently. "Number" is a JSON number as written, "exactly" means that
//! digits behind the last one that the type can hold must be zeros.
//!
//! | Column type | JSON values taken |
//! |---|---|
//! | (U)Int8..128 | numbers that are integers (also `1.0`, `1e3`), texts of such numbers; true/false for UInt8; range-checked |
//! | Float32, Float64 | numbers and texts of numbers, to the nearest float; overflow to infinity and underflow of a non-zero number to 0 are refused; the texts `NaN`, `Infinity`, `-Infinity` |
//! | Bool | true, false, numbers 0 and 1, texts `true` and `false` |
//! | String | texts; numbers, true and false as written; objects and arrays as the JSON text that stands in the record |
//! | FixedString(N) | texts of at most N bytes; shorter ones are filled up with zero bytes, as the server does |
//! | Decimal(P, S), P <= 38 | numbers and texts of numbers, exactly |
//! | Date, Date32 | `YYYY-MM-DD`, also with a time of midnight (UTC or without zone); integers: days since 1970 |
//! | DateTime | ISO 8601 texts (below), without fraction; integers: seconds since 1970 UTC |
//! | DateTime64(p) | ISO 8601 texts, fraction exactly; integers: ticks of 10^-p s since 1970 UTC, so milliseconds for p = 3, which is what Kafka Connect's Timestamp and the server's own JSONEachRow mean |
//! | UUID | 36 characters with hyphens, or 32 hexadecimal digits |
//! | Enum8, Enum16 | a name as text, or one of the numbers |
//! | Array(T) | arrays |
//! | Map(K, V) | objects; keys go through the conversion of texts to K; entries stay as written, doubles included |
//! | JSON, JSON(...) | objects, as text: the server parses it |
//! | LowCardinality(T), Nullable(T) | what T takes; null for Nullable |
//!
//! ISO 8601 here: `YYYY-MM-DDTHH:MM[:SS[.fraction]]` with `T`, `t` or a space between, then `Z`,
//! `+HH:MM`, `+HHMM`, `+HH` (or `-`), or nothing: then the column's zone counts, without one UTC.
//! A local time that a zone skips is refused; one that occurs twice is the earlier. A date alone is
//! its midnight.
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

mod error;
mod plan;
mod references;
mod shape;
mod table_column;

mod conversion;
mod json_decoder;
mod scanner;

mod connect_name;
mod schema_error;
mod schema_table;
mod source_row;
mod typed;
mod undecoded;

mod avro;
mod connect_json;

mod decoder;

mod civil;
mod iso;
mod number;
mod scalar;

pub use avro::AvroDecoder;
pub use connect_json::ConnectJsonDecoder;
pub use decoder::{Decoder, Format};
pub use error::{DecodeError, DecodeReason, ValueKind};
pub use json_decoder::{JsonDecoder, RecordRef};
pub use plan::{LineageNames, PlanError, PlanOptions, TablePlan, UnknownFields};
pub use scanner::JSON_DEPTH_MAX;
pub use schema_error::{SCHEMA_BYTES_MAX, SchemaError, SchemaFault};
pub use shape::{InsertColumn, InsertShape, InsertTarget};
pub use table_column::{DefaultKind, TableColumn, UnknownDefaultKind};
pub use undecoded::Undecoded;
