//! What a membership asks the brokers and the ledger for, on behalf of the protocol: the claim, entries, start offsets.
//! In which order, under which claim, and when again. Carries R5: the fence is read first, then every queued event of
//! the group protocol is heard, and what was read is used only if the claim is still in force.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_delivery::{ClaimId, StoredEntry};
use pumphouse_types::{BatchId, Millis, Partition, TopicId, TopicName, TopicPartition};

use crate::questions::{OfClaim, Questions};

/// Pause before a question that was not answered is asked again.
const ASK_AGAIN_MS: u64 = 100;

/// How often topics are compared with what they were at claim (R9, R15).
const TOPIC_IDS_MS: u64 = 5_000;

/// Entries to be read, of partitions owned or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntriesAsked {
    /// The claim that asks.
    pub claim: ClaimId,
    /// Their topic.
    pub topic: TopicName,
    /// The batch that is being taken up; `None` = only looking.
    pub gather: Option<BatchId>,
    /// Whose entries.
    pub partitions: Vec<Partition>,
}

impl OfClaim for EntriesAsked {
    fn claim(&self) -> ClaimId {
        self.claim
    }
}

/// Partitions without an entry, whose start is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionsAsked {
    /// The claim that asks.
    pub claim: ClaimId,
    /// Which.
    pub partitions: Vec<TopicPartition>,
}

impl OfClaim for PartitionsAsked {
    fn claim(&self) -> ClaimId {
        self.claim
    }
}

/// The next step of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimStep<F> {
    /// Read what proves the membership now.
    ReadFence,
    /// Hear every event of the group protocol that is queued, then go on.
    ServeGroup,
    /// Read these entries, stable; with the ledger in KeeperMap, claim them.
    ReadEntries {
        /// What was read before.
        fence: F,
        /// Whose.
        partitions: Vec<TopicPartition>,
    },
    /// Read the identities of these topics.
    ReadTopics(Vec<TopicName>),
    /// The claim is made.
    Claimed(Claimed<F>),
}

/// What a claim has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed<F> {
    /// Names the membership in every write of the claim.
    pub fence: F,
    /// The claim.
    pub claim: ClaimId,
    /// Whose entries were read.
    pub partitions: Vec<TopicPartition>,
    /// The entries that there are.
    pub entries: BTreeMap<TopicPartition, StoredEntry>,
    /// The topics that there are.
    pub topic_ids: BTreeMap<TopicName, TopicId>,
}

/// How far a claim has come.
#[derive(Debug)]
enum Stage<F> {
    /// The ledger has not said yet that no write is in doubt.
    Preparing,
    /// The fence is read next.
    Prepared,
    /// The group is heard next.
    Fenced(F),
    /// Entries are read next, or are being read.
    Heard { fence: F, asked: bool },
    /// Topics are read next, or are being read.
    Read { fence: F, entries: BTreeMap<TopicPartition, StoredEntry>, asked: bool },
    /// The group is heard next, and what was read is used then.
    Known { claimed: Claimed<F>, heard: bool },
}

#[derive(Debug)]
struct Claiming<F> {
    claim: ClaimId,
    partitions: Vec<TopicPartition>,
    stage: Stage<F>,
}

/// Questions that wait for their answer.
#[derive(Debug)]
pub(crate) struct Asks<F> {
    claiming: Option<Claiming<F>>,
    pub(crate) entries: Questions<EntriesAsked>,
    pub(crate) starts: Questions<PartitionsAsked>,
    not_before: Millis,
    topic_ids_at: Millis,
}

impl<F> Default for Asks<F> {
    fn default() -> Asks<F> {
        Asks {
            claiming: None,
            entries: Questions::default(),
            starts: Questions::default(),
            not_before: Millis::default(),
            topic_ids_at: Millis::default(),
        }
    }
}

impl<F: Clone> Asks<F> {
    /// Nobody waits for anything any more.
    pub(crate) fn clear(&mut self) {
        self.claiming = None;
        self.entries.clear();
        self.starts.clear();
    }

