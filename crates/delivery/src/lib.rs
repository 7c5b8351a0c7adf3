//! The delivery protocol: events in, actions out. No I/O, no clock, no async, no randomness:
//! whoever drives a [`Task`] performs its actions and reports what became of them.
//! The rules are numbered in PROTOCOL.md; code that carries one cites it.
#![forbid(unsafe_code)]

mod amend;
mod away;
mod batch;
mod entry;
mod evidence;
mod filling;
mod foresight;
mod ids;
mod lane;
mod ledger_write;
mod piece;
pub mod promises;
mod rate;
mod resolve;
mod retry;
mod rules;
mod stop;
mod talk;
mod task;
mod window;
mod work;

pub use batch::{Batch, BatchRange, Cut, TableSeen};
pub use entry::{ENTRY_TEXT_CHARS_MAX, Entry, EntryError, Member, StoredEntry};
pub use retry::DEADLINE_MS_MAX;
pub use rules::Rule;
pub use stop::StopReason;
pub use talk::{
    Action, ClaimId, Decision, Event, Evidence, InsertAnswer, LedgerAnswer, Letter, Refusal, RefusalClass,
    RereadRange, Verdict, WriteId,
};
pub use task::{Task, TaskOptions};
pub use window::{NeedsEvidence, SERVER_START_TOLERANCE_MS, TableEngine, TableFacts, window_needed_ms};
