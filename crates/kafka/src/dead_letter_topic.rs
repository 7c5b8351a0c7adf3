//! The dead letter topic: made if it is missing, looked at before anything depends on it (PROTOCOL R12),
//! and what of a letter it takes.
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use pumphouse_types::{Partition, TopicName};

use crate::admin::Admin;
use crate::dead_letter::{BadRecord, Envelope, Failure, letter};
use crate::error::KafkaError;
use crate::outgoing_record::{Header, OutgoingRecord, WRITE_RECORD_BYTES_MAX};
use crate::settings::Settings;

/// A topic that takes less takes no letter, not even one without payload.
pub const LETTER_BYTES_MIN: usize = 8_192;

/// Kafka's default `max.message.bytes`, taken where the topic's options may not be read.
const MESSAGE_BYTES_DEFAULT: usize = 1_048_588;

/// librdkafka's default `batch.size`: several letters travel together up to so many bytes.
const BATCH_BYTES_MAX: usize = 1_000_000;

/// A letter that is written again and again until it stands must not grow too old on the way.
const TIMESTAMP_MARGIN_MS: i64 = 600_000;

/// One partition, as Kafka Connect makes it.
const PARTITIONS: u32 = 1;

/// What the connector asks for.
#[derive(Debug, Clone)]
pub struct WantedLetters {
    /// The topic.
    pub topic: TopicName,
    /// Its replication factor when it is created; `None`: the broker's default.
    pub replicas: Option<u32>,
    /// The connector's name.
    pub connector: String,
    /// Whether letters carry Connect's context headers.
    pub context_headers: bool,
}

/// What an operator should know about the topic, although it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeadLetterWarning {
    /// Records of the source may be larger than letters: those go out without their payload.
    SmallerThanSource {
        /// The source.
        source: TopicName,
        /// `max.message.bytes` of the source.
        source_bytes: usize,
        /// What a letter may take.
        letter_bytes: usize,
    },
    /// The options of a topic may not be read; Kafka's defaults are assumed.
    OptionsUnknown {
        /// The topic.
        topic: TopicName,
        /// Why, with the right to grant.
        reason: String,
    },
}

impl fmt::Display for DeadLetterWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeadLetterWarning::SmallerThanSource { source, source_bytes, letter_bytes } => write!(
                f,
                "records of {source} may have {source_bytes} bytes, letters {letter_bytes}: larger ones go out with their coordinates and no payload; raise max.message.bytes of the dead letter topic"
            ),
            DeadLetterWarning::OptionsUnknown { topic, reason } => {
                write!(f, "the options of {topic} may not be read, Kafka's defaults are assumed: {reason}")
            }
        }
    }
}

/// The topic that a connector's dead letters go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterTopic {
    topic: TopicName,
    partitions: u32,
    connector: String,
    context_headers: bool,
    limits: Limits,
}

impl DeadLetterTopic {
    /// Creates the topic unless it exists, and reads what it takes, and what the sources hold. A source that
    /// does not exist (yet) is passed over: nothing depends on the answer.
    /// `timeout`: of all questions together.
    /// Errors: `CreateTopic`, `DeadLetterTopicUnfit`, missing rights, `NoAnswer`.
    pub fn ensure(
        admin: &Admin,
        wanted: WantedLetters,
        sources: &[TopicName],
        timeout: Duration,
    ) -> Result<(DeadLetterTopic, Vec<DeadLetterWarning>), KafkaError> {
        let end = Instant::now() + timeout;
        let left = || end.saturating_duration_since(Instant::now());
        let mut warnings = Vec::new();
        let topic = &wanted.topic;
        let is =
            admin.create_topic_if_missing(topic, PARTITIONS, wanted.replicas, &BTreeMap::new(), left())?;
        let limits = Limits::read(topic, &options(admin, topic, left(), &mut warnings)?)?;
        for source in sources {
            let source_options = match options(admin, source, left(), &mut warnings) {
                Err(KafkaError::TopicGone { .. }) => continue,
                answer => answer?,
            };
            let source_bytes = message_bytes(&source_options);
            if source_bytes > limits.bytes_max {
                let (source, letter_bytes) = (source.clone(), limits.bytes_max);
                warnings.push(DeadLetterWarning::SmallerThanSource { source, source_bytes, letter_bytes });
            }
        }
        let found = DeadLetterTopic {
            topic: wanted.topic,
            partitions: is.partitions,
            connector: wanted.connector,
            context_headers: wanted.context_headers,
            limits,
        };
        Ok((found, warnings))
    }

    /// The topic's name.
    pub fn name(&self) -> &TopicName {
        &self.topic
    }

    /// The most that a letter may take, as [`OutgoingRecord::bytes`] counts.
    pub fn letter_bytes_max(&self) -> usize {
        self.limits.bytes_max
    }

    /// Whether letters say why ([`DeadLetterTopic::letter`]).
    pub fn says_why(&self) -> bool {
        self.context_headers
    }

    /// The letter about a record: the record as it came, or, if that is too large, where it stood.
    /// `now_ms`: milliseconds since 1970. The letter has the record's timestamp if the topic takes it.
    pub fn letter(&self, record: BadRecord, failure: &Failure<'_>, now_ms: i64) -> OutgoingRecord {
        let timestamp_ms = record.timestamp_ms.filter(|&ms| self.limits.takes_timestamp(ms, now_ms));
        let envelope = Envelope {
            to: &self.topic,
            context_of: self.context_headers.then_some(self.connector.as_str()),
            bytes_max: self.limits.bytes_max,
        };
        OutgoingRecord { timestamp_ms, ..letter(record, failure, &envelope) }
    }

