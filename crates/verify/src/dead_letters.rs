//! Which records stand in the dead letter topic. A dead letter says what it is by its headers:
//! `pumphouse.record.id` = `<topic id>/<partition>/<offset>`, else Kafka Connect's
//! `__connect.errors.topic`, `.partition` and `.offset`.
use std::collections::BTreeMap;

use pumphouse_kafka::RecordView;
use pumphouse_types::{Offset, OffsetRange, Partition, TopicId, TopicName};

use crate::error::VerifyError;
use crate::source::Source;

/// 8 bytes each.
const DEAD_LETTERS_MAX: usize = 20_000_000;

/// Offsets of the dead letters of one connector, per topic partition.
#[derive(Debug, Default)]
pub(crate) struct DeadLetters {
    by_id: BTreeMap<(TopicId, Partition), Vec<Offset>>,
    by_name: BTreeMap<(TopicName, Partition), Vec<Offset>>,
    count: usize,
    /// Records without headers that say what they stand for.
    pub(crate) nameless: u64,
    /// Partitions of the dead letter topic whose beginning retention has removed.
    pub(crate) shortened: u64,
}

/// What the headers of a dead letter say.
#[derive(Debug, PartialEq, Eq)]
enum Stands {
    For(Origin, Partition, Offset),
    /// Another connector's, which shares the topic.
    Foreign,
    Nameless,
}

#[derive(Debug, PartialEq, Eq)]
enum Origin {
    Id(TopicId),
    Name(TopicName),
}

impl DeadLetters {
    /// Reads the dead letter topic, all that is committed in it now. `partitions`: how many it has.
    pub(crate) fn read(
        source: &mut Source,
        connector: &str,
        topic: &TopicName,
        partitions: u32,
    ) -> Result<DeadLetters, VerifyError> {
        let mut letters = DeadLetters::default();
        for partition in (0..partitions).map(Partition) {
            let log = source.log(topic, partition)?;
            letters.shortened += u64::from(log.first() > Offset::ZERO);
            source.records(topic, partition, log, |record| letters.take(connector, record))?;
            if letters.count > DEAD_LETTERS_MAX {
                return Err(VerifyError::TooMany { what: "dead letters", limit: DEAD_LETTERS_MAX });
            }
        }
        letters
            .by_id
            .values_mut()
            .chain(letters.by_name.values_mut())
            .for_each(|offsets| offsets.sort_unstable());
        Ok(letters)
    }

    fn take(&mut self, connector: &str, record: &RecordView<'_>) {
        // What is too much is counted, not kept: the read ends with the partition.
        if self.count > DEAD_LETTERS_MAX {
            return;
        }
        match stands_for(connector, record.headers().map(|(name, value)| (name, value.unwrap_or_default()))) {
            Stands::For(Origin::Id(id), partition, offset) => {
                self.by_id.entry((id, partition)).or_default().push(offset);
                self.count += 1;
            }
            Stands::For(Origin::Name(name), partition, offset) => {
                self.by_name.entry((name, partition)).or_default().push(offset);
                self.count += 1;
            }
            Stands::Foreign => {}
            Stands::Nameless => self.nameless += 1,
        }
    }

    /// Dead letters of a partition within a range, ascending.
    pub(crate) fn within(
        &self,
        topic: &TopicName,
        topic_id: TopicId,
        partition: Partition,
        range: OffsetRange,
    ) -> Vec<Offset> {
        let cut = |offsets: Option<&Vec<Offset>>| {
            let offsets = offsets.map_or(&[][..], Vec::as_slice);
            let first = offsets.partition_point(|offset| *offset < range.first());
            let end = offsets.partition_point(|offset| *offset < range.end());
            offsets[first..end].to_vec()
        };
        let mut within = cut(self.by_id.get(&(topic_id, partition)));
        within.extend(cut(self.by_name.get(&(topic.clone(), partition))));
        within.sort_unstable();
        within
    }
}

