//! A look at the newest dead letters of a connector, for the page: a consumer beside the group reads some positions
//! of each partition and commits nothing. What it reads is bounded, and so is what it keeps.
use std::time::Duration;

use pumphouse_kafka::{KafkaError, LetterOf, OriginTopic, RangeReader, ReadLimits, RecordView, letter_of};
use pumphouse_rest::{Excerpt, LetterSample, Refusal, SampledLetter};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName, TopicPartition};

use crate::spec::ConnectorSpec;

/// Positions that are looked at, over all partitions.
const POSITIONS_MAX: u64 = 200;

/// Partitions that are looked at: each costs a moment of its own.
const PARTITIONS_MAX: usize = 64;

/// Letters that are shown.
const LETTERS_MAX: usize = 50;

/// Of a key, of a value.
const EXCERPT_BYTES_MAX: usize = 2_000;

/// Of a reason.
const REASON_CHARS_MAX: usize = 4_000;

const LIMITS: ReadLimits =
    ReadLimits { records_max: POSITIONS_MAX, bytes_max: 32 << 20, idle_timeout: Duration::from_secs(5) };

/// One question to the brokers.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Looks. Errors: 404 if the connector has no dead letter topic, 500 if it cannot be read at all.
pub(crate) fn sample(spec: &ConnectorSpec) -> Result<LetterSample, Refusal> {
    let Some(wanted) = &spec.wanted_letters else {
        let why = format!("{} has no dead letter topic (errors.deadletterqueue.topic.name)", spec.name);
        return Err(Refusal::new(404, why));
    };
    let failed = |error: KafkaError| Refusal::new(500, format!("The dead letters cannot be read: {error}"));
    let mut reader = RangeReader::open(&spec.consumer_settings, &spec.group).map_err(failed)?;
    let held = held(&reader, &wanted.topic).map_err(failed)?;
    let filled: Vec<_> = held.iter().filter(|(_, range)| !range.is_empty()).take(PARTITIONS_MAX).collect();
    let each = (POSITIONS_MAX / filled.len().max(1) as u64).max(1);
    let newest = |(partition, range): &&(Partition, OffsetRange)| (*partition, last(*range, each));
    let newest: Vec<(Partition, OffsetRange)> = filled.iter().map(newest).collect();
    let mut letters = Vec::new();
    let take = |record: &RecordView<'_>| letters.extend(sampled(&spec.name, record));
    let read = reader.read(&wanted.topic, &newest, LIMITS, take);
    letters.sort_by_key(|letter| std::cmp::Reverse((letter.timestamp_ms, letter.partition, letter.offset)));
    letters.truncate(LETTERS_MAX);
    Ok(LetterSample {
        topic: wanted.topic.to_string(),
        positions: held.iter().map(|(_, range)| length(*range)).sum(),
        looked_at: newest.iter().map(|(_, range)| length(*range)).sum(),
        letters,
        cut_short: read.err().map(|error| error.to_string()),
    })
}

/// What each partition holds, up to the first transaction that is not settled.
fn held(reader: &RangeReader, topic: &TopicName) -> Result<Vec<(Partition, OffsetRange)>, KafkaError> {
    let partitions = reader.whole_topic(topic, ASK_TIMEOUT)?;
    let settled = |(partition, _): (Partition, OffsetRange)| {
        let topic_partition = TopicPartition { topic: topic.clone(), partition };
        Ok((partition, reader.watermarks(&topic_partition, ASK_TIMEOUT)?))
    };
    partitions.into_iter().map(settled).collect()
}

fn length(range: OffsetRange) -> u64 {
    u64::try_from(range.end().get() - range.first().get()).unwrap_or(0)
}

/// The last positions of a range.
fn last(range: OffsetRange, positions: u64) -> OffsetRange {
    let back = i64::try_from(positions.min(length(range))).unwrap_or(i64::MAX);
    Offset::new(range.end().get() - back)
        .and_then(|first| OffsetRange::new(first, range.end()))
        .unwrap_or(range)
}

/// The letter, if it is one of this connector's.
fn sampled(connector: &str, record: &RecordView<'_>) -> Option<SampledLetter> {
    let of = match letter_of(connector, record.headers()) {
        LetterOf::Another => return None,
        LetterOf::Ours(of) => Some(of),
        LetterOf::Nameless => None,
    };
    let header = |wanted: &[u8]| {
        // A record that was a dead letter before has several; the last one is of this letter.
        let found = record.headers().filter(|(name, _)| *name == wanted).last()?;
        Some(String::from_utf8_lossy(found.1?).into_owned())
    };
    let origin = of.map(|of| {
        let topic = match of.topic {
            OriginTopic::Name(name) => name.to_owned(),
            OriginTopic::Id(id) => header(b"__connect.errors.topic").unwrap_or_else(|| id.to_string()),
        };
        format!("{topic}-{}@{}", of.partition, of.offset)
    });
    let code = header(b"__connect.errors.exception.class.name");
    let message = header(b"__connect.errors.exception.message");
    let reason = match (code, message) {
        (Some(code), Some(message)) => Some(format!("{code}: {message}")),
        (code, message) => code.or(message),
    };
    let excerpt = |bytes: &[u8]| Excerpt::of(bytes, EXCERPT_BYTES_MAX);
    Some(SampledLetter {
        partition: record.partition().0,
        offset: record.offset().get(),
        timestamp_ms: record.timestamp_ms(),
        origin,
        reason: reason.map(|reason| reason.chars().take(REASON_CHARS_MAX).collect()),
        key: record.key().map(excerpt),
        value: record.value().map(excerpt),
    })
}
