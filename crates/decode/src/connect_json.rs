//! JSON that carries its schema: `{"schema": .., "payload": ..}`, as Kafka Connect's JsonConverter writes
//! it with `schemas.enable=true`.
//!
//! The schema says which numbers are dates and which texts are bytes. It stands in every record and is
//! nearly always the one of the record before, so it is compared with that one's text and compiled only
//! where it differs.
mod decoder;
mod json;
mod program;
mod schema;

pub use decoder::ConnectJsonDecoder;
pub(crate) use json::append_meaning;
pub(crate) use program::{Scratch, put};
pub(crate) use schema::{Field, Node};
