//! Records that do not become rows where that is tolerated (`errors.tolerance=all`): kept as they came
//! until the ledger write that passes them stands, since their dead letters go out with it (R4, R11).
//! Nothing is allocated for a record that is good.
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use pumphouse_config::BadRecordLog;
use pumphouse_decode::DecodeError;
use pumphouse_delivery::{Letter, Refusal};
use pumphouse_kafka::{
    BadRecord, DeadLetterTopic, HEADER_OVERHEAD_BYTES, Header, OutgoingRecord, RecordView, Stage,
};
use pumphouse_types::{Offset, Partition, TopicId, TopicName, TopicPartition};
use tracing::warn;

use super::context::TaskContext;
use super::replayed::Replayed;

/// Letters of one open block: with one more that is as large as is taken, they fit into one ledger write
/// of 16 MiB.
const OPEN_BYTES_MAX: u64 = 4 << 20;

/// A larger record leaves with its coordinates alone.
const RECORD_BYTES_MAX: usize = 11 << 20;

/// As Kafka Connect names what failed where it was not the converter.
const TASK_CLASS: &str = "com.clickhouse.kafka.connect.sink.ClickHouseSinkTask";

/// The code of a record that ClickHouse refuses.
const REFUSED_CODE: &str = "DELIVERY-008";

/// The header of a letter without payload; its value says why.
const LEFT_OUT_HEADER: &str = "pumphouse.record.left.out";

/// The most that the log shows of a key, a value or the headers, in characters.
const LOGGED_CHARS_MAX: usize = 1_000;

/// What becomes of records that do not become rows, where they are tolerated.
#[derive(Debug, Clone)]
pub struct LetterRules {
    /// Where they go; `None`: they are dropped.
    pub topic: Option<DeadLetterTopic>,
    /// What is logged about them.
    pub log: BadRecordLog,
    /// The value converter, as Kafka Connect names it.
    pub converter_class: &'static str,
}

impl LetterRules {
    /// Whether what a record holds is needed.
    pub(super) fn keeps_records(&self) -> bool {
        self.topic.is_some() || self.log == BadRecordLog::Records
    }
}

/// A record that did not become a row.
struct Kept {
    /// `None`: what it held is not needed.
    record: Option<BadRecord>,
    /// With its code; `None`: ClickHouse refuses it, the letter says how.
    undecodable: Option<String>,
    bytes: u64,
}

/// Those of a lane.
pub(super) struct Letters {
    topic: TopicName,
    topic_id: TopicId,
    /// What the lane's records are letters about, if they are.
    replayed: Option<Replayed>,
    /// What the records hold is kept.
    keeps_records: bool,
    kept: BTreeMap<(Partition, Offset), Kept>,
    bytes: u64,
    /// Of the open block.
    open_bytes: u64,
}

impl Letters {
    pub(super) fn new(
        topic: TopicName,
        topic_id: TopicId,
        replayed: Option<Replayed>,
        keeps_records: bool,
    ) -> Letters {
        Letters { topic, topic_id, replayed, keeps_records, kept: BTreeMap::new(), bytes: 0, open_bytes: 0 }
    }

    /// Keeps a record of the open block that could not be decoded.
    pub(super) fn undecodable(&mut self, record: &RecordView<'_>, why: &DecodeError) {
        let at = (record.partition(), record.offset());
        let copy =
            self.keeps_records.then(|| copy(self.topic_id, &self.topic, self.replayed.as_ref(), record));
        self.open_bytes += self.keep(at, copy, Some(why.to_string()));
    }

    /// Keeps a record that ClickHouse refuses, as it was read again.
    pub(super) fn refused(&mut self, at: (Partition, Offset), record: BadRecord) {
        self.keep(at, Some(record), None);
    }

    fn keep(
        &mut self,
        at: (Partition, Offset),
        record: Option<BadRecord>,
        undecodable: Option<String>,
    ) -> u64 {
        let bytes = record.as_ref().map_or(0, payload_bytes) as u64
            + undecodable.as_ref().map_or(0, String::len) as u64;
        self.bytes += bytes;
        if let Some(before) = self.kept.insert(at, Kept { record, undecodable, bytes }) {
            self.bytes -= before.bytes;
        }
        bytes
    }

