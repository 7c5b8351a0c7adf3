//! Marks in the state topic: a partition that was ever taken has one, so that an entry that is missing
//! later (Kafka forgets the offsets of a group that was empty for seven days) is not taken for a fresh
//! start. `running` goes with the first write of every claim, `at rest <next>` with the plain marks of a
//! clean stop: only the latter says where to go on. Carries R16.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_delivery::{LedgerAnswer, StoredEntry, WriteId};
use pumphouse_kafka::{KafkaError, OutgoingRecord, RangeReader, read_compacted};
use pumphouse_types::{Offset, TopicId, TopicPartition};

use super::context::TaskContext;
use super::state::{STATE_LIMITS, STATE_TIMEOUT};

const RUNNING: &str = "running";
const AT_REST: &str = "at rest ";

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

/// Where a partition without an entry goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum History {
    /// It was never taken.
    None,
    /// A clean stop left it here.
    AtRest(Offset),
    /// It was taken, and not left at rest: where it stood is not known.
    Running,
}

/// The mark of a partition that is taken from now on.
pub(super) fn running(cx: &TaskContext, topic_id: TopicId, tp: &TopicPartition) -> OutgoingRecord {
    record(cx, topic_id, tp, RUNNING.to_owned())
}

/// The mark of a partition whose plain mark this is, written by a clean stop.
pub(super) fn at_rest(
    cx: &TaskContext,
    topic_id: TopicId,
    tp: &TopicPartition,
    entry: &StoredEntry,
) -> OutgoingRecord {
    record(cx, topic_id, tp, format!("{AT_REST}{}", entry.offset))
}

fn record(cx: &TaskContext, topic_id: TopicId, tp: &TopicPartition, value: String) -> OutgoingRecord {
    OutgoingRecord {
        topic: cx.state_topic.clone(),
        partition: None,
        key: Some(key(cx, topic_id, tp)),
        value: Some(value.into_bytes()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// What is known of partitions that have no entry.
/// Errors: the state topic cannot be read.
pub(super) fn histories(
    cx: &TaskContext,
    partitions: &[(TopicPartition, TopicId)],
) -> Result<BTreeMap<TopicPartition, History>, KafkaError> {
    let mut histories = BTreeMap::new();
    if cx.memory_ledger.is_some() {
        histories.extend(partitions.iter().map(|(tp, _)| (tp.clone(), History::None)));
        return Ok(histories);
    }
    let mut reader = RangeReader::open(&cx.consumer_settings, &cx.group)?;
    let state = read_compacted(&mut reader, &cx.state_topic, STATE_LIMITS, STATE_TIMEOUT)?;
    for (tp, topic_id) in partitions {
        let mark = state.get(&key(cx, *topic_id, tp));
        histories.insert(tp.clone(), mark.map_or(History::None, |mark| understand(mark)));
    }
    Ok(histories)
}

/// A text that cannot be read is one more reason not to guess.
fn understand(mark: &[u8]) -> History {
    let next = std::str::from_utf8(mark)
        .ok()
        .and_then(|text| text.strip_prefix(AT_REST))
        .and_then(|next| next.parse().ok())
        .and_then(Offset::new);
    next.map_or(History::Running, History::AtRest)
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

    #[test]
    fn only_a_clean_stop_says_where_to_go_on() {
        assert_eq!(understand(b"running"), History::Running);
        assert_eq!(understand(b"at rest 17"), History::AtRest(Offset::new(17).unwrap()));
        for strange in [&b"at rest -1"[..], b"at rest", b"at rest 1x", b"\xff", b""] {
            assert_eq!(understand(strange), History::Running, "{strange:?}");
        }
    }
}
