//! The state topic: configuration versions (R15), and marks (R16), as `marks.rs` means them.
use std::time::Duration;

use pumphouse_kafka::{KafkaError, OutgoingRecord, RangeReader, ReadLimits, read_compacted};
use pumphouse_types::{ConfigVersion, TopicName};

/// It holds a mark per partition and some configuration versions per connector.
pub(super) const STATE_LIMITS: ReadLimits =
    ReadLimits { records_max: 2_000_000, bytes_max: 512 << 20, idle_timeout: Duration::from_secs(5) };

/// One question while it is read.
pub(super) const STATE_TIMEOUT: Duration = Duration::from_secs(5);

fn config_key(connector: &str, version: ConfigVersion) -> Vec<u8> {
    format!("{connector}/config/{version}").into_bytes()
}

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
    let mut state = read_compacted(reader, state_topic, STATE_LIMITS, STATE_TIMEOUT)?;
    Ok(state.remove(&config_key(connector, version)))
}
