//! What a task decides around the delivery protocol: what the answers of ClickHouse and Kafka mean to it, when to
//! ask again and how long to wait, how a claim is made, how a membership goes and ends, and what follows.
//! No I/O, no clock, no async, no randomness: the worker asks, sends and waits, and so does the simulator, which runs
//! this very code.
#![forbid(unsafe_code)]

mod asks;
mod early_seal;
mod insert_answer;
mod ledger_answer;
mod life;
mod mark;
mod membership;
mod pace;
mod pauses;
mod questions;
mod refused_row;
mod restarts;
mod server_codes;
mod starts;
mod trouble;
mod turn;

pub use asks::{ClaimStep, Claimed, EntriesAsked, PartitionsAsked};
pub use early_seal::EarlySeal;
pub use insert_answer::{Answer, until_deadline_ms};
pub use ledger_answer::{WriteFate, heard_of_write};
pub use life::{Life, Next};
pub use mark::Mark;
pub use membership::{GroupEvent, GroupStep, Membership, Outcome};
pub use pace::Pace;
pub use pauses::Pauses;
pub use refused_row::refused_row;
pub use restarts::{Restarts, may_pass};
pub use server_codes::{DEADLINE_MARKER, ErrorClass, class_of, error_classes};
pub use starts::{Start, is_outdated, start_of};
pub use trouble::{AfterTrouble, Trouble};
pub use turn::{BEHIND_RECORDS, FILLING_MAX, Turn};
