//! A lane: the partitions of one topic that this task owns. What state it is in and what is due.
//! How an open batch is taken up is `resolve.rs`, what follows an attempt `retry.rs`, what is done
//! about doubts `evidence.rs`, about refused rows `amend.rs`, how its ledger entries are written
//! `ledger_write.rs`. Carries R3, R4 and R6.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, Partition, TopicId, TopicName, TopicPartition,
};

use crate::away::{Away, Home};
use crate::batch::{Batch, BatchRange};
use crate::entry::Entry;
use crate::filling::Filling;
use crate::ids::Ids;
use crate::rate::{Rate, Short};
use crate::rules::{Rule, Rules};
use crate::stop::StopReason;
use crate::talk::{Action, ClaimId, Letter, Verdict};
use crate::task::TaskOptions;
use crate::window::TableFacts;
use crate::work::{Draft, Notes, Open, Work};

/// Facts of a table are read again when they are older, so that the server's clock and the count
/// of blocks that a batch records are fresh.
const FACTS_REFRESH_MS: u64 = 5_000;

/// No batch is recorded with older facts: the server did not answer for a while.
pub(crate) const FACTS_AGE_MS_MAX: u64 = 20_000;

/// How long a batch that the table remembers may wait to be recorded again before the table is asked
/// anew: others insert blocks meanwhile, and the margin (half the window) is for the attempt (R7).
const SETTLED_AGE_MS_MAX: u64 = 5_000;

/// How often the entries of a batch that another task has to resolve are looked at.
const WAIT_POLL_MS: u64 = 500;

/// What a lane needs of the task that holds it.
pub(crate) struct Cx<'a> {
    pub claim: ClaimId,
    pub now: Millis,
    pub options: &'a TaskOptions,
    pub rules: Rules,
    pub ids: &'a mut Ids,
    pub actions: &'a mut Vec<Action>,
    /// Batches whose entries are known to have been overwritten (R17).
    pub overwritten: &'a BTreeSet<BatchId>,
    pub failed: &'a mut Option<StopReason>,
}

/// An owned partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// It has no entry: the broker is asked where it starts.
    Starting,
    /// It carries a batch that the owner of `lead` resolves (R6).
    Waiting { batch: BatchId, lead: Partition },
    /// It carries a batch that this lane resolves.
    Resolving { batch: BatchId },
    /// Filling from `next`; all below `landed` is in the table; the ledger says `recorded`.
    Active { next: Offset, landed: Offset, recorded: Option<Offset> },
}

#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub topic: TopicName,
    pub topic_id: TopicId,
    pub parts: BTreeMap<Partition, Part>,
    pub filling: Filling,
    pub ready: Option<Draft>,
    pub work: Work,
    pub to_resolve: VecDeque<Batch>,
    /// Shares of batches whose lead does not carry them any more (R17).
    pub orphans: BTreeMap<BatchId, BTreeMap<Partition, BatchRange>>,
    /// Marks of partitions that this lane does not own, but whose batch it has resolved.
    pub foreign_marks: BTreeMap<Partition, Offset>,
    /// The table that the topic goes to.
    pub home: Option<Home>,
    /// Where the batch that is worked on is open, if it is for another table (R15).
    pub away: Option<Away>,
    /// Of the table that the lane is at.
    pub facts: Option<TableFacts>,
    /// How fast the window of the lane's own table is used up (R12).
    pub rate: Rate,
    pub config_version: Option<ConfigVersion>,
    /// The newest one that was seen: blocks are filled for it from the next claim on (R15).
    pub latest_version: Option<ConfigVersion>,
    pub inspecting: bool,
    pub marks_due: Option<Millis>,
    /// How long the attempt took that landed last.
    pub last_took_ms: Option<u64>,
    /// A write that did not come about is not tried again before this moment.
    pub write_not_before: Millis,
    pub poll_at: Option<Millis>,
    /// The set of partitions to fetch has changed.
    pub fetch_changed: bool,
    /// Nothing more is taken: what is filled is sealed at once.
    pub closing: bool,
    /// The configuration that fills blocks has changed: what was filled lands first.
    pub outdated: bool,
}

