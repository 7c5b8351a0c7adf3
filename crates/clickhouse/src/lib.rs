//! ClickHouse over HTTP, as the delivery protocol needs it: the fenced insert, what a table is and how
//! it deduplicates, making attempts quiet, and the start-up proof. What its errors mean is `conduct`'s.
//! Nothing outside this crate sees an HTTP status.
#![forbid(unsafe_code)]

mod called_functions;
mod certificates;
mod client;
mod create_table;
mod definition;
mod endpoint;
mod error;
mod evidence;
mod facts;
mod hosts;
mod insert;
mod inspect;
mod keeper_ledger;
mod keeper_map;
mod keeper_row;
mod lineage;
mod made_up;
mod proof;
mod proof_durability;
mod proof_engine;
mod proof_failure;
mod proof_hosts;
mod proof_key;
mod proof_rights;
mod proof_views;
mod proof_window;
mod quiet;
mod quote;
mod reconcile;
mod table_name;
mod table_settings;
mod through_null;
mod together;

pub use certificates::Certificates;
pub use client::Client;
pub use create_table::CreateTable;
pub use endpoint::{Endpoint, Password};
pub use error::ClickHouseError;
pub use evidence::{Evidence, EvidenceRequest};
pub use insert::{FORCED_SETTINGS, InsertRequest, InsertStatement, is_reserved_setting};
pub use inspect::{Column, Engine, Inspection};
pub use keeper_ledger::{KeeperAnswer, KeeperLedger};
pub use keeper_map::StateTable;
pub use keeper_row::KeeperRows;
pub use lineage::{LineageColumns, LineageNames};
pub use proof::{Proof, ProofLimits};
pub use proof_failure::ProofFailure;
pub use quiet::Quiet;
pub use reconcile::{
    LoggedRange, LoggedSummary, OffsetsPrint, RowCopies, RowCounts, RowsOutside, SLICE_POSITIONS,
};
pub use table_name::TableName;

pub use pumphouse_conduct::Answer;
