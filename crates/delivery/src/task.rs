//! A task: one member of the connector's group, its lanes, its one ledger write at a time, and the
//! life of its assignment. Carries R5: whatever was begun under an assignment ends with it.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pumphouse_types::{BatchId, Millis, Offset, Partition, QuestionId, TopicId, TopicName, TopicPartition};

use crate::entry::{Entry, StoredEntry};
use crate::lane::{Cx, Lane};
use crate::ledger_write::Composed;
use crate::rules::{Rule, Rules};
use crate::stop::StopReason;
use crate::talk::{Action, ClaimId, Decision, Event, LedgerAnswer, WriteId};

/// How long a revocation waits for a write or an attempt that is under way (R5).
const REVOKE_WAIT_MS: u64 = 5_000;

/// With more entries than these, no marks of another lane go along: a write stays well below what a store takes at once.
const MARKS_PER_WRITE: usize = 1_000;

/// Memberships under which the entries of a batch must have disagreed before a person is asked. Reads
/// are not fenced: a member that was replaced while it stood still sees entries of different moments.
/// That this happens twice in a row to the same batch would be a rare chance.
const DISAGREEMENTS_MIN: u32 = 3;

/// Limits of a task's batches.
#[derive(Debug, Clone)]
pub struct TaskOptions {
    /// Rows at which a block is sealed.
    pub batch_rows_max: u64,
    /// Bytes of column data at which a block is sealed.
    pub batch_bytes_max: u64,
    /// Longest time that a row waits for its block to be sealed, in ms; five times as long while the lane is behind:
    /// one record more waits for so many as ten that the block has.
    pub batch_linger_ms: u64,
    /// How far ahead an attempt's deadline is set, in ms.
    pub deadline_ms: u64,
    /// Longest time from the check of an attempt's deadline to its commit, in ms.
    pub commit_ms_max: u64,
    /// Whether what cannot be proven is looked into (R7, R8, R10); else it is sent again, and batches
    /// are sent before they are recorded: at least once.
    pub exactly_once: bool,
    /// Whether records that cannot be inserted are left out (`errors.tolerance=all`).
    pub leaves_out: bool,
    /// How long a batch is tried before the task stops; `None` = for ever.
    pub retry_timeout_ms: Option<u64>,
    /// Longest pause between two attempts.
    pub retry_delay_ms_max: u64,
    /// How much of a pause is drawn, in per cent.
    pub retry_jitter_percent: u64,
    /// What an operator has decided about batches whose fate cannot be proven, by what was asked: whatever is sent
    /// of a batch afterwards is another question, and takes a decision of its own (R7).
    pub decisions: BTreeMap<QuestionId, Decision>,
    /// 128 random bits, drawn anew for each task that is started: batch ids and tokens come from it.
    pub seed: u128,
}

#[cfg(test)]
impl TaskOptions {
    /// Everything is proven, and bad records are left out.
    pub(crate) fn for_tests() -> TaskOptions {
        TaskOptions {
            batch_rows_max: 10,
            batch_bytes_max: 1_000,
            batch_linger_ms: 1_000,
            deadline_ms: 30_000,
            commit_ms_max: 60_000,
            exactly_once: true,
            leaves_out: true,
            retry_timeout_ms: None,
            retry_delay_ms_max: 10_000,
            retry_jitter_percent: 0,
            decisions: BTreeMap::new(),
            seed: 7,
        }
    }
}

/// Draws identities that never repeat: distinct within a task, and random across tasks.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    seed: u128,
    drawn: u128,
}