fn stands_for<'a>(connector: &str, headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Stands {
    let (mut id, mut topic, mut partition, mut offset, mut written_by) = (None, None, None, None, None);
    for (name, value) in headers {
        let text = std::str::from_utf8(value).ok();
        match name {
            // A record that was a dead letter before has several; the last one is of this letter.
            b"pumphouse.record.id" => id = text.and_then(read_id),
            b"__connect.errors.topic" => topic = text.map(TopicName::new),
            b"__connect.errors.partition" => {
                partition = text.and_then(|text| text.parse().ok()).map(Partition)
            }
            b"__connect.errors.offset" => {
                offset = text.and_then(|text| text.parse().ok()).and_then(Offset::new)
            }
            b"__connect.errors.connector.name" => written_by = text,
            _ => {}
        }
    }
    let foreign = written_by.is_some_and(|name| name != connector);
    if let Some((id, of, at)) = id {
        // Context headers that a record brought along from an earlier life say nothing of this one.
        let same_letter = partition == Some(of) && offset == Some(at);
        return if foreign && same_letter { Stands::Foreign } else { Stands::For(Origin::Id(id), of, at) };
    }
    match (topic, partition, offset) {
        _ if foreign => Stands::Foreign,
        (Some(topic), Some(partition), Some(offset)) => Stands::For(Origin::Name(topic), partition, offset),
        (None | Some(_), None | Some(_), None | Some(_)) => Stands::Nameless,
    }
}

fn read_id(text: &str) -> Option<(TopicId, Partition, Offset)> {
    let mut parts = text.split('/');
    let id = parts.next()?.parse().ok()?;
    let partition = Partition(parts.next()?.parse().ok()?);
    let offset = Offset::new(parts.next()?.parse().ok()?)?;
    parts.next().is_none().then_some((id, partition, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Stands {
        stands_for("c", headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())))
    }

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    #[test]
    fn headers_say_what_a_dead_letter_stands_for() {
        let connect = [
            ("__connect.errors.topic", "t"),
            ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", "17"),
        ];
        let by_name = Stands::For(Origin::Name(TopicName::new("t")), Partition(2), at(17));
        assert_eq!(read(&connect), by_name);
        let id = format!("{}/3/18", TopicId(9));
        let mut both = vec![("pumphouse.record.id", id.as_str())];
        both.extend(connect);
        assert_eq!(read(&both), Stands::For(Origin::Id(TopicId(9)), Partition(3), at(18)));
        let foreign = [&connect[..], &[("__connect.errors.connector.name", "another")]].concat();
        assert_eq!(read(&foreign), Stands::Foreign);
        let same = format!("{}/2/17", TopicId(9));
        let of_another = [&[("pumphouse.record.id", same.as_str())], &foreign[..]].concat();
        assert_eq!(read(&of_another), Stands::Foreign);
        // The context is of an earlier life, when the record became another connector's dead letter.
        let again = [&foreign[..], &[("pumphouse.record.id", id.as_str())]].concat();
        assert_eq!(read(&again), Stands::For(Origin::Id(TopicId(9)), Partition(3), at(18)));
        assert_eq!(read(&connect[1..]), Stands::Nameless);
    }

    #[test]
    fn an_id_that_is_none_is_not_guessed_at() {
        let id = TopicId(9);
        for text in ["", "9/3/18", &format!("{id}/3"), &format!("{id}/3/-1"), &format!("{id}/3/1/2")] {
            assert_eq!(read_id(text), None, "{text}");
        }
    }

    #[test]
    fn letters_are_cut_to_the_range_and_merged() {
        let mut letters = DeadLetters::default();
        let (topic, id) = (TopicName::new("t"), TopicId(1));
        letters.by_id.insert((id, Partition(0)), vec![at(1), at(5), at(9)]);
        letters.by_name.insert((topic.clone(), Partition(0)), vec![at(4), at(5)]);
        let range = OffsetRange::new(at(4), at(9)).unwrap();
        assert_eq!(letters.within(&topic, id, Partition(0), range), [at(4), at(5), at(5)]);
        assert!(letters.within(&topic, id, Partition(1), range).is_empty());
    }
}
