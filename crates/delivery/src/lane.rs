//! A lane: the partitions of one topic that this task owns. What state it is in and what is due.
//! How an open batch is taken up is `resolve.rs`, what follows an attempt `retry.rs`, how its ledger
//! entries are written `ledger_write.rs`. Carries R3, R4 and R6.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Millis, Offset, Partition, TopicId, TopicName, TopicPartition,
};

use crate::batch::{Batch, BatchRange};
use crate::filling::Filling;
use crate::rules::{Rule, Rules};
use crate::stop::StopReason;
use crate::talk::{Action, ClaimId};
use crate::task::{Ids, TaskOptions};
use crate::window::TableFacts;

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

/// A closed block that the ledger does not know yet.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub id: BatchId,
    pub token: DedupToken,
    pub ranges: BTreeMap<Partition, BatchRange>,
}

/// How often the batch was sent under this claim, and whether every attempt at it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempts {
    pub sent: u32,
    /// False once an attempt was sent that is not the one in question: an earlier owner's may
    /// always have been (R8).
    pub first_and_only: bool,
}

/// The one batch that may be open (R3), and what it waits for.
#[derive(Debug)]
pub(crate) enum Work {
    Idle,
    /// Plain marks are being written.
    Marking {
        marks: BTreeMap<Partition, Offset>,
    },
    /// Ready to be recorded for the first time.
    New {
        sealed: Sealed,
    },
    /// To be recorded again with a later deadline; the table was asked at a moment whether it
    /// remembers the token (R7).
    Again {
        batch: Batch,
        attempts: Attempts,
        settled_at: Millis,
    },
    /// Its entries are being written.
    Recording {
        batch: Batch,
        attempts: Attempts,
        marks: BTreeMap<Partition, Offset>,
    },
    /// An attempt is under way.
    Inserting {
        batch: Batch,
        attempts: Attempts,
    },
    /// Accepted; the server's process is asked for (R8).
    Confirming {
        batch: Batch,
    },
    /// To be made quiet, not before a moment.
    BackOff {
        batch: Batch,
        attempts: Attempts,
        until: Millis,
    },
    /// Earlier attempts are being ended.
    Settling {
        batch: Batch,
        attempts: Attempts,
    },
    /// Found at claim: the entries of its partitions are being read.
    Gathering {
        batch: Batch,
    },
    /// Found at claim: its records are being read again.
    Rereading {
        batch: Batch,
    },
}

