//! What the source has: the offsets of the committed records of a range.
use std::time::Duration;

use pumphouse_kafka::{KafkaError, RangeReader, ReadLimits, Settings};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName, TopicPartition};

/// One question about a partition's ends.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Nothing is kept of a record but its offset, so only the ranges bound a read.
const LIMITS: ReadLimits =
    ReadLimits { records_max: u64::MAX, bytes_max: u64::MAX, idle_timeout: Duration::from_secs(60) };

/// A slice may lose its beginning to retention while it is read; more often than this is another trouble.
const RETENTION_TRIES_MAX: u32 = 5;

/// Reads topics beside the connector's group, read committed (PROTOCOL R14).
pub(crate) struct Source {
    reader: RangeReader,
    /// Records without a value are not expected in the table (`pumphouse.tombstones=skip`).
    skip_tombstones: bool,
}

impl Source {
    pub(crate) fn open(settings: &Settings, group: &str) -> Result<Source, KafkaError> {
        Ok(Source { reader: RangeReader::open(settings, group)?, skip_tombstones: false })
    }

    /// As the connector reads it: with or without tombstones.
    pub(crate) fn skipping_tombstones(self, skip_tombstones: bool) -> Source {
        Source { skip_tombstones, ..self }
    }

    /// The positions that a partition holds now, up to the last stable offset.
    pub(crate) fn log(&self, topic: &TopicName, partition: Partition) -> Result<OffsetRange, KafkaError> {
        self.reader.watermarks(&TopicPartition { topic: topic.clone(), partition }, ASK_TIMEOUT)
    }

    /// All that a topic holds now, behind records of transactions that are not settled yet: reading up to
    /// its ends waits for those.
    pub(crate) fn whole_topic(&self, topic: &TopicName) -> Result<Vec<(Partition, OffsetRange)>, KafkaError> {
        self.reader.whole_topic(topic, ASK_TIMEOUT)
    }

    /// Puts the offsets of the committed records of `range` into `offsets`, ascending, and answers where
    /// the log began when they were read: what lies below is not known any more.
    pub(crate) fn offsets(
        &mut self,
        topic: &TopicName,
        partition: Partition,
        range: OffsetRange,
        offsets: &mut Vec<Offset>,
    ) -> Result<Offset, KafkaError> {
        let mut log_start = range.first();
        for tries in 1.. {
            offsets.clear();
            let Some(left) = OffsetRange::new(log_start, range.end()) else { return Ok(log_start) };
            let expected =
                |record: &pumphouse_kafka::RecordView<'_>| !self.skip_tombstones || record.value().is_some();
            let read = self.reader.read(topic, &[(partition, left)], LIMITS, |record| {
                if expected(record) {
                    offsets.push(record.offset());
                }
            });
            match read {
                Ok(_) => return Ok(log_start),
                Err(error @ KafkaError::OffsetOutOfRange { .. }) => {
                    // Retention went on, or the range lies outside of the log.
                    let log = self.log(topic, partition)?;
                    if log.first() <= log_start || range.end() > log.end() || tries >= RETENTION_TRIES_MAX {
                        return Err(error);
                    }
                    log_start = log.first();
                }
                Err(error) => return Err(error),
            }
        }
        unreachable!("the tries are counted")
    }

    /// Hands out all committed records of a range, headers included.
    pub(crate) fn records(
        &mut self,
        topic: &TopicName,
        partition: Partition,
        range: OffsetRange,
        take: impl FnMut(&pumphouse_kafka::RecordView<'_>),
    ) -> Result<u64, KafkaError> {
        self.reader.read(topic, &[(partition, range)], LIMITS, take)
    }
}
