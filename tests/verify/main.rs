//! The promise: `verify` finds what is missing, doubled or foreign, by its exact offsets, and finds nothing
//! where nothing is. Runs of the real worker, then tables that are tampered with.
//! And: dead letters that are taken again land once each, whatever happens meanwhile, as `verify` says.
#![allow(clippy::unwrap_used)]

mod command;

mod dead_letters;
mod healthy;
mod ledger;
mod old_rows;
mod replay;
mod tampered;
mod without_lineage;