#[derive(Debug)]
pub(crate) struct Lane {
    pub topic: TopicName,
    pub topic_id: TopicId,
    pub parts: BTreeMap<Partition, Part>,
    pub filling: Filling,
    pub ready: Option<Sealed>,
    pub work: Work,
    pub to_resolve: VecDeque<Batch>,
    /// Marks of partitions that this lane does not own, but whose batch it has resolved.
    pub foreign_marks: BTreeMap<Partition, Offset>,
    pub facts: Option<TableFacts>,
    pub config_version: Option<ConfigVersion>,
    pub inspecting: bool,
    pub marks_due: Option<Millis>,
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
            foreign_marks: BTreeMap::new(),
            facts: None,
            config_version: None,
            inspecting: false,
            marks_due: None,
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
    pub(crate) fn inspected(&mut self, facts: TableFacts, config_version: ConfigVersion) {
        self.inspecting = false;
        self.facts = Some(facts);
        if *self.config_version.get_or_insert(config_version) != config_version {
            self.closing = true;
            self.outdated = true;
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
        self.inspect_if_stale(cx);
        self.poll_if_waiting(cx);
        if matches!(self.work, Work::Idle) {
            self.start_next(cx);
        }
        self.doubt_if_old(cx);
        if let Work::BackOff { until, .. } = self.work
            && cx.now >= until
        {
            self.settle(cx);
        }
    }

    /// R7: what the table was asked too long ago does not count any more.
    fn doubt_if_old(&mut self, cx: &mut Cx) {
        if !matches!(self.work, Work::Again { settled_at, .. } if cx.now.since(settled_at) > SETTLED_AGE_MS_MAX)
        {
            return;
        }
        self.work = match std::mem::replace(&mut self.work, Work::Idle) {
            Work::Again { batch, attempts, .. } => Work::BackOff { batch, attempts, until: cx.now },
            work => work,
        };
    }

    fn start_next(&mut self, cx: &mut Cx) {
        if self.config_version.is_none() {
            return;
        }
        // R6: what was found open comes before anything new.
        if let Some(batch) = self.to_resolve.pop_front() {
            self.gather(batch, cx);
            return;
        }
        if self.lacks_entries() || !self.foreign_marks.is_empty() {
            self.marks_due = Some(cx.now);
            return;
        }
        if self.ready.is_none() && self.filling.rows() > 0 {
            let due = self.closing || self.filling.is_due(cx.now, cx.options);
            if due {
                self.ready = Some(self.seal(cx));
            }
        }
        if let Some(sealed) = self.ready.take() {
            self.work = Work::New { sealed };
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

    fn seal(&mut self, cx: &mut Cx) -> Sealed {
        let sealed = Sealed {
            id: BatchId(cx.ids.draw()),
            token: DedupToken(cx.ids.draw()),
            ranges: self.filling.seal(),
        };
        cx.actions.push(Action::Seal { topic: self.topic.clone(), batch: sealed.id });
        sealed
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
        let mut marks = self.foreign_marks.clone();
        for (partition, part) in &self.parts {
            if let Part::Active { landed, recorded, .. } = part
                && *recorded != Some(*landed)
            {
                marks.insert(*partition, *landed);
            }
        }
        marks
    }

    /// R4: the only place where a batch's offsets are passed.
    pub(crate) fn landed(&mut self, batch: Batch, cx: &mut Cx) {
        for (partition, share) in &batch.ranges {
            match self.parts.get_mut(partition) {
                Some(Part::Active { landed, .. }) => {
                    assert!(
                        *landed == share.range.first() || !cx.rules.keep(Rule::R3),
                        "R4: {} of {partition} does not continue {landed}",
                        share.range
                    );
                    *landed = share.range.end();
                }
                Some(part @ Part::Resolving { .. }) => {
                    let (first, end) = (share.range.first(), share.range.end());
                    *part = Part::Active { next: end, landed: end, recorded: Some(first) };
                    self.fetch_changed = true;
                }
                Some(Part::Starting | Part::Waiting { .. }) | None => {
                    self.foreign_marks.insert(*partition, share.range.end());
                }
            }
        }
        self.work = Work::Idle;
        self.marks_due.get_or_insert(cx.now.plus(cx.options.batch_linger_ms));
        cx.actions.push(Action::Landed { topic: self.topic.clone(), batch });
    }

    /// Only without R3: the next batch is recorded over one whose fate is not known.
    fn forget_open_batch(&mut self, cx: &mut Cx) {
        if let Work::Inserting { batch, .. } = &self.work {
            let batch = batch.clone();
            self.landed(batch, cx);
        }
    }

    fn inspect_if_stale(&mut self, cx: &mut Cx) {
        let fresh = self.facts.as_ref().is_some_and(|facts| cx.now.since(facts.read_at) < FACTS_REFRESH_MS);
        if !fresh && !self.inspecting {
            self.inspecting = true;
            cx.actions.push(Action::Inspect { claim: cx.claim, topic: self.topic.clone() });
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
    pub(crate) fn positions(&self) -> impl Iterator<Item = (TopicPartition, Offset)> {
        self.parts.keys().filter_map(|partition| {
            let topic = self.topic.clone();
            let next = self.expected(*partition)?;
            Some((TopicPartition { topic, partition: *partition }, next))
        })
    }

    /// Whether a revocation need not wait for this lane: no write and no attempt is under way.
    pub(crate) fn is_calm(&self) -> bool {
        match self.work {
            Work::Idle => self.marks().is_empty(),
            Work::Marking { .. }
            | Work::Recording { .. }
            | Work::Inserting { .. }
            | Work::Confirming { .. } => false,
            Work::New { .. }
            | Work::Again { .. }
            | Work::BackOff { .. }
            | Work::Settling { .. }
            | Work::Gathering { .. }
            | Work::Rereading { .. } => true,
        }
    }

    /// Whether everything that was taken has landed and is marked.
    pub(crate) fn is_at_rest(&self) -> bool {
        matches!(self.work, Work::Idle)
            && self.ready.is_none()
            && self.filling.rows() == 0
            && self.to_resolve.is_empty()
            && self.marks_due.is_none()
            && self.marks().is_empty()
    }
}
