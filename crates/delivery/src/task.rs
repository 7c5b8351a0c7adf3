//! A task: one member of the connector's group, and its lanes. What it hears goes to the lane that it concerns, answers to an earlier
//! claim to nobody (R5); then whatever is due is done. Its assignment's life is `task/assignment.rs`, its ledger writes are `task/writes.rs`.
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use pumphouse_types::{BatchId, Millis, Offset, Partition, TopicId, TopicName, TopicPartition};

use crate::ids::Ids;
use crate::lane::{Cx, Lane};
use crate::rules::{Rule, Rules};
use crate::stop::StopReason;
use crate::talk::{Action, ClaimId, Event, WriteId};

mod assignment;
mod options;
mod writes;

pub use options::TaskOptions;

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
            ids: Ids::new(options.seed),
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

#[cfg(test)]
mod tests;