impl Ids {
    pub(crate) fn draw(&mut self) -> u128 {
        self.drawn += 1;
        // An odd factor is a bijection of the 128 bits, so two draws never meet.
        self.seed ^ self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    /// No assignment.
    Out,
    /// Waiting for the entries of these.
    Claiming { partitions: Vec<TopicPartition> },
    /// Lanes at work.
    Member { partitions: Vec<TopicPartition> },
    /// What is under way may end until a moment.
    Revoking { until: Millis },
    /// Landing what is filled, before leaving.
    Closing,
    /// All has landed; that the partitions are left at rest is being written (R16).
    Resting { write: WriteId },
    /// Failed or left: nothing is done any more.
    Ended,
}

/// One connector task's protocol state. See [`Event`] and [`Action`]. It is data and nothing else: the model check
/// copies it at every step, and tells states apart by their text.
#[derive(Debug, Clone)]
pub struct Task {
    options: TaskOptions,
    rules: Rules,
    ids: Ids,
    claim: ClaimId,
    phase: Phase,
    lanes: BTreeMap<TopicName, Lane>,
    ledger_busy: Option<(WriteId, Vec<TopicName>)>,
    next_write: u64,
    /// Lanes in the order in which they may write, so that none waits for ever.
    turns: VecDeque<TopicName>,
    actions: Vec<Action>,
    failed: Option<StopReason>,
    /// How often the entries of a batch were seen to disagree; each has cost a membership.
    disagreements: BTreeMap<BatchId, u32>,
    /// Those that have disagreed often enough: their offsets were set by somebody else (R17).
    overwritten: BTreeSet<BatchId>,
    /// Identities of topics that were claimed under this membership. Whoever has read one life of a topic does not
    /// read the next one (R15).
    met: BTreeMap<TopicName, TopicId>,
    /// A stop was asked for: an assignment that ends is not followed by another one.
    stopping: bool,
}

impl Task {
    /// A task without an assignment.
    pub fn new(options: TaskOptions) -> Task {
        Task {
            ids: Ids { seed: options.seed, drawn: 0 },
            options,
            rules: Rules::default(),
            claim: ClaimId(0),
            phase: Phase::Out,
            lanes: BTreeMap::new(),
            ledger_busy: None,
            next_write: 0,
            turns: VecDeque::new(),
            actions: Vec::new(),
            failed: None,
            disagreements: BTreeMap::new(),
            overwritten: BTreeSet::new(),
            met: BTreeMap::new(),
            stopping: false,
        }
    }

    /// A task that does not keep `rule`: to show that the simulator notices.
    #[cfg(feature = "mutations")]
    pub fn without(options: TaskOptions, rule: Rule) -> Task {
        Task { rules: Rules::without(rule), ..Task::new(options) }
    }

    /// What is to be done, in order. To be asked for after every call.
    pub fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// The claim in force; answers to older ones are not heard.
    pub fn claim(&self) -> ClaimId {
        self.claim
    }

    /// Whether a record of the partition may be taken now; no = leave it in its queue.
    pub fn takes(&mut self, topic: &TopicName, partition: Partition) -> bool {
        let open = matches!(self.phase, Phase::Member { .. });
        let options = &self.options;
        open && self.lanes.get_mut(topic).is_some_and(|lane| lane.takes(partition, options))
    }

    /// Whether the lane of `topic` takes records at all now.
    pub fn takes_any(&mut self, topic: &TopicName) -> bool {
        let open = matches!(self.phase, Phase::Member { .. });
        let options = &self.options;
        open && self.lanes.get(topic).is_some_and(|lane| !lane.closing && !lane.filling.is_full(options))
    }

    /// Rows that the lane's open block still takes.
    pub fn rows_left(&self, topic: &TopicName) -> u64 {
        let filled = self.lanes.get(topic).map_or(0, |lane| lane.filling.rows());
        self.options.batch_rows_max.saturating_sub(filled)
    }

    /// The partition's plain mark or the first offset of its open batch, as the ledger has it.
    pub fn recorded(&self, topic: &TopicName, partition: Partition) -> Option<Offset> {
        self.lanes.get(topic).and_then(|lane| lane.recorded(partition))
    }

    /// Where the next record of the partition is expected. One below it was taken already and is to
    /// be dropped; `None` = none is to be taken.
    pub fn expected(&self, topic: &TopicName, partition: Partition) -> Option<Offset> {
        self.lanes.get(topic).and_then(|lane| lane.expected(partition))
    }

    /// Partitions of the topic that are filled from, and where each goes on.
    pub fn positions_of(&self, topic: &TopicName) -> impl Iterator<Item = (Partition, Offset)> {
        self.lanes.get(topic).into_iter().flat_map(Lane::positions)
    }

    /// Whether nothing of the lane is under way, in doubt or sealed already: what is sealed now is the next to go.
    pub fn is_idle(&self, topic: &TopicName) -> bool {
        self.lanes.get(topic).is_some_and(|lane| lane.is_idle() && lane.ready.is_none())
    }

    /// How full the lane's open block is, in per cent of the limit that it is closest to.
    pub fn percent_full(&self, topic: &TopicName) -> u64 {
        self.lanes.get(topic).map_or(0, |lane| lane.filling.percent_full(&self.options))
    }

