//! Which records stand in the dead letter topic: those whose letters a replay has not taken yet
//! (docs/dead-letters.md). What a letter stands for, its headers say (`pumphouse_kafka::letter_of`).
use std::collections::BTreeMap;

use pumphouse_kafka::{LetterOf, OriginTopic, RecordView, letter_of};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName};

use crate::error::VerifyError;
use crate::ledger::Position;
use crate::source::Source;

/// 24 bytes each.
const DEAD_LETTERS_MAX: usize = 8_000_000;

/// How far a replay has come in each partition of the dead letter topic.
pub type ReplayPositions = BTreeMap<Partition, Position>;

/// One letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Letter {
    /// The offset of the record that it stands for.
    of: Offset,
    /// Where the letter is.
    partition: Partition,
    offset: Offset,
}

/// The dead letters of one connector, per topic partition of their records.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    by_id: BTreeMap<(TopicId, Partition), Vec<Letter>>,
    by_name: BTreeMap<(TopicName, Partition), Vec<Letter>>,
    count: usize,
    /// Up to where each partition of the dead letter topic was read.
    pub(crate) read_to: BTreeMap<Partition, Offset>,
    /// Records without headers that say what they stand for.
    pub(crate) nameless: u64,
    /// Partitions of the dead letter topic whose beginning retention has removed.
    pub(crate) shortened: u64,
}

impl DeadLetters {
    /// Reads what is committed in the dead letter topic now and was not read before. A transaction that is
    /// open is waited for: the letters of a ledger's entry that was read before this are among what is read.
    pub(crate) fn read_on(
        &mut self,
        source: &mut Source,
        connector: &str,
        topic: &TopicName,
    ) -> Result<(), VerifyError> {
        for (partition, log) in source.whole_topic(topic)? {
            let from = match self.read_to.get(&partition) {
                None => {
                    self.shortened += u64::from(log.first() > Offset::ZERO);
                    log.first()
                }
                Some(read_to) => *read_to,
            };
            let Some(new) = OffsetRange::new(from, log.end()).filter(|new| !new.is_empty()) else {
                self.read_to.entry(partition).or_insert(from);
                continue;
            };
            source.records(topic, partition, new, |record| self.take(connector, record))?;
            self.read_to.insert(partition, new.end());
            if self.count > DEAD_LETTERS_MAX {
                return Err(VerifyError::TooMany { what: "dead letters", limit: DEAD_LETTERS_MAX });
            }
        }
        Ok(())
    }

    fn take(&mut self, connector: &str, record: &RecordView<'_>) {
        // What is too much is counted, not kept: the read ends with the partition.
        if self.count > DEAD_LETTERS_MAX {
            return;
        }
        let origin = match letter_of(connector, record.headers()) {
            LetterOf::Ours(origin) => origin,
            LetterOf::Another => return,
            LetterOf::Nameless => {
                self.nameless += 1;
                return;
            }
        };
        let letter = Letter { of: origin.offset, partition: record.partition(), offset: record.offset() };
        match origin.topic {
            OriginTopic::Id(id) => self.by_id.entry((id, origin.partition)).or_default().push(letter),
            OriginTopic::Name(name) => {
                self.by_name.entry((TopicName::new(name), origin.partition)).or_default().push(letter);
            }
        }
        self.count += 1;
    }

    /// Letters about records of a topic.
    fn about<'a>(
        &'a self,
        topic: &TopicName,
        topic_id: TopicId,
    ) -> impl Iterator<Item = &'a Letter> + use<'a> {
        let whole = Partition(0)..=Partition(u32::MAX);
        let by_id = self.by_id.range((topic_id, *whole.start())..=(topic_id, *whole.end()));
        let by_name = self.by_name.range((topic.clone(), *whole.start())..=(topic.clone(), *whole.end()));
        by_id.flat_map(|(_, letters)| letters).chain(by_name.flat_map(|(_, letters)| letters))
    }

    /// Whether the topic has any, standing or not.
    pub(crate) fn has_any(&self, topic: &TopicName, topic_id: TopicId) -> bool {
        self.about(topic, topic_id).next().is_some()
    }

    /// Letters of a topic that no replay has taken yet.
    pub(crate) fn standing(&self, topic: &TopicName, topic_id: TopicId, positions: &ReplayPositions) -> u64 {
        self.about(topic, topic_id).filter(|letter| stands(letter, positions)).count() as u64
    }

    /// Standing letters about the records of a partition within a range: the offsets of the records,
    /// ascending.
    pub(crate) fn within(
        &self,
        topic: &TopicName,
        topic_id: TopicId,
        partition: Partition,
        range: OffsetRange,
        positions: &ReplayPositions,
    ) -> Vec<Offset> {
        let by_id = self.by_id.get(&(topic_id, partition)).into_iter().flatten();
        let by_name = self.by_name.get(&(topic.clone(), partition)).into_iter().flatten();
        let mut within: Vec<Offset> = by_id
            .chain(by_name)
            .filter(|letter| range.contains(letter.of) && stands(letter, positions))
            .map(|letter| letter.of)
            .collect();
        within.sort_unstable();
        within
    }
}

/// A letter that a replay has taken has become a row, or a new letter.
fn stands(letter: &Letter, positions: &ReplayPositions) -> bool {
    positions.get(&letter.partition).is_none_or(|position| letter.offset >= position.landed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    /// About these offsets, in this order, from offset 100 of partition 1 of the dead letter topic on.
    fn letters(of: &[i64]) -> Vec<Letter> {
        let letter =
            |(offset, &of): (i64, &i64)| Letter { of: at(of), partition: Partition(1), offset: at(offset) };
        (100..).zip(of).map(letter).collect()
    }

    #[test]
    fn letters_are_cut_to_the_range_and_merged() {
        let mut found = DeadLetters::default();
        let (topic, id) = (TopicName::new("t"), TopicId(1));
        found.by_id.insert((id, Partition(0)), letters(&[9, 1, 5]));
        found.by_name.insert((topic.clone(), Partition(0)), letters(&[4, 5]));
        let (range, none) = (OffsetRange::new(at(4), at(9)).unwrap(), ReplayPositions::new());
        assert_eq!(found.within(&topic, id, Partition(0), range, &none), [at(4), at(5), at(5)]);
        assert!(found.within(&topic, id, Partition(1), range, &none).is_empty());
        assert_eq!(found.standing(&topic, id, &none), 5);
        assert!(found.has_any(&topic, id) && !found.has_any(&TopicName::new("u"), TopicId(2)));
    }

    #[test]
    fn what_a_replay_has_taken_does_not_stand_and_its_successor_does() {
        let mut found = DeadLetters::default();
        let (topic, id) = (TopicName::new("t"), TopicId(1));
        // 7 became a row; 8 failed again, and has a new letter behind the replay's position.
        found.by_id.insert((id, Partition(0)), letters(&[7, 8, 8]));
        let positions = [(Partition(1), Position { landed: at(102), open: None, owes: false })].into();
        let range = OffsetRange::new(at(0), at(100)).unwrap();
        assert_eq!(found.within(&topic, id, Partition(0), range, &positions), [at(8)]);
        assert_eq!(found.standing(&topic, id, &positions), 1);
    }
}
