//! What goes wrong with Kafka, each with a stable code and the way on. Each code has a page in
//! `docs/errors/`.
use pumphouse_conduct::Trouble;
use pumphouse_types::{Offset, TopicName, TopicPartition};

use crate::ffi::codes;
use crate::ffi::raw::RawError;

/// Something went wrong with Kafka or with how it is to be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KafkaError {
    /// librdkafka does not take the setting.
    #[error("KAFKA-001: setting {name} is refused: {reason}")]
    Setting {
        /// The setting's name; its value may be a secret.
        name: String,
        /// librdkafka's words.
        reason: String,
    },
    /// The delivery protocol needs this setting to have another value.
    #[error("KAFKA-002: setting {name} must be {needed}: remove it")]
    SettingForced {
        /// The setting's name.
        name: String,
        /// What it is set to.
        needed: String,
    },
    /// An option of Kafka's Java client that Pumphouse cannot honour.
    #[error("KAFKA-003: option {name} is not supported: {advice}")]
    OptionUnsupported {
        /// The option's name.
        name: String,
        /// What to set in its place.
        advice: String,
    },
    /// The client could not be made.
    #[error("KAFKA-004: client could not be made: {reason}")]
    Client {
        /// librdkafka's words.
        reason: String,
    },
    /// No broker answered in time; tried again.
    #[error("KAFKA-005: {asked}: no answer from Kafka ({reason})")]
    NoAnswer {
        /// What was asked.
        asked: String,
        /// librdkafka's words.
        reason: String,
    },
    /// The credentials, or the TLS set-up, are refused.
    #[error("KAFKA-006: Kafka refuses the login: {reason}")]
    Login {
        /// The broker's words.
        reason: String,
    },
    /// A right on the consumer group is missing.
    #[error("KAFKA-007: {asked}: no right on consumer group: grant READ on Group {group} ({reason})")]
    GroupDenied {
        /// What was asked.
        asked: String,
        /// The group.
        group: String,
        /// The broker's words.
        reason: String,
    },
    /// A right on a topic is missing.
    #[error(
        "KAFKA-008: {asked}: no right on topic: grant READ and DESCRIBE on source topics, WRITE and DESCRIBE on dead letter and state topics ({reason})"
    )]
    TopicDenied {
        /// What was asked.
        asked: String,
        /// The broker's words.
        reason: String,
    },
    /// A right on the transactional id is missing.
    #[error(
        "KAFKA-009: {asked}: no right on transactional id: grant WRITE and DESCRIBE on TransactionalId {transactional_id} ({reason})"
    )]
    TransactionalIdDenied {
        /// What was asked.
        asked: String,
        /// The id.
        transactional_id: String,
        /// The broker's words.
        reason: String,
    },
    /// A right on the cluster is missing.
    #[error(
        "KAFKA-010: {asked}: no right on the cluster: grant CREATE on the topic or the Cluster ({reason})"
    )]
    ClusterDenied {
        /// What was asked.
        asked: String,
        /// The broker's words.
        reason: String,
    },
    /// The log does not hold this offset: retention has passed it, or the topic is another one.
    #[error("KAFKA-011: {topic_partition} does not hold offset {offset:?}: {reason}")]
    OffsetOutOfRange {
        /// Which partition.
        topic_partition: TopicPartition,
        /// The offset that was asked for, where it is known.
        offset: Option<Offset>,
        /// The broker's words.
        reason: String,
    },
    /// The topic or the partition does not exist.
    #[error("KAFKA-012: {asked}: no such topic or partition ({reason})")]
    TopicGone {
        /// What was asked.
        asked: String,
        /// The broker's words.
        reason: String,
    },
    /// Another process took over this static member, or has it still.
    #[error("KAFKA-013: member is used by another process: {reason}")]
    InstanceFenced {
        /// The broker's words.
        reason: String,
    },
    /// The consumer is broken for good; a new one joins.
    #[error("KAFKA-014: consumer failed: {reason}")]
    ConsumerFailed {
        /// librdkafka's words.
        reason: String,
    },
    /// The ledger's write names a member that the group has replaced.
    #[error("KAFKA-015: ledger write refused, the group has replaced this member: {reason}")]
    MemberReplaced {
        /// The broker's words.
        reason: String,
        /// Only the generation is not the group's any more: where rebalances are incremental, the member may be
        /// one still, and have what it had.
        only_generation: bool,
    },
    /// Another producer took over the transactional id.
    #[error("KAFKA-016: ledger write refused, another producer uses {transactional_id}: {reason}")]
    ProducerReplaced {
        /// The id.
        transactional_id: String,
        /// The broker's words.
        reason: String,
    },
    /// The ledger's write is too large for the broker, and will be each time.
    #[error("KAFKA-017: ledger write is too large: {reason}")]
    WriteTooLarge {
        /// What is too large.
        reason: String,
    },
    /// The ledger's write was aborted; it may be tried again.
    #[error("KAFKA-018: ledger write was aborted: {reason}")]
    WriteAborted {
        /// librdkafka's words.
        reason: String,
    },
    /// Whether the ledger's write stands is not known.
    #[error("KAFKA-019: fate of the ledger write is unknown: {reason}")]
    FateUnknown {
        /// librdkafka's words.
        reason: String,
    },
    /// The producer is broken for good; a new one takes its place.
    #[error("KAFKA-020: producer failed: {reason}")]
    ProducerFailed {
        /// librdkafka's words.
        reason: String,
    },
    /// The topic could not be created.
    #[error("KAFKA-021: topic {topic} could not be created: {reason}")]
    CreateTopic {
        /// The topic.
        topic: TopicName,
        /// The broker's words.
        reason: String,
    },
    /// A read would need more memory than it may take.
    #[error("KAFKA-022: {asked}: more than {limit} {unit}")]
    ReadTooLarge {
        /// What was read.
        asked: String,
        /// The limit.
        limit: u64,
        /// Of what.
        unit: &'static str,
    },
    /// Records stopped coming before the end of the range was reached.
    #[error("KAFKA-023: {topic_partition}: nothing came for {waited_ms} ms at position {position:?}")]
    ReadStalled {
        /// Which partition.
        topic_partition: TopicPartition,
        /// Where the reader stands.
        position: Option<Offset>,
        /// How long nothing came.
        waited_ms: u64,
    },
    /// A record is damaged on the broker or cannot be decompressed.
    #[error("KAFKA-024: {topic_partition:?}: record at {offset:?} is damaged: {reason}")]
    RecordDamaged {
        /// Which partition.
        topic_partition: Option<TopicPartition>,
        /// Where, where it is known.
        offset: Option<Offset>,
        /// librdkafka's words.
        reason: String,
    },
    /// Any other refusal.
    #[error("KAFKA-025: {asked}: {name}: {reason}")]
    Refused {
        /// What was asked.
        asked: String,
        /// Kafka's name of the error.
        name: String,
        /// The broker's words.
        reason: String,
    },
    /// The consumer did not poll for max.poll.interval.ms and left the group.
    #[error("KAFKA-026: task did not poll within max.poll.interval.ms: {reason}")]
    PolledTooLate {
        /// librdkafka's words.
        reason: String,
    },
    /// The dead letter topic cannot keep dead letters.
    #[error("KAFKA-027: dead letter topic {topic} cannot be used: {reason}")]
    DeadLetterTopicUnfit {
        /// The topic.
        topic: TopicName,
        /// Why, and what to change.
        reason: String,
    },
    /// The brokers do not know the group protocol that the consumer speaks.
    #[error(
        "KAFKA-029: the brokers do not take members with group.protocol=consumer: remove the option, or use brokers \
         of Kafka 4.0 or later that have the protocol switched on (group.coordinator.rebalance.protocols) ({reason})"
    )]
    GroupProtocolUnknown {
        /// The client's words, or how long was waited.
        reason: String,
    },
    /// The state topic holds a text that Pumphouse did not write.
    #[error("KAFKA-028: {topic} holds {found:?} under {key}, which is no mark")]
    StateUnreadable {
        /// The state topic.
        topic: TopicName,
        /// The record's key.
        key: String,
        /// The beginning of its value.
        found: String,
    },
}