    pub(crate) fn may_ask(&self, now: Millis) -> bool {
        now >= self.not_before
    }

    pub(crate) fn not_answered(&mut self, now: Millis) {
        self.not_before = now.plus(ASK_AGAIN_MS);
    }

    pub(crate) fn topics_are_due(&mut self, now: Millis) -> bool {
        let due = now.since(self.topic_ids_at) >= TOPIC_IDS_MS;
        if due {
            self.topic_ids_at = now;
        }
        due
    }

    pub(crate) fn compare_topics_soon(&mut self) {
        self.topic_ids_at = Millis::default();
    }

    pub(crate) fn claim(&mut self, claim: ClaimId, partitions: Vec<TopicPartition>) {
        self.claiming = Some(Claiming { claim, partitions, stage: Stage::Preparing });
    }

    /// No write is in doubt any more.
    pub(crate) fn prepared(&mut self, claim: ClaimId) {
        if let Some(claiming) = self.claiming.as_mut().filter(|claiming| claiming.claim == claim)
            && matches!(claiming.stage, Stage::Preparing)
        {
            claiming.stage = Stage::Prepared;
        }
    }

    /// What the claim needs next; `None`: it waits for an answer, or there is none. `current`: the claim in force.
    pub(crate) fn claim_step(&mut self, current: ClaimId) -> Option<ClaimStep<F>> {
        let claiming = self.claiming.as_mut()?;
        if claiming.claim != current {
            self.claiming = None;
            return None;
        }
        match &mut claiming.stage {
            Stage::Preparing => None,
            Stage::Prepared => Some(ClaimStep::ReadFence),
            Stage::Fenced(fence) => {
                claiming.stage = Stage::Heard { fence: fence.clone(), asked: false };
                Some(ClaimStep::ServeGroup)
            }
            Stage::Heard { asked: true, .. } | Stage::Read { asked: true, .. } => None,
            Stage::Heard { fence, asked } => {
                *asked = true;
                let (fence, partitions) = (fence.clone(), claiming.partitions.clone());
                Some(ClaimStep::ReadEntries { fence, partitions })
            }
            Stage::Read { asked, .. } => {
                *asked = true;
                Some(ClaimStep::ReadTopics(topics_of(&claiming.partitions)))
            }
            Stage::Known { heard, .. } if !*heard => {
                *heard = true;
                Some(ClaimStep::ServeGroup)
            }
            Stage::Known { claimed, .. } => {
                let claimed = claimed.clone();
                self.claiming = None;
                Some(ClaimStep::Claimed(claimed))
            }
        }
    }

    /// `None`: there is no membership at the moment. False: it is to be asked again, later.
    pub(crate) fn fence_read(&mut self, fence: Option<F>) -> bool {
        if let Some(claiming) = &mut self.claiming
            && matches!(claiming.stage, Stage::Prepared)
        {
            let Some(fence) = fence else { return false };
            claiming.stage = Stage::Fenced(fence);
        }
        true
    }

    /// `None`: not answered; then the claim goes back to its fence.
    pub(crate) fn claim_read(
        &mut self,
        claim: ClaimId,
        entries: Option<BTreeMap<TopicPartition, StoredEntry>>,
    ) {
        if let Some(claiming) = self.claiming.as_mut().filter(|claiming| claiming.claim == claim)
            && let Stage::Heard { fence, asked: true } = &claiming.stage
        {
            claiming.stage = match entries {
                Some(entries) => Stage::Read { fence: fence.clone(), entries, asked: false },
                None => Stage::Prepared,
            };
        }
    }

