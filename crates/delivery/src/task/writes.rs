//! One ledger write at a time, for lanes that take turns (R14), and its answer. What a write says is its lane's (`ledger_write.rs`).
use std::collections::BTreeMap;

use pumphouse_types::{Millis, Partition, TopicId, TopicName, TopicPartition};

use super::{Phase, Task};
use crate::entry::{Entry, StoredEntry};
use crate::lane::Lane;
use crate::ledger_write::Composed;
use crate::rules::Rule;
use crate::talk::{Action, ClaimId, LedgerAnswer, WriteId};

/// With more entries than these, no marks of another lane go along: a write stays well below what a store takes at once.
const MARKS_PER_WRITE: usize = 1_000;

impl Task {
    pub(super) fn write_next(&mut self, now: Millis) {
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
    pub(super) fn foresee(&mut self, now: Millis) {
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

    pub(super) fn write_marks(&mut self, now: Millis) {
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
    pub(super) fn write(&mut self, topic: TopicName, now: Millis) {
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
    pub(super) fn only_while(
        &self,
        topic: &TopicName,
        entries: &BTreeMap<Partition, Entry>,
    ) -> Option<(TopicName, TopicId)> {
        let lane = &self.lanes[topic];
        let of_others = entries.keys().any(|partition| !lane.parts.contains_key(partition));
        (of_others && self.rules.keep(Rule::R15)).then(|| (topic.clone(), lane.topic_id))
    }

    pub(super) fn ledger_answered(
        &mut self,
        claim: ClaimId,
        write: WriteId,
        answer: LedgerAnswer,
        now: Millis,
    ) {
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
}

fn stored(topic: &TopicName, entries: BTreeMap<Partition, Entry>) -> BTreeMap<TopicPartition, StoredEntry> {
    let stored = |(partition, entry): (_, Entry)| {
        (TopicPartition { topic: topic.clone(), partition }, entry.to_stored())
    };
    entries.into_iter().map(stored).collect()
}
