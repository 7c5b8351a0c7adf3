//! What is measured with: topics full of records of one shape in one format.
//!
//! What a record holds depends on its number alone, so every run of every release has the same rows, and a
//! table can be checked row by row: `id` is the record's number.

mod encode;
mod narrow;
mod shape;
mod workload;

pub use encode::{Encoder, avro_schema, protobuf_schema};
pub use shape::{Column, Kind, columns};
pub use workload::{Format, MATRIX, Shape, Workload};