    /// As [`Asks::claim_read`], of the topics' identities.
    pub(crate) fn topics_read(&mut self, claim: ClaimId, topic_ids: Option<BTreeMap<TopicName, TopicId>>) {
        if let Some(claiming) = self.claiming.as_mut().filter(|claiming| claiming.claim == claim)
            && let Stage::Read { fence, entries, asked: true } = &mut claiming.stage
        {
            claiming.stage = match topic_ids {
                Some(topic_ids) => {
                    let (fence, entries) = (fence.clone(), std::mem::take(entries));
                    let (claim, partitions) = (claiming.claim, claiming.partitions.clone());
                    let claimed = Claimed { fence, claim, partitions, entries, topic_ids };
                    Stage::Known { claimed, heard: false }
                }
                None => Stage::Prepared,
            };
        }
    }
}

/// The topics of these partitions, each once, in order.
pub(crate) fn topics_of(partitions: &[TopicPartition]) -> Vec<TopicName> {
    let topics: BTreeSet<&TopicName> = partitions.iter().map(|tp| &tp.topic).collect();
    topics.into_iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partitions() -> Vec<TopicPartition> {
        vec![TopicPartition { topic: TopicName::new("t"), partition: Partition(0) }]
    }

    /// A claim that was prepared, and each of its steps.
    fn claiming() -> Asks<u64> {
        let mut asks = Asks::default();
        asks.claim(ClaimId(1), partitions());
        assert_eq!(asks.claim_step(ClaimId(1)), None, "a write is in doubt");
        asks.prepared(ClaimId(1));
        asks
    }

    #[test]
    fn the_group_is_heard_between_the_fence_and_the_entries_and_before_they_are_used() {
        let mut asks = claiming();
        let mut steps = Vec::new();
        while let Some(step) = asks.claim_step(ClaimId(1)) {
            match &step {
                ClaimStep::ReadFence => assert!(asks.fence_read(Some(7))),
                ClaimStep::ReadEntries { .. } => asks.claim_read(ClaimId(1), Some(BTreeMap::new())),
                ClaimStep::ReadTopics(_) => asks.topics_read(ClaimId(1), Some(BTreeMap::new())),
                ClaimStep::ServeGroup | ClaimStep::Claimed(_) => {}
            }
            steps.push(step);
        }
        let claimed = Claimed {
            fence: 7,
            claim: ClaimId(1),
            partitions: partitions(),
            entries: BTreeMap::new(),
            topic_ids: BTreeMap::new(),
        };
        let wanted = [
            ClaimStep::ReadFence,
            ClaimStep::ServeGroup,
            ClaimStep::ReadEntries { fence: 7, partitions: partitions() },
            ClaimStep::ReadTopics(vec![TopicName::new("t")]),
            ClaimStep::ServeGroup,
            ClaimStep::Claimed(claimed),
        ];
        assert_eq!(steps, wanted);
    }

    #[test]
    fn what_was_read_for_a_claim_that_has_ended_is_not_used() {
        let mut asks = claiming();
        assert_eq!(asks.claim_step(ClaimId(1)), Some(ClaimStep::ReadFence));
        assert!(asks.fence_read(Some(7)));
        assert_eq!(asks.claim_step(ClaimId(1)), Some(ClaimStep::ServeGroup));
        assert_eq!(asks.claim_step(ClaimId(2)), None, "the group has taken a partition");
        assert_eq!(asks.claim_step(ClaimId(1)), None);
    }

    #[test]
    fn a_claim_whose_entries_could_not_be_read_reads_its_fence_again() {
        let mut asks = claiming();
        asks.claim_step(ClaimId(1));
        assert!(!asks.fence_read(None), "there is no membership: asked again");
        assert_eq!(asks.claim_step(ClaimId(1)), Some(ClaimStep::ReadFence));
        assert!(asks.fence_read(Some(7)));
        asks.claim_step(ClaimId(1));
        assert!(matches!(asks.claim_step(ClaimId(1)), Some(ClaimStep::ReadEntries { fence: 7, .. })));
        assert_eq!(asks.claim_step(ClaimId(1)), None, "it is under way");
        asks.claim_read(ClaimId(1), None);
        assert_eq!(asks.claim_step(ClaimId(1)), Some(ClaimStep::ReadFence));
    }
}
