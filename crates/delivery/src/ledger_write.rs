//! What one ledger write says, and what follows its answer. Carries R1, R4 and the "one write per
//! batch" of the life of a batch: the write that opens a batch also marks what landed before it, and
//! dead letters go out with the write that first passes them.
use std::collections::BTreeMap;

use pumphouse_types::{DedupToken, Millis, Offset, Partition};

use crate::batch::{Batch, TableSeen};
use crate::entry::Entry;
use crate::lane::{Cx, FACTS_AGE_MS_MAX, Lane, Part};
use crate::piece;
use crate::retry::deadline;
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, LedgerAnswer, Letter};
use crate::window::TableFacts;
use crate::work::{Attempts, Draft, Open, Work};

/// Pause before a write that did not come about is tried again.
const WRITE_AGAIN_MS: u64 = 200;

/// What a write is to say.
#[derive(Debug, Clone, Default)]
pub(crate) struct Composed {
    pub entries: BTreeMap<Partition, Entry>,
    pub letters: Vec<Letter>,
}

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
            // R15: records of the topic's next life are not of this batch.
            Work::New { draft } if !draft.notes.of_this_life => false,
            // Nothing is sent of it, so no table is recorded.
            Work::New { draft } if draft.is_settled() => true,
            Work::New { .. } => {
                self.facts.as_ref().is_some_and(|facts| now.since(facts.read_at) <= FACTS_AGE_MS_MAX)
            }
            Work::Again { .. } => self.facts.is_some(),
            Work::Asking { .. } => true,
            Work::Marking { .. }
            | Work::Lettering { .. }
            | Work::Recording { .. }
            | Work::Inserting { .. }
            | Work::Confirming { .. }
            | Work::BackOff { .. }
            | Work::Settling { .. }
            | Work::Doubting { .. }
            | Work::Reshaping { .. }
            | Work::Gathering { .. }
            | Work::Rereading { .. } => false,
        }
    }

    /// The entries of the write that `wants_write` announced.
    pub(crate) fn compose(&mut self, cx: &mut Cx) -> Composed {
        let open = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::New { draft } if draft.is_settled() => return self.compose_letters(draft),
            Work::New { draft } => self.open(draft, cx),
            Work::Again { mut open, .. } => {
                let facts = self.facts.as_ref().expect("wants_write saw facts");
                open.batch.deadline = deadline(facts, &open, cx);
                if !cx.rules.keep(Rule::R2) {
                    open.batch.token = DedupToken(cx.ids.draw());
                }
                open
            }
            Work::Idle => return self.compose_marks(),
            Work::Asking { open, reason } => return self.compose_proof(open, reason),
            work => panic!("nothing to write in {work:?}"),
        };
        let mut marks = self.marks();
        marks.retain(|partition, _| !open.batch.ranges.contains_key(partition));
        let entries = self.entries_with(&open.batch, &marks);
        let letters = open.notes.letters.clone();
        self.work = Work::Recording { open, marks };
        if !cx.rules.keep(Rule::R1) {
            self.send(cx);
        }
        Composed { entries, letters }
    }

    /// Gives a draft what the table says at this moment.
    pub(crate) fn open(&self, draft: Draft, cx: &Cx) -> Open {
        let facts = self.facts.as_ref().expect("nothing is begun without facts");
        let Draft { id, token, ranges, piece_end, by_evidence, config_version, foreseen, notes } = draft;
        if let Some(batch) = foreseen.and_then(|foreseen| foreseen.if_still_right(facts, cx)) {
            return Open { batch, attempts: Attempts::NONE, notes };
        }
        let first_recorded = facts.server_clock(cx.now);
        let batch = Batch {
            id,
            token,
            topic_id: self.topic_id,
            ranges,
            table: TableSeen::from_facts(facts),
            first_recorded,
            deadline: first_recorded,
            config_version: config_version.or(self.config_version).expect("nothing is started without"),
            piece_end,
            by_evidence,
        };
        let mut open = Open { batch, attempts: Attempts::NONE, notes };
        open.batch.deadline = deadline(facts, &open, cx);
        open
    }

    /// At least once: a batch without dead letters is sent before anything is recorded of it.
    pub(crate) fn send_unrecorded(&mut self, cx: &mut Cx) {
        let due = matches!(&self.work, Work::New { draft }
            if draft.notes.letters.is_empty() && draft.notes.rows.is_none() && !draft.is_settled());
        let fresh = |facts: &TableFacts| cx.now.since(facts.read_at) <= FACTS_AGE_MS_MAX;
        if !due || !self.facts.as_ref().is_some_and(fresh) {
            return;
        }
        let Work::New { draft } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("just matched");
        };
        let open = self.open(draft, cx);
        self.send_attempt(open, cx);
    }

    fn compose_letters(&mut self, mut draft: Draft) -> Composed {
        let mut marks = self.marks();
        marks.retain(|partition, _| !draft.ranges.contains_key(partition));
        let mut entries = self.plain_entries(&marks);
        for (partition, share) in &draft.ranges {
            entries.insert(*partition, Entry::plain(share.range.end(), self.topic_id));
        }
        let letters = draft.notes.letters.clone();
        draft.piece_end = None;
        self.work = Work::Lettering { draft, marks };
        Composed { entries, letters }
    }

    /// R5: what stands is written again, which only the member in charge can do.
    fn compose_proof(&mut self, open: Open, reason: StopReason) -> Composed {
        let entry =
            open.notes.in_ledger.clone().expect("only what the ledger has is asked about under its fence");
        let entries = BTreeMap::from([(open.batch.lead(), entry)]);
        self.work = Work::Asking { open, reason };
        Composed { entries, letters: Vec::new() }
    }

    fn compose_marks(&mut self) -> Composed {
        let marks = self.marks();
        let entries = self.plain_entries(&marks);
        self.marks_due = None;
        self.work = Work::Marking { marks };
        Composed { entries, letters: Vec::new() }
    }

    /// `marks` of partitions that the batch does not have.
    pub(crate) fn entries_with(
        &self,
        batch: &Batch,
        marks: &BTreeMap<Partition, Offset>,
    ) -> BTreeMap<Partition, Entry> {
        let mut entries = self.plain_entries(marks);
        for partition in batch.ranges.keys() {
            entries.insert(*partition, Entry::of_batch(batch, *partition));
        }
        entries
    }

    fn plain_entries(&self, marks: &BTreeMap<Partition, Offset>) -> BTreeMap<Partition, Entry> {
        marks.iter().map(|(p, next)| (*p, Entry::plain(*next, self.topic_id))).collect()
    }

    /// Hears what became of this lane's write. Fenced and unknown answers, and another topic, end the claim before
    /// they come here.
    pub(crate) fn ledger_answered(&mut self, answer: LedgerAnswer, cx: &mut Cx) {
        match (std::mem::replace(&mut self.work, Work::Idle), answer) {
            (Work::Marking { marks }, LedgerAnswer::Recorded) => self.marked(&marks),
            (Work::Lettering { draft, marks }, LedgerAnswer::Recorded) => {
                self.marked(&marks);
                self.settled_whole(draft.id, &draft.ranges, cx);
                let ends = draft.ranges.iter().map(|(p, share)| (*p, share.range.end())).collect();
                self.marked(&ends);
            }
            (Work::Lettering { draft, .. }, LedgerAnswer::NotRecorded) => {
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
                self.work = Work::New { draft };
            }
            (Work::Recording { mut open, marks }, LedgerAnswer::Recorded) => {
                self.marked(&marks);
                for (partition, share) in &open.batch.ranges {
                    if let Some(Part::Active { recorded, .. }) = self.parts.get_mut(partition) {
                        // An empty share still carries the batch: its plain mark is to be written.
                        *recorded = (!share.range.is_empty()).then_some(share.range.first());
                    }
                }
                open.notes.letters.clear();
                open.notes.in_ledger = Some(Entry::of_batch(&open.batch, open.batch.lead()));
                self.work = Work::Recording { open, marks };
                self.send(cx);
            }
            (Work::Asking { reason, .. }, LedgerAnswer::Recorded) => *cx.failed = Some(reason),
            (work @ Work::Asking { .. }, LedgerAnswer::NotRecorded) => {
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
                self.work = work;
            }
            (Work::Marking { .. }, LedgerAnswer::NotRecorded) => {
                self.marks_due = Some(cx.now);
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
            }
            (Work::Recording { open, .. }, LedgerAnswer::NotRecorded) => {
                self.write_not_before = cx.now.plus(WRITE_AGAIN_MS);
                self.work = not_recorded(open, cx.now.plus(WRITE_AGAIN_MS));
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
        let Work::Recording { open, .. } = std::mem::replace(&mut self.work, Work::Idle) else {
            panic!("R1: only a recorded batch is sent");
        };
        self.send_attempt(open, cx);
    }

    fn send_attempt(&mut self, mut open: Open, cx: &mut Cx) {
        let attempts = &mut open.attempts;
        attempts.first_and_only &= attempts.sent == 0;
        attempts.sent += 1;
        open.notes.sent_rows = open.rows_to_send();
        open.notes.sent_at = Some(cx.now);
        let whole =
            !open.notes.partly_settled && open.notes.present.is_empty() && open.batch.piece_end.is_none();
        cx.actions.push(Action::Insert {
            claim: cx.claim,
            topic: self.topic.clone(),
            batch: open.batch.clone(),
            attempt: open.attempts.sent,
            rows: if whole { None } else { open.piece_rows() },
        });
        self.work = Work::Inserting { open };
    }
}

impl Draft {
    /// Whether nothing of it is to be inserted: it holds dead letters and positions only, or what is
    /// left of it is in the table.
    pub(crate) fn is_settled(&self) -> bool {
        match &self.notes.rows {
            Some(rows) => piece::count(&piece::without(rows, &self.notes.present)) == 0,
            None => self.rows() == 0,
        }
    }
}

/// What follows a write that does not stand. A batch that nobody has sent is as good as new: its token
/// is first recorded later. One that may have been sent is asked for again: the table forgets its token
/// while the ledger takes no writes (R7).
fn not_recorded(mut open: Open, until: Millis) -> Work {
    if open.attempts != Attempts::NONE {
        // No attempt has the deadline that was not recorded, so nobody waits for it.
        if let Some(Entry::Lead(recorded)) = &open.notes.in_ledger
            && recorded.token == open.batch.token
        {
            open.batch.deadline = recorded.deadline;
        }
        return Work::BackOff { open, until };
    }
    Work::New { draft: open.into_draft() }
}
