//! The life of an assignment: claimed, given up, claimed again, or left. Carries R5: whatever was begun under an assignment ends
//! with it; and R15 and R16 as far as they end one.
use std::collections::BTreeMap;

use pumphouse_types::{Millis, Partition, TopicId, TopicName, TopicPartition};

use super::{Phase, Task};
use crate::entry::StoredEntry;
use crate::lane::Lane;
use crate::rules::Rule;
use crate::stop::StopReason;
use crate::talk::{Action, ClaimId, WriteId};

/// How long a revocation waits for a write or an attempt that is under way (R5).
const REVOKE_WAIT_MS: u64 = 5_000;

/// Memberships under which the entries of a batch must have disagreed before a person is asked. Reads
/// are not fenced: a member that was replaced while it stood still sees entries of different moments.
/// That this happens twice in a row to the same batch would be a rare chance.
const DISAGREEMENTS_MIN: u32 = 3;

impl Task {
    pub(super) fn start_claim(&mut self, partitions: Vec<TopicPartition>) {
        self.drop_lanes();
        self.claim = ClaimId(self.claim.0 + 1);
        if partitions.is_empty() {
            self.phase = Phase::Member { partitions };
            return;
        }
        self.actions.push(Action::Claim { claim: self.claim, partitions: partitions.clone() });
        self.phase = Phase::Claiming { partitions };
    }

    pub(super) fn claimed(
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

    pub(super) fn revoking(&mut self, now: Millis) {
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
    pub(super) fn give_up(&mut self) {
        self.drop_lanes();
        self.claim = ClaimId(self.claim.0 + 1);
        self.phase = Phase::Out;
        self.actions.push(Action::GiveUp);
        if self.stopping {
            self.leave();
        }
    }

    pub(super) fn drop_lanes(&mut self) {
        if self.rules.keep(Rule::R5) {
            self.lanes.clear();
            self.turns.clear();
        }
        self.ledger_busy = None;
    }

    /// The fate of a write is unknown, or a topic is another one: the entries are read again before
    /// anything is decided.
    pub(super) fn claim_again(&mut self) {
        match self.phase.clone() {
            Phase::Member { partitions } => self.start_claim(partitions),
            Phase::Revoking { .. } => self.give_up(),
            Phase::Out | Phase::Claiming { .. } | Phase::Closing | Phase::Resting { .. } | Phase::Ended => {
                self.end_membership()
            }
        }
    }

    pub(super) fn end_membership(&mut self) {
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
    pub(super) fn compare_topic_ids(&mut self, claim: ClaimId, topic_ids: &BTreeMap<TopicName, TopicId>) {
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
    pub(super) fn is_claimed(&mut self, topic: &TopicName, topic_id: Option<TopicId>) -> bool {
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
    pub(super) fn read_by_another(&mut self, topic: TopicName) {
        self.actions.push(Action::WarnTopicReborn { topic });
        self.end_membership();
    }

    pub(super) fn close(&mut self) {
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
    pub(super) fn rest(&mut self) {
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

    pub(super) fn leave(&mut self) {
        self.drop_lanes();
        self.phase = Phase::Ended;
        self.actions.push(Action::Leave);
    }

    /// R17: entries that disagree are looked at again by a new member, whose reads nobody can have
    /// overtaken unseen. Often enough, and somebody has set the offsets: what is left of the batch is
    /// resolved by evidence. Any other reason stands.
    pub(super) fn fail(&mut self, reason: StopReason) {
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
}
