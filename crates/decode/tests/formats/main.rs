//! What records of other formats than JSON become. The measure is the JSON decoder: a record has to
//! become byte for byte the block that the same record in JSON becomes.
#![allow(clippy::unwrap_used)]

mod avro;
mod avro_hostile;
mod connect_json;
mod protobuf;
mod support;