    /// Records of one partition became rows of the lane's open block, which now has `block_bytes`.
    /// Shape: `offsets` ascend, from `expected` on; `takes` said yes.
    pub fn filled(
        &mut self,
        topic: &TopicName,
        partition: Partition,
        offsets: &[Offset],
        block_bytes: u64,
        now: Millis,
    ) {
        self.with_lane(topic, now, |lane, cx| lane.filled(partition, offsets, block_bytes, cx));
        self.pump(now);
    }

    /// A record of the partition cannot become a row: its dead letter goes with the open block. What
    /// the block and the dead letters hold together is `block_bytes`.
    /// Shape: `offset` is at or above `expected`; `takes` said yes.
    pub fn left_out(
        &mut self,
        topic: &TopicName,
        partition: Partition,
        offset: Offset,
        block_bytes: u64,
        now: Millis,
    ) {
        self.with_lane(topic, now, |lane, cx| lane.left_out(partition, offset, block_bytes, cx));
        self.pump(now);
    }

    /// There is no memory for more: what the lane has filled is sealed as soon as it can be.
    pub fn seal_early(&mut self, topic: &TopicName, now: Millis) {
        self.with_lane(topic, now, |lane, _| lane.filling.close());
        self.pump(now);
    }

    /// The source has so many records of the topic beyond what was taken, as far as is known without asking. Nothing
    /// but the time at which a block is sealed depends on it.
    pub fn waits(&mut self, topic: &TopicName, records: u64) {
        if let Some(lane) = self.lanes.get_mut(topic) {
            lane.filling.waits(records);
        }
    }

    /// Everything of the partition below `position` has been taken or does not exist.
    pub fn positioned(&mut self, topic: &TopicName, partition: Partition, position: Offset, now: Millis) {
        self.with_lane(topic, now, |lane, cx| lane.positioned(partition, position, cx));
    }

    /// Hears an event, and does what is due.
    pub fn hear(&mut self, event: Event, now: Millis) {
        if self.phase == Phase::Ended {
            return;
        }
        self.handle(event, now);
        self.pump(now);
    }

    fn handle(&mut self, event: Event, now: Millis) {
        match event {
            Event::Assigned { partitions } => self.start_claim(partitions),
            Event::Revoking => self.revoking(now),
            Event::Lost => self.give_up(),
            Event::Claimed { claim, entries, topic_ids } => {
                if self.is_current(claim) {
                    self.claimed(&entries, &topic_ids, now);
                }
            }
            Event::EntriesRead { claim, topic, gather, entries } => {
                self.on_lane(claim, &topic, now, |lane, cx| lane.entries_read(gather, &entries, cx));
            }
            Event::StartOffsets { claim, offsets } => {
                for (tp, offset) in offsets {
                    self.on_lane(claim, &tp.topic, now, |lane, _| {
                        lane.start_at(tp.partition, offset);
                    });
                }
            }
            Event::Inspected { claim, topic, facts, config_version } => {
                self.on_lane(claim, &topic, now, |lane, cx| {
                    lane.inspected(facts, config_version, cx);
                });
            }
            Event::Ledger { claim, write, answer } => self.ledger_answered(claim, write, answer, now),
            Event::Reread { claim, topic, batch, ranges, topic_id } => {
                if self.is_current(claim) && self.is_claimed(&topic, topic_id) {
                    self.with_lane(&topic, now, |lane, cx| lane.reread(batch, &ranges, cx));
                }
            }
            Event::Identified { claim, topic, batch, topic_id } => {
                if self.is_current(claim) && self.is_claimed(&topic, topic_id) {
                    self.with_lane(&topic, now, |lane, _| lane.identified(batch));
                }
            }
            Event::Settled { claim, topic, batch, facts } => {
                self.on_lane(claim, &topic, now, |lane, cx| lane.settled(batch, facts, cx));
            }
            Event::Evidence { claim, topic, batch, facts, evidence } => {
                self.on_lane(claim, &topic, now, |lane, cx| {
                    lane.evidence_found(batch, facts, evidence, cx);
                });
            }
            Event::Insert { claim, topic, batch, attempt, answer } => {
                self.on_lane(claim, &topic, now, |lane, cx| {
                    lane.insert_answered(batch, attempt, answer, cx);
                });
            }
            Event::Confirmed { claim, topic, batch, server_started } => {
                self.on_lane(claim, &topic, now, |lane, cx| lane.confirmed(batch, server_started, cx));
            }
            Event::TableGone { claim, topic, table } => {
                self.on_lane(claim, &topic, now, |lane, cx| lane.table_gone(&table, cx));
            }
            Event::TopicIds { claim, topic_ids } => self.compare_topic_ids(claim, &topic_ids),
            Event::StopRequested => self.close(),
            Event::Tick => {}
        }
    }

