//! What one ledger write says, and what follows its answer. Carries R1, R4 and the "one write per
//! batch" of the life of a batch: the write that opens a batch also marks what landed before it.
use std::collections::BTreeMap;

use pumphouse_types::{DedupToken, Millis, Offset, Partition};

use crate::batch::{Batch, TableSeen};
use crate::entry::Entry;
use crate::lane::{Attempts, Cx, FACTS_AGE_MS_MAX, Lane, Part, Sealed, Work};
use crate::retry::deadline;
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, LedgerAnswer};

/// Pause before a write that did not come about is tried again.
const WRITE_AGAIN_MS: u64 = 200;

impl Lane {
    /// Whether this lane has something for the ledger now.
    pub(crate) fn wants_write(&self, now: Millis) -> bool {
        if now < self.write_not_before {
            return false;
        }
        match &self.work {
            Work::Idle => {
                self.config_version.is_some()
                    && self.marks_due.is_some_and(|due| now >= due)
                    && !self.marks().is_empty()
            }
            Work::New { .. } => {
                self.facts.as_ref().is_some_and(|facts| now.since(facts.read_at) <= FACTS_AGE_MS_MAX)
            }
            Work::Again { .. } => self.facts.is_some(),
            Work::Marking { .. }
            | Work::Recording { .. }
            | Work::Inserting { .. }
            | Work::Confirming { .. }
            | Work::BackOff { .. }
            | Work::Settling { .. }
            | Work::Gathering { .. }
            | Work::Rereading { .. } => false,
        }
    }

    /// The entries of the write that `wants_write` announced.
    pub(crate) fn compose(&mut self, cx: &mut Cx) -> BTreeMap<Partition, Entry> {
        let (batch, attempts) = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::New { sealed } => {
                let facts = self.facts.as_ref().expect("wants_write saw facts");
                let first_recorded = facts.server_clock(cx.now);
                let batch = Batch {
                    id: sealed.id,
                    token: sealed.token,
                    topic_id: self.topic_id,
                    ranges: sealed.ranges,
                    table: TableSeen::from_facts(facts),
                    first_recorded,
                    deadline: deadline(facts, first_recorded, cx.options.deadline_ms, cx.now),
                    config_version: self.config_version.expect("nothing is started without"),
                };
                (batch, Attempts { sent: 0, first_and_only: true })
            }
            Work::Again { mut batch, attempts, .. } => {
                let facts = self.facts.as_ref().expect("wants_write saw facts");
                batch.deadline = deadline(facts, batch.first_recorded, cx.options.deadline_ms, cx.now);
                if !cx.rules.keep(Rule::R2) {
                    batch.token = DedupToken(cx.ids.draw());
                }
                (batch, attempts)
            }
            Work::Idle => return self.compose_marks(),
            work => panic!("nothing to write in {work:?}"),
        };
        let mut marks = self.marks();
        marks.retain(|partition, _| !batch.ranges.contains_key(partition));
        let mut entries = self.plain_entries(&marks);
        for partition in batch.ranges.keys() {
            entries.insert(*partition, Entry::of_batch(&batch, *partition));
        }
        self.work = Work::Recording { batch, attempts, marks };
        if !cx.rules.keep(Rule::R1) {
            self.send(cx);
        }
        entries
    }

    fn compose_marks(&mut self) -> BTreeMap<Partition, Entry> {
        let marks = self.marks();
        let entries = self.plain_entries(&marks);
        self.marks_due = None;
        self.work = Work::Marking { marks };
        entries
    }

    fn plain_entries(&self, marks: &BTreeMap<Partition, Offset>) -> BTreeMap<Partition, Entry> {
        marks.iter().map(|(p, next)| (*p, Entry::plain(*next, self.topic_id))).collect()
    }

    /// Hears what became of this lane's write. Fenced and unknown answers end the claim before they
    /// come here.
    pub(crate) fn ledger_answered(&mut self, answer: LedgerAnswer, cx: &mut Cx) {
        match (std::mem::replace(&mut self.work, Work::Idle), answer) {
            (Work::Marking { marks }, LedgerAnswer::Recorded) => self.marked(&marks),
            (Work::Recording { batch, attempts, marks }, LedgerAnswer::Recorded) => {
                self.marked(&marks);
                for (partition, share) in &batch.ranges {
                    if let Some(Part::Active { recorded, .. }) = self.parts.get_mut(partition) {
                        *recorded = Some(share.range.first());
                    }
                }
                self.work = Work::Recording { batch, attempts, marks };
                self.send(cx);
            }
            (Work::Marking { .. }, LedgerAnswer::NotRecorded) => {
                self.marks_due = Some(cx.now);
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
            }
            (Work::Recording { batch, attempts, .. }, LedgerAnswer::NotRecorded) => {
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
                self.work = not_recorded(batch, attempts, cx.now.plus(WRITE_AGAIN_MS));
            }
            (_, LedgerAnswer::Refused(why)) => {
                *cx.failed = Some(StopReason::LedgerRefused { topic: self.topic.clone(), why });
            }
            // Without R1 the attempt is under way before the answer.
            (work, _) => {
                assert!(!cx.rules.keep(Rule::R1), "an answer to no write in {work:?}");
                self.work = work;
            }
        }
    }

    fn marked(&mut self, marks: &BTreeMap<Partition, Offset>) {
        for (partition, mark) in marks {
            match self.parts.get_mut(partition) {
                Some(Part::Active { recorded, .. }) => *recorded = Some(*mark),
                Some(Part::Starting | Part::Waiting { .. } | Part::Resolving { .. }) | None => {}
            }
            self.foreign_marks.remove(partition);
        }
    }

    /// R1: reached only when the ledger carries the batch.
    fn send(&mut self, cx: &mut Cx) {
        let Work::Recording { batch, attempts, .. } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("R1: only a recorded batch is sent");
        };
        let first_and_only = attempts.sent == 0 && attempts.first_and_only;
        let attempts = Attempts { sent: attempts.sent + 1, first_and_only };
        cx.actions.push(Action::Insert {
            claim: cx.claim,
            topic: self.topic.clone(),
            batch: batch.clone(),
            attempt: attempts.sent,
        });
        self.work = Work::Inserting { batch, attempts };
    }
}

/// What follows a write that does not stand. A batch that nobody has sent is as good as new: its token
/// is first recorded later. One that may have been sent is asked for again: the table forgets its token
/// while the ledger takes no writes (R7).
fn not_recorded(batch: Batch, attempts: Attempts, until: Millis) -> Work {
    if attempts.sent == 0 && attempts.first_and_only {
        let sealed = Sealed { id: batch.id, token: batch.token, ranges: batch.ranges };
        Work::New { sealed }
    } else {
        Work::BackOff { batch, attempts, until }
    }
}
