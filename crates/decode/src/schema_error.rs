//! Why a schema cannot be read with. Its records are refused with DECODE-033.
use pumphouse_types::{SchemaId, SchemaKind};

/// All texts of one schema together, references included.
pub const SCHEMA_BYTES_MAX: usize = 4 << 20;

/// What is wrong with a schema's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaFault {
    /// Not a schema of its language.
    #[error("SCHEMA-001: it is not valid: {why}")]
    Invalid {
        /** Where and why. */
        why: String,
    },
    /// Longer, wider or deeper than any real one.
    #[error("SCHEMA-002: it has more than {limit} {what}")]
    TooLarge {
        /** What is counted. */
        what: &'static str,
        /** How many are taken. */
        limit: usize,
    },
    /// For instance Protobuf where the connector's converter is for Avro.
    #[error("SCHEMA-003: it is written in {found}, the converter reads {wanted}")]
    OtherLanguage {
        /** Its language. */
        found: SchemaKind,
        /** The converter's. */
        wanted: SchemaKind,
    },
    /// It names a type that neither it nor its references define.
    #[error("SCHEMA-004: {name} is not defined by it or its references")]
    Undefined {
        /** The type or file. */
        name: String,
    },
    /// Values have no fields, so there is nothing to name columns by.
    #[error("SCHEMA-005: its values are not records with fields")]
    NoFields,
    /// A valid schema whose values cannot be told apart or followed.
    #[error("SCHEMA-006: values cannot be read by it: {why}")]
    Unreadable {
        /** What of it, and why. */
        why: String,
    },
}

/// A schema that records cannot be read with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} (schema {id})")]
pub struct SchemaError {
    /// The schema's number.
    pub id: SchemaId,
    /// What is wrong.
    #[source]
    pub fault: SchemaFault,
}
