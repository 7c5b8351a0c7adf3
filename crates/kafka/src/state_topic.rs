//! The state topic: configurations and marks under their keys (PROTOCOL R15, R16), compacted, so that
//! the last value of each key is what it says.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_conduct::Mark;
use pumphouse_types::{ConfigVersion, Partition, TopicId, TopicName};

use crate::error::KafkaError;
use crate::ffi::message::RecordView;
use crate::outgoing_record::OutgoingRecord;
use crate::range_reader::{RangeReader, ReadLimits};

/// The record that sets a partition's mark, to ride with a ledger write or to go alone.
pub fn mark_record(
    mark: Mark,
    state_topic: &TopicName,
    connector: &str,
    topic_id: TopicId,
    partition: Partition,
) -> OutgoingRecord {
    OutgoingRecord {
        topic: state_topic.clone(),
        partition: None,
        key: Some(mark_key(connector, topic_id, partition)),
        value: Some(mark.to_string().into_bytes()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// The key of a partition's mark. The identity of the topic stands in it: a re-created topic has no
/// history.
pub fn mark_key(connector: &str, topic_id: TopicId, partition: Partition) -> Vec<u8> {
    format!("{connector}/mark/{topic_id}/{partition}").into_bytes()
}

/// The key of a configuration version.
pub fn config_key(connector: &str, version: ConfigVersion) -> Vec<u8> {
    format!("{connector}/config/{version}").into_bytes()
}

/// Reads all marks of one connector.
/// Errors: as of [`read_compacted`]; `StateUnreadable` for a mark that is none: nothing is guessed.
pub fn read_marks(
    reader: &mut RangeReader,
    state_topic: &TopicName,
    connector: &str,
    limits: ReadLimits,
    timeout: Duration,
) -> Result<BTreeMap<(TopicId, Partition), Mark>, KafkaError> {
    // Texts are understood at the end: one that was replaced since needs no understanding.
    let mut texts = BTreeMap::new();
    read_records(reader, state_topic, limits, timeout, |record| {
        if let Some(place) = record.key().and_then(|key| place_of(connector, key)) {
            set(&mut texts, place, record.value());
        }
    })?;
    let understand = |(place, text): ((TopicId, Partition), Vec<u8>)| match Mark::parse(&text) {
        Some(mark) => Ok((place, mark)),
        None => Err(KafkaError::StateUnreadable {
            topic: state_topic.clone(),
            key: String::from_utf8_lossy(&mark_key(connector, place.0, place.1)).into_owned(),
            found: String::from_utf8_lossy(&text[..text.len().min(FOUND_BYTES_MAX)]).into_owned(),
        }),
    };
    texts.into_iter().map(understand).collect()
}

/// What an error shows of a text that is not understood.
const FOUND_BYTES_MAX: usize = 100;

/// The partition whose mark of this connector stands under `key`.
fn place_of(connector: &str, key: &[u8]) -> Option<(TopicId, Partition)> {
    let place = key.strip_prefix(connector.as_bytes())?.strip_prefix(b"/mark/")?;
    let (topic_id, partition) = std::str::from_utf8(place).ok()?.split_once('/')?;
    let partition = Partition(u32::try_from(number(partition)?).ok()?);
    Some((topic_id.parse().ok()?, partition))
}

/// Digits alone, without a sign.
fn number(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Reads the last value of one key, such as a configuration version; `None`: there is none, or its
/// last value is a tombstone. Holds one value at a time, however much the topic holds.
/// Errors: as of [`read_compacted`].
pub fn read_value(
    reader: &mut RangeReader,
    topic: &TopicName,
    key: &[u8],
    limits: ReadLimits,
    timeout: Duration,
) -> Result<Option<Vec<u8>>, KafkaError> {
    let mut last = None;
    read_records(reader, topic, limits, timeout, |record| {
        if record.key() == Some(key) {
            last = record.value().map(<[u8]>::to_vec);
        }
    })?;
    Ok(last)
}

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
    let mut content = BTreeMap::new();
    read_records(reader, topic, limits, timeout, |record| {
        if let Some(key) = record.key() {
            set(&mut content, key.to_vec(), record.value());
        }
    })?;
    Ok(content)
}

/// A value replaces, a tombstone removes.
fn set<K: Ord>(content: &mut BTreeMap<K, Vec<u8>>, key: K, value: Option<&[u8]>) {
    match value {
        Some(value) => content.insert(key, value.to_vec()),
        None => content.remove(&key),
    };
}

fn read_records(
    reader: &mut RangeReader,
    topic: &TopicName,
    limits: ReadLimits,
    timeout: Duration,
    take: impl FnMut(&RecordView<'_>),
) -> Result<(), KafkaError> {
    let ranges = reader.whole_topic(topic, timeout)?;
    reader.read(topic, &ranges, limits, take).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_back_to_their_partition() {
        let (topic_id, partition) = (TopicId(0xfe), Partition(12));
        let key = mark_key("a/b", topic_id, partition);
        assert_eq!(key, b"a/b/mark/000000000000000000000000000000fe/12");
        assert_eq!(place_of("a/b", &key), Some((topic_id, partition)));
        assert_eq!(place_of("a", &key), None);
        assert_eq!(place_of("a/b", b"a/b/mark/fe/12"), None);
        assert_eq!(place_of("a/b", b"a/b/mark/000000000000000000000000000000fe/+1"), None);
        assert_eq!(config_key("c", ConfigVersion(1)), b"c/config/0000000000000001");
    }
}
