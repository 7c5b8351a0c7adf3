//! Follows a small topic from its beginning, record by record, for as long as it is wanted: what the workers tell one
//! another. It joins no group, reads committed data only, and commits nothing.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use crate::admin::{describe_topics, list_offsets};
use crate::error::{Asker, KafkaError};
use crate::ffi::admin::Side;
use crate::ffi::client::{Client, Kind};
use crate::ffi::group;
use crate::ffi::message::{Messages, RecordView, poll_consumer};
use crate::ffi::partition_list::PartitionList;
use crate::ffi::queue::Queue;
use crate::settings::{self, Settings};

/// Messages per call.
const MESSAGES: usize = 1_000;

/// A reader that stands somewhere in each partition of a topic.
pub struct Tail {
    // Before the handle: messages and queues go first (see `ffi::client::Client`).
    messages: Messages,
    queue: Queue,
    client: Arc<Client>,
    asker: Asker,
    topic: TopicName,
    /// Where each partition began when it was opened.
    firsts: BTreeMap<TopicPartition, Offset>,
}

impl Tail {
    /// Stands at the topic's beginning. `timeout`: of each question to the brokers.
    /// Errors: settings, `TopicGone`, `NoAnswer`.
    pub fn open(
        given: &Settings,
        group: &str,
        topic: &TopicName,
        timeout: Duration,
    ) -> Result<Tail, KafkaError> {
        let group = format!("{group}-reader");
        let client = Client::new(Kind::Consumer, &settings::consumer(given, &group)?)?;
        let asker = Asker { group, ..Asker::default() };
        let described =
            describe_topics(&client, &asker, std::slice::from_ref(topic), timeout)?.remove(topic).flatten();
        let described = described.ok_or_else(|| KafkaError::TopicGone {
            asked: format!("following topic {topic}"),
            reason: "it does not exist".to_owned(),
        })?;
        let partitions: Vec<_> = (0..described.partitions)
            .map(|number| TopicPartition { topic: topic.clone(), partition: Partition(number) })
            .collect();
        let firsts = list_offsets(&client, &asker, &partitions, Side::Earliest, timeout)?;
        let queue = Queue::new(&client);
        let mut list = PartitionList::new();
        for (topic_partition, first) in &firsts {
            queue.take_records_of(topic_partition);
            list.add_offset(topic_partition, *first);
        }
        group::assign(&client, &list).map_err(|raw| asker.sort("following a topic", &raw))?;
        let messages = Messages::with_capacity(MESSAGES);
        Ok(Tail { messages, queue, client, asker, topic: topic.clone(), firsts })
    }

    /// Hands out what has come, in the order of each partition; waits at most `wait` for the first record.
    /// Errors: the topic cannot be followed any more, and is to be opened anew; brokers that do not answer are
    /// waited for.
    pub fn poll(
        &mut self,
        wait: Duration,
        mut take: impl FnMut(&RecordView<'_>),
    ) -> Result<usize, KafkaError> {
        let count = self
            .messages
            .fill(&self.queue, wait)
            .map_err(|raw| self.asker.sort("following a topic", &raw))?;
        for index in 0..count {
            match self.messages.get(index) {
                Ok(record) => take(&record),
                Err(failed) => {
                    let tp = failed.topic_partition.as_ref();
                    return Err(self.asker.sort_partition(tp, failed.offset, &failed.error));
                }
            }
        }
        self.messages.clear();
        if let Some(failed) = poll_consumer(&self.client, Duration::ZERO) {
            let tp = failed.topic_partition.as_ref();
            let error = self.asker.sort_partition(tp, failed.offset, &failed.error);
            if !matches!(error, KafkaError::NoAnswer { .. } | KafkaError::Refused { .. }) {
                return Err(error);
            }
        }
        // Lost connections are logged, and made again.
        while self.client.next_event().is_some() {}
        Ok(count)
    }

    /// Where each partition ends now, records of transactions that are not settled yet included.
    pub fn ends(&self, timeout: Duration) -> Result<BTreeMap<TopicPartition, Offset>, KafkaError> {
        let partitions: Vec<_> = self.firsts.keys().cloned().collect();
        list_offsets(&self.client, &self.asker, &partitions, Side::Latest, timeout)
    }

    /// Whether everything before `ends` was handed out, or was no committed record.
    pub fn has_reached(&self, ends: &BTreeMap<TopicPartition, Offset>) -> bool {
        ends.iter().all(|(topic_partition, end)| {
            let first = self.firsts.get(topic_partition).copied().unwrap_or(Offset::ZERO);
            group::position(&self.client, topic_partition).unwrap_or(first) >= *end
        })
    }

    /// The topic that is followed.
    pub fn topic(&self) -> &TopicName {
        &self.topic
    }
}