    /// An empty record for each partition, for [`LedgerProducer::rehearse`](crate::LedgerProducer):
    /// whether the topic takes writes.
    pub fn probes(&self) -> Vec<OutgoingRecord> {
        let probe = |number| OutgoingRecord {
            topic: self.topic.clone(),
            partition: Some(Partition(number)),
            key: None,
            value: None,
            headers: vec![Header::text("pumphouse.probe", &self.connector)],
            timestamp_ms: None,
        };
        (0..self.partitions).map(probe).collect()
    }

    /// Settings for the ledger's producer: `given`, and batches that this topic takes. Without them
    /// several small letters would make one batch that is above the topic's `max.message.bytes`.
    pub fn producer_settings(&self, given: &Settings) -> Settings {
        let mut settings = given.clone();
        settings.insert("batch.size".to_owned(), self.limits.bytes_max.min(BATCH_BYTES_MAX).to_string());
        settings
    }
}

/// The topic's options, or none with a warning where they may not be read.
fn options(
    admin: &Admin,
    topic: &TopicName,
    timeout: Duration,
    warnings: &mut Vec<DeadLetterWarning>,
) -> Result<BTreeMap<String, String>, KafkaError> {
    match admin.topic_options(topic, timeout) {
        Err(KafkaError::TopicDenied { .. } | KafkaError::ClusterDenied { .. }) => {
            let reason = format!("grant DESCRIBE_CONFIGS on Topic {topic}");
            warnings.push(DeadLetterWarning::OptionsUnknown { topic: topic.clone(), reason });
            Ok(BTreeMap::new())
        }
        answer => answer,
    }
}

fn message_bytes(options: &BTreeMap<String, String>) -> usize {
    options.get("max.message.bytes").and_then(|text| text.parse().ok()).unwrap_or(MESSAGE_BYTES_DEFAULT)
}

/// What of a letter the topic takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limits {
    /// One record as a batch of its own.
    bytes_max: usize,
    /// How far a timestamp may lie behind the broker's clock, or before it; `None`: any.
    age_ms_max: Option<i64>,
    ahead_ms_max: Option<i64>,
}

impl Limits {
    /// Errors: `DeadLetterTopicUnfit`.
    fn read(topic: &TopicName, options: &BTreeMap<String, String>) -> Result<Limits, KafkaError> {
        let unfit = |reason: String| Err(KafkaError::DeadLetterTopicUnfit { topic: topic.clone(), reason });
        if options.get("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
            let reason = "its cleanup.policy is compact, which takes no record without a key and forgets letters of the same key: set it to delete";
            return unfit(reason.to_owned());
        }
        let taken = message_bytes(options);
        if taken < LETTER_BYTES_MIN {
            return unfit(format!(
                "its max.message.bytes is {taken}, at least {LETTER_BYTES_MIN} are needed"
            ));
        }
        // Where the broker chooses the timestamp itself, it checks none.
        let checked = options.get("message.timestamp.type").is_none_or(|kind| kind != "LogAppendTime");
        let bound = |side: &str| {
            let text = options.get(&format!("message.timestamp.{side}.max.ms")).filter(|_| checked)?;
            text.parse().ok()
        };
        Ok(Limits {
            bytes_max: taken.min(WRITE_RECORD_BYTES_MAX),
            age_ms_max: bound("before"),
            ahead_ms_max: bound("after"),
        })
    }

    fn takes_timestamp(self, ms: i64, now_ms: i64) -> bool {
        let within = |distance: i64, max: Option<i64>| {
            max.is_none_or(|max| distance.saturating_add(TIMESTAMP_MARGIN_MS) <= max)
        };
        let ahead = ms.saturating_sub(now_ms);
        let right_of_the_past = ms >= now_ms || within(-ahead, self.age_ms_max);
        right_of_the_past && (ms <= now_ms || within(ahead, self.ahead_ms_max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(options: &[(&str, &str)]) -> Result<Limits, KafkaError> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Limits::read(&TopicName::new("dead"), &options.collect())
    }

    #[test]
    fn topics_that_lose_letters_are_refused() {
        for options in [("cleanup.policy", "compact,delete"), ("max.message.bytes", "8191")] {
            let refused = limits(&[options]).unwrap_err();
            assert!(matches!(refused, KafkaError::DeadLetterTopicUnfit { .. }), "{refused}");
        }
        assert_eq!(limits(&[("max.message.bytes", "8192")]).unwrap().bytes_max, 8_192);
        assert_eq!(limits(&[]).unwrap().bytes_max, MESSAGE_BYTES_DEFAULT);
        // A letter also has to fit into one write.
        assert_eq!(limits(&[("max.message.bytes", "100000000")]).unwrap().bytes_max, WRITE_RECORD_BYTES_MAX);
    }

    #[test]
    fn timestamps_that_the_broker_would_refuse_are_left_out() {
        const HOUR: i64 = 3_600_000;
        let bounds = [
            ("message.timestamp.before.max.ms", "9223372036854775807"),
            ("message.timestamp.after.max.ms", "3600000"),
        ];
        let takes = |limits: Limits, ms| limits.takes_timestamp(ms, 100 * HOUR);
        let usual = limits(&bounds).unwrap();
        assert_eq!([0, 100 * HOUR, 100 * HOUR + 3_000_000].map(|ms| takes(usual, ms)), [true; 3]);
        assert_eq!([100 * HOUR + 3_000_001, i64::MAX].map(|ms| takes(usual, ms)), [false; 2]);
        let short = limits(&[("message.timestamp.before.max.ms", "3600000")]).unwrap();
        assert_eq!([99 * HOUR + 600_000, 99 * HOUR + 599_999].map(|ms| takes(short, ms)), [true, false]);
        let append = limits(&[bounds[1], ("message.timestamp.type", "LogAppendTime")]).unwrap();
        assert!(takes(append, i64::MAX));
    }
}