    fn is_current(&self, claim: ClaimId) -> bool {
        claim == self.claim || !self.rules.keep(Rule::R5)
    }

    /// R5: runs `act` on a lane only for an answer to the claim that is in force.
    fn on_lane(
        &mut self,
        claim: ClaimId,
        topic: &TopicName,
        now: Millis,
        act: impl FnOnce(&mut Lane, &mut Cx),
    ) {
        if self.is_current(claim) {
            self.with_lane(topic, now, act);
        }
    }

    fn with_lane(&mut self, topic: &TopicName, now: Millis, act: impl FnOnce(&mut Lane, &mut Cx)) {
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        let mut cx = Cx {
            claim: self.claim,
            now,
            options: &self.options,
            rules: self.rules,
            ids: &mut self.ids,
            actions: &mut self.actions,
            overwritten: &self.overwritten,
            failed: &mut self.failed,
        };
        act(lane, &mut cx);
    }

    fn start_claim(&mut self, partitions: Vec<TopicPartition>) {
        self.drop_lanes();
        self.claim = ClaimId(self.claim.0 + 1);
        if partitions.is_empty() {
            self.phase = Phase::Member { partitions };
            return;
        }
        self.actions.push(Action::Claim { claim: self.claim, partitions: partitions.clone() });
        self.phase = Phase::Claiming { partitions };
    }

    fn claimed(
        &mut self,
        entries: &BTreeMap<TopicPartition, StoredEntry>,
        topic_ids: &BTreeMap<TopicName, TopicId>,
        now: Millis,
    ) {
        let Phase::Claiming { partitions } = self.phase.clone() else { return };
        let differs = |topic: &TopicName, id: &TopicId| self.met.get(topic).is_some_and(|met| met != id);
        let reborn = topic_ids.iter().find(|(topic, id)| differs(topic, id)).map(|(topic, _)| topic.clone());
        if let Some(topic) = reborn.filter(|_| self.rules.keep(Rule::R15)) {
            return self.read_by_another(topic);
        }
        self.met.extend(topic_ids.iter().map(|(topic, id)| (topic.clone(), *id)));
        let mut found: BTreeMap<&TopicName, BTreeMap<Partition, Option<StoredEntry>>> = BTreeMap::new();
        let mut starting = Vec::new();
        for tp in &partitions {
            // A topic that is gone has no lane; its entries mean nothing any more (R15).
            if topic_ids.contains_key(&tp.topic) {
                let stored = entries.get(tp).cloned();
                found.entry(&tp.topic).or_default().insert(tp.partition, stored);
            }
        }
        for (topic, found) in found {
            let topic_id = topic_ids[topic];
            self.lanes.entry(topic.clone()).or_insert_with(|| Lane::new(topic.clone(), topic_id));
            self.with_lane(topic, now, |lane, cx| lane.claim(found, cx));
            let lane = &self.lanes[topic];
            starting.extend(lane.starting().map(|p| TopicPartition { topic: topic.clone(), partition: p }));
        }
        self.turns = self.lanes.keys().cloned().collect();
        if !starting.is_empty() {
            self.actions.push(Action::AskStartOffsets { claim: self.claim, partitions: starting });
        }
        self.phase = Phase::Member { partitions };
    }

    fn revoking(&mut self, now: Millis) {
        match self.phase {
            // Also a stop that meets a rebalance: what is under way may end, the rest is the next owner's.
            Phase::Member { .. } | Phase::Closing => {
                self.phase = Phase::Revoking { until: now.plus(REVOKE_WAIT_MS) };
                self.lanes.values_mut().for_each(Lane::let_go_of_unrecorded);
            }
            Phase::Out | Phase::Claiming { .. } => self.give_up(),
            Phase::Resting { .. } => self.give_up(),
            Phase::Revoking { .. } | Phase::Ended => {}
        }
    }

