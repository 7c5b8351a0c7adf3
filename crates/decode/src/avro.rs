//! Avro: a writer schema becomes a program once, and the program reads records straight into columns.
//!
//! There is no reader schema: the table's columns are what is read for. Every record is read with the
//! schema that wrote it, so schemas may change from record to record.
mod decoder;
mod json;
mod program;
mod reader;
mod schema;
mod skip;
mod usual;

pub use decoder::AvroDecoder;
