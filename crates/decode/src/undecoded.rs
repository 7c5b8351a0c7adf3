//! Why a decoder made no row of a record: it never will, or it lacks a schema.
use std::fmt;

use pumphouse_types::SchemaId;

use crate::error::DecodeError;

/// No row, and the segment is as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecoded {
    /// Not the record's fault: to be fetched, given to `Decoder::add_schema`, and the record decoded
    /// again. Where the registry says that there is none: `Decoder::schema_missing`.
    NeedsSchema(SchemaId),
    /// The record cannot become a row.
    Refused(DecodeError),
}

impl From<DecodeError> for Undecoded {
    fn from(error: DecodeError) -> Undecoded {
        Undecoded::Refused(error)
    }
}

impl fmt::Display for Undecoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Undecoded::NeedsSchema(id) => write!(f, "schema {id} is needed first"),
            Undecoded::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Undecoded {}