    /// The open block is a batch now.
    pub(super) fn sealed(&mut self) {
        self.open_bytes = 0;
    }

    /// Bytes that the open block's letters count: `full` once no more of them go into one write.
    pub(super) fn open_bytes(&self, full: u64) -> u64 {
        if self.open_bytes >= OPEN_BYTES_MAX { full } else { self.open_bytes }
    }

    /// Bytes of all that is kept.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Letters about records that are not kept, although what they hold is needed.
    pub(super) fn lacks(&self, letter: &Letter) -> bool {
        self.keeps_records && !self.kept.contains_key(&(letter.partition, letter.offset))
    }

    /// The write that carries the letter stands.
    pub(super) fn written(&mut self, letter: &Letter) {
        if let Some(kept) = self.kept.remove(&(letter.partition, letter.offset)) {
            self.bytes -= kept.bytes;
        }
    }

    /// The dead letter, if there is a topic for it.
    pub(super) fn outgoing(&self, cx: &TaskContext, letter: &Letter) -> Option<OutgoingRecord> {
        let rules = cx.letters.as_ref()?;
        let topic = rules.topic.as_ref()?;
        let cause = self.cause(letter, rules);
        let record =
            match self.kept.get(&(letter.partition, letter.offset)).and_then(|kept| kept.record.clone()) {
                Some(record) => record,
                None => {
                    without_payload(self.topic_id, &self.topic, letter, "it is not in the source any more")
                }
            };
        Some(topic.letter(record, &cause.failure(cx.task_number), now_ms()))
    }

    /// Why the record is left out, as its letter says; where letters do not say it, the code alone.
    pub(super) fn why(&self, cx: &TaskContext, letter: &Letter) -> String {
        let Some(rules) = &cx.letters else { return String::new() };
        let why = self.cause(letter, rules).text;
        match rules.topic.as_ref().is_some_and(DeadLetterTopic::says_why) {
            true => why,
            false => why.split_once(": ").map_or(String::new(), |(code, _)| code.to_owned()),
        }
    }

    /// Says in the log what was left out, as far as the configuration wants it.
    pub(super) fn log(&self, cx: &TaskContext, letter: &Letter) {
        let Some(rules) = &cx.letters else { return };
        let why = self.cause(letter, rules).text;
        let kept = self.kept.get(&(letter.partition, letter.offset));
        let contents = kept.and_then(|kept| kept.record.as_ref()).map(|record| Contents {
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        });
        log_left_out(cx, rules.log, (&self.topic, letter.partition, letter.offset), &why, contents);
    }

    fn cause(&self, letter: &Letter, rules: &LetterRules) -> Cause {
        match &letter.refusal {
            Some(refusal) => Cause::refused(refusal),
            None => {
                let kept = self.kept.get(&(letter.partition, letter.offset));
                let why = kept.and_then(|kept| kept.undecodable.clone());
                let why = why.unwrap_or_else(|| "it could not become a row".to_owned());
                Cause::undecodable(why, rules.converter_class)
            }
        }
    }
}

/// What a record held, as the log shows it.
pub(super) struct Contents<'r> {
    pub key: Option<&'r [u8]>,
    pub value: Option<&'r [u8]>,
    pub headers: &'r [Header],
}

/// Says in the log that the record at `place` is left out, as far as `log` wants it. `contents`: if they are known.
pub(super) fn log_left_out(
    cx: &TaskContext,
    log: BadRecordLog,
    place: (&TopicName, Partition, Offset),
    why: &str,
    contents: Option<Contents<'_>>,
) {
    let (topic, partition, offset) = place;
    match (log, contents) {
        (BadRecordLog::Off, _) => {}
        (BadRecordLog::Records, Some(Contents { key, value, headers })) => {
            let headers: Vec<u8> = headers.iter().flat_map(header_text).collect();
            warn!(task = %cx.task_id, %topic, %partition, %offset, why, key = shown(key), value = shown(value),
                headers = shown(Some(&headers)), "a record is left out");
        }
        (BadRecordLog::Records | BadRecordLog::Reasons, _) => {
            warn!(task = %cx.task_id, %topic, %partition, %offset, why, "a record is left out");
        }
    }
}

