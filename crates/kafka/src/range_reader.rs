//! Reads recorded ranges again (PROTOCOL R6, R9, R14): a second consumer that joins no group, reads
//! committed data only, commits nothing, and answers with exactly the records of the ranges that
//! the source still has.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName, TopicPartition};

use crate::admin::{describe_topics, list_offsets};
use crate::consumer::watermarks;
use crate::error::{Asker, KafkaError};
use crate::ffi::admin::Side;
use crate::ffi::client::{Client, Kind};
use crate::ffi::group;
use crate::ffi::message::{Messages, RecordView};
use crate::ffi::partition_list::PartitionList;
use crate::ffi::queue::Queue;
use crate::settings::{self, Settings};

/// How much one read may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Records of all ranges together.
    pub records_max: u64,
    /// Bytes of keys and values of all ranges together.
    pub bytes_max: u64,
    /// Nothing came for so long although the end was not reached.
    pub idle_timeout: Duration,
}

/// Messages per call: fewer than a lane takes, since a batch is read again only after a failure.
const READ_MESSAGES: usize = 2_000;

/// One wait for messages; the end of a range that ends in control records is seen only after it.
const READ_WAIT: Duration = Duration::from_millis(20);

/// A reader of ranges.
pub struct RangeReader {
    client: Arc<Client>,
    asker: Asker,
}

impl RangeReader {
    /// A reader beside the members of `group`: its group.id is `<group>-reader`, which it never joins.
    /// Errors: settings, and `Client`.
    pub fn open(given: &Settings, group: &str) -> Result<RangeReader, KafkaError> {
        let group = format!("{group}-reader");
        let client = Client::new(Kind::Consumer, &settings::consumer(given, &group)?)?;
        Ok(RangeReader { client, asker: Asker { group, ..Asker::default() } })
    }

    /// The topic's identity, by its name; `None`: there is no such topic (R15).
    pub fn topic_id(&self, topic: &TopicName, timeout: Duration) -> Result<Option<TopicId>, KafkaError> {
        let described = describe_topics(&self.client, &self.asker, std::slice::from_ref(topic), timeout)?;
        Ok(described.get(topic).copied().flatten().map(|described| described.topic_id))
    }

