//! The promise: records in every format that a value converter stands for land as what they say, exactly
//! once, whatever dies. They are written by Confluent's Python serializers or as Connect writes them.
#![allow(clippy::unwrap_used)]

mod json_with_schema;
mod orders;
mod registry_trouble;
mod schema_of_file;
mod schemas_by_number;
mod texts;