/// Why a record is left out, in our words and in Connect's.
pub(super) struct Cause {
    text: String,
    stage: Stage,
    class: &'static str,
}

impl Cause {
    fn refused(refusal: &Refusal) -> Cause {
        let text = format!("{REFUSED_CODE}: ClickHouse code {}: {}", refusal.code, refusal.message);
        Cause { text, stage: Stage::TaskPut, class: TASK_CLASS }
    }

    /// By what is known of it later: why, or the code alone.
    pub(super) fn of_text(text: String, converter_class: &'static str) -> Cause {
        let text = match text.contains(": ") {
            true => text,
            false => format!("{text}: why was not kept"),
        };
        match text.starts_with(REFUSED_CODE) {
            true => Cause { text, stage: Stage::TaskPut, class: TASK_CLASS },
            false => Cause::undecodable(text, converter_class),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn is_refusal(&self) -> bool {
        self.stage == Stage::TaskPut
    }

    fn undecodable(text: String, converter_class: &'static str) -> Cause {
        Cause { text, stage: Stage::ValueConverter, class: converter_class }
    }

    pub(super) fn failure(&self, task: u32) -> pumphouse_kafka::Failure<'_> {
        let (code, message) = self.text.split_once(": ").unwrap_or(("", &self.text));
        pumphouse_kafka::Failure { task, stage: self.stage, class: self.class, code, message, causes: None }
    }
}

/// The record, or, where the topic's records are letters, the one that this letter stands for.
pub(super) fn copy(
    topic_id: TopicId,
    topic: &TopicName,
    replayed: Option<&Replayed>,
    record: &RecordView<'_>,
) -> BadRecord {
    let bytes = content_bytes(record.key(), record.value(), record.headers());
    if bytes > RECORD_BYTES_MAX {
        let letter = Letter { partition: record.partition(), offset: record.offset(), refusal: None };
        let why = format!("key, value and headers: {bytes} bytes, {RECORD_BYTES_MAX} are kept");
        return without_payload(topic_id, topic, &letter, &why);
    }
    let stands_for = replayed.and_then(|replayed| replayed.bad_record(record));
    stands_for.unwrap_or_else(|| BadRecord::copy(topic_id, topic, record))
}

pub(super) fn without_payload(topic_id: TopicId, topic: &TopicName, letter: &Letter, why: &str) -> BadRecord {
    BadRecord {
        topic_id,
        topic_partition: TopicPartition { topic: topic.clone(), partition: letter.partition },
        offset: letter.offset,
        key: None,
        value: None,
        headers: vec![Header::text(LEFT_OUT_HEADER, why)],
        timestamp_ms: None,
    }
}

fn payload_bytes(record: &BadRecord) -> usize {
    let headers = record.headers.iter().map(|header| (&header.name[..], header.value.as_deref()));
    content_bytes(record.key.as_deref(), record.value.as_deref(), headers)
}

/// What a record takes of a ledger write.
fn content_bytes<'r>(
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl Iterator<Item = (&'r [u8], Option<&'r [u8]>)>,
) -> usize {
    let len = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let header = |(name, value): (&[u8], Option<&[u8]>)| HEADER_OVERHEAD_BYTES + name.len() + len(value);
    len(key) + len(value) + headers.map(header).sum::<usize>()
}

fn header_text(header: &Header) -> Vec<u8> {
    let value = header.value.as_deref().unwrap_or(b"null");
    [&header.name[..], b"=", value, b" "].concat()
}

/// Contents for the log: as text, and not more than fits into a line.
fn shown(bytes: Option<&[u8]>) -> String {
    // Every character has at most four bytes.
    let head = bytes.map(|bytes| &bytes[..bytes.len().min(4 * LOGGED_CHARS_MAX)]);
    head.map_or("null".to_owned(), |bytes| {
        String::from_utf8_lossy(bytes).chars().take(LOGGED_CHARS_MAX).collect()
    })
}

