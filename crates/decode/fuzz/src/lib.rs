//! Hostile bytes against every parser: decoders, schemas, type texts, ledger texts.
//!
//! A [`Target`] is a plain function over bytes. Here a seeded driver calls it with mutations of a kept
//! corpus, on stable Rust, and fails on a panic, on memory out of proportion to the input, and on time.
//! libFuzzer calls the same functions where a nightly compiler is at hand (`libfuzzer/README.md`).
//!
//! `cargo xtask fuzz` runs every target for some seconds, `cargo xtask fuzz avro_schema --seconds 600
//! --seed 7` one of them for longer, with other inputs.
//!
//! The bounded run of `tests/bounded.rs` is part of every test run.

mod allocations;
mod corpus;
mod driver;
mod mutation;
mod random;
mod targets;

pub use allocations::{Counting, peak_of};
pub use corpus::{inputs, keep};
pub use driver::{Budget, Failure, Finding, Report, run};
pub use targets::{Outcome, TARGETS, Target};

/// Counts what a thread holds; a target's peak is one of the things that a run looks at.
#[global_allocator]
static COUNTING: Counting = Counting;
