//! `errors.*`: what happens to records that cannot become rows, and how long inserts are tried.
use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::topic_pattern::TopicPattern;

const TOPIC: &str = "errors.deadletterqueue.topic.name";
const REPLICATION: &str = "errors.deadletterqueue.topic.replication.factor";
const TOLERANCE: &str = "errors.tolerance";
const TIMEOUT: &str = "errors.retry.timeout";

/// What happens to a record that cannot become a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadRecords {
    /// `errors.tolerance=none`: the task stops before it.
    Stop,
    /// `errors.tolerance=all` without a topic: it is passed over, and nothing of it is kept.
    Drop,
    /// `errors.tolerance=all` with a topic: it goes there, in the transaction that passes over it.
    DeadLetter(DeadLetters),
}

/// The dead letter topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// Its name; none of the connector's topics.
    pub topic: String,
    /// Its replication factor when it is created; `None`: the broker's default.
    pub replication: Option<u32>,
    /// Whether letters carry Connect's `__connect.errors.*` headers.
    pub context_headers: bool,
}

/// What is logged about records that are tolerated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecordLog {
    /// Nothing.
    Off,
    /// Where the record stands and what is wrong with it.
    Reasons,
    /// Its key, value and headers as well.
    Records,
}

/// How long an insert is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InsertRetry {
    /// Milliseconds from the first failure to that of the task; `None`: until it works.
    pub timeout_ms: Option<u64>,
    /// The longest pause between two tries.
    pub delay_ms_max: u64,
}

/// `topics`, `pattern`: the connector's own.
pub(crate) fn read(
    reading: &mut Reading<'_>,
    topics: &[String],
    pattern: Option<&TopicPattern>,
) -> BadRecords {
    let topic = reading.given(TOPIC).map(str::to_owned);
    if let Some(topic) = &topic {
        check_topic(reading, topic, topics, pattern);
    }
    let replication = replication(reading);
    let all = reading.text(TOLERANCE).eq_ignore_ascii_case("all");
    match (all, topic) {
        (false, None) => BadRecords::Stop,
        (false, Some(_)) => {
            reading.note(TOPIC, "Nothing is written there, because errors.tolerance is none: the task stops before a bad record.");
            BadRecords::Stop
        }
        (true, None) => {
            reading.warn(TOLERANCE, "Records that cannot become rows are dropped and lost; set errors.deadletterqueue.topic.name to keep them.");
            BadRecords::Drop
        }
        (true, Some(topic)) => BadRecords::DeadLetter(DeadLetters {
            topic,
            replication,
            context_headers: reading.boolean("errors.deadletterqueue.context.headers.enable"),
        }),
    }
}

fn check_topic(reading: &mut Reading<'_>, topic: &str, topics: &[String], pattern: Option<&TopicPattern>) {
    if !crate::connector_config::is_topic_name(topic) {
        let remedy = "Topics have up to 249 letters, digits, dots, underscores and hyphens.";
        reading.error(ConfigCode::Value, TOPIC, format!("{topic:?} cannot be a topic"), remedy);
    } else if topics.iter().any(|source| source == topic)
        || pattern.is_some_and(|pattern| pattern.matches(topic))
    {
        let message = format!("{topic} is one of the topics that the connector reads");
        let remedy = "Name another one, or each dead letter would be read again.";
        reading.error(ConfigCode::Conflict, TOPIC, message, remedy);
    }
}

fn replication(reading: &mut Reading<'_>) -> Option<u32> {
    let text = reading.text(REPLICATION);
    if text == "0" {
        let remedy = "Give 1 or more, or -1 for the broker's default.";
        reading.error(ConfigCode::Value, REPLICATION, "a topic cannot have 0 replicas", remedy);
    }
    // -1 does not parse, and means the broker's default.
    text.parse().ok()
}

/// `errors.log.*`.
pub(crate) fn read_log(reading: &mut Reading<'_>) -> BadRecordLog {
    match (reading.boolean("errors.log.enable"), reading.boolean("errors.log.include.messages")) {
        (true, false) => BadRecordLog::Reasons,
        (true, true) => BadRecordLog::Records,
        (false, false) => BadRecordLog::Off,
        (false, true) => {
            reading.note("errors.log.include.messages", "It counts only beside errors.log.enable=true.");
            BadRecordLog::Off
        }
    }
}

/// `errors.retry.*`.
pub(crate) fn read_retry(reading: &Reading<'_>) -> InsertRetry {
    InsertRetry {
        // -1 does not parse, and means the same as no limit.
        timeout_ms: reading.given(TIMEOUT).and_then(|text| text.parse().ok()),
        delay_ms_max: reading.integer("errors.retry.delay.max.ms"),
    }
}
