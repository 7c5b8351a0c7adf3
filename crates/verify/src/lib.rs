//! Reconciles what the source has with what the table has: every record up to the ledger's position is in
//! the table once, or in the dead letters once, and nothing else is there (docs/verify.md).
//!
//! [`verify`] is the command's work; [`audit_range`] is the same question about one range, cheap enough for
//! a worker to ask all the time. The comparisons (`ranges`, `compare`, `coverage`) know no server.
#![forbid(unsafe_code)]

// What is compared, without a server.
mod compare;
mod coverage;
mod ranges;

// What the servers say.
mod audit;
mod dead_letters;
mod ledger;
mod replays;
mod source;
mod table;

// The checks of a topic.
mod by_lineage;
mod by_query_log;
mod sample;
mod topic_check;

// The command.
mod error;
mod files;
mod pattern;
mod report;
mod request;
mod run;
mod text;

pub use audit::{AuditOutcome, audit_range};
pub use compare::{Differences, Seen, Unsourced, compare};
pub use coverage::{Coverage, CoveringRange, cover};
pub use dead_letters::ReplayPositions;
pub use error::{LedgerProblem, ReplayProblem, VerifyError};
pub use ledger::Position;
pub use pattern::with_matching_topics;
pub use pumphouse_clickhouse::LineageNames;
pub use ranges::{RANGES_SHOWN_MAX, RangeList};
pub use replays::{ReplayLedger, Waiting, WaitingLetters, waiting_letters};
pub use report::{ConnectorReport, Ledger, PartitionReport, Proof, Report, TopicReport, Verdict};
pub use request::{Progress, VerifyRequest};
pub use run::verify;
pub use text::as_text;
