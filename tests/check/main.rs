//! The promise: who comes from Kafka Connect finds their configuration understood: `pumphouse check` says what would
//! happen and changes nothing, topics are chosen by a pattern, offsets carry over, secrets stay secret, and the
//! rights that the documentation names suffice.
#![allow(clippy::unwrap_used)]

mod command;

mod least_rights;
mod migration;
mod ready;
mod secrets;
mod topics_regex;