    /// Hands out the records whose offsets lie in `ranges`, partition after partition as given, each
    /// ascending; answers their number. Gaps of compaction, aborted data and markers are passed over.
    /// Errors: `OffsetOutOfRange` when the log begins behind a range's first offset or ends before
    /// it; `TopicGone`; `ReadStalled`; `ReadTooLarge`. Some records were handed out by then.
    pub fn read(
        &mut self,
        topic: &TopicName,
        ranges: &[(Partition, OffsetRange)],
        limits: ReadLimits,
        mut take: impl FnMut(&RecordView<'_>),
    ) -> Result<u64, KafkaError> {
        let partitions = self.partitions(topic, limits.idle_timeout)?;
        let missing = ranges.iter().find(|(partition, _)| partition.0 >= partitions);
        if let Some((partition, _)) = missing {
            return Err(KafkaError::TopicGone {
                asked: format!("reading {topic}-{partition}"),
                reason: format!("the topic has {partitions} partitions"),
            });
        }
        let mut meter = Meter { limits, records: 0, bytes: 0 };
        for (partition, range) in ranges.iter().filter(|(_, range)| !range.is_empty()) {
            let topic_partition = TopicPartition { topic: topic.clone(), partition: *partition };
            let answer = self.read_range(&topic_partition, *range, &mut meter, &mut take);
            // Fetching stops before the next range, or the caller's next read, restarts it.
            let stopped = group::assign(&self.client, &PartitionList::new());
            group::wait_for_stopped_fetches(&self.client);
            answer?;
            stopped.map_err(|raw| self.asker.sort("stopping to read", &raw))?;
        }
        Ok(meter.records)
    }

    fn read_range(
        &self,
        topic_partition: &TopicPartition,
        range: OffsetRange,
        meter: &mut Meter,
        take: &mut impl FnMut(&RecordView<'_>),
    ) -> Result<(), KafkaError> {
        // A queue of its own per range: nothing of the one before can be in it.
        let queue = Queue::new(&self.client);
        queue.take_records_of(topic_partition);
        let mut list = PartitionList::new();
        list.add_offset(topic_partition, range.first());
        group::assign(&self.client, &list).map_err(|raw| self.asker.sort("reading", &raw))?;

        let mut messages = Messages::with_capacity(READ_MESSAGES);
        let mut last_progress = Instant::now();
        let mut position = None;
        loop {
            let count = messages.fill(&queue, READ_WAIT).map_err(|raw| self.asker.sort("reading", &raw))?;
            for index in 0..count {
                let record = messages.get(index).map_err(|failed| {
                    let offset = failed.offset.or(Some(range.first()));
                    self.asker.sort_partition(Some(topic_partition), offset, &failed.error)
                })?;
                if record.offset() >= range.end() {
                    return Ok(());
                }
                assert!(
                    record.offset() >= range.first(),
                    "{topic_partition}: {} is before {range}",
                    record.offset()
                );
                meter.count(topic_partition, &record)?;
                take(&record);
            }
            let reached = group::position(&self.client, topic_partition);
            if reached.is_some_and(|reached| reached >= range.end()) {
                return Ok(());
            }
            if reached != position {
                position = reached;
                last_progress = Instant::now();
            }
            self.check_consumer_errors(topic_partition, range)?;
            if last_progress.elapsed() >= meter.limits.idle_timeout {
                return Err(KafkaError::ReadStalled {
                    topic_partition: topic_partition.clone(),
                    position,
                    waited_ms: u64::try_from(last_progress.elapsed().as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
    }

    /// What is not about a fetch comes on the consumer's own queue, such as a missing topic.
    fn check_consumer_errors(
        &self,
        topic_partition: &TopicPartition,
        range: OffsetRange,
    ) -> Result<(), KafkaError> {
        if let Some(failed) = crate::ffi::message::poll_consumer(&self.client, Duration::ZERO) {
            let offset = Some(range.first());
            let error = self.asker.sort_partition(Some(topic_partition), offset, &failed.error);
            if !matches!(error, KafkaError::NoAnswer { .. }) {
                return Err(error);
            }
        }
        // Lost connections are logged, and end in `ReadStalled` if they last.
        while self.client.next_event().is_some() {}
        Ok(())
    }

    /// The positions that the partition holds now, up to the last stable offset.
    pub fn watermarks(
        &self,
        topic_partition: &TopicPartition,
        timeout: Duration,
    ) -> Result<OffsetRange, KafkaError> {
        watermarks(&self.client, &self.asker, topic_partition, timeout)
    }

    /// Per partition, all that it holds: up to the high watermark, behind records of transactions that
    /// are not settled yet. Errors: `TopicGone`.
    pub fn whole_topic(
        &self,
        topic: &TopicName,
        timeout: Duration,
    ) -> Result<Vec<(Partition, OffsetRange)>, KafkaError> {
        let partitions: Vec<_> = (0..self.partitions(topic, timeout)?)
            .map(|number| TopicPartition { topic: topic.clone(), partition: Partition(number) })
            .collect();
        let ask = |side| list_offsets(&self.client, &self.asker, &partitions, side, timeout);
        let (firsts, ends) = (ask(Side::Earliest)?, ask(Side::Latest)?);
        let range = |(topic_partition, first): (TopicPartition, Offset)| {
            let end = *ends.get(&topic_partition)?;
            Some((topic_partition.partition, OffsetRange::new(first, end)?))
        };
        Ok(firsts.into_iter().filter_map(range).collect())
    }

    /// Partitions of the topic. Errors: `TopicGone`.
    fn partitions(&self, topic: &TopicName, timeout: Duration) -> Result<u32, KafkaError> {
        let names = [topic.clone()];
        let described =
            crate::admin::describe_topics(&self.client, &self.asker, &names, timeout)?.remove(topic);
        described.flatten().map(|is| is.partitions).ok_or_else(|| KafkaError::TopicGone {
            asked: format!("reading topic {topic}"),
            reason: "it does not exist".to_owned(),
        })
    }
}

/// What a read has taken.
struct Meter {
    limits: ReadLimits,
    records: u64,
    bytes: u64,
}

impl Meter {
    fn count(&mut self, topic_partition: &TopicPartition, record: &RecordView<'_>) -> Result<(), KafkaError> {
        let len = |bytes: Option<&[u8]>| bytes.map_or(0, |bytes| bytes.len() as u64);
        self.records += 1;
        self.bytes += len(record.key()) + len(record.value());
        let over = |limit, unit| {
            Err(KafkaError::ReadTooLarge { asked: format!("reading {topic_partition}"), limit, unit })
        };
        if self.records > self.limits.records_max {
            return over(self.limits.records_max, "records");
        }
        if self.bytes > self.limits.bytes_max {
            return over(self.limits.bytes_max, "bytes");
        }
        Ok(())
    }
}
