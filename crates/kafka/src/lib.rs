//! Kafka, as the delivery protocol needs it: group membership and records ([`Consumer`],
//! [`LaneQueue`]), the ledger's transactions ([`LedgerProducer`]), recorded ranges read again
//! ([`RangeReader`]), topics ([`Admin`]), and the operator's options ([`client_settings`]).
//! Blocking calls, bounded by the timeouts that they are given; no librdkafka type leaves this crate.
#![deny(unsafe_code)]

mod admin;
mod consumer;
mod dead_letter;
mod dead_letter_topic;
mod error;
mod fence;
#[allow(unsafe_code)]
mod ffi;
mod java_options;
mod java_stores;
mod lane_queue;
mod ledger_producer;
mod ledger_topics;
mod ledger_transaction;
mod letter_origin;
mod oauth;
mod outgoing_record;
mod range_reader;
mod settings;
mod state_topic;
mod tail;
mod workers_group;

pub use pumphouse_delivery::StoredEntry;

pub use admin::{Admin, TopicDescription};
pub use consumer::{Consumer, ConsumerEvent, Leaving, StartAt, TopicAsker};
pub use dead_letter::{BadRecord, Failure, Stage};
pub use dead_letter_topic::{DeadLetterTopic, DeadLetterWarning, LETTER_BYTES_MIN, WantedLetters};
pub use error::{KafkaError, Remedy};
pub use fence::Fence;
pub use ffi::message::{Headers, RecordView, Timestamp, TimestampKind};
pub use java_options::{ClientOptions, client_settings};
pub use lane_queue::{BATCH_MESSAGES_MAX, LaneQueue, MessageBatch};
pub use ledger_producer::{LedgerProducer, RecordOutcome, STAGED_TIME_MAX};
pub use ledger_topics::WeakTopic;
pub use letter_origin::{LetterOf, LetterOrigin, OriginTopic, is_bare, letter_of, record_headers};
pub use outgoing_record::{
    HEADER_OVERHEAD_BYTES, Header, OutgoingRecord, WRITE_RECORD_BYTES_MAX, WRITE_RECORDS_MAX,
};
pub use range_reader::{RangeReader, ReadLimits};
pub use settings::{Settings, rebalances_incrementally};
pub use state_topic::{config_key, mark_key, mark_record, read_compacted, read_marks, read_value};
pub use tail::Tail;
pub use workers_group::{GroupEvent, WorkersGroup, WorkersGroupSettings};

pub use pumphouse_conduct::Mark;
