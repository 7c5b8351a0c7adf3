//! Dead letters that a ledger in KeeperMap owes. They cannot join the write of the entry that passes their records, so that
//! write says which they are (R4); then they go out, then the row owes nothing any more. Whoever claims a row that owes letters
//! sends them before it takes the entry: it reads their records again. So a letter says that its record was passed, and each
//! record that was passed has one, if somebody claims its row. A process that dies between letters and the row's next write leaves
//! them to be written twice.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_clickhouse::{ClickHouseError, KeeperRows};
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
use super::letter_reader::{LetterReader, Wanted};
use super::letters::{Cause, Contents, LetterRules, log_left_out, now_ms};
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
    /// Entries of the rows that owe.
    owing: Entries,
    /// In the order in which their letters are made.
    left_out: Vec<LeftOut>,
    /// Set when nobody waits any more.
    ended: Arc<AtomicBool>,
}

/// A record whose letter is being paid.
struct LeftOut {
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
    due: Vec<(TopicName, Due)>,
    reader: LetterReader,
    asker: TopicAsker,
    to: DeadLetterTopic,
    converter_class: &'static str,
    task_number: u32,
}

impl DueReader {
    /// Letters of one write after the other; none once nobody waits. Blocks. Errors: Kafka's.
    fn letters(&self) -> Result<Vec<Vec<OutgoingRecord>>, KafkaError> {
        let due = self.due.iter().take_while(|_| !self.reader.has_ended());
        due.map(|(topic, due)| self.letters_of(topic, due)).collect()
    }

