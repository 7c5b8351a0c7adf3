//! Marks in the state topic: a partition that was ever taken has one, so that an entry that is missing
//! later (Kafka forgets the offsets of a group that was empty for seven days) is not taken for a fresh
//! start. Carries R16's stop. A mark is written in the transaction of the partition's first entry.
use std::collections::BTreeSet;
use std::time::Duration;

use pumphouse_delivery::{LedgerAnswer, WriteId};
use pumphouse_kafka::{KafkaError, OutgoingRecord, RangeReader, ReadLimits, read_compacted};
use pumphouse_types::{TopicId, TopicPartition};

use super::context::TaskContext;

/// The state topic holds a mark per partition and some configuration versions per connector.
const STATE_LIMITS: ReadLimits =
    ReadLimits { records_max: 2_000_000, bytes_max: 512 << 20, idle_timeout: Duration::from_secs(5) };

/// One question while the state topic is read.
const STATE_TIMEOUT: Duration = Duration::from_secs(5);

/// Partitions of the present claim that have neither an entry nor a mark.
#[derive(Default)]
pub(super) struct Unmarked {
    partitions: BTreeSet<TopicPartition>,
    on_their_way: Option<(WriteId, Vec<TopicPartition>)>,
}

impl Unmarked {
    /// These are taken for the first time.
    pub(super) fn add(&mut self, partitions: &[TopicPartition]) {
        self.partitions.extend(partitions.iter().cloned());
    }

    pub(super) fn clear(&mut self) {
        *self = Unmarked::default();
    }

    /// Those of `entries` whose marks go with this write.
    pub(super) fn go_with<'a>(
        &mut self,
        write: WriteId,
        entries: impl Iterator<Item = &'a TopicPartition>,
    ) -> Vec<TopicPartition> {
        let going: Vec<_> = entries.filter(|tp| self.partitions.contains(tp)).cloned().collect();
        self.on_their_way = Some((write, going.clone()));
        going
    }

    /// What stands is not written again.
    pub(super) fn answered(&mut self, write: WriteId, answer: &LedgerAnswer) {
        if let Some((_, stand)) = self.on_their_way.take_if(|(on_its_way, _)| *on_its_way == write)
            && *answer == LedgerAnswer::Recorded
        {
            stand.iter().for_each(|tp| {
                self.partitions.remove(tp);
            });
        }
    }
}

/// The mark of a partition that is taken from now on.
pub(super) fn mark(cx: &TaskContext, topic_id: TopicId, tp: &TopicPartition) -> OutgoingRecord {
    OutgoingRecord {
        topic: cx.state_topic.clone(),
        partition: None,
        key: Some(key(cx, topic_id, tp)),
        value: Some(b"running".to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// The first of `partitions` that has a mark although it has no entry.
/// Errors: the state topic cannot be read.
pub(super) fn first_with_history(
    cx: &TaskContext,
    partitions: &[(TopicPartition, TopicId)],
) -> Result<Option<TopicPartition>, KafkaError> {
    if cx.memory_ledger.is_some() {
        return Ok(None);
    }
    let mut reader = RangeReader::open(&cx.consumer_settings, &cx.group)?;
    let state = read_compacted(&mut reader, &cx.state_topic, STATE_LIMITS, STATE_TIMEOUT)?;
    let marked = |(tp, topic_id): &&(TopicPartition, TopicId)| state.contains_key(&key(cx, *topic_id, tp));
    Ok(partitions.iter().find(marked).map(|(tp, _)| tp.clone()))
}

/// The identity of the topic stands in the key: a re-created topic has no history.
fn key(cx: &TaskContext, topic_id: TopicId, tp: &TopicPartition) -> Vec<u8> {
    format!("{}/mark/{topic_id}/{}", cx.connector, tp.partition).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumphouse_types::{Partition, TopicName};

    fn p(number: u32) -> TopicPartition {
        TopicPartition { topic: TopicName::new("t"), partition: Partition(number) }
    }

    #[test]
    fn a_mark_goes_with_every_write_until_one_stands() {
        let mut unmarked = Unmarked::default();
        unmarked.add(&[p(0), p(1)]);
        let entries = [p(0), p(2)];
        assert_eq!(unmarked.go_with(WriteId(1), entries.iter()), [p(0)]);
        unmarked.answered(WriteId(1), &LedgerAnswer::NotRecorded);
        assert_eq!(unmarked.go_with(WriteId(2), entries.iter()), [p(0)]);
        unmarked.answered(WriteId(1), &LedgerAnswer::Recorded);
        unmarked.answered(WriteId(2), &LedgerAnswer::Recorded);
        assert!(unmarked.go_with(WriteId(3), entries.iter()).is_empty());
        assert_eq!(unmarked.go_with(WriteId(4), [p(1)].iter()), [p(1)]);
    }
}
