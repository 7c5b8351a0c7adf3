//! Dead letters that a ledger in KeeperMap owes. They cannot join the write of the entry that passes their records, so that
//! write says which they are (R4); then they go out, then the row owes nothing any more. Whoever claims a row that owes letters
//! sends them before it takes the entry: it reads their records again. So a letter says that its record was passed, and each
//! record that was passed has one, if somebody claims its row. A process that dies between letters and the row's next write leaves them to be written twice.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_clickhouse::{ClickHouseError, KeeperRows};
use pumphouse_config::BadRecordLog;
use pumphouse_delivery::{ClaimId, EntryError, LedgerAnswer, Letter, StopReason};
use pumphouse_kafka::{DeadLetterTopic, KafkaError, OutgoingRecord, TopicAsker};
use pumphouse_types::{Offset, Partition, TopicId, TopicName, TopicPartition};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tracing::warn;

use super::asks::Unanswered;
use super::failure::Failure;
use super::keeper_asks::Entries;
use super::ledger_thread::Order;
use super::letters::{Cause, LetterReader, now_ms, without_payload};
use super::mail::{Mail, PanicReport};
use super::shell::Shell;

/// Reasons of one write that are kept in words; others are kept as their code.
const REASONS_MAX: usize = 50;

/// Characters of a reason that are kept.
const REASON_CHARS_MAX: usize = 200;

/// One question to the brokers, beside the consuming thread.
const TOPIC_TIMEOUT: Duration = Duration::from_secs(5);

/// Looks for a topic that is not there, and pauses between them.
const LOOKS: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The version that this build writes and reads.
const VERSION: u32 = 1;

/// What one write came to owe. The ledger tells it from an entry by how it begins.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owed {
    owes: u32,
    /// The identity of the row's topic.
    topic: String,
    /// By the reason: `partition:offset,offset;partition:offset`.
    letters: BTreeMap<String, String>,
}

/// What a write with these letters comes to owe, each with the reason that it gives. Shape: one line.
pub(super) fn text(topic_id: TopicId, letters: impl Iterator<Item = (Partition, Offset, String)>) -> String {
    let mut by_reason: BTreeMap<String, BTreeMap<Partition, Vec<Offset>>> = BTreeMap::new();
    for (partition, offset, reason) in letters {
        let mut reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        if by_reason.len() >= REASONS_MAX && !by_reason.contains_key(&reason) {
            reason.truncate(reason.find(':').unwrap_or(0));
        }
        by_reason.entry(reason).or_default().entry(partition).or_default().push(offset);
    }
    let places = |(partition, offsets): (&Partition, &Vec<Offset>)| {
        let offsets: Vec<String> = offsets.iter().map(Offset::to_string).collect();
        format!("{partition}:{}", offsets.join(","))
    };
    let letters = by_reason
        .iter()
        .map(|(reason, by_partition)| {
            let places: Vec<String> = by_partition.iter().map(places).collect();
            (reason.clone(), places.join(";"))
        })
        .collect();
    let owed = Owed { owes: VERSION, topic: topic_id.to_string(), letters };
    serde_json::to_string(&owed).expect("numbers and strings become JSON")
}

/// Letters of one write: the topic that their offsets count in, and why each is left out.
struct Due {
    topic_id: TopicId,
    letters: BTreeMap<(Partition, Offset), String>,
}

