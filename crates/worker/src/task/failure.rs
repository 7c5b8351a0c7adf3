//! Why a task is FAILED: one text for the status's `trace` and the log.
use pumphouse_clickhouse::ClickHouseError;
use pumphouse_conduct::may_pass;
use pumphouse_decode::{DecodeError, PlanError};
use pumphouse_delivery::StopReason;
use pumphouse_kafka::{KafkaError, Remedy};
use pumphouse_registry::RegistryError;
use pumphouse_types::{BatchId, ConfigVersion, Offset, TopicPartition};

/// A reason that a person has to look at. The codes are those of the rooms that they come from.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The delivery protocol stopped.
    #[error("{0}")]
    Delivery(Box<StopReason>),
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
    /// ClickHouse refuses something for good.
    #[error("{0}")]
    ClickHouse(String),
    /// The schema registry's client cannot be used.
    #[error("{0}")]
    Registry(#[from] RegistryError),
    /// A table is missing: tried again until it is there.
    #[error("{0}")]
    NoTable(String),
    /// A right is missing, or the start-up proof failed: tried again until it is there.
    #[error("{0}")]
    ClickHouseLacks(String),
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
    /// R15: an open batch was built by a configuration version that cannot be used any more.
    #[error(
        "WORKER-007: batch {batch} was built by configuration version {version}, which cannot be used: {why}; \
         start once with the configuration and the build that made it, then change them"
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

impl From<StopReason> for Failure {
    fn from(reason: StopReason) -> Failure {
        Failure::Delivery(Box::new(reason))
    }
}

impl From<ClickHouseError> for Failure {
    fn from(error: ClickHouseError) -> Failure {
        let lacks = error.waits_for_operator();
        let why = error.to_string();
        if matches!(error, ClickHouseError::NoTable { .. }) {
            return Failure::NoTable(why);
        }
        if lacks { Failure::ClickHouseLacks(why) } else { Failure::ClickHouse(why) }
    }
}

impl Failure {
    /// Whether a topic is not there, which may be one that the connector makes.
    pub(crate) fn lacks_topic(&self) -> bool {
        matches!(self, Failure::Kafka(KafkaError::TopicGone { .. }))
    }

    /// Whether the same may succeed later: the task is begun anew by itself. Everything else waits for a
    /// person, who restarts it.
    pub fn may_pass(&self) -> bool {
        match self {
            // A topic that is gone is waited for if it is a source, and made again if it is our own.
            Failure::Kafka(error) => error.remedy() != Remedy::StopTask || self.lacks_topic(),
            // A broken invariant of ours: the ledger has all that a new beginning needs.
            Failure::NoTable(_) | Failure::ClickHouseLacks(_) | Failure::Thread(_) => true,
            Failure::Delivery(reason) => may_pass(reason),
            Failure::Decode { .. }
            | Failure::Plan { .. }
            | Failure::ClickHouse(_)
            | Failure::Registry(_)
            | Failure::NoStart { .. }
            | Failure::OffsetsLost { .. }
            | Failure::VersionLost { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_can_cure_is_tried_again() {
        assert!(Failure::from(ClickHouseError::NoTable { table: "d.t".to_owned() }).may_pass());
        assert!(Failure::Thread("panicked".to_owned()).may_pass());
        let (asked, reason) = ("writing".to_owned(), "gone".to_owned());
        assert!(Failure::from(KafkaError::TopicGone { asked, reason }).may_pass());
    }

    #[test]
    fn what_needs_a_person_stays_failed() {
        let denied = ClickHouseError::Server { code: 516, message: "no".to_owned(), asked: "it" };
        assert!(!Failure::from(denied).may_pass());
        assert!(!Failure::from(KafkaError::Login { reason: "no".to_owned() }).may_pass());
    }
}
