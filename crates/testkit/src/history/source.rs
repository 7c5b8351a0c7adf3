//! Reads what a topic holds: its committed records, from the beginning to the stable end.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::compare::{Committed, CommittedRecord};
use super::{ContentOf, Record};
use crate::error::{Result, TestkitError, kafka};
use crate::topics::client_config;

/// The broker is asked again and again; silence for this long means that it hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Reads all committed records of a topic. Open transactions hide what comes after them.
pub(super) fn read_committed(bootstrap: &str, topic: &str, content_of: &ContentOf<'_>) -> Result<Committed> {
    let consumer = reader(bootstrap)?;
    let mut committed = assign_whole_topic(&consumer, topic)?;
    // An end-of-partition event comes when the reader has passed everything up to the stable end,
    // aborted records and control records included.
    let mut unfinished = committed.len();
    let mut last_heard = Instant::now();
    while unfinished > 0 {
        match consumer.poll(Duration::from_millis(500)) {
            Some(Ok(message)) => {
                last_heard = Instant::now();
                let (partition, offset) = (message.partition(), message.offset());
                let (key, value) = (message.key(), message.payload());
                if let Some(content) = content_of(&Record { partition, offset, key, value })? {
                    committed
                        .get_mut(&partition)
                        .expect("only these partitions are assigned")
                        .push(CommittedRecord { offset, content });
                }
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
    Ok(committed)
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

fn assign_whole_topic(consumer: &BaseConsumer, topic: &str) -> Result<Committed> {
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
    Ok(partitions.into_iter().map(|partition| (partition, Vec::new())).collect::<BTreeMap<_, _>>())
}