/// `lines`: what a row owes. Errors: what is not understood; nothing is guessed.
fn parse(lines: &str) -> Result<Vec<Due>, EntryError> {
    let broken = |what: &str| EntryError::Broken(format!("{what} of the letters that it owes"));
    let due = |line: &str| -> Result<Due, EntryError> {
        let owed: Owed = serde_json::from_str(line).map_err(|error| broken(&error.to_string()))?;
        if owed.owes != VERSION {
            return Err(EntryError::Version(owed.owes));
        }
        let topic_id = owed.topic.parse().map_err(|_| broken("the topic"))?;
        let mut letters = BTreeMap::new();
        for (reason, places) in owed.letters {
            for of_partition in places.split(';') {
                let (partition, offsets) =
                    of_partition.split_once(':').ok_or_else(|| broken("a partition"))?;
                let partition = Partition(partition.parse().map_err(|_| broken("a partition"))?);
                for offset in offsets.split(',') {
                    let offset = offset.parse().ok().and_then(Offset::new);
                    letters.insert((partition, offset.ok_or_else(|| broken("an offset"))?), reason.clone());
                }
            }
        }
        Ok(Due { topic_id, letters })
    };
    lines.lines().map(due).collect()
}

/// A claim whose rows owe letters: what it has found waits until they are paid.
pub(super) struct Paying {
    claim: ClaimId,
    entries: Entries,
    /// Those of rows that owe.
    owing: Entries,
    letters: Vec<Owing>,
    /// Set when nobody waits any more.
    ended: Arc<AtomicBool>,
}

/// A letter that is being paid.
struct Owing {
    topic: TopicName,
    partition: Partition,
    offset: Offset,
    cause: Cause,
}

impl Drop for Paying {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// Makes the letters that are due, of records that are read again.
struct DueReader {
    due: Vec<(TopicPartition, Due)>,
    reader: LetterReader,
    asker: TopicAsker,
    to: DeadLetterTopic,
    converter_class: &'static str,
    task_number: u32,
}

impl DueReader {
    /// Letters of one write after the other; none once nobody waits. Blocks. Errors: Kafka's.
    fn letters(mut self) -> Result<Vec<Vec<OutgoingRecord>>, KafkaError> {
        let mut all = Vec::new();
        for (row, due) in std::mem::take(&mut self.due) {
            if self.reader.ended.load(Ordering::Relaxed) {
                break;
            }
            all.push(self.letters_of(&row.topic, &due)?);
        }
        Ok(all)
    }

    fn letters_of(&mut self, topic: &TopicName, due: &Due) -> Result<Vec<OutgoingRecord>, KafkaError> {
        let wanted = |(partition, offset): &(Partition, Offset)| Letter {
            partition: *partition,
            offset: *offset,
            refusal: None,
        };
        self.reader.topic = topic.clone();
        self.reader.topic_id = due.topic_id;
        self.reader.wanted = due.letters.keys().map(wanted).collect();
        // Records of the topic's next life are others (R15).
        let mut records = None;
        if self.is_there(topic, due.topic_id)? {
            let read = self.reader.read()?;
            records = self.is_there(topic, due.topic_id)?.then_some(read);
        }
        let gone = |letter: &Letter| {
            let why = "its topic was deleted";
            ((letter.partition, letter.offset), without_payload(due.topic_id, topic, letter, why))
        };
        let records = records.unwrap_or_else(|| self.reader.wanted.iter().map(gone).collect());
        let letter = |(at, record)| {
            let cause = Cause::of_text(due.letters[&at].clone(), self.converter_class);
            self.to.letter(record, &cause.failure(self.task_number), now_ms())
        };
        Ok(records.into_iter().map(letter).collect())
    }

    /// Whether the topic is the one that is owed about. A broker that has just started may not know of it yet: one look is not enough.
    fn is_there(&self, topic: &TopicName, topic_id: TopicId) -> Result<bool, KafkaError> {
        for look in 0..LOOKS {
            if look > 0 {
                std::thread::sleep(LOOK_AGAIN);
            }
            if let Some(found) = self.asker.topic_id(topic, TOPIC_TIMEOUT)? {
                return Ok(found == topic_id);
            }
        }
        Ok(false)
    }

