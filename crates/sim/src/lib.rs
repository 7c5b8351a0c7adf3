//! Seeded simulator: the very delivery crate that the worker drives, against fakes of source, group,
//! ledger and table, under crashes, pauses, lost answers, late inserts, rebalances and restarts.
//! A seed alone replays a run. It shows that the rules hold together, and that each is needed.
#![forbid(unsafe_code)]

mod chaos;
mod consumer;
mod faults;
mod group;
mod inserts;
mod invariants;
mod keeper;
mod ledger;
mod needed;
mod operator;
mod person;
mod rng;
mod run;
mod source;
mod table;
mod worker;
mod writes;

pub use faults::Plan;
pub use needed::{NEEDED, Needed};
pub use run::{Outcome, RunOptions, run, run_in_keeper};
