//! The state topic's content (PROTOCOL R15, R16): the last value of each key.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_types::TopicName;

use crate::error::KafkaError;
use crate::range_reader::{RangeReader, ReadLimits};

/// Reads a compacted topic from its beginning up to what was written when the call began, and
/// answers with the last value of each key; keys whose last value is a tombstone are left out, and
/// so are records without a key, which compaction does not keep.
/// A transaction that is open at the end is waited for, at most for the limits' idle timeout: the
/// answer to a commit comes before its records show, and they must not be missed.
/// `timeout`: of each question to the broker. Errors: as of [`RangeReader::read`], and `TopicGone`.
pub fn read_compacted(
    reader: &mut RangeReader,
    topic: &TopicName,
    limits: ReadLimits,
    timeout: Duration,
) -> Result<BTreeMap<Vec<u8>, Vec<u8>>, KafkaError> {
    let ranges = reader.whole_topic(topic, timeout)?;
    let mut content = BTreeMap::new();
    reader.read(topic, &ranges, limits, |record| match (record.key(), record.value()) {
        (Some(key), Some(value)) => {
            content.insert(key.to_vec(), value.to_vec());
        }
        (Some(key), None) => {
            content.remove(key);
        }
        (None, _) => {}
    })?;
    Ok(content)
}