    /// R5: from here on nothing is done for the partitions, and no answer about them is heard.
    fn give_up(&mut self) {
        self.drop_lanes();
        self.claim = ClaimId(self.claim.0 + 1);
        self.phase = Phase::Out;
        self.actions.push(Action::GiveUp);
        if self.stopping {
            self.leave();
        }
    }

    fn drop_lanes(&mut self) {
        if self.rules.keep(Rule::R5) {
            self.lanes.clear();
            self.turns.clear();
        }
        self.ledger_busy = None;
    }

    /// The fate of a write is unknown, or a topic is another one: the entries are read again before
    /// anything is decided.
    fn claim_again(&mut self) {
        match self.phase.clone() {
            Phase::Member { partitions } => self.start_claim(partitions),
            Phase::Revoking { .. } => self.give_up(),
            Phase::Out | Phase::Claiming { .. } | Phase::Closing | Phase::Resting { .. } | Phase::Ended => {
                self.end_membership()
            }
        }
    }

    fn end_membership(&mut self) {
        self.drop_lanes();
        self.met.clear();
        self.claim = ClaimId(self.claim.0 + 1);
        self.phase = Phase::Out;
        self.actions.push(Action::EndMembership);
        if self.stopping {
            self.leave();
        }
    }

    /// R15: a topic that is gone is claimed without; one that is there, and is not the one that was claimed, is read by
    /// another membership.
    fn compare_topic_ids(&mut self, claim: ClaimId, topic_ids: &BTreeMap<TopicName, TopicId>) {
        let assigned = match &self.phase {
            Phase::Member { partitions } => partitions.as_slice(),
            Phase::Revoking { .. } | Phase::Closing | Phase::Resting { .. } => &[],
            // What is being claimed is read with its identities.
            Phase::Out | Phase::Claiming { .. } | Phase::Ended => return,
        };
        if claim != self.claim || !self.rules.keep(Rule::R15) {
            return;
        }
        // One that was gone at claim has no lane; whoever has looked for it in vain does not read it.
        let ours = |topic: &TopicName| {
            self.lanes.contains_key(topic) || assigned.iter().any(|tp| tp.topic == *topic)
        };
        let reborn = topic_ids.iter().find(|(topic, id)| ours(topic) && self.met.get(*topic) != Some(*id));
        let gone = self.lanes.keys().any(|topic| !topic_ids.contains_key(topic));
        let back = assigned
            .iter()
            .any(|tp| topic_ids.contains_key(&tp.topic) && !self.lanes.contains_key(&tp.topic));
        if let Some((topic, _)) = reborn {
            return self.read_by_another(topic.clone());
        }
        if gone || back {
            self.claim_again();
        }
    }

    /// R15: whether what was read of a topic is of the life that was claimed, by its identity after the reading.
    /// Else nothing of it is recorded: the claim ends.
    fn is_claimed(&mut self, topic: &TopicName, topic_id: Option<TopicId>) -> bool {
        let Some(lane) = self.lanes.get(topic).filter(|_| self.rules.keep(Rule::R15)) else { return true };
        match topic_id {
            Some(id) if id == lane.topic_id => return true,
            Some(_) => self.read_by_another(topic.clone()),
            None => self.claim_again(),
        }
        false
    }

    /// R15: a client keeps positions and leader epochs of a topic's earlier life, and reads on at the old position, or
    /// not at all: only a new handle begins anew.
    fn read_by_another(&mut self, topic: TopicName) {
        self.actions.push(Action::WarnTopicReborn { topic });
        self.end_membership();
    }

    fn close(&mut self) {
        self.stopping = true;
        match self.phase {
            Phase::Member { .. } => {
                self.phase = Phase::Closing;
                for lane in self.lanes.values_mut() {
                    lane.closing = true;
                }
            }
            Phase::Out | Phase::Claiming { .. } | Phase::Revoking { .. } => self.leave(),
            Phase::Closing | Phase::Resting { .. } | Phase::Ended => {}
        }
    }

    /// R16: the plain marks of a clean stop, and that the partitions are at rest, in one write.
    fn rest(&mut self) {
        let mut entries = BTreeMap::new();
        for lane in self.lanes.values() {
            entries.extend(lane.rest_entries().map(|(tp, entry)| (tp, entry.to_stored())));
        }
        if entries.is_empty() || !self.options.exactly_once || !self.rules.keep(Rule::R16) {
            return self.leave();
        }
        self.next_write += 1;
        let write = WriteId(self.next_write);
        self.actions.push(Action::Record {
            claim: self.claim,
            write,
            entries,
            letters: Vec::new(),
            at_rest: true,
            only_while: None,
        });
        self.phase = Phase::Resting { write };
    }

