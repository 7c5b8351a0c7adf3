//! What a dead letter stands for, as its headers say: read back by whoever counts letters or takes them
//! again. The other direction of `dead_letter.rs`.
use pumphouse_types::{Offset, Partition, TopicId, TopicName, TopicPartition};

use crate::dead_letter::{BadRecord, CONTEXT_PREFIX, LEFT_OUT_HEADER};
use crate::ffi::message::RecordView;
use crate::outgoing_record::Header;

/// What the headers of a record in a dead letter topic say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterOf<'a> {
    /// A record of this connector's.
    Ours(LetterOrigin<'a>),
    /// Another connector's, which shares the topic.
    Another,
    /// They say nothing.
    Nameless,
}

/// The record that a letter stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterOrigin<'a> {
    /// Its topic.
    pub topic: OriginTopic<'a>,
    /// Its partition.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
}

/// The topic of a letter's record, as far as its headers say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OriginTopic<'a> {
    /// Our own header has the identity: a topic of the same name that was created later is another one.
    Id(TopicId),
    /// Kafka Connect's headers have the name alone.
    Name(&'a str),
}

impl OriginTopic<'_> {
    /// Whether it is this topic.
    pub fn is(&self, name: &TopicName, id: TopicId) -> bool {
        match self {
            OriginTopic::Id(of) => *of == id,
            OriginTopic::Name(of) => *of == name.as_str(),
        }
    }
}

/// Reads what a record of a dead letter topic stands for: `pumphouse.record.id`, else Kafka Connect's
/// `__connect.errors.topic`, `.partition` and `.offset`. `connector`: whose letters count as ours; letters
/// without Connect's headers do not say whose they are and count, too.
pub fn letter_of<'a>(
    connector: &str,
    headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
) -> LetterOf<'a> {
    let (mut id, mut topic, mut partition, mut offset, mut written_by) = (None, None, None, None, None);
    for (name, value) in headers {
        let text = value.and_then(|value| std::str::from_utf8(value).ok());
        match name {
            // A record that was a dead letter before has several; the last one is of this letter.
            b"pumphouse.record.id" => id = text.and_then(read_id),
            b"__connect.errors.topic" => topic = text,
            b"__connect.errors.partition" => {
                partition = text.and_then(|text| text.parse().ok()).map(Partition);
            }
            b"__connect.errors.offset" => {
                offset = text.and_then(|text| text.parse().ok()).and_then(Offset::new);
            }
            b"__connect.errors.connector.name" => written_by = text,
            _ => {}
        }
    }
    let foreign = written_by.is_some_and(|name| name != connector);
    if let Some((id, of, at)) = id {
        // Context headers that a record brought along from an earlier life say nothing of this one.
        let same_letter = partition == Some(of) && offset == Some(at);
        if foreign && same_letter {
            return LetterOf::Another;
        }
        return LetterOf::Ours(LetterOrigin { topic: OriginTopic::Id(id), partition: of, offset: at });
    }
    match (topic, partition, offset) {
        _ if foreign => LetterOf::Another,
        (Some(topic), Some(partition), Some(offset)) => {
            LetterOf::Ours(LetterOrigin { topic: OriginTopic::Name(topic), partition, offset })
        }
        (None | Some(_), None | Some(_), None | Some(_)) => LetterOf::Nameless,
    }
}

fn read_id(text: &str) -> Option<(TopicId, Partition, Offset)> {
    let mut parts = text.split('/');
    let id = parts.next()?.parse().ok()?;
    let partition = Partition(parts.next()?.parse().ok()?);
    let offset = Offset::new(parts.next()?.parse().ok()?)?;
    parts.next().is_none().then_some((id, partition, offset))
}

/// Whether a letter went out without what its record held.
pub fn is_bare<'a>(mut headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> bool {
    headers.any(|(name, _)| name == LEFT_OUT_HEADER.as_bytes())
}

