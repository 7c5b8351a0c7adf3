//! What the black-box suites share: servers, a corner of them per test, workers that are watched.
//!
//! The suites know the sink from outside only: its command line, its files, Kafka, HTTP and SQL.
#![forbid(unsafe_code)]
// This is test code: it fails by panicking.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

mod bed;
mod binary;
pub mod client;
mod corner;
mod rest;
mod worker;

pub use bed::bed;
pub use binary::binary;
pub use corner::{Corner, Engine, Feed};
pub use rest::{Answer, get};
pub use worker::{Worker, WorkerOptions};