/// The process's idea of the time, for a letter's timestamp only: it decides nothing.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use pumphouse_delivery::RefusalClass;

    use super::*;

    fn letters() -> Letters {
        Letters::new(TopicName::new("t"), TopicId(1), None, true)
    }

    fn letter(offset: i64, refusal: Option<Refusal>) -> Letter {
        Letter { partition: Partition(0), offset: Offset::new(offset).unwrap(), refusal }
    }

    fn record(offset: i64, bytes: usize) -> BadRecord {
        let mut record = without_payload(TopicId(1), &TopicName::new("t"), &letter(offset, None), "test");
        record.headers.clear();
        record.value = Some(vec![b'v'; bytes]);
        record
    }

    #[test]
    fn what_is_kept_is_counted_until_its_letter_stands() {
        let mut letters = letters();
        let refusal = Refusal { class: RefusalClass::Data, code: 469, message: "no".to_owned(), row: None };
        let refused = letter(7, Some(refusal));
        assert!(letters.lacks(&refused));
        letters.refused((Partition(0), refused.offset), record(7, 100));
        letters.refused((Partition(0), refused.offset), record(7, 200));
        assert!(!letters.lacks(&refused));
        assert_eq!(letters.bytes(), 200);
        letters.written(&refused);
        assert_eq!((letters.bytes(), letters.lacks(&refused)), (0, true));
    }

    #[test]
    fn headers_count_as_much_as_a_write_counts_them() {
        let mut record = record(0, 100);
        let without = record.clone();
        record.headers = vec![Header::text("h", ""), Header { name: b"name".to_vec(), value: None }];
        let written = |record: &BadRecord| OutgoingRecord {
            topic: TopicName::new("dead"),
            partition: None,
            key: record.key.clone(),
            value: record.value.clone(),
            headers: record.headers.clone(),
            timestamp_ms: None,
        };
        let more = written(&record).bytes() - written(&without).bytes();
        assert_eq!(payload_bytes(&record) - payload_bytes(&without), more);
        assert_eq!(payload_bytes(&without), 100);
    }

    #[test]
    fn a_block_is_full_before_its_letters_outgrow_one_write() {
        let mut letters = letters();
        letters.open_bytes += letters.keep((Partition(0), Offset::ZERO), Some(record(0, 1_000)), None);
        assert_eq!(letters.open_bytes(9_999_999), 1_000);
        letters.open_bytes = OPEN_BYTES_MAX;
        assert_eq!(letters.open_bytes(9_999_999), 9_999_999);
        letters.sealed();
        assert_eq!(letters.open_bytes(9_999_999), 0);
        assert!(OPEN_BYTES_MAX as usize + RECORD_BYTES_MAX < pumphouse_kafka::WRITE_RECORD_BYTES_MAX);
    }

    #[test]
    fn causes_have_a_code_and_a_stage() {
        let cause = Cause::undecodable("DECODE-001: not JSON at byte 3".to_owned(), "a.Converter");
        let failure = cause.failure(2);
        assert_eq!((failure.code, failure.message), ("DECODE-001", "not JSON at byte 3"));
        assert_eq!((failure.stage, failure.class), (Stage::ValueConverter, "a.Converter"));
        let cause = Cause::refused(&Refusal {
            class: RefusalClass::Data,
            code: 469,
            message: "x: y".to_owned(),
            row: None,
        });
        let failure = cause.failure(2);
        assert_eq!((failure.code, failure.message), (REFUSED_CODE, "ClickHouse code 469: x: y"));
        assert_eq!(failure.stage, Stage::TaskPut);
    }

    #[test]
    fn the_log_shows_bounded_text() {
        assert_eq!(shown(None), "null");
        assert_eq!(shown(Some(b"\xff1")), "\u{fffd}1");
        assert_eq!(shown(Some("ä".repeat(5_000).as_bytes())).chars().count(), LOGGED_CHARS_MAX);
    }
}