    /// Runs on a blocking thread; answers by mail.
    fn start(self, claim: ClaimId, runtime: &Handle, mail: Sender<Mail>) {
        runtime.spawn_blocking(move || {
            let _report =
                PanicReport::new(&mail, Some(claim), "reading records for dead letters that are owed");
            // The task has ended: whoever claims next writes them.
            let _ = mail.send(Mail::DueRead { claim, letters: self.letters() });
        });
    }
}

impl Shell<'_> {
    /// R4: what the rows owe is paid before anything is taken from them.
    pub(super) fn pay(&mut self, claim: ClaimId, found: KeeperRows) {
        if claim != self.task.claim() {
            return;
        }
        let KeeperRows { entries, owes } = found;
        let mut due = Vec::new();
        for (row, lines) in &owes {
            match parse(lines) {
                Ok(all) => due.extend(all.into_iter().map(|one| (row.clone(), one))),
                Err(why) => {
                    let TopicPartition { topic, partition } = row.clone();
                    return self.fail(Failure::from(StopReason::EntryUnreadable { topic, partition, why }));
                }
            }
        }
        let Some((row, topic_id)) = due.first().map(|(row, due)| (row.clone(), due.topic_id)) else {
            return self.claim_read(claim, Ok(entries));
        };
        let count: usize = due.iter().map(|(_, due)| due.letters.len()).sum();
        let Some(rules) = self.cx.letters.clone() else {
            // They were passed when bad records were tolerated: `none` does not say that they may be dropped.
            let why = format!(
                "{row} owes {count} dead letters that an earlier claim had not come to; start the connector with \
                 errors.tolerance=all and its dead letter topic until they are written"
            );
            return self.fail(Failure::from(StopReason::LedgerRefused { topic: row.topic, why }));
        };
        let owing = entries.iter().filter(|(row, _)| owes.contains_key(*row));
        let owing = owing.map(|(row, entry)| (row.clone(), entry.clone())).collect();
        let letters = due.iter().flat_map(|(row, due)| {
            due.letters.iter().map(|((partition, offset), why)| Owing {
                topic: row.topic.clone(),
                partition: *partition,
                offset: *offset,
                cause: Cause::of_text(why.clone(), rules.converter_class),
            })
        });
        let ended = Arc::new(AtomicBool::new(false));
        let letters = letters.collect();
        self.asks.paying = Some(Paying { claim, entries, owing, letters, ended: Arc::clone(&ended) });
        let Some(to) = rules.topic else {
            warn!(task = %self.cx.task_id, rule = "R4", rows = owes.len(), letters = count,
                "dead letters that an earlier claim had not come to are dropped: the connector has no dead letter topic by now");
            return self.due_read(claim, Ok(Vec::new()));
        };
        warn!(task = %self.cx.task_id, rule = "R4", rows = owes.len(), letters = count,
            "dead letters that an earlier claim had not come to are written now (R4)");
        let reader = LetterReader {
            settings: self.cx.consumer_settings.clone(),
            group: self.cx.group.clone(),
            claim,
            topic: row.topic,
            topic_id,
            replayed: self.cx.recipe_source.replayed.clone(),
            wanted: Vec::new(),
            ended,
        };
        let (asker, task_number) = (self.consumer.topic_asker(), self.cx.task_number);
        let converter_class = rules.converter_class;
        let reader = DueReader { due, reader, asker, to, converter_class, task_number };
        reader.start(claim, &self.cx.runtime, self.mail.clone());
    }

    /// The letters are written, under the membership that has claimed.
    pub(super) fn due_read(&mut self, claim: ClaimId, letters: Result<Vec<Vec<OutgoingRecord>>, KafkaError>) {
        let Some(paying) = self.asks.paying.as_ref().filter(|paying| paying.claim == claim) else { return };
        let (entries, ended) = (paying.owing.clone(), Arc::clone(&paying.ended));
        let has_topic = self.cx.letters.as_ref().is_some_and(|rules| rules.topic.is_some());
        let all = paying.letters.len();
        match (letters, self.consumer.group_metadata()) {
            (Ok(letters), _) if has_topic && letters.iter().map(Vec::len).sum::<usize>() != all => {
                self.fail(Failure::Thread("dead letters that are owed are missing".to_owned()));
            }
            (Ok(letters), Some(fence)) => {
                self.order(Order::Pay { claim, fence, entries, letters, ended });
            }
            (Ok(_), None) => self.paid(claim, LedgerAnswer::NotRecorded),
            (Err(error), _) => {
                self.asks.paying = None;
                self.claim_read(claim, Err(Unanswered::Kafka(error)));
            }
        }
    }