impl Lane {
    pub(crate) fn new(topic: TopicName, topic_id: TopicId) -> Lane {
        Lane {
            topic,
            topic_id,
            parts: BTreeMap::new(),
            filling: Filling::default(),
            ready: None,
            work: Work::Idle,
            to_resolve: VecDeque::new(),
            orphans: BTreeMap::new(),
            foreign_marks: BTreeMap::new(),
            home: None,
            away: None,
            facts: None,
            rate: Rate::default(),
            config_version: None,
            latest_version: None,
            inspecting: false,
            marks_due: None,
            last_took_ms: None,
            write_not_before: Millis::default(),
            poll_at: None,
            fetch_changed: false,
            closing: false,
            outdated: false,
        }
    }

    /// Where the next record of `partition` is expected, if records of it are taken at all.
    pub(crate) fn expected(&self, partition: Partition) -> Option<Offset> {
        match self.parts.get(&partition)? {
            Part::Active { next, .. } => Some(*next),
            Part::Starting | Part::Waiting { .. } | Part::Resolving { .. } => None,
        }
    }

    /// What the ledger says of `partition`, if this lane fills from it.
    pub(crate) fn recorded(&self, partition: Partition) -> Option<Offset> {
        match self.parts.get(&partition)? {
            Part::Active { recorded, .. } => *recorded,
            Part::Starting | Part::Waiting { .. } | Part::Resolving { .. } => None,
        }
    }

    /// The table as it is now. Blocks that were filled for another configuration land first (R15).
    pub(crate) fn inspected(&mut self, facts: TableFacts, config_version: ConfigVersion, cx: &mut Cx) {
        self.inspecting = false;
        // Of the table that the lane was at when it asked.
        if !self.is_at(&facts.name) {
            return;
        }
        if let Some(away) = &mut self.away {
            away.version = Some(config_version);
            self.facts = Some(facts);
            return self.look_at_shape(cx);
        }
        self.measure(&facts, cx);
        self.home = Some(Home { name: facts.name.clone(), uuid: facts.uuid });
        self.facts = Some(facts);
        self.latest_version = Some(config_version);
        if *self.config_version.get_or_insert(config_version) != config_version {
            self.closing = true;
            self.outdated = true;
        }
        self.look_at_shape(cx);
    }

    /// R12: whether the window suffices at the rate of blocks that is measured.
    fn measure(&mut self, facts: &TableFacts, cx: &mut Cx) {
        self.rate.read(facts);
        let in_flight_ms = cx.options.deadline_ms + cx.options.commit_ms_max;
        if let Some(short) = self.rate.turned_short(facts, in_flight_ms)
            && cx.options.exactly_once
        {
            let Short { blocks_per_minute, window_blocks, needed_blocks } = short;
            cx.actions.push(Action::WarnWindow {
                topic: self.topic.clone(),
                table: facts.name.clone(),
                blocks_per_minute,
                window_blocks,
                needed_blocks,
            });
        }
    }

    /// Whether a record of `partition` may be taken now. No means: leave it where it is, and let
    /// the queue fill up (memory is bounded by not draining).
    pub(crate) fn takes(&mut self, partition: Partition, options: &TaskOptions) -> bool {
        self.expected(partition).is_some()
            && !self.closing
            && !self.filling.is_full(options)
            && self.filling.room_for(partition)
    }

    pub(crate) fn filled(&mut self, partition: Partition, offsets: &[Offset], bytes: u64, cx: &mut Cx) {
        let Some(Part::Active { next, .. }) = self.parts.get_mut(&partition) else {
            panic!("R5: records of {partition} were taken, which is not claimed");
        };
        let Some(last) = offsets.last() else { return };
        self.filling.take(partition, *next, offsets, bytes, cx.now);
        *next = last.next();
    }

    /// A record that cannot become a row goes to the dead letters with its batch (R4).
    pub(crate) fn left_out(&mut self, partition: Partition, offset: Offset, bytes: u64, cx: &mut Cx) {
        let Some(Part::Active { next, .. }) = self.parts.get_mut(&partition) else {
            panic!("R5: a record of {partition} was taken, which is not claimed");
        };
        self.filling.leave_out(partition, *next, offset, bytes, cx.now);
        *next = offset.next();
    }

