//! Each page of docs/errors promises that its remedy works: here it is tried. What is not tried here is in the
//! table docs/errors/tried.md, with where it is.
#![allow(clippy::unwrap_used)]

mod case;

// Codes that stop a connector at its start, or at a record.
mod options;
mod proofs;
mod records;
mod tables;
mod topics;

// Codes of batches that are open, and of the worker itself.
mod files;
mod open_batches;
mod servers;