/// What the caller does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The same again, with back-off.
    Retry,
    /// End the membership and join anew, with back-off.
    Rejoin,
    /// Replace the ledger's producer, then claim again.
    ReplaceProducer,
    /// A person must act: stop the task and show the error.
    StopTask,
}

impl KafkaError {
    /// What the caller does about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            KafkaError::NoAnswer { .. }
            | KafkaError::WriteAborted { .. }
            | KafkaError::ReadStalled { .. }
            | KafkaError::Refused { .. } => Remedy::Retry,
            KafkaError::InstanceFenced { .. }
            | KafkaError::ConsumerFailed { .. }
            | KafkaError::MemberReplaced { .. }
            | KafkaError::ProducerReplaced { .. }
            | KafkaError::PolledTooLate { .. } => Remedy::Rejoin,
            KafkaError::FateUnknown { .. } | KafkaError::ProducerFailed { .. } => Remedy::ReplaceProducer,
            KafkaError::Setting { .. }
            | KafkaError::SettingForced { .. }
            | KafkaError::OptionUnsupported { .. }
            | KafkaError::Client { .. }
            | KafkaError::Login { .. }
            | KafkaError::GroupDenied { .. }
            | KafkaError::TopicDenied { .. }
            | KafkaError::TransactionalIdDenied { .. }
            | KafkaError::ClusterDenied { .. }
            | KafkaError::OffsetOutOfRange { .. }
            | KafkaError::TopicGone { .. }
            | KafkaError::WriteTooLarge { .. }
            | KafkaError::CreateTopic { .. }
            | KafkaError::DeadLetterTopicUnfit { .. }
            | KafkaError::StateUnreadable { .. }
            | KafkaError::GroupProtocolUnknown { .. }
            | KafkaError::ReadTooLarge { .. }
            | KafkaError::RecordDamaged { .. } => Remedy::StopTask,
        }
    }
}

