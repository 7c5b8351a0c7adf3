//! The crate against a real broker: membership, records, ledger writes, ranges, topics.
#![allow(clippy::unwrap_used)]

mod ledger;
mod letters;
mod membership;
mod ranges;
mod records;
mod support;
mod topics;
mod workers;
