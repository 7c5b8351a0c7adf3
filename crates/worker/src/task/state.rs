//! The state topic's limits and the records that go there: configuration versions (R15). Marks (R16) are
//! `marks.rs`.
use std::time::Duration;

use pumphouse_kafka::{KafkaError, OutgoingRecord, RangeReader, ReadLimits, config_key, read_value};
use pumphouse_types::{ConfigVersion, TopicName};

/// It holds a mark per partition and some configuration versions per connector.
pub(super) const STATE_LIMITS: ReadLimits =
    ReadLimits { records_max: 2_000_000, bytes_max: 512 << 20, idle_timeout: Duration::from_secs(5) };

/// One question while it is read.
pub(super) const STATE_TIMEOUT: Duration = Duration::from_secs(5);

/// The record that keeps a configuration version.
pub(super) fn config_record(
    state_topic: &TopicName,
    connector: &str,
    version: ConfigVersion,
    text: &str,
) -> OutgoingRecord {
    OutgoingRecord {
        topic: state_topic.clone(),
        partition: None,
        key: Some(config_key(connector, version)),
        value: Some(text.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// The text of a configuration version.
/// Errors: the state topic cannot be read.
pub(super) fn config_text(
    reader: &mut RangeReader,
    state_topic: &TopicName,
    connector: &str,
    version: ConfigVersion,
) -> Result<Option<Vec<u8>>, KafkaError> {
    read_value(reader, state_topic, &config_key(connector, version), STATE_LIMITS, STATE_TIMEOUT)
}