    pub(crate) fn positioned(&mut self, partition: Partition, position: Offset, cx: &mut Cx) {
        let Some(Part::Active { next, .. }) = self.parts.get_mut(&partition) else { return };
        if position <= *next {
            return;
        }
        self.filling.pass(partition, *next, position);
        *next = position;
        self.marks_due.get_or_insert(cx.now.plus(cx.options.batch_linger_ms));
    }

    /// Does whatever is due. Called after every event.
    pub(crate) fn pump(&mut self, cx: &mut Cx) {
        if !cx.rules.keep(Rule::R3) && self.ready.is_some() {
            self.forget_open_batch(cx);
        }
        if self.filling.is_full(cx.options) && self.ready.is_none() {
            self.ready = Some(self.seal(cx));
        }
        self.poll_if_waiting(cx);
        if matches!(self.work, Work::Idle) {
            self.start_next(cx);
        }
        self.inspect_if_stale(cx);
        self.stop_if_exhausted(cx);
        self.doubt_if_old(cx);
        if let Work::BackOff { until, .. } = self.work
            && cx.now >= until
        {
            self.settle(cx);
        }
        if !cx.options.exactly_once {
            self.send_unrecorded(cx);
        }
    }

    /// R7: what the table was asked too long ago does not count any more.
    fn doubt_if_old(&mut self, cx: &mut Cx) {
        if !matches!(self.work, Work::Again { settled_at, .. } if cx.now.since(settled_at) > SETTLED_AGE_MS_MAX)
        {
            return;
        }
        self.work = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Again { open, .. } => Work::BackOff { open, until: cx.now },
            work => work,
        };
    }

    fn start_next(&mut self, cx: &mut Cx) {
        if self.config_version.is_none() {
            return;
        }
        self.come_home();
        // R6: what was found open comes before anything new.
        if let Some(mut batch) = self.to_resolve.pop_front() {
            self.go_where_it_is(&mut batch, cx);
            self.gather(batch, cx);
            return;
        }
        // What is adopted is looked for in the table as it is.
        if !self.orphans.is_empty() && self.facts.is_none() {
            return;
        }
        if let Some((id, shares)) = self.orphans.pop_first() {
            self.adopt(id, shares, cx);
            return;
        }
        if self.lacks_entries() || !self.foreign_marks.is_empty() {
            self.marks_due = Some(cx.now);
            return;
        }
        // At least once, marks do not ride on the records of batches.
        if !cx.options.exactly_once
            && self.marks_due.is_some_and(|due| cx.now >= due)
            && !self.marks().is_empty()
        {
            return;
        }
        if self.ready.is_none() && !self.filling.is_empty() {
            let due = self.closing || self.filling.is_due(cx.now, cx.options);
            if due {
                self.ready = Some(self.seal(cx));
            }
        }
        if let Some(draft) = self.ready.take() {
            self.work = Work::New { draft };
            return;
        }
        if self.closing {
            self.marks_due = Some(cx.now);
        }
        if self.marks_due.is_some_and(|due| cx.now >= due) {
            self.absorb_passed();
            if self.marks().is_empty() {
                self.marks_due = None;
            }
        }
    }

    fn seal(&mut self, cx: &mut Cx) -> Draft {
        let (id, token) = (BatchId(cx.ids.draw()), DedupToken(cx.ids.draw()));
        let (ranges, left_out) = self.filling.seal();
        let letter = |(partition, offset)| Letter { partition, offset, refusal: None };
        let letters = left_out.into_iter().map(letter).collect();
        cx.actions.push(Action::Seal { topic: self.topic.clone(), batch: id });
        // At least once, records of a topic's next life may come twice as well.
        let asks = cx.options.exactly_once && cx.rules.keep(Rule::R15);
        if asks {
            let (claim, topic) = (cx.claim, self.topic.clone());
            cx.actions.push(Action::Identify { claim, topic, batch: id });
        }
        let notes = Notes { letters, of_this_life: !asks, ..Notes::default() };
        Draft {
            id,
            token,
            ranges,
            piece_end: None,
            by_evidence: false,
            config_version: None,
            foreseen: None,
            notes,
        }
    }

    /// R15: since the block was sealed the topic was seen to be the one that was claimed.
    pub(crate) fn identified(&mut self, id: BatchId) {
        let waiting = match &mut self.work {
            Work::New { draft } if draft.id == id => Some(draft),
            _ => self.ready.as_mut().filter(|draft| draft.id == id),
        };
        if let Some(draft) = waiting {
            draft.notes.of_this_life = true;
        }
    }

    /// Positions without rows need no insert: once nothing before them is open, they count as landed.
    fn absorb_passed(&mut self) {
        for (partition, position) in self.filling.take_passed() {
            if let Some(Part::Active { landed, .. }) = self.parts.get_mut(&partition) {
                *landed = position;
            }
        }
    }

    /// A partition without an entry gets one before anything is sealed for it (R6).
    fn lacks_entries(&self) -> bool {
        self.parts.values().any(|part| matches!(part, Part::Active { recorded: None, .. }))
    }

    /// Plain marks that the ledger does not have yet.
    pub(crate) fn marks(&self) -> BTreeMap<Partition, Offset> {
        self.marks_after(&BTreeMap::new())
    }

    /// The same, once these ranges have landed.
    pub(crate) fn marks_after(
        &self,
        ranges: &BTreeMap<Partition, BatchRange>,
    ) -> BTreeMap<Partition, Offset> {
        let mut marks = self.foreign_marks.clone();
        for (partition, part) in &self.parts {
            let Part::Active { landed, recorded, .. } = part else { continue };
            let landed = ranges.get(partition).map_or(*landed, |share| share.range.end());
            if *recorded != Some(landed) {
                marks.insert(*partition, landed);
            }
        }
        marks
    }

    /// The open piece is in the table: the batch is settled, or its next piece is due (R11).
    pub(crate) fn landed(&mut self, mut open: Open, cx: &mut Cx) {
        let (topic, batch, rows) = (self.topic.clone(), open.batch.clone(), open.rows_to_send());
        self.last_took_ms = open.notes.sent_at.map(|sent_at| cx.now.since(sent_at));
        cx.actions.push(Action::Landed { topic, batch, rows });
        match open.batch.piece_end {
            None => self.settled_whole(open.batch.id, &open.batch.ranges, cx),
            Some(cut) => {
                open.notes.piece_rows = Some(rows.max(1).saturating_mul(2));
                open.notes.trouble_since = None;
                open.notes.in_vain = 0;
                self.advance(open, cut, cx);
            }
        }
    }

    /// R4: all records of these ranges are in the table or in committed dead letters.
    pub(crate) fn settled_whole(
        &mut self,
        id: BatchId,
        ranges: &BTreeMap<Partition, BatchRange>,
        cx: &mut Cx,
    ) {
        for (partition, share) in ranges {
            self.pass(*partition, share, share.range.end(), cx);
        }
        self.work = Work::Idle;
        self.marks_due.get_or_insert(cx.now.plus(cx.options.batch_linger_ms));
        cx.actions.push(Action::Release { topic: self.topic.clone(), batch: id });
    }

    /// R4: the only place where offsets of a batch are passed. They show in the ledger with the next
    /// write, which is the one that carries the dead letters of what was left out.
    pub(crate) fn pass(&mut self, partition: Partition, share: &BatchRange, to: Offset, cx: &Cx) {
        let (first, end) = (share.range.first(), share.range.end());
        match self.parts.get_mut(&partition) {
            Some(Part::Active { landed, .. }) => {
                assert!(
                    *landed == first || !cx.rules.keep(Rule::R3),
                    "R4: {} of {partition} does not continue {landed}",
                    share.range
                );
                *landed = to;
            }
            // Until all of its share is settled the partition takes nothing new.
            Some(Part::Resolving { .. }) if to < end => {}
            Some(part @ Part::Resolving { .. }) => {
                // An empty share still carries the batch: its plain mark is to be written.
                let recorded = (first < end).then_some(first);
                *part = Part::Active { next: end, landed: end, recorded };
                self.fetch_changed = true;
            }
            Some(Part::Starting | Part::Waiting { .. }) | None if to < end => {}
            Some(Part::Starting | Part::Waiting { .. }) | None => {
                self.foreign_marks.insert(partition, end);
            }
        }
    }

    pub(crate) fn report(&self, batch: BatchId, verdict: Verdict, cx: &mut Cx) {
        cx.actions.push(Action::Report { topic: self.topic.clone(), batch, verdict });
    }

    /// Only without R3: the next batch is recorded over one whose fate is not known.
    fn forget_open_batch(&mut self, cx: &mut Cx) {
        if let Work::Inserting { open } = &self.work {
            let (id, ranges) = (open.batch.id, open.batch.ranges.clone());
            self.settled_whole(id, &ranges, cx);
        }
    }

    fn inspect_if_stale(&mut self, cx: &mut Cx) {
        let fresh = self.facts.as_ref().is_some_and(|facts| cx.now.since(facts.read_at) < FACTS_REFRESH_MS);
        // Another table is first read when the attempts at its batch have ended, or there were none.
        let wanted = self.away.is_none()
            || self.facts.is_some()
            || matches!(self.work, Work::Reshaping { .. } | Work::New { .. });
        if !fresh && wanted && !self.inspecting {
            self.inspecting = true;
            let table = self.away.as_ref().map(|away| away.name.clone());
            cx.actions.push(Action::Inspect { claim: cx.claim, topic: self.topic.clone(), table });
        }
    }

    fn poll_if_waiting(&mut self, cx: &mut Cx) {
        let mut partitions = Vec::new();
        for (partition, part) in &self.parts {
            if let Part::Waiting { lead, .. } = part {
                partitions.extend([*partition, *lead]);
            }
        }
        if partitions.is_empty() {
            return;
        }
        if cx.now < *self.poll_at.get_or_insert(cx.now.plus(WAIT_POLL_MS)) {
            return;
        }
        self.poll_at = Some(cx.now.plus(WAIT_POLL_MS));
        partitions.sort();
        partitions.dedup();
        let topic = self.topic.clone();
        cx.actions.push(Action::ReadEntries { claim: cx.claim, topic, gather: None, partitions });
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.work, Work::Idle)
    }

    /// Partitions that have no entry.
    pub(crate) fn starting(&self) -> impl Iterator<Item = Partition> {
        self.parts.iter().filter(|(_, part)| **part == Part::Starting).map(|(p, _)| *p)
    }

    /// Where each partition that is filled from goes on.
    pub(crate) fn positions(&self) -> impl Iterator<Item = (Partition, Offset)> {
        self.parts.keys().filter_map(|partition| Some((*partition, self.expected(*partition)?)))
    }

    /// Plain marks of all that is filled from, when all of it has landed.
    pub(crate) fn rest_entries(&self) -> impl Iterator<Item = (TopicPartition, Entry)> {
        self.parts.iter().filter_map(|(partition, part)| match part {
            Part::Active { landed, .. } => {
                let tp = TopicPartition { topic: self.topic.clone(), partition: *partition };
                Some((tp, Entry::plain(*landed, self.topic_id)))
            }
            Part::Starting | Part::Waiting { .. } | Part::Resolving { .. } => None,
        })
    }

    /// R5: a revocation begins nothing. A batch as it was sealed, which nobody has recorded or sent, is the next owner's to fill
    /// again, so that what landed before it is marked: left open in the ledger, it would hold the next owner up until its
    /// deadline. Of one whose records were read again some may be passed already, by dead letters that it still carries (R4).
    pub(crate) fn let_go_of_unrecorded(&mut self) {
        let as_sealed = |draft: &Draft| {
            draft.notes.in_ledger.is_none() && draft.notes.rows.is_none() && !draft.by_evidence
        };
        if matches!(&self.work, Work::New { draft } if as_sealed(draft)) {
            self.work = Work::Idle;
        }
    }

    /// Whether a revocation need not wait for this lane: no write and no attempt is under way.
    pub(crate) fn is_calm(&self) -> bool {
        match self.work {
            Work::Idle => self.marks().is_empty(),
            Work::Marking { .. }
            | Work::Lettering { .. }
            | Work::Recording { .. }
            | Work::Inserting { .. }
            | Work::Confirming { .. } => false,
            Work::New { .. }
            | Work::Again { .. }
            | Work::BackOff { .. }
            | Work::Settling { .. }
            | Work::Doubting { .. }
            | Work::Asking { .. }
            | Work::Reshaping { .. }
            | Work::Gathering { .. }
            | Work::Rereading { .. } => true,
        }
    }

    /// Whether everything that was taken has landed and is marked.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.work, Work::Idle)
            && self.ready.is_none()
            && self.filling.is_empty()
            && self.to_resolve.is_empty()
            && self.orphans.is_empty()
            && self.marks_due.is_none()
            && self.marks().is_empty()
    }
}
