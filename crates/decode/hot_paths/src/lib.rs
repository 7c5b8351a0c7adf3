//! What a record costs on its way into a block.
//!
//! - `decode_bench`: time per record, in one run with the simplest other way of decoding
//!   (`cargo xtask decode-bench`).
//! - `instructions`: one hot path, some rounds, to be run under callgrind (`cargo xtask instructions`).
#![forbid(unsafe_code)]

mod event;
mod path;
#[cfg(feature = "rivals")]
pub mod rivals;

pub use event::{AVRO_SCHEMA, COLUMNS, Event, PROTO_SCHEMA, plan};
pub use path::{PATHS, Path, block_of, decode_all, decoder, records};
