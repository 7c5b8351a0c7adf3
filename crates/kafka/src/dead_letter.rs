//! A dead letter: the record that could not become a row, as it came, and headers that say where it
//! stood and what was wrong. Carries PROTOCOL R11's part about letters that are too large.
//!
//! The context headers are Kafka Connect's, all of them text in UTF-8: `DeadLetterQueueReporter` of its
//! runtime writes them so. As there, one that the record brings along already is left as it is.
use pumphouse_types::{Offset, TopicId, TopicName, TopicPartition};

use crate::ffi::message::RecordView;
use crate::outgoing_record::{Header, OutgoingRecord};

/// The header that every letter has: `<topic id>/<partition>/<offset>`, the same for the same record
/// however often it is written. A letter that was read again and failed again has two: the last counts.
const ID_HEADER: &str = "pumphouse.record.id";

/// The header of a letter that went out without what the record held; its value says why.
pub(crate) const LEFT_OUT_HEADER: &str = "pumphouse.record.left.out";

/// What the names of Connect's context headers begin with.
pub(crate) const CONTEXT_PREFIX: &str = "__connect.errors.";

/// The longest text of a context header: our messages are short, and a record's text in one is cut.
const TEXT_BYTES_MAX: usize = 8_192;

/// The longest one in a letter without payload, so that it fits into every topic that is accepted.
const SHORT_TEXT_BYTES_MAX: usize = 400;

/// A record that cannot become a row, copied out of the batch that held it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRecord {
    /// The identity of its topic.
    pub topic_id: TopicId,
    /// Where it stands.
    pub topic_partition: TopicPartition,
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// Its timestamp, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
}

impl BadRecord {
    /// Copies a record of `topic`, whose identity is `topic_id`.
    pub fn copy(topic_id: TopicId, topic: &TopicName, record: &RecordView<'_>) -> BadRecord {
        BadRecord {
            topic_id,
            topic_partition: TopicPartition { topic: topic.clone(), partition: record.partition() },
            offset: record.offset(),
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            headers: Header::copy_all(record),
            timestamp_ms: record.timestamp_ms(),
        }
    }
}

/// Where in its way a record failed, in Connect's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading its key.
    KeyConverter,
    /// Reading its headers.
    HeaderConverter,
    /// Reading its value.
    ValueConverter,
    /// A transform or predicate.
    Transformation,
    /// Becoming a row, and what ClickHouse says about it.
    TaskPut,
}

impl Stage {
    /// The name that Connect writes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::KeyConverter => "KEY_CONVERTER",
            Stage::HeaderConverter => "HEADER_CONVERTER",
            Stage::ValueConverter => "VALUE_CONVERTER",
            Stage::Transformation => "TRANSFORMATION",
            Stage::TaskPut => "TASK_PUT",
        }
    }
}

/// Why a record failed.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// The number of the task.
    pub task: u32,
    /// Where.
    pub stage: Stage,
    /// The class that Connect would name: the converter, the transform or the sink's task.
    pub class: &'a str,
    /// The error's stable code; it stands where Connect has the exception's class.
    pub code: &'a str,
    /// What was wrong.
    pub message: &'a str,
    /// Causes, one per line, where there are some.
    pub causes: Option<&'a str>,
}

/// What a letter is made with.
pub(crate) struct Envelope<'a> {
    pub(crate) to: &'a TopicName,
    /// The name of the connector; `None`: no context headers.
    pub(crate) context_of: Option<&'a str>,
    /// The most that the letter may take.
    pub(crate) bytes_max: usize,
}

/// The letter about `record`, without a timestamp.
pub(crate) fn letter(record: BadRecord, failure: &Failure<'_>, envelope: &Envelope<'_>) -> OutgoingRecord {
    let mut headers = record.headers;
    let id = Header::text(ID_HEADER, &id_of(record.topic_id, &record.topic_partition, record.offset));
    if let Some(connector) = envelope.context_of {
        add_context(&mut headers, &record.topic_partition, record.offset, connector, failure, TEXT_BYTES_MAX);
    }
    headers.push(id.clone());
    let mut letter = OutgoingRecord {
        topic: envelope.to.clone(),
        partition: None,
        key: record.key,
        value: record.value,
        headers,
        timestamp_ms: None,
    };
    let needed = letter.bytes();
    if needed > envelope.bytes_max {
        (letter.key, letter.value) = (None, None);
        letter.headers.clear();
        if let Some(connector) = envelope.context_of {
            let (at, limit) = (&record.topic_partition, SHORT_TEXT_BYTES_MAX);
            add_context(&mut letter.headers, at, record.offset, connector, failure, limit);
        }
        let why = format!("key, value and headers: {needed} bytes, the topic takes {}", envelope.bytes_max);
        letter.headers.push(Header::text(LEFT_OUT_HEADER, &why));
        letter.headers.push(id);
    }
    letter
}

fn id_of(topic_id: TopicId, at: &TopicPartition, offset: Offset) -> String {
    format!("{topic_id}/{}/{offset}", at.partition)
}

