//! JSON behind the number of a JSON Schema, as Confluent's serializers and converter write it.
//!
//! JSON says by itself what most values are; the schema only adds what Kafka Connect and Debezium mean by
//! a `title` and the properties `connect.*`: dates, decimals, bytes, maps with other keys than texts.
//! Records are not validated against it: what a column takes is for the table to say.
mod decoder;
mod documents;
mod program;
mod schema;
mod shape;

pub use decoder::JsonSchemaDecoder;