    fn letters_of(&self, topic: &TopicName, due: &Due) -> Result<Vec<OutgoingRecord>, KafkaError> {
        let letter = |&(partition, offset): &(Partition, Offset)| Letter { partition, offset, refusal: None };
        let letters = due.letters.keys().map(letter).collect();
        let wanted = Wanted { topic: topic.clone(), topic_id: due.topic_id, letters };
        // Records of the topic's next life are others (R15).
        let mut read = None;
        if self.is_there(topic, due.topic_id)? {
            let records = self.reader.read(&wanted)?;
            read = self.is_there(topic, due.topic_id)?.then_some(records);
        }
        let records = read.unwrap_or_else(|| wanted.bare("its topic was deleted"));
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
            let TopicPartition { topic, partition } = row.clone();
            match parse(lines) {
                Ok(all) => due.extend(all.into_iter().map(|one| (topic.clone(), one))),
                Err(why) => {
                    return self.fail(Failure::from(StopReason::EntryUnreadable { topic, partition, why }));
                }
            }
        }
        let Some(rules) = self.cx.letters.clone() else { return self.not_paid(&owes, &due) };
        let left_out = left_out(&due, &rules);
        let owing = entries.iter().filter(|(row, _)| owes.contains_key(*row));
        let owing = owing.map(|(row, entry)| (row.clone(), entry.clone())).collect();
        let ended = Arc::new(AtomicBool::new(false));
        let reader = LetterReader::new(self.cx, Arc::clone(&ended));
        let (rows, letters) = (owes.len(), left_out.len());
        self.asks.paying = Some(Paying { claim, entries, owing, left_out, ended });
        let Some(to) = rules.topic else {
            warn!(task = %self.cx.task_id, rule = "R4", rows, letters,
                "dead letters that an earlier claim had not come to are dropped: the connector has no dead letter topic by now");
            return self.order_payment(claim, Vec::new());
        };
        warn!(task = %self.cx.task_id, rule = "R4", rows, letters,
            "dead letters that an earlier claim had not come to are written now (R4)");
        let (asker, task_number) = (self.consumer.topic_asker(), self.cx.task_number);
        let converter_class = rules.converter_class;
        let reader = DueReader { due, reader, asker, to, converter_class, task_number };
        reader.start(claim, &self.cx.runtime, self.mail.clone());
    }

    /// They were passed when bad records were tolerated: `none` does not say that they may be dropped.
    fn not_paid(&mut self, owes: &BTreeMap<TopicPartition, String>, due: &[(TopicName, Due)]) {
        let Some(row) = owes.keys().next() else { return };
        let count: usize = due.iter().map(|(_, due)| due.letters.len()).sum();
        let why = format!(
            "{row} owes {count} dead letters that an earlier claim had not come to; start the connector with \
             errors.tolerance=all and its dead letter topic until they are written"
        );
        self.fail(Failure::from(StopReason::LedgerRefused { topic: row.topic.clone(), why }));
    }

    /// The letters are made.
    pub(super) fn due_read(&mut self, claim: ClaimId, letters: Result<Vec<Vec<OutgoingRecord>>, KafkaError>) {
        let Some(paying) = self.asks.paying.as_ref().filter(|paying| paying.claim == claim) else { return };
        match letters {
            // Paying less would clear the debt of the rest.
            Ok(letters) if letters.iter().map(Vec::len).sum::<usize>() != paying.left_out.len() => {
                self.fail(Failure::Thread("dead letters that are owed are missing".to_owned()));
            }
            Ok(letters) => self.order_payment(claim, letters),
            Err(error) => {
                self.asks.paying = None;
                self.claim_read(claim, Err(Unanswered::Kafka(error)));
            }
        }
    }

    /// They go out under the membership that has claimed.
    fn order_payment(&mut self, claim: ClaimId, letters: Vec<Vec<OutgoingRecord>>) {
        let Some(paying) = &self.asks.paying else { return };
        let (entries, ended) = (paying.owing.clone(), Arc::clone(&paying.ended));
        match self.consumer.group_metadata() {
            Some(fence) => self.order(Order::Pay { claim, fence, entries, letters, ended }),
            None => self.paid(claim, LedgerAnswer::NotRecorded, &[]),
        }
    }

    /// The claim goes on, or is asked for again. `letters`: what was to be written.
    pub(super) fn paid(&mut self, claim: ClaimId, answer: LedgerAnswer, letters: &[Vec<OutgoingRecord>]) {
        let Some(mut paying) = self.asks.paying.take_if(|paying| paying.claim == claim) else { return };
        match answer {
            LedgerAnswer::Recorded => {
                self.log_paid(&paying.left_out, letters);
                self.claim_read(claim, Ok(std::mem::take(&mut paying.entries)));
            }
            LedgerAnswer::Fenced => self.rejoin(),
            LedgerAnswer::Refused(why) => {
                let topic = paying.left_out.first().map_or(TopicName::new(""), |one| one.topic.clone());
                self.fail(Failure::from(StopReason::LedgerRefused { topic, why }));
            }
            LedgerAnswer::NotRecorded | LedgerAnswer::Unknown | LedgerAnswer::OtherTopic(_) => {
                let (asked, why) = ("writing dead letters that are owed", "they are not certain".to_owned());
                let error = ClickHouseError::NoAnswer { asked, why };
                self.claim_read(claim, Err(Unanswered::ClickHouse(error)));
            }
        }
    }

    /// As for letters that go out with their write; `letters` are those of `left_out`, in its order, or none: they were dropped.
    fn log_paid(&self, left_out: &[LeftOut], letters: &[Vec<OutgoingRecord>]) {
        let Some(rules) = &self.cx.letters else { return };
        self.cx.meters.ruled("R4");
        let mut letters = letters.iter().flatten();
        for LeftOut { topic, partition, offset, cause } in left_out {
            let contents = letters.next().map(|letter| Contents {
                key: letter.key.as_deref(),
                value: letter.value.as_deref(),
                headers: &letter.headers,
            });
            log_left_out(self.cx, rules.log, (topic, *partition, *offset), cause.text(), contents);
            self.cx.meters.left_out(topic, cause.is_refusal(), rules.topic.is_some());
        }
    }
}

/// Of letters in the order in which they are made.
fn left_out(due: &[(TopicName, Due)], rules: &LetterRules) -> Vec<LeftOut> {
    let of_due = |(topic, due): &(TopicName, Due)| {
        let one = |((partition, offset), why): (&(Partition, Offset), &String)| LeftOut {
            topic: topic.clone(),
            partition: *partition,
            offset: *offset,
            cause: Cause::of_text(why.clone(), rules.converter_class),
        };
        due.letters.iter().map(one).collect::<Vec<_>>()
    };
    due.iter().flat_map(of_due).collect()
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
