//! Why a record did not become a row.
use std::fmt;
use std::sync::Arc;

use pumphouse_types::SchemaId;

/// The kind of a JSON value; what error messages say about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ValueKind {
    Null,
    Bool,
    Number,
    Text,
    Array,
    Object,
    /// A byte string, or a value of fixed size that is not further described.
    Bytes,
    /// A date, time, decimal or the like, as a source schema says.
    Logical,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueKind::Null => "null",
            ValueKind::Bool => "a boolean",
            ValueKind::Number => "a number",
            ValueKind::Text => "a text",
            ValueKind::Array => "an array",
            ValueKind::Object => "an object",
            ValueKind::Bytes => "a byte string",
            ValueKind::Logical => "a date, time or decimal",
        })
    }
}

/// What is wrong with a record. Never holds any of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeReason {
    /// The bytes are not JSON.
    #[error("DECODE-001: not JSON at byte {at}")]
    BrokenJson {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// A tombstone, or JSON that is not an object.
    #[error("DECODE-002: the record's value is {} where an object is needed", found.map_or("missing (a tombstone)".to_owned(), |kind| kind.to_string()))]
    NotAnObject {
        /** What is there; `None` for a tombstone. */
        found: Option<ValueKind>,
    },
    /// No field for a column that has neither NULL nor DEFAULT.
    #[error("DECODE-003: the field is missing; the column has no DEFAULT and is not Nullable")]
    MissingField,
    /// null for a column, or inside an array or map, that has neither NULL nor DEFAULT.
    #[error("DECODE-004: null where the type is not Nullable")]
    UnexpectedNull,
    /// The type cannot hold the value exactly.
    #[error("DECODE-005: {found} that the type cannot hold without loss")]
    Lossy {
        /** What is there. */
        found: ValueKind,
    },
    /// A value of a kind that is not converted to the type, or a text of another form.
    #[error("DECODE-006: {found} that does not stand for a value of the type")]
    WrongKind {
        /** What is there. */
        found: ValueKind,
    },
    /// Neither a name nor a number of the Enum.
    #[error("DECODE-007: {found} that the Enum does not have")]
    UnknownEnumValue {
        /** What is there. */
        found: ValueKind,
    },
    /// Bytes or an escape that are not Unicode text.
    #[error("DECODE-008: not UTF-8 at byte {at}")]
    InvalidUtf8 {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// A field that no column takes, and the configuration refuses those.
    #[error("DECODE-009: a field that the table has no column for, at byte {at}")]
    UnknownField {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// Arrays and objects nest too deep.
    #[error("DECODE-010: nested deeper than {} levels", crate::scanner::JSON_DEPTH_MAX)]
    TooDeep,
    /// A partition or offset that the lineage column's type cannot hold.
    #[error("DECODE-011: the record's position does not fit the lineage column")]
    LineageOutOfRange,
    /// A JSON column's object has a path twice.
    #[error("DECODE-012: a path of the JSON value occurs twice, again at byte {at}")]
    PathTwice {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// Arrays of one Nested differ in length.
    #[error("DECODE-013: arrays that belong together have different lengths")]
    NestedLengths,
    /// An array with another number of elements than the Tuple has members.
    #[error("DECODE-014: an array with another number of elements than the Tuple")]
    WrongLength,
    /// A record without a timestamp, and a timestamp column that is not Nullable.
    #[error("DECODE-015: the record has no timestamp; the column is not Nullable")]
    NoTimestamp,
    /// The bytes are not what the schema says that they are.
    #[error("DECODE-030: the bytes do not follow the schema at byte {at}")]
    BrokenBinary {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// The value does not begin with a zero byte and a schema's number.
    #[error("DECODE-031: the value does not begin with the number of a schema")]
    NoSchemaNumber,
    /// The registry answered that it has no such schema.
    #[error("DECODE-032: the registry has no schema {id}")]
    NoSuchSchema {
        /** The schema's number. */
        id: SchemaId,
    },
    /// The schema is there, but records cannot be read with it; the log says why.
    #[error("DECODE-033: schema {id} cannot be used")]
    UnusableSchema {
        /** The schema's number. */
        id: SchemaId,
    },
    /// More values than the bytes can be meant to hold.
    #[error("DECODE-034: the record claims more values than its length allows")]
    TooManyValues,
    /// The schema that travels with the value is missing or none.
    #[error("DECODE-035: the value does not carry a usable schema")]
    NoEnvelope,
    /// A schema's number of eight bytes, where those of the wire format have four.
    #[error("DECODE-036: the value begins with a schema's number of eight bytes")]
    LongSchemaNumber,
    /// A bare value that has not the length of what its converter reads.
    #[error("DECODE-037: {bytes} bytes where the converter reads {wanted}")]
    WrongWidth {
        /** How many there are. */
        bytes: usize,
        /** How many there have to be. */
        wanted: usize,
    },
    /// A text that is no row of its format.
    #[error("DECODE-038: not a row of the text format at byte {at}")]
    BrokenText {
        /** Byte position in the record's value. */
        at: usize,
    },
    /// More or fewer fields in a text than the table takes.
    #[error("DECODE-039: the text has {found} fields, the table {wanted} columns")]
    WrongFieldCount {
        /** How many were found, at least. */
        found: usize,
        /** How many there have to be. */
        wanted: usize,
    },
    /// A text of several rows.
    #[error("DECODE-040: a second row begins at byte {at}; one record is one row")]
    SecondRow {
        /** Byte position in the record's value. */
        at: usize,
    },
}

/// A record that did not become a row. The caller adds topic, partition and offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The column, where the reason concerns one.
    pub column: Option<Arc<str>>,
    /// What is wrong.
    pub reason: DecodeReason,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{} (column {column})", self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl std::error::Error for DecodeError {}
