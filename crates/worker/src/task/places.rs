//! Where the rows of a batch of dead letters are: at the places of the records that the letters stand for.
//! Read before the table is asked which of them it has (R7), and used to say the answer in the letters'
//! places, which the protocol counts in.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_delivery::Evidence;
use pumphouse_kafka::{KafkaError, RangeReader, ReadLimits, Remedy, Settings};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName, TopicPartition};
use tracing::warn;

use super::failure::Failure;
use super::replayed::Replayed;

/// Nothing is kept of a letter but its places; only the ranges of a batch bound them.
const LIMITS: ReadLimits =
    ReadLimits { records_max: u64::MAX, bytes_max: u64::MAX, idle_timeout: Duration::from_secs(20) };

/// One question to a broker.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before the brokers are asked again, and tries before the task fails and begins anew.
const READ_AGAIN: Duration = Duration::from_secs(1);
const READS_MAX: u32 = 10;

type Place = (Partition, Offset);

/// The letters of a batch, by the places of their records.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    letters: BTreeMap<Place, Vec<Place>>,
}

/// Everything that reading them takes.
#[derive(Clone)]
pub(super) struct PlacesReader {
    pub settings: Settings,
    pub group: String,
    /// The dead letter topic.
    pub letters: TopicName,
    pub replayed: Replayed,
    /// Of the dead letter topic.
    pub ranges: Vec<(Partition, OffsetRange)>,
}

impl PlacesReader {
    /// Reads what the dead letter topic still has of the ranges.
    pub(super) async fn read(self) -> Result<Places, Failure> {
        for tries in 1.. {
            let reader = self.clone();
            let read = tokio::task::spawn_blocking(move || reader.read_once()).await;
            match read.map_err(|error| Failure::Thread(error.to_string()))? {
                Ok(places) => return Ok(places),
                Err(error) if is_worth_another(&error) && tries < READS_MAX => {
                    warn!(%error, topic = %self.letters, "letters are being read again for their places");
                    tokio::time::sleep(READ_AGAIN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        unreachable!("the tries are counted")
    }

    fn read_once(&self) -> Result<Places, KafkaError> {
        let mut reader = RangeReader::open(&self.settings, &self.group)?;
        let mut places = Places::default();
        for (partition, range) in &self.ranges {
            let topic_partition = TopicPartition { topic: self.letters.clone(), partition: *partition };
            let first = range.first().max(reader.watermarks(&topic_partition, ASK_TIMEOUT)?.first());
            let Some(left) = OffsetRange::new(first, range.end()) else { continue };
            reader.read(&self.letters, &[(*partition, left)], LIMITS, |letter| {
                if let Some(origin) = self.replayed.origin(letter) {
                    places.add((origin.partition, origin.offset), (letter.partition(), letter.offset()));
                }
            })?;
        }
        Ok(places)
    }
}

/// A log that was cut meanwhile is looked at anew, too.
fn is_worth_another(error: &KafkaError) -> bool {
    error.remedy() == Remedy::Retry || matches!(error, KafkaError::OffsetOutOfRange { .. })
}

impl Places {
    fn add(&mut self, record: Place, letter: Place) {
        self.letters.entry(record).or_default().push(letter);
    }

    /// The places of the records, as ranges of consecutive offsets, ascending.
    pub(super) fn of_records(&self) -> Vec<(Partition, OffsetRange)> {
        let mut ranges: Vec<(Partition, OffsetRange)> = Vec::new();
        for &(partition, offset) in self.letters.keys() {
            let first = match ranges.last() {
                Some((last, range)) if *last == partition && range.end() == offset => range.first(),
                Some(_) | None => {
                    ranges.push((partition, one(offset)));
                    continue;
                }
            };
            let grown = OffsetRange::new(first, offset.next()).expect("it grows");
            *ranges.last_mut().expect("it was looked at") = (partition, grown);
        }
        ranges
    }

    /// What was found of the records, as what it means for the letters.
    pub(super) fn in_letters(&self, found: Evidence) -> Evidence {
        let Evidence::Rows { found, complete } = found else { return found };
        let mut letters: BTreeMap<Partition, Vec<Offset>> = BTreeMap::new();
        for (partition, offsets) in found {
            for offset in offsets {
                for (partition, letter) in self.letters.get(&(partition, offset)).into_iter().flatten() {
                    letters.entry(*partition).or_default().push(*letter);
                }
            }
        }
        letters.values_mut().for_each(|offsets| offsets.sort_unstable());
        Evidence::Rows { found: letters, complete }
    }
}

fn one(offset: Offset) -> OffsetRange {
    OffsetRange::new(offset, offset.next()).expect("it ends behind its first")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u32, offset: i64) -> Place {
        (Partition(partition), Offset::new(offset).unwrap())
    }

    #[test]
    fn what_is_found_of_records_is_said_of_their_letters() {
        let mut places = Places::default();
        for (record, letter) in [
            (at(1, 8), at(0, 100)),
            (at(0, 5), at(0, 101)),
            (at(1, 7), at(0, 102)),
            (at(1, 7), at(2, 3)),
            (at(1, 10), at(0, 104)),
        ] {
            places.add(record, letter);
        }
        let shown: Vec<String> =
            places.of_records().iter().map(|(partition, range)| format!("{partition}:{range}")).collect();
        assert_eq!(shown, ["0:5..6", "1:7..9", "1:10..11"]);

        let offsets = |places: &[i64]| places.iter().map(|at| Offset::new(*at).unwrap()).collect::<Vec<_>>();
        let found = [(Partition(0), Vec::new()), (Partition(1), offsets(&[7, 8]))].into();
        let said = places.in_letters(Evidence::Rows { found, complete: true });
        let expected = [(Partition(0), offsets(&[100, 102])), (Partition(2), offsets(&[3]))].into();
        assert_eq!(said, Evidence::Rows { found: expected, complete: true });
        assert_eq!(places.in_letters(Evidence::Finished), Evidence::Finished);
    }
}
