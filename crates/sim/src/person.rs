//! What a person does about a task that has stopped: what its error page says. The connector is stopped
//! for it (`operator.rs`); then the person looks, answers, and starts it again.
use std::collections::BTreeSet;

use pumphouse_conduct::Mark;
use pumphouse_delivery::{Decision, StopReason};
use pumphouse_types::QuestionId;

use crate::faults::Lineage;
use crate::invariants::{delivered, entry_now, topic_id};
use crate::ledger::Place;
use crate::operator::Chore;
use crate::run::World;
use crate::source::{LIFE, Slot};
use crate::table::Row;

/// How long the others go on after a task has stopped for good.
const AFTER_STOP_MS: u64 = 8_000;

/// Who is asked more often than that in one run asks for help.
const ANSWERS_MAX: u64 = 12;

/// What a stopped task asks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Question {
    /// Whether the rows of these ranges landed (R7).
    Fate { topic: usize, asked: QuestionId, ranges: String },
    /// A view failed: it may have failed after the table took its part (R10).
    View,
    /// Whether bad records are to be tolerated (R11).
    Tolerance,
    /// Where partitions go on whose offsets were forgotten (R16).
    Offsets,
    /// Whether it is worth going on (R2).
    Patience,
    /// Whether it goes on in a topic that was created again (KAFKA-011): it does.
    Restart,
    /// Something that this person has no answer to: the source was changed (R9, R15).
    Source,
}

/// Why a task has failed.
#[derive(Debug, Clone)]
pub(crate) struct Why {
    /// As the task says it; it begins with its code.
    pub reason: String,
    /// What is asked of a person; `None`: nothing, the task is begun anew by itself.
    pub question: Option<Question>,
}

/// What was asked, and what was answered.
#[derive(Debug, Default)]
pub(crate) struct Person {
    questions: BTreeSet<Question>,
    answers: u64,
}

impl World {
    pub fn question(&self, reason: &StopReason) -> Question {
        match reason {
            StopReason::EvidenceNeeded { topic, question, ranges, .. } => {
                Question::Fate { topic: self.topic(topic), asked: *question, ranges: ranges.clone() }
            }
            StopReason::Refused { .. } => Question::View,
            StopReason::RecordRefused { .. } => Question::Tolerance,
            StopReason::SourceChanged { .. }
            | StopReason::OtherConfiguration { .. }
            | StopReason::EntriesDisagree { .. }
            | StopReason::EntryUnreadable { .. }
            | StopReason::LedgerRefused { .. }
            // No table is dropped here.
            | StopReason::TableGone { .. } => Question::Source,
            StopReason::RetriesExhausted { .. } => Question::Patience,
        }
    }

    /// A task asks for a person. Legal only under faults that leave it no other way.
    pub fn stopped(&mut self, proc: usize, reason: &str, question: Question) {
        let code = reason.split(':').next().unwrap_or_default().to_owned();
        if !self.plan.may_stop(&code) {
            self.watch.violated("no_needless_stop", reason.to_owned());
        }
        *self.stops.entry(code).or_insert(0) += 1;
        self.person.answers += 1;
        if question == Question::Source || !self.plan.answers || self.person.answers > ANSWERS_MAX {
            self.stopped_for_good();
            return;
        }
        self.person.questions.insert(question);
        self.kill_proc(proc);
        self.begin_upkeep(Chore::Answer);
    }

    /// The connector refuses to start.
    pub fn refuses_to_start(&mut self, reason: &str) {
        let code = reason.split(':').next().unwrap_or_default().to_owned();
        *self.stops.entry(code).or_insert(0) += 1;
        self.stopped_for_good();
    }

    fn stopped_for_good(&mut self) {
        self.saw("stopped for good");
        self.end_at = self.end_at.min(self.now + AFTER_STOP_MS);
    }

    /// The connector stands still: all that was asked is answered.
    pub fn answer_questions(&mut self) {
        for question in std::mem::take(&mut self.person.questions) {
            self.say(|| format!("a person answers {question:?}"));
            match question {
                Question::Fate { topic, asked, ranges } => self.decide(topic, asked, &ranges),
                Question::View => self.server.drop_views(),
                Question::Tolerance => self.leaves_out = true,
                Question::Offsets => self.go_on_behind_what_was_delivered(),
                Question::Patience | Question::Restart => {}
                Question::Source => panic!("nobody answers that"),
            }
        }
    }

    /// Looks for the rows that the message names, and for no others.
    fn decide(&mut self, topic: usize, asked: QuestionId, ranges: &str) {
        let rows = self.printed_rows(topic, ranges);
        let there: Vec<&Row> = rows.iter().filter(|row| self.server.count(topic, row.0, row.1) > 0).collect();
        let decision = if there.len() == rows.len() {
            Decision::Landed
        } else if there.is_empty() {
            Decision::Again
        } else if self.plan.lineage == Lineage::Merging && there.iter().all(|row| self.server.shows(**row)) {
            Decision::Missing
        } else {
            self.saw("nothing to decide");
            self.stopped_for_good();
            return;
        };
        self.say(|| format!("question {asked} about {ranges}: {decision:?}"));
        self.decisions.insert(asked, decision);
    }

    /// Rows of ranges as messages show them: `0:10..20 3:5..9`, of the topic as it is.
    fn printed_rows(&self, topic: usize, ranges: &str) -> Vec<Row> {
        let begin = self.source.begin(topic);
        let mut rows = Vec::new();
        for range in ranges.split_whitespace() {
            let (partition, (first, end)) = range
                .split_once(':')
                .and_then(|(partition, range)| Some((partition, range.split_once("..")?)))
                .expect("ranges are printed as a person reads them");
            let number = |text: &str| text.parse::<i64>().expect("an offset");
            let partition: u32 = partition.parse().expect("a partition");
            let records =
                self.source.records(topic, partition, begin + number(first), begin + number(end)).into_iter();
            let decoded = records.filter(|&at| !self.source.is_undecodable(topic, partition, at));
            rows.extend(decoded.map(|at| (partition, at)));
        }
        rows
    }

    /// Offsets that were forgotten are set to the first record that has not been delivered: whatever
    /// comes behind it comes again.
    fn go_on_behind_what_was_delivered(&mut self) {
        for place in self.places.clone() {
            let topic_id = topic_id(place.0, self.source.begin(place.0));
            if entry_now(&self.ledger, &self.source, place).is_none()
                && self.ledger.mark(place, topic_id) == Some(Mark::Running)
            {
                let first = self.first_not_delivered(place);
                self.set_offset(place, None, first % LIFE);
            }
        }
        self.ledger_changed();
    }

    fn first_not_delivered(&self, place: Place) -> i64 {
        let end = self.source.end(place.0, place.1);
        let missing = |&offset: &i64| {
            matches!(self.source.at(place.0, place.1, offset), Some(Slot::Record(_)))
                && delivered(place, offset, &self.ledger, &self.server) == 0
        };
        (self.source.begin(place.0)..end).find(missing).unwrap_or(end)
    }
}
