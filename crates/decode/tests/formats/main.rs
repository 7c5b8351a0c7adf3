//! What records of other formats than JSON become. The measure is the JSON decoder: a record has to
//! become byte for byte the block that the same record in JSON becomes.
#![allow(clippy::unwrap_used)]

mod avro;
mod avro_hostile;
mod connect_json;
mod delimited;
mod fixed_schema;
mod json_schema;
mod plan_rules;
mod protobuf;
mod support;
mod whole_value;
