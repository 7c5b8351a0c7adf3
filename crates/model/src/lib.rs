//! Bounded exhaustive check of the protocol. Two tasks, which are the real [`pumphouse_delivery::Task`], share the
//! partitions of one topic; around them are a ledger, a group, a server and a table in a few lines each. Where the
//! simulator draws one order of things per seed, this tries **every** order of the steps that a [`Bounds`] allows:
//! delayed and repeated inserts, unknown ledger answers, rebalances that a member has not heard of, tokens that are
//! forgotten, tasks and servers that die. What must hold are the simulator's promises
//! ([`pumphouse_delivery::promises`]).
//!
//! It shows safety only: nothing is lost, doubled or passed over in any order. That everything lands in the end is
//! the simulator's to show (`progress_resumes`).
#![forbid(unsafe_code)]

mod bounds;
mod canon;
mod edge;
mod keeper;
mod search;
mod step;
mod world;

pub use bounds::{Bounds, MUTATIONS, Mutation, SCENARIOS};
pub use search::{Found, check};
