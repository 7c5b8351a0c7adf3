//! Reads what a topic holds: its committed records, from the beginning to the stable end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::compare::{Committed, CommittedRecord};
use super::{ContentOf, Record};
use crate::error::{Result, TestkitError, kafka};
use crate::topics::client_config;

/// The broker is asked again and again; silence for this long means that it hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// A committed record with all that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeRecord {
    /// Topic partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key, if any.
    pub key: Option<Vec<u8>>,
    /// Value, if any.
    pub value: Option<Vec<u8>>,
    /// Headers by name, as text; of equal names the last.
    pub headers: BTreeMap<String, String>,
}

/// Reads all committed records of a small topic, dead letters for one.
/// Errors: the topic does not exist, or the broker is silent.
pub fn read_whole_topic(bootstrap: &str, topic: &str) -> Result<Vec<WholeRecord>> {
    let mut records = Vec::new();
    for_each_committed(bootstrap, topic, |message| {
        let mut headers = BTreeMap::new();
        for header in message.headers().into_iter().flat_map(|headers| headers.iter()) {
            let text = String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned();
            headers.insert(header.key.to_owned(), text);
        }
        records.push(WholeRecord {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers,
        });
        Ok(())
    })?;
    Ok(records)
}

/// Reads all committed records of a topic. Open transactions hide what comes after them.
pub(super) fn read_committed(bootstrap: &str, topic: &str, content_of: &ContentOf<'_>) -> Result<Committed> {
    let mut committed = Committed::new();
    let partitions = for_each_committed(bootstrap, topic, |message| {
        let (partition, offset) = (message.partition(), message.offset());
        let (key, value) = (message.key(), message.payload());
        if let Some(content) = content_of(&Record { partition, offset, key, value })? {
            committed.entry(partition).or_default().push(CommittedRecord { offset, content });
        }
        Ok(())
    })?;
    for partition in partitions {
        committed.entry(partition).or_default();
    }
    Ok(committed)
}

/// Shows every committed record to `see`; answers the topic's partitions.
fn for_each_committed(
    bootstrap: &str,
    topic: &str,
    mut see: impl FnMut(&BorrowedMessage<'_>) -> Result<()>,
) -> Result<Vec<i32>> {
    let consumer = reader(bootstrap)?;
    let partitions = assign_whole_topic(&consumer, topic)?;
    // An end-of-partition event comes when the reader has passed everything up to the stable end,
    // aborted records and control records included.
    let mut unfinished = partitions.len();
    let mut last_heard = Instant::now();
    while unfinished > 0 {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                last_heard = Instant::now();
                see(&message)?;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => unfinished -= 1,
            // Broken connections come back by themselves; the limit below ends a real outage.
            Some(Err(error)) if last_heard.elapsed() > SILENCE_LIMIT => {
                return Err(kafka(format!("read topic {topic}"))(error));
            }
            Some(Err(_)) | None => {}
        }
        if last_heard.elapsed() > SILENCE_LIMIT {
            return Err(TestkitError::TooLate {
                awaited: format!("the end of topic {topic}"),
                waited_ms: SILENCE_LIMIT.as_millis() as u64,
                last_seen: format!("{unfinished} partitions are not at their end"),
            });
        }
    }
    Ok(partitions)
}

fn reader(bootstrap: &str) -> Result<BaseConsumer> {
    client_config(bootstrap)
        // The client insists on a group for assign(); nothing is committed to it.
        .set("group.id", "testkit-history")
        .set("enable.auto.commit", "false")
        .set("isolation.level", "read_committed")
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error")
        .set("fetch.queue.backoff.ms", "10")
        .set("queued.max.messages.kbytes", "32768")
        .create()
        .map_err(kafka("create a reader"))
}

fn assign_whole_topic(consumer: &BaseConsumer, topic: &str) -> Result<Vec<i32>> {
    let metadata = consumer
        .fetch_metadata(Some(topic), Duration::from_secs(20))
        .map_err(kafka(format!("describe topic {topic}")))?;
    let partitions: Vec<i32> = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .map(|partition| partition.id())
        .collect();
    let mut assignment = TopicPartitionList::new();
    for &partition in &partitions {
        assignment
            .add_partition_offset(topic, partition, Offset::Beginning)
            .map_err(kafka(format!("name {topic}-{partition}")))?;
    }
    consumer.assign(&assignment).map_err(kafka(format!("assign topic {topic}")))?;
    if partitions.is_empty() {
        return Err(TestkitError::Malformed {
            what: format!("topic {topic}"),
            problem: "it has no partition, so it does not exist".to_owned(),
        });
    }
    Ok(partitions)
}
