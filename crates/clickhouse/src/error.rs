//! What can go wrong between us and the server.
use pumphouse_conduct::{ErrorClass, class_of};

/// A question that was not answered as hoped. The insert has its own [`Answer`](crate::Answer).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClickHouseError {
    /// The server said no.
    #[error("CLICKHOUSE-001: the server answered code {code} to {asked}: {message}")]
    Server {
        /// ClickHouse's code.
        code: i32,
        /// ClickHouse's words, bounded.
        message: String,
        /// What was asked.
        asked: &'static str,
    },
    /// No connection, or it broke, or time was over.
    #[error("CLICKHOUSE-002: no answer to {asked}: {why}")]
    NoAnswer {
        /// What was asked.
        asked: &'static str,
        /// The transport's words.
        why: String,
    },
    /// An answer that does not have the expected form.
    #[error("CLICKHOUSE-003: the answer to {asked} is not understood: {what}")]
    Strange {
        /// What was asked.
        asked: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The table is not there.
    #[error("CLICKHOUSE-004: table {table} does not exist; create it, or correct topic2TableMap or database")]
    NoTable {
        /// `database.table`.
        table: String,
    },
    /// Attempts of a batch were killed and run on, or are not ours to kill.
    #[error("CLICKHOUSE-006: {left} attempts of batch {batch} run on although they were killed")]
    AttemptsRun {
        /// The batch.
        batch: pumphouse_types::BatchId,
        /// How many.
        left: u64,
    },
    /// What the configuration says of a table to create is no column list, expression or engine.
    #[error("CLICKHOUSE-007: table {table} cannot be created: {why}")]
    CreateTable {
        /// `database.table`.
        table: String,
        /// What is wrong.
        why: String,
    },
    /// The server has no KeeperMap tables.
    #[error(
        "CLICKHOUSE-008: the server has no KeeperMap, which pumphouse.ledger.store=keepermap needs: connect it to \
         ClickHouse Keeper or ZooKeeper and set keeper_map_path_prefix in its configuration, or use \
         pumphouse.ledger.store=kafka ({why})"
    )]
    NoKeeperMap {
        /// ClickHouse's words.
        why: String,
    },
    /// The ledger's state table cannot be used.
    #[error("CLICKHOUSE-009: the ledger's state table {table} cannot be used: {why}")]
    StateTable {
        /// `database.table`.
        table: String,
        /// What is wrong, and what helps.
        why: String,
    },
    /// The address is none, or TLS cannot be set up.
    #[error("CLICKHOUSE-005: no client can be made: {why}")]
    Client {
        /// What is wrong.
        why: String,
    },
}

impl ClickHouseError {
    /// Whether asking again helps once somebody has created a table or granted a right: the batch stays
    /// open, and the status says what is missing.
    pub fn waits_for_operator(&self) -> bool {
        match self {
            ClickHouseError::NoTable { .. } => true,
            ClickHouseError::Server { code, message, .. } => {
                matches!(class_of(*code, message), ErrorClass::NoTable | ErrorClass::Right)
            }
            ClickHouseError::NoAnswer { .. }
            | ClickHouseError::Strange { .. }
            | ClickHouseError::AttemptsRun { .. }
            | ClickHouseError::CreateTable { .. }
            | ClickHouseError::NoKeeperMap { .. }
            | ClickHouseError::StateTable { .. }
            | ClickHouseError::Client { .. } => false,
        }
    }

    /// Whether asking again later can help without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            // A commit that takes its time cannot be killed; it ends.
            ClickHouseError::NoAnswer { .. } | ClickHouseError::AttemptsRun { .. } => true,
            ClickHouseError::Server { code, message, .. } => match class_of(*code, message) {
                ErrorClass::SendSame | ErrorClass::Bounded | ErrorClass::Overload => true,
                ErrorClass::Data
                | ErrorClass::Schema
                | ErrorClass::NoTable
                | ErrorClass::Right
                | ErrorClass::Fatal
                | ErrorClass::DeadlinePassed => false,
            },
            ClickHouseError::Strange { .. }
            | ClickHouseError::NoTable { .. }
            | ClickHouseError::CreateTable { .. }
            | ClickHouseError::NoKeeperMap { .. }
            | ClickHouseError::StateTable { .. }
            | ClickHouseError::Client { .. } => false,
        }
    }
}