fn add_context(
    headers: &mut Vec<Header>,
    at: &TopicPartition,
    offset: Offset,
    connector: &str,
    failure: &Failure<'_>,
    text_bytes_max: usize,
) {
    let mut add = |name: &str, value: &str| {
        let name = format!("{CONTEXT_PREFIX}{name}");
        if headers.iter().all(|header| header.name != name.as_bytes()) {
            headers.push(Header::text(&name, cut(value, text_bytes_max)));
        }
    };
    add("topic", at.topic.as_str());
    add("partition", &at.partition.to_string());
    add("offset", &offset.to_string());
    add("connector.name", connector);
    add("task.id", &failure.task.to_string());
    add("stage", failure.stage.as_str());
    add("class.name", failure.class);
    add("exception.class.name", failure.code);
    add("exception.message", failure.message);
    // Java's form: the exception and its message, then its causes.
    let first = format!("{}: {}", failure.code, failure.message);
    let trace = failure.causes.map_or_else(|| first.clone(), |causes| format!("{first}\n{causes}"));
    add("exception.stacktrace", &trace);
}

/// The longest beginning of at most `bytes_max` bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LETTER_BYTES_MIN;
    use pumphouse_types::Partition;

    fn bad(value_bytes: usize) -> BadRecord {
        BadRecord {
            topic_id: TopicId(0xab),
            topic_partition: TopicPartition { topic: TopicName::new("source"), partition: Partition(3) },
            offset: Offset::new(42).unwrap(),
            key: Some(b"k".to_vec()),
            value: Some(vec![b'v'; value_bytes]),
            headers: vec![
                Header { name: b"\xff".to_vec(), value: None },
                Header::text("__connect.errors.stage", "theirs"),
                Header { name: b"\xff".to_vec(), value: Some(Vec::new()) },
            ],
            timestamp_ms: Some(7),
        }
    }

    fn failure<'a>(message: &'a str, causes: Option<&'a str>) -> Failure<'a> {
        let stage = Stage::ValueConverter;
        Failure { task: 2, stage, class: "org.x.JsonConverter", code: "DECODE-004", message, causes }
    }

    fn make(
        value_bytes: usize,
        connector: Option<&str>,
        failure: &Failure<'_>,
        bytes_max: usize,
    ) -> OutgoingRecord {
        let topic = TopicName::new("dead");
        letter(bad(value_bytes), failure, &Envelope { to: &topic, context_of: connector, bytes_max })
    }

    fn shown(letter: &OutgoingRecord) -> Vec<(String, Option<String>)> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        letter.headers.iter().map(|h| (text(&h.name), h.value.as_deref().map(text))).collect()
    }

    const ID: &str = "000000000000000000000000000000ab/3/42";

    #[test]
    fn a_letter_is_the_record_and_its_identity() {
        let letter = make(5, None, &failure("m", None), 1_000_000);
        let original = bad(5);
        assert_eq!((&letter.key, &letter.value), (&original.key, &original.value));
        assert_eq!(letter.headers[..3], original.headers);
        assert_eq!(shown(&letter)[3..], [(ID_HEADER.to_owned(), Some(ID.to_owned()))]);
        assert_eq!(letter.partition, None);
    }

    #[test]
    fn context_headers_are_connects_and_respect_what_is_there() {
        let letter = make(5, Some("c"), &failure("m\u{e4}", Some("\tat x")), 1_000_000);
        let context: Vec<_> =
            shown(&letter)[3..].iter().map(|(n, v)| (n.clone(), v.clone().unwrap())).collect();
        let wanted = [
            ("__connect.errors.topic", "source"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "42"),
            ("__connect.errors.connector.name", "c"),
            ("__connect.errors.task.id", "2"),
            ("__connect.errors.class.name", "org.x.JsonConverter"),
            ("__connect.errors.exception.class.name", "DECODE-004"),
            ("__connect.errors.exception.message", "m\u{e4}"),
            ("__connect.errors.exception.stacktrace", "DECODE-004: m\u{e4}\n\tat x"),
            (ID_HEADER, ID),
        ];
        assert_eq!(context, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn a_letter_at_the_limit_is_whole_and_one_above_has_coordinates_only() {
        let whole = make(1_000, Some("c"), &failure("m", None), 1_000_000);
        let needed = whole.bytes();
        assert_eq!(make(1_000, Some("c"), &failure("m", None), needed), whole);
        let bare = make(1_000, Some("c"), &failure("m", None), needed - 1);
        assert_eq!((&bare.key, &bare.value), (&None, &None));
        let headers = shown(&bare);
        assert_eq!(headers.last().unwrap(), &(ID_HEADER.to_owned(), Some(ID.to_owned())));
        assert!(headers.contains(&("__connect.errors.stage".to_owned(), Some("VALUE_CONVERTER".to_owned()))));
        assert!(headers.iter().any(|(name, _)| name == LEFT_OUT_HEADER));
        assert!(headers.iter().all(|(name, _)| name != "\u{fffd}"));
    }

    #[test]
    fn coordinates_fit_into_the_smallest_topic() {
        let long = "\u{1f600}".repeat(10_000);
        let failure = Failure { class: &long, code: &long, ..failure(&long, Some(&long)) };
        let bare = make(100_000, Some(&long), &failure, LETTER_BYTES_MIN);
        assert!(bare.value.is_none() && bare.bytes() <= LETTER_BYTES_MIN, "{}", bare.bytes());
        let whole = make(1, Some(&long), &failure, 1 << 20);
        assert!(whole.headers.iter().all(|h| h.value.as_ref().map_or(0, Vec::len) <= TEXT_BYTES_MAX));
    }
}