    /// The claim goes on, or is asked for again.
    pub(super) fn paid(&mut self, claim: ClaimId, answer: LedgerAnswer) {
        let Some(mut paying) = self.asks.paying.take_if(|paying| paying.claim == claim) else { return };
        match answer {
            LedgerAnswer::Recorded => {
                let kept = self.cx.letters.as_ref().is_some_and(|rules| rules.topic.is_some());
                let logs = self.cx.letters.as_ref().is_some_and(|rules| rules.log != BadRecordLog::Off);
                self.cx.meters.ruled("R4");
                for Owing { topic, partition, offset, cause } in &paying.letters {
                    if logs {
                        warn!(task = %self.cx.task_id, %topic, %partition, %offset, why = cause.text(),
                            "a record is left out");
                    }
                    self.cx.meters.left_out(topic, cause.is_refusal(), kept);
                }
                self.claim_read(claim, Ok(std::mem::take(&mut paying.entries)));
            }
            LedgerAnswer::Fenced => self.rejoin(),
            LedgerAnswer::Refused(why) => {
                let topic = paying.letters.first().map_or(TopicName::new(""), |owing| owing.topic.clone());
                self.fail(Failure::from(StopReason::LedgerRefused { topic, why }));
            }
            LedgerAnswer::NotRecorded | LedgerAnswer::Unknown | LedgerAnswer::OtherTopic(_) => {
                let (asked, why) = ("writing dead letters that are owed", "they are not certain".to_owned());
                let error = ClickHouseError::NoAnswer { asked, why };
                self.claim_read(claim, Err(Unanswered::ClickHouse(error)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: u32, offset: i64, reason: &str) -> (Partition, Offset, String) {
        (Partition(partition), Offset::new(offset).unwrap(), reason.to_owned())
    }

    #[test]
    fn what_is_owed_is_read_back() {
        let letters = [
            at(2, 7, "DECODE-010: no\nJSON"),
            at(0, 9, "DELIVERY-008: \"no\""),
            at(2, 8, "DECODE-010: no\nJSON"),
        ];
        let line = text(TopicId(5), letters.clone().into_iter());
        assert!(line.starts_with("{\"owes\":1,") && !line.contains('\n'), "{line}");
        let due = parse(&format!("{line}\n{line}")).unwrap();
        assert_eq!(due.len(), 2);
        assert_eq!(due[0].topic_id, TopicId(5));
        let expected = letters.into_iter().map(|(partition, offset, reason)| ((partition, offset), reason));
        assert_eq!(due[0].letters, expected.collect());
    }

    #[test]
    fn ten_thousand_letters_fit_beside_an_entry() {
        let reason = |n: i64| format!("DECODE-010: {n} {}", "\"".repeat(500));
        let letters = (0..10_000).map(|n| at(1_000, 1_000_000_000_000 + n, &reason(n)));
        let line = text(TopicId(u128::MAX), letters);
        assert!(line.len() < 300_000, "{}", line.len());
        let due = parse(&line).unwrap();
        assert_eq!(due[0].letters.len(), 10_000);
        assert!(due[0].letters.values().all(|reason| reason.starts_with("DECODE-010")));
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let line = text(TopicId(5), [at(2, 7, "DECODE-010: no")].into_iter());
        for broken in [
            line.replace("\"owes\":1", "\"owes\":2"),
            line.replace("2:7", "2:-7"),
            line.replace("2:7", "2"),
            line.replace("\"topic\"", "\"subject\""),
            line[..line.len() - 1].to_owned(),
        ] {
            assert!(parse(&broken).is_err(), "{broken}");
        }
    }
}
