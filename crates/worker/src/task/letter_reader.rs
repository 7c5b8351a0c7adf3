//! Records that are read by their coordinates, for dead letters about what ClickHouse refused, and for those that an earlier claim had
//! not come to (`owed.rs`).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_delivery::{ClaimId, Letter};
use pumphouse_kafka::{BadRecord, KafkaError, RangeReader, ReadLimits, Settings};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName, TopicPartition};
use tokio::runtime::Handle;
use tracing::warn;

use super::context::TaskContext;
use super::failure::Failure;
use super::letters::{copy, without_payload};
use super::mail::{Mail, PanicReport};
use super::replayed::Replayed;
use super::reread::is_worth_another;

/// Positions between two records that are read along: a range of its own takes the brokers longer.
const NEAR: i64 = 500;

/// Nothing comes although the range has not ended.
const READ_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// One question to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the brokers are asked again, and tries before the membership ends.
const READ_AGAIN: Duration = Duration::from_secs(1);
const READS_MAX: u32 = 10;

/// A record that was read for a letter, under the place of the letter in its lane.
pub(super) type ReadLetter = ((Partition, Offset), BadRecord);

/// Letters whose records are to be read.
pub(super) struct Wanted {
    pub topic: TopicName,
    pub topic_id: TopicId,
    pub letters: Vec<Letter>,
}

impl Wanted {
    /// Records without payload.
    pub(super) fn bare(&self, why: &str) -> Vec<ReadLetter> {
        self.letters.iter().map(|letter| self.bare_one(letter, why)).collect()
    }

    fn bare_one(&self, letter: &Letter, why: &str) -> ReadLetter {
        ((letter.partition, letter.offset), without_payload(self.topic_id, &self.topic, letter, why))
    }
}

/// Reads them, with a consumer of its own.
pub(super) struct LetterReader {
    settings: Settings,
    group: String,
    replayed: Option<Replayed>,
    ended: Arc<AtomicBool>,
}

impl LetterReader {
    /// `ended`: set when nobody waits any more.
    pub(super) fn new(cx: &TaskContext, ended: Arc<AtomicBool>) -> LetterReader {
        LetterReader {
            settings: cx.consumer_settings.clone(),
            group: cx.group.clone(),
            replayed: cx.recipe_source.replayed.clone(),
            ended,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// Runs on a blocking thread; answers by mail, with a record for each letter that was wanted.
    pub(super) fn start(self, claim: ClaimId, wanted: Wanted, runtime: &Handle, mail: Sender<Mail>) {
        runtime.spawn_blocking(move || {
            let _report = PanicReport::new(&mail, Some(claim), "reading records for dead letters");
            let letter = match self.read(&wanted) {
                Ok(records) => Mail::LettersRead { claim, topic: wanted.topic, records },
                Err(error) => Mail::Failed { claim: Some(claim), failure: Failure::Kafka(error) },
            };
            // The task has ended: nobody needs the records.
            let _ = mail.send(letter);
        });
    }

    /// A record for each letter that is wanted, in their order. Blocks. Errors: Kafka's, after some tries.
    pub(super) fn read(&self, wanted: &Wanted) -> Result<Vec<ReadLetter>, KafkaError> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read_once(wanted) {
                Err(error) if is_worth_another(&error) && tries < READS_MAX && !self.has_ended() => {
                    warn!(%error, topic = %wanted.topic, "records are being read again for their dead letters");
                    std::thread::sleep(READ_AGAIN);
                }
                answer => return answer,
            }
        }
    }

    fn read_once(&self, wanted: &Wanted) -> Result<Vec<ReadLetter>, KafkaError> {
        let mut reader = RangeReader::open(&self.settings, &self.group)?;
        let limits =
            ReadLimits { records_max: u64::MAX, bytes_max: u64::MAX, idle_timeout: READ_IDLE_TIMEOUT };
        let places: BTreeSet<_> =
            wanted.letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
        let partitions: BTreeSet<Partition> = places.iter().map(|(partition, _)| *partition).collect();
        let mut held = BTreeMap::new();
        for partition in partitions {
            let of = TopicPartition { topic: wanted.topic.clone(), partition };
            held.insert(partition, reader.watermarks(&of, ASK_TIMEOUT)?);
        }
        let there = |(partition, range): (Partition, OffsetRange)| {
            let held = held[&partition];
            let range = OffsetRange::new(range.first().max(held.first()), range.end().min(held.end()))?;
            Some((partition, range))
        };
        let ranges: Vec<_> = spans(&places).into_iter().filter_map(there).collect();
        let mut found = BTreeMap::new();
        reader.read(&wanted.topic, &ranges, limits, |record| {
            let at = (record.partition(), record.offset());
            if places.contains(&at) {
                found.insert(at, copy(wanted.topic_id, &wanted.topic, self.replayed.as_ref(), record));
            }
        })?;
        let read = |letter: &Letter| match found.remove_entry(&(letter.partition, letter.offset)) {
            Some(read) => read,
            // Retention or compaction has taken it since.
            None => wanted.bare_one(letter, "it is not in the source any more"),
        };
        Ok(wanted.letters.iter().map(read).collect())
    }
}

/// Ranges that hold all of `wanted`; what lies between two of them that are near is read along.
fn spans(wanted: &BTreeSet<(Partition, Offset)>) -> Vec<(Partition, OffsetRange)> {
    let mut spans: Vec<(Partition, OffsetRange)> = Vec::new();
    for &(partition, offset) in wanted {
        let end = offset.next();
        match spans.last_mut() {
            Some((last, range)) if *last == partition && offset.get() - range.end().get() <= NEAR => {
                *range = OffsetRange::new(range.first(), end).expect("offsets of a set ascend");
            }
            _ => spans.push((partition, OffsetRange::new(offset, end).expect("it ends behind its first"))),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_are_near_are_read_along() {
        let at = |partition, offset| (Partition(partition), Offset::new(offset).unwrap());
        let span = |partition, first, end| {
            let range = OffsetRange::new(Offset::new(first).unwrap(), Offset::new(end).unwrap()).unwrap();
            (Partition(partition), range)
        };
        assert_eq!(spans(&BTreeSet::new()), []);
        let wanted =
            BTreeSet::from([at(0, 7), at(0, 8), at(0, 8 + NEAR), at(0, 10 + 2 * NEAR), at(1, 11 + 2 * NEAR)]);
        let near = 9 + NEAR;
        assert_eq!(
            spans(&wanted),
            [span(0, 7, near), span(0, 10 + 2 * NEAR, 11 + 2 * NEAR), span(1, 11 + 2 * NEAR, 12 + 2 * NEAR)]
        );
    }
}