impl KafkaError {
    /// What it is to a membership of the group.
    pub fn trouble(&self) -> Trouble {
        match self {
            KafkaError::TopicGone { .. } => Trouble::TopicGone,
            KafkaError::InstanceFenced { .. } | KafkaError::ProducerReplaced { .. } => Trouble::NameTaken,
            KafkaError::MemberReplaced { only_generation: true, .. } => Trouble::GenerationPassed,
            _ => match self.remedy() {
                Remedy::Retry => Trouble::NoAnswer,
                Remedy::Rejoin => Trouble::MemberGone,
                Remedy::ReplaceProducer => Trouble::ProducerBroken,
                Remedy::StopTask => Trouble::Hopeless,
            },
        }
    }
}

/// Who asked, for the words of an error.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asker {
    pub(crate) group: String,
    pub(crate) transactional_id: String,
}

impl Asker {
    /// Sorts an error that is not about a write to the ledger.
    pub(crate) fn sort(&self, asked: &str, raw: &RawError) -> KafkaError {
        let asked = asked.to_owned();
        let reason = raw.text.clone();
        match raw.code {
            codes::TIMED_OUT
            | codes::TIMED_OUT_QUEUE
            | codes::TRANSPORT
            | codes::ALL_BROKERS_DOWN
            | codes::WAIT_COORD
            | codes::UNSTABLE_OFFSET_COMMIT
            | codes::COORDINATOR_LOAD_IN_PROGRESS
            | codes::COORDINATOR_NOT_AVAILABLE
            | codes::NOT_COORDINATOR
            | codes::CONCURRENT_TRANSACTIONS => KafkaError::NoAnswer { asked, reason },
            codes::AUTHENTICATION | codes::SASL_AUTHENTICATION_FAILED | codes::SSL => {
                KafkaError::Login { reason }
            }
            codes::GROUP_AUTHORIZATION_FAILED => {
                KafkaError::GroupDenied { asked, group: self.group.clone(), reason }
            }
            codes::TOPIC_AUTHORIZATION_FAILED => KafkaError::TopicDenied { asked, reason },
            codes::TRANSACTIONAL_ID_AUTHORIZATION_FAILED => KafkaError::TransactionalIdDenied {
                asked,
                transactional_id: self.transactional_id.clone(),
                reason,
            },
            codes::CLUSTER_AUTHORIZATION_FAILED => KafkaError::ClusterDenied { asked, reason },
            codes::UNKNOWN_TOPIC_OR_PART
            | codes::UNKNOWN_TOPIC
            | codes::UNKNOWN_PARTITION
            | codes::UNKNOWN_TOPIC_ID => KafkaError::TopicGone { asked, reason },
            codes::FENCED_INSTANCE_ID | codes::UNRELEASED_INSTANCE_ID => {
                KafkaError::InstanceFenced { reason }
            }
            codes::MAX_POLL_EXCEEDED => KafkaError::PolledTooLate { reason },
            codes::BAD_MSG | codes::BAD_COMPRESSION | codes::CORRUPT_MESSAGE => {
                KafkaError::RecordDamaged { topic_partition: None, offset: None, reason }
            }
            codes::OFFSET_METADATA_TOO_LARGE
            | codes::INVALID_COMMIT_OFFSET_SIZE
            | codes::MSG_SIZE_TOO_LARGE
            | codes::RECORD_LIST_TOO_LARGE => KafkaError::WriteTooLarge { reason },
            code @ (codes::ILLEGAL_GENERATION
            | codes::UNKNOWN_MEMBER_ID
            | codes::STALE_MEMBER_EPOCH
            | codes::FENCED_MEMBER_EPOCH) => KafkaError::MemberReplaced {
                reason,
                only_generation: matches!(code, codes::ILLEGAL_GENERATION | codes::STALE_MEMBER_EPOCH),
            },
            codes::PRODUCER_FENCED | codes::BROKER_PRODUCER_FENCED | codes::INVALID_PRODUCER_EPOCH => {
                KafkaError::ProducerReplaced { transactional_id: self.transactional_id.clone(), reason }
            }
            _ => KafkaError::Refused { asked, name: raw.name(), reason },
        }
    }

    /// Sorts an error that came in a partition's place.
    pub(crate) fn sort_partition(
        &self,
        topic_partition: Option<&TopicPartition>,
        offset: Option<Offset>,
        raw: &RawError,
    ) -> KafkaError {
        match (raw.code, topic_partition) {
            (
                codes::OFFSET_OUT_OF_RANGE | codes::AUTO_OFFSET_RESET | codes::NO_OFFSET,
                Some(topic_partition),
            ) => KafkaError::OffsetOutOfRange {
                topic_partition: topic_partition.clone(),
                offset,
                reason: raw.text.clone(),
            },
            (codes::BAD_MSG | codes::BAD_COMPRESSION | codes::CORRUPT_MESSAGE, _) => {
                KafkaError::RecordDamaged {
                    topic_partition: topic_partition.cloned(),
                    offset,
                    reason: raw.text.clone(),
                }
            }
            _ => {
                let asked =
                    topic_partition.map_or_else(|| "consuming".to_owned(), |tp| format!("consuming {tp}"));
                self.sort(&asked, raw)
            }
        }
    }
}
