//! Marks in the state topic: a partition that was ever taken has one, so that an entry that is missing
//! later (Kafka forgets the offsets of a group that was empty for seven days) is not taken for a fresh
//! start. `running` goes with the first write of every claim, `at rest <next>` with the plain marks of a
//! clean stop: only the latter says where to go on. Carries R16.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_conduct::Mark;
use pumphouse_delivery::{LedgerAnswer, StoredEntry, WriteId};
use pumphouse_kafka::{KafkaError, OutgoingRecord, RangeReader, mark_record, read_marks};
use pumphouse_types::{TopicId, TopicPartition};

use super::context::TaskContext;
use super::state::{STATE_LIMITS, STATE_TIMEOUT};

/// Partitions of the present claim whose `running` does not stand yet.
#[derive(Default)]
pub(super) struct Unmarked {
    partitions: BTreeSet<TopicPartition>,
    on_their_way: Option<(WriteId, Vec<TopicPartition>)>,
}

impl Unmarked {
    /// These are claimed.
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

    /// Whether a write of these entries would take marks along.
    pub(super) fn concerns<'a>(&self, mut entries: impl Iterator<Item = &'a TopicPartition>) -> bool {
        entries.any(|tp| self.partitions.contains(tp))
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
pub(super) fn running(cx: &TaskContext, topic_id: TopicId, tp: &TopicPartition) -> OutgoingRecord {
    mark_record(Mark::Running, &cx.state_topic, &cx.connector, topic_id, tp.partition)
}

/// The mark of a partition whose plain mark this is, written by a clean stop.
pub(super) fn at_rest(
    cx: &TaskContext,
    topic_id: TopicId,
    tp: &TopicPartition,
    entry: &StoredEntry,
) -> OutgoingRecord {
    let mark = Mark::AtRest { next: entry.offset };
    mark_record(mark, &cx.state_topic, &cx.connector, topic_id, tp.partition)
}

/// What is known of partitions that have no entry; those that were never taken are left out.
/// Errors: the state topic cannot be read, or a mark in it.
pub(super) fn histories(
    cx: &TaskContext,
    partitions: &[(TopicPartition, TopicId)],
) -> Result<BTreeMap<TopicPartition, Mark>, KafkaError> {
    if cx.memory_ledger.is_some() {
        return Ok(BTreeMap::new());
    }
    let mut reader = RangeReader::open(&cx.consumer_settings, &cx.group)?;
    let marks = read_marks(&mut reader, &cx.state_topic, &cx.connector, STATE_LIMITS, STATE_TIMEOUT)?;
    let of = |(tp, topic_id): &(TopicPartition, TopicId)| {
        Some((tp.clone(), *marks.get(&(*topic_id, tp.partition))?))
    };
    Ok(partitions.iter().filter_map(of).collect())
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