impl BadRecord {
    /// The record that a letter of `connector` stands for, as the letter holds it: the headers that the
    /// letter was given are taken off, so that a next letter about it says what was wrong then.
    /// `topic`, `topic_id`: of the record.
    pub fn of_letter(
        connector: &str,
        topic: &TopicName,
        topic_id: TopicId,
        origin: &LetterOrigin<'_>,
        letter: &RecordView<'_>,
    ) -> BadRecord {
        let own = record_headers(connector, topic, origin, letter.headers());
        let header = |(name, value): (&[u8], Option<&[u8]>)| Header {
            name: name.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        BadRecord {
            topic_id,
            topic_partition: TopicPartition { topic: topic.clone(), partition: origin.partition },
            offset: origin.offset,
            key: letter.key().map(<[u8]>::to_vec),
            value: letter.value().map(<[u8]>::to_vec),
            headers: own.map(header).collect(),
            timestamp_ms: letter.timestamp_ms(),
        }
    }
}

/// The headers that the letter's record had: without the letter's identity, and without the context where
/// it is of this letter and not of an earlier one that the record brought along. `headers`: the letter's.
pub fn record_headers<'a>(
    connector: &str,
    topic: &TopicName,
    origin: &LetterOrigin<'_>,
    headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
    let (mut identity, mut same) = (None, [false; 4]);
    for (place, (name, value)) in headers.clone().enumerate() {
        let text = value.and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
        match name {
            b"pumphouse.record.id" => identity = Some(place),
            b"__connect.errors.connector.name" => same[0] = text == connector,
            b"__connect.errors.topic" => same[1] = text == topic.as_str(),
            b"__connect.errors.partition" => same[2] = text.parse() == Ok(origin.partition.0),
            b"__connect.errors.offset" => same[3] = text.parse() == Ok(origin.offset.get()),
            _ => {}
        }
    }
    let of_this_letter = same == [true; 4];
    let own = move |(place, (name, _)): &(usize, (&[u8], Option<&[u8]>))| {
        let context = of_this_letter && name.starts_with(CONTEXT_PREFIX.as_bytes());
        Some(*place) != identity && !context
    };
    headers.enumerate().filter(own).map(|(_, header)| header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a>(headers: &'a [(&'a str, &'a str)]) -> LetterOf<'a> {
        letter_of("c", headers.iter().map(|(name, value)| (name.as_bytes(), Some(value.as_bytes()))))
    }

    fn at(topic: OriginTopic<'_>, partition: u32, offset: i64) -> LetterOf<'_> {
        let (partition, offset) = (Partition(partition), Offset::new(offset).unwrap());
        LetterOf::Ours(LetterOrigin { topic, partition, offset })
    }

    #[test]
    fn headers_say_what_a_dead_letter_stands_for() {
        let connect = [
            ("__connect.errors.topic", "t"),
            ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", "17"),
        ];
        assert_eq!(read(&connect), at(OriginTopic::Name("t"), 2, 17));
        let id = format!("{}/3/18", TopicId(9));
        let mut both = vec![("pumphouse.record.id", id.as_str())];
        both.extend(connect);
        assert_eq!(read(&both), at(OriginTopic::Id(TopicId(9)), 3, 18));
        let foreign = [&connect[..], &[("__connect.errors.connector.name", "another")]].concat();
        assert_eq!(read(&foreign), LetterOf::Another);
        let same = format!("{}/2/17", TopicId(9));
        let of_another = [&[("pumphouse.record.id", same.as_str())], &foreign[..]].concat();
        assert_eq!(read(&of_another), LetterOf::Another);
        // The context is of an earlier life, when the record became another connector's dead letter.
        let again = [&foreign[..], &[("pumphouse.record.id", id.as_str())]].concat();
        assert_eq!(read(&again), at(OriginTopic::Id(TopicId(9)), 3, 18));
        assert_eq!(read(&connect[1..]), LetterOf::Nameless);
    }

    #[test]
    fn an_id_that_is_none_is_not_guessed_at() {
        let id = TopicId(9);
        for text in ["", "9/3/18", &format!("{id}/3"), &format!("{id}/3/-1"), &format!("{id}/3/1/2")] {
            assert_eq!(read_id(text), None, "{text}");
        }
    }

    #[test]
    fn a_topic_created_anew_under_the_same_name_is_another_one() {
        let name = TopicName::new("t");
        assert!(OriginTopic::Id(TopicId(1)).is(&name, TopicId(1)));
        assert!(!OriginTopic::Id(TopicId(1)).is(&name, TopicId(2)));
        assert!(OriginTopic::Name("t").is(&name, TopicId(2)));
        assert!(!OriginTopic::Name("u").is(&name, TopicId(2)));
    }

    /// Headers of a letter about `t`/2/17, after the record's own.
    fn letter(record: &[(&str, &str)], connector: &str) -> Vec<Header> {
        let id = format!("{}/2/17", TopicId(9));
        let context = [
            ("__connect.errors.topic", "t"),
            ("__connect.errors.partition", "2"),
            ("__connect.errors.offset", "17"),
            ("__connect.errors.connector.name", connector),
            ("__connect.errors.exception.message", "no"),
            ("pumphouse.record.id", &id),
        ];
        record.iter().chain(&context).map(|(name, value)| Header::text(name, value)).collect()
    }

    #[test]
    fn what_a_letter_was_given_is_taken_off_and_no_more() {
        let origin = LetterOrigin {
            topic: OriginTopic::Id(TopicId(9)),
            partition: Partition(2),
            offset: Offset::new(17).unwrap(),
        };
        let left = |headers: Vec<Header>| -> Vec<Header> {
            let given = headers.iter().map(|header| (&header.name[..], header.value.as_deref()));
            record_headers("c", &TopicName::new("t"), &origin, given)
                .map(|(name, value)| Header { name: name.to_vec(), value: value.map(<[u8]>::to_vec) })
                .collect()
        };
        let own = [("k", "v"), ("pumphouse.record.id", "of an earlier life")];
        let expected: Vec<Header> = own.iter().map(|(name, value)| Header::text(name, value)).collect();
        assert_eq!(left(letter(&own, "c")), expected);
        // Context that the record brought along was left as it was by the letter, and is now.
        let kept = left(letter(&own, "another"));
        assert_eq!(kept.len(), 2 + 5);
        assert_eq!(kept[..2], expected);
    }
}
