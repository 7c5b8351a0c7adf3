//! Why something could not be checked. Nothing is ever changed, so nothing is at risk by these.
use pumphouse_clickhouse::ClickHouseError;
use pumphouse_config::ConfigErrors;
use pumphouse_delivery::EntryError;
use pumphouse_kafka::KafkaError;
use pumphouse_types::{Offset, Partition, TopicPartition};

/// What stood in the way.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A file cannot be read.
    #[error("VERIFY-001: {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file says something that cannot be done; codes are in the errors.
    #[error("{path}:\n{errors}")]
    Config {
        /// Which.
        path: String,
        /// Everything that is wrong with it.
        errors: ConfigErrors,
    },
    /// The ledger says nothing that records could be held against.
    #[error("VERIFY-002: {topic_partition}: {why}")]
    Ledger {
        /// The partition.
        topic_partition: TopicPartition,
        /// What is wrong.
        why: LedgerProblem,
    },
    /// What was asked for is not there: no connector reads the topic, or it has no such partition.
    #[error("VERIFY-003: {what}; name one that the connector reads")]
    NothingToCheck {
        /// What was asked for.
        what: String,
    },
    /// The query log has too little, and the table has no lineage columns.
    #[error("VERIFY-004: {table} has no lineage columns, and the query log cannot stand in for them: {why}")]
    QueryLog {
        /// The table.
        table: String,
        /// What is wrong.
        why: String,
    },
    /// More than may be held in memory.
    #[error("VERIFY-005: more than {limit} {what}; check partition by partition, with --from and --to")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are held.
        limit: usize,
    },
    /// The system gives no threads.
    #[error("VERIFY-006: the system refuses what is needed to ask the servers: {0}")]
    System(#[source] std::io::Error),
    /// Dead letters of the connector are being taken again, or were, without an end.
    #[error("VERIFY-007: {connector}: {why}")]
    Replay {
        /// The replay's name.
        connector: String,
        /// What is wrong.
        why: ReplayProblem,
    },
    /// Kafka.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// ClickHouse.
    #[error(transparent)]
    ClickHouse(#[from] ClickHouseError),
}

/// Why it is not known which dead letters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayProblem {
    /// An open batch stands in its ledger.
    #[error(
        "a replay of dead letters was interrupted, or is at work; run dlq replay to its end, then ask again"
    )]
    Open,
    /// It went on while the tables were read.
    #[error("a replay of dead letters was at work meanwhile; ask again when it has ended")]
    Moved,
    /// Its group's offset is gone, without a clean stop before.
    #[error(
        "the replay's offset of partition {partition} of the dead letter topic is gone; set it by hand, behind \
         the last letter that it took"
    )]
    OffsetsLost {
        /// The partition of the dead letter topic.
        partition: Partition,
    },
}

/// Why a partition's entry is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerProblem {
    /// The offsets are gone, or the connector was never started, although rows are there.
    #[error(
        "the group has no offset, but the table has {rows} rows of it; restore the offset, then ask again"
    )]
    NoEntry {
        /// Rows in the table.
        rows: u64,
    },
    /// Text of ours that this build cannot read.
    #[error("the ledger's entry is not understood: {0}")]
    NotUnderstood(EntryError),
    /// The topic was deleted and created again since.
    #[error(
        "the ledger's entry counts in another topic of this name, which was deleted; start the connector once"
    )]
    OtherTopic,
    /// The log is shorter than what was landed: the brokers lost acknowledged records, or it was created anew.
    #[error("the ledger is at {position}, but the log ends at {log_end}: the source has lost records")]
    BeyondLog {
        /// The ledger's position.
        position: Offset,
        /// Where the log ends.
        log_end: Offset,
    },
    /// A ledger in memory ends with its worker.
    #[error("pumphouse.ledger.store is memory: a running worker alone knows its position")]
    InMemory,
}
