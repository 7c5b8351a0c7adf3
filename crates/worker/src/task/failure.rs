//! Why a task is FAILED: one text for the status's `trace` and the log.
use pumphouse_decode::{DecodeError, PlanError};
use pumphouse_delivery::StopReason;
use pumphouse_kafka::KafkaError;
use pumphouse_types::{BatchId, ConfigVersion, Offset, TopicPartition};

/// A reason that a person has to look at. The codes are those of the rooms that they come from.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The delivery protocol stopped.
    #[error("{0}")]
    Delivery(#[from] StopReason),
    /// A record cannot become a row; everything before it has landed.
    #[error("{topic_partition} offset {offset}: {source}")]
    Decode {
        /// Where the record stands.
        topic_partition: TopicPartition,
        /// Its offset.
        offset: Offset,
        /// Why.
        source: DecodeError,
    },
    /// The table cannot be written by this version.
    #[error("{table}: {source}")]
    Plan {
        /// `database.table`.
        table: String,
        /// Why.
        source: PlanError,
    },
    /// Kafka refuses something for good.
    #[error("{0}")]
    Kafka(#[from] KafkaError),
    /// ClickHouse refuses something for good, or the start-up proof failed.
    #[error("{0}")]
    ClickHouse(String),
    /// A partition has no entry, and the connector forbids to choose a start.
    #[error(
        "WORKER-002: {topic_partition} has no committed offset, and \
         consumer.override.auto.offset.reset is none; set an offset for group, or earliest or latest"
    )]
    NoStart {
        /// The first such partition.
        topic_partition: TopicPartition,
    },
    /// R16: the group's offset of a partition is gone, although the connector has taken records of it.
    #[error(
        "WORKER-006: {topic_partition} has no committed offset, but records of it were taken before: the \
         group's offsets expired or were deleted; set its offset by hand, behind the last record that is in \
         the table"
    )]
    OffsetsLost {
        /// The first such partition.
        topic_partition: TopicPartition,
    },
    /// R15: an open batch was built by a configuration version that cannot be had any more.
    #[error(
        "WORKER-007: batch {batch} was built by configuration version {version}, which cannot be had: {why}; \
         start once with the configuration and the table that built it, then change them"
    )]
    VersionLost {
        /// The batch.
        batch: BatchId,
        /// Its version.
        version: ConfigVersion,
        /// What is wrong.
        why: String,
    },
    /// A thread could not be started, or died.
    #[error("WORKER-001: {0}")]
    Thread(String),
}