    fn leave(&mut self) {
        self.drop_lanes();
        self.phase = Phase::Ended;
        self.actions.push(Action::Leave);
    }

    fn ledger_answered(&mut self, claim: ClaimId, write: WriteId, answer: LedgerAnswer, now: Millis) {
        // Without the mark the partitions count as running, which is the safe side (R16).
        if self.phase == (Phase::Resting { write }) && claim == self.claim {
            return self.leave();
        }
        match &self.ledger_busy {
            Some((busy, _)) if *busy == write && claim == self.claim => {}
            // A write of a claim that has ended.
            Some(_) | None => return,
        }
        let (_, topics) = self.ledger_busy.take().expect("just matched");
        match answer {
            LedgerAnswer::Fenced => self.end_membership(),
            LedgerAnswer::Unknown => self.claim_again(),
            LedgerAnswer::OtherTopic(topic_id) => {
                // Who writes for partitions of others writes alone.
                let topic = &topics[0];
                if self.is_claimed(topic, topic_id) {
                    self.with_lane(topic, now, |lane, cx| {
                        lane.ledger_answered(LedgerAnswer::NotRecorded, cx);
                    });
                }
            }
            LedgerAnswer::Recorded | LedgerAnswer::NotRecorded | LedgerAnswer::Refused(_) => {
                for topic in topics {
                    self.with_lane(&topic, now, |lane, cx| lane.ledger_answered(answer.clone(), cx));
                }
            }
        }
    }

    fn pump(&mut self, now: Millis) {
        match self.phase {
            Phase::Member { .. } | Phase::Closing => {
                let topics: Vec<TopicName> = self.lanes.keys().cloned().collect();
                for topic in topics {
                    self.with_lane(&topic, now, |lane, cx| lane.pump(cx));
                }
                self.write_next(now);
                self.foresee(now);
                self.fetch_if_changed();
                // A task that is leaving has no use for the other configuration.
                let member = matches!(self.phase, Phase::Member { .. });
                let outdated = self.lanes.values().any(|lane| lane.outdated && lane.is_at_rest());
                if member && outdated && self.failed.is_none() {
                    self.claim_again();
                }
            }
            // R5: marks of what lands in the last moment are still written, nothing is begun.
            Phase::Revoking { until } => {
                for lane in self.lanes.values_mut() {
                    if lane.marks_due.is_some() {
                        lane.marks_due = Some(now);
                    }
                }
                self.write_marks(now);
                let calm = self.ledger_busy.is_none() && self.lanes.values().all(Lane::is_calm);
                if self.failed.is_none() && (calm || now >= until) {
                    self.give_up();
                }
            }
            Phase::Out | Phase::Claiming { .. } | Phase::Resting { .. } | Phase::Ended => {}
        }
        if let Some(reason) = self.failed.take() {
            self.fail(reason);
        }
        if self.phase == Phase::Closing && self.lanes.values().all(Lane::is_at_rest) {
            self.rest();
        }
    }

    /// R17: entries that disagree are looked at again by a new member, whose reads nobody can have
    /// overtaken unseen. Often enough, and somebody has set the offsets: what is left of the batch is
    /// resolved by evidence. Any other reason stands.
    fn fail(&mut self, reason: StopReason) {
        if let StopReason::EntriesDisagree { id, .. } = &reason {
            let seen = self.disagreements.entry(*id).or_insert(0);
            *seen += 1;
            if *seen >= DISAGREEMENTS_MIN {
                self.overwritten.insert(*id);
            }
            if *seen < 2 * DISAGREEMENTS_MIN {
                self.end_membership();
                return;
            }
        }
        self.drop_lanes();
        self.phase = Phase::Ended;
        self.actions.push(Action::Fail(reason));
    }

    fn write_next(&mut self, now: Millis) {
        for _ in 0..self.turns.len() {
            if self.ledger_busy.is_some() || self.failed.is_some() {
                return;
            }
            self.turns.rotate_left(1);
            let topic = self.turns[0].clone();
            if self.lanes[&topic].wants_write(now) {
                self.write(topic, now);
            }
        }
    }

    /// Only with a single lane: the writes of several come between one another.
    fn foresee(&mut self, now: Millis) {
        let member = matches!(self.phase, Phase::Member { .. });
        if !member || self.ledger_busy.is_some() || self.failed.is_some() || self.lanes.len() != 1 {
            return;
        }
        let topic = self.turns[0].clone();
        let mut foreseen = None;
        self.with_lane(&topic, now, |lane, cx| foreseen = lane.foresee(cx));
        if let Some(entries) = foreseen {
            let entries = stored(&topic, entries);
            self.actions.push(Action::Foresee { claim: self.claim, entries });
        }
    }

    fn write_marks(&mut self, now: Millis) {
        // A lane that has failed looks idle, with its batch open: the lead's plain mark would tear it (R6).
        if self.ledger_busy.is_some() || self.failed.is_some() {
            return;
        }
        let wanting = self.lanes.values().find(|lane| lane.is_idle() && lane.wants_write(now));
        if let Some(topic) = wanting.map(|lane| lane.topic.clone()) {
            self.write(topic, now);
        }
    }

    /// R14: one write at a time; plain marks of other lanes that are due go with plain marks, so that twenty topics do not
    /// wait for twenty transactions at their start.
    fn write(&mut self, topic: TopicName, now: Millis) {
        let is_marks = self.lanes[&topic].is_idle();
        let mut composed = Composed::default();
        self.with_lane(&topic, now, |lane, cx| composed = lane.compose(cx));
        let letters = composed.letters.into_iter().map(|letter| (topic.clone(), letter)).collect();
        let only_while = self.only_while(&topic, &composed.entries);
        let mut entries = stored(&topic, composed.entries);
        let mut topics = vec![topic];
        if is_marks && only_while.is_none() {
            let goes_along =
                |lane: &&Lane| lane.is_idle() && lane.foreign_marks.is_empty() && lane.wants_write(now);
            let others: Vec<TopicName> =
                self.lanes.values().filter(goes_along).map(|lane| lane.topic.clone()).collect();
            for topic in others {
                if entries.len() + self.lanes[&topic].marks().len() > MARKS_PER_WRITE {
                    continue;
                }
                self.with_lane(&topic, now, |lane, cx| {
                    entries.extend(stored(&topic, lane.compose(cx).entries))
                });
                topics.push(topic);
            }
        }
        self.next_write += 1;
        let write = WriteId(self.next_write);
        // The write goes before an insert that a switched-off R1 may have asked for.
        let claim = self.claim;
        self.actions.push(Action::Record { claim, write, entries, letters, at_rest: false, only_while });
        self.ledger_busy = Some((write, topics));
    }

    /// R15: whoever resolves a batch writes for partitions that others own. If their topic was created again, their owner
    /// may have written for it already, and the fence of the group tells nobody of topics. What was sent before the
    /// next life began is behind whatever is sent in that life, in whatever order the two are committed; so it is
    /// enough that the topic is still the claimed one when this write has been taken.
    fn only_while(
        &self,
        topic: &TopicName,
        entries: &BTreeMap<Partition, Entry>,
    ) -> Option<(TopicName, TopicId)> {
        let lane = &self.lanes[topic];
        let of_others = entries.keys().any(|partition| !lane.parts.contains_key(partition));
        (of_others && self.rules.keep(Rule::R15)).then(|| (topic.clone(), lane.topic_id))
    }

    fn fetch_if_changed(&mut self) {
        let mut changed = false;
        for lane in self.lanes.values_mut() {
            changed |= std::mem::take(&mut lane.fetch_changed);
        }
        if changed {
            let of = |lane: &Lane| -> Vec<(TopicPartition, Offset)> {
                let tp = |partition| TopicPartition { topic: lane.topic.clone(), partition };
                lane.positions().map(|(partition, offset)| (tp(partition), offset)).collect()
            };
            let positions = self.lanes.values().flat_map(of).collect();
            self.actions.push(Action::Fetch { positions });
        }
    }

    /// The topics that have a lane.
    pub fn topics(&self) -> BTreeSet<TopicName> {
        self.lanes.keys().cloned().collect()
    }
}

fn stored(topic: &TopicName, entries: BTreeMap<Partition, Entry>) -> BTreeMap<TopicPartition, StoredEntry> {
    let stored = |(partition, entry): (_, Entry)| {
        (TopicPartition { topic: topic.clone(), partition }, entry.to_stored())
    };
    entries.into_iter().map(stored).collect()
}

#[cfg(test)]
mod tests;
