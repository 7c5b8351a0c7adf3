//! A membership of the connector's group, from its beginning to its end: what the task hears of the group, under which
//! fence it writes, and how the membership ends. Carries R5.
use std::collections::BTreeMap;

use pumphouse_delivery::{ClaimId, Event, LedgerAnswer, StoredEntry};
use pumphouse_types::{Millis, Offset, Partition, TopicId, TopicName, TopicPartition};

use crate::asks::{Asks, ClaimStep, EntriesAsked, PartitionsAsked, topics_of};
use crate::trouble::{AfterTrouble, Trouble};

/// What the group protocol tells a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// These are all partitions of this member now.
    Assigned(Vec<TopicPartition>),
    /// Nothing was given or taken, but the group has gone on to another generation.
    Renewed,
    /// The group wants partitions back, and waits until they are given up.
    Revoking {
        /// They belong to somebody else already.
        lost: bool,
    },
}

/// What a member does about it.
#[allow(clippy::large_enum_variant, reason = "one at a time, and not kept")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupStep {
    /// The protocol hears of it.
    Hear(Event),
    /// The fence is read anew, if one was read.
    RenewFence,
}

/// How a membership ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<W> {
    /// A new one is to be begun, after a pause.
    Rejoin,
    /// Another process has this task's name. A new membership would throw that one out.
    Replaced,
    /// The task has failed, and why.
    Failed(W),
    /// The connector was stopped.
    Left {
        /// Everything that was taken has landed; else an open batch may stand in the ledger.
        landed: bool,
    },
}

impl<W> Outcome<W> {
    /// A task that was leaving for a reason is not begun anew, however its membership ended: the
    /// protocol has heard the stop, and a new member would hold its partitions and do nothing.
    fn because(self, leaving: Option<W>) -> Outcome<W> {
        match (self, leaving) {
            (Outcome::Failed(why), _) | (_, Some(why)) => Outcome::Failed(why),
            (outcome, None) => outcome,
        }
    }

    /// Whether a static member keeps its place in the group: it comes back at once, or `succeeded`: somebody takes the
    /// place over. A task that fails leaves (R5).
    pub fn stays(&self, succeeded: bool) -> bool {
        match self {
            Outcome::Rejoin | Outcome::Replaced => true,
            Outcome::Left { .. } => succeeded,
            Outcome::Failed(_) => false,
        }
    }
}

/// One membership. `F`: what proves it to the group's broker; `W`: why the task fails.
#[derive(Debug)]
pub struct Membership<F, W> {
    /// Whether a rebalance takes only what goes to somebody else.
    incremental: bool,
    assigned: Vec<TopicPartition>,
    /// Read for the claim in force; every write of the claim names it (R5).
    fence: Option<F>,
    /// Identities of the topics, as they were at claim.
    topic_ids: BTreeMap<TopicName, TopicId>,
    asks: Asks<F>,
    stop_heard: bool,
    /// Something that was taken may stand open in the ledger, and the assignment that could land it is over: from then
    /// on until the next one.
    cut_off: bool,
    /// Why the task leaves, if not because it was asked to.
    leaving_because: Option<W>,
    outcome: Option<Outcome<W>>,
}

impl<F: Clone, W> Membership<F, W> {
    /// `incremental`: rebalances of the group are; `cut_off`: an earlier membership ended before everything that it
    /// took had landed.
    pub fn new(incremental: bool, cut_off: bool) -> Membership<F, W> {
        Membership {
            incremental,
            assigned: Vec::new(),
            fence: None,
            topic_ids: BTreeMap::new(),
            asks: Asks::default(),
            stop_heard: false,
            cut_off,
            leaving_because: None,
            outcome: None,
        }
    }

    /// What the group has given, as it was told last.
    pub fn assigned(&self) -> &[TopicPartition] {
        &self.assigned
    }

    /// Read for the claim in force.
    pub fn fence(&self) -> Option<&F> {
        self.fence.as_ref()
    }

    /// Identities of the topics, as they were at claim.
    pub fn topic_ids(&self) -> &BTreeMap<TopicName, TopicId> {
        &self.topic_ids
    }

    /// The topics of the assignment. One that was gone at claim has no lane; whether it is back must be seen all the
    /// same (R15).
    pub fn topics(&self) -> Vec<TopicName> {
        topics_of(&self.assigned)
    }

    /// The group has told something. `has_lanes`: the task has taken something up.
    pub fn group_said(&mut self, event: GroupEvent, has_lanes: bool) -> GroupStep {
        match event {
            // What is under way for those that it had is settled first, as for a revocation; then all are claimed
            // together (`take_back`).
            GroupEvent::Assigned(_) if self.incremental && has_lanes => GroupStep::Hear(Event::Revoking),
            GroupEvent::Assigned(partitions) => GroupStep::Hear(self.assign(partitions)),
            GroupEvent::Renewed => GroupStep::RenewFence,
            GroupEvent::Revoking { lost } => {
                self.cut_off |= has_lanes;
                GroupStep::Hear(if lost { Event::Lost } else { Event::Revoking })
            }
        }
    }

    fn assign(&mut self, partitions: Vec<TopicPartition>) -> Event {
        self.assigned.clone_from(&partitions);
        self.cut_off = false;
        Event::Assigned { partitions }
    }

    /// The protocol has given its partitions up.
    pub fn given_up(&mut self) {
        self.assigned.clear();
        self.asks.clear();
        self.fence = None;
    }

    /// Where rebalances are incremental, what nobody has taken is claimed again, together with what came new. `owned`:
    /// what the group has left to this member.
    pub fn take_back(&mut self, owned: Vec<TopicPartition>) -> Option<Event> {
        let goes_on = self.incremental && !owned.is_empty() && self.outcome.is_none();
        goes_on.then(|| self.assign(owned))
    }

    /// R5: the group has another generation, and this member kept its partitions: `fence` was read first, then every
    /// queued event was heard, and it is used only if the claim under which it was read is still in force. False: it
    /// is not used.
    pub fn renewed(&mut self, fence: F, read_under: ClaimId, current: ClaimId) -> bool {
        let holds = self.fence.is_some() && read_under == current;
        if holds {
            self.fence = Some(fence);
        }
        holds
    }

    /// Whether the fence is to be read anew before the protocol hears this: its generation may have passed.
    pub fn doubts_fence(&self, answer: &LedgerAnswer) -> bool {
        self.incremental && *answer == LedgerAnswer::NotRecorded
    }

    /// Something went wrong with Kafka; a membership that has to end does.
    pub fn trouble(&mut self, trouble: Trouble) -> AfterTrouble {
        match trouble {
            Trouble::NoAnswer | Trouble::ProducerBroken => AfterTrouble::AskAgain,
            // Deleted, or not there yet: identities tell, and are compared at once (R15).
            Trouble::TopicGone => {
                self.asks.compare_topics_soon();
                AfterTrouble::CompareTopics
            }
            Trouble::NameTaken => {
                if !matches!(self.outcome, Some(Outcome::Failed(_) | Outcome::Left { .. })) {
                    self.outcome = Some(Outcome::Replaced);
                }
                AfterTrouble::Ended
            }
            Trouble::MemberGone | Trouble::GenerationPassed => {
                self.rejoin();
                AfterTrouble::Ended
            }
            Trouble::Hopeless => AfterTrouble::Fail,
        }
    }

    /// The ledger's producer cannot be had, or has not shown what only informs.
    pub fn ledger_trouble(&mut self, trouble: Trouble) -> AfterTrouble {
        match trouble {
            // Offsets that only inform were refused for it; they are shown under the next one.
            Trouble::GenerationPassed if self.incremental => AfterTrouble::RenewFence,
            Trouble::GenerationPassed => AfterTrouble::AskAgain,
            Trouble::NameTaken | Trouble::MemberGone => self.trouble(trouble),
            Trouble::Hopeless | Trouble::TopicGone => AfterTrouble::Fail,
            // The next membership opens its own.
            Trouble::NoAnswer | Trouble::ProducerBroken => {
                self.rejoin();
                AfterTrouble::Ended
            }
        }
    }

    /// The task was asked to stop; it hears so once.
    pub fn stop(&mut self) -> Option<Event> {
        (!std::mem::replace(&mut self.stop_heard, true)).then_some(Event::StopRequested)
    }

    /// What came before it lands first; then the task leaves, as failed.
    pub fn leave_because(&mut self, why: W) -> Event {
        self.leaving_because.get_or_insert(why);
        Event::StopRequested
    }

    /// The task is not waited for any longer.
    pub fn cut(&mut self) {
        self.outcome.get_or_insert(Outcome::Left { landed: false });
    }

    /// The protocol has left. Lanes that are still there at that moment have landed all that they took: the protocol
    /// waits for them. Partitions without lanes were claimed, and nothing is known of them.
    pub fn left(&mut self, has_lanes: bool) {
        let landed = !self.cut_off && (has_lanes || self.assigned.is_empty());
        self.outcome.get_or_insert(Outcome::Left { landed });
    }

    /// The first reason counts.
    pub fn fail(&mut self, why: W) {
        if !matches!(self.outcome, Some(Outcome::Failed(_))) {
            self.outcome = Some(Outcome::Failed(why));
        }
    }

    /// The membership ends, and another one is begun.
    pub fn rejoin(&mut self) {
        self.outcome.get_or_insert(Outcome::Rejoin);
    }

    /// How it ended, if it did; told once.
    pub fn ended(&mut self) -> Option<Outcome<W>> {
        let outcome = self.outcome.take()?;
        Some(outcome.because(self.leaving_because.take()))
    }

    /// Whether the next question may be asked: after one that was not answered it waits a moment, so that the group is
    /// served in between.
    pub fn may_ask(&self, now: Millis) -> bool {
        self.asks.may_ask(now)
    }

    /// Whether it is time to compare the topics with what they were at claim (R9, R15); said once.
    pub fn topics_are_due(&mut self, now: Millis) -> bool {
        self.asks.topics_are_due(now)
    }

    /// Nobody waits for an answer any more: the lanes have ended.
    pub fn drop_asks(&mut self) {
        self.asks.clear();
    }

    /// The protocol claims these partitions; the ledger is asked to settle what is in doubt.
    pub fn claim(&mut self, claim: ClaimId, partitions: Vec<TopicPartition>) {
        self.asks.claim(claim, partitions);
    }

    /// No write of the ledger is in doubt.
    pub fn prepared(&mut self, claim: ClaimId) {
        self.asks.prepared(claim);
    }

    /// What the claim needs next; `None`: it waits for an answer, or there is none. `current`: the claim in force. A
    /// claim that is made is the membership's from here on.
    pub fn claim_step(&mut self, current: ClaimId, now: Millis) -> Option<ClaimStep<F>> {
        if !self.may_ask(now) {
            return None;
        }
        let step = self.asks.claim_step(current)?;
        if let ClaimStep::Claimed(claimed) = &step {
            self.fence = Some(claimed.fence.clone());
            self.topic_ids.clone_from(&claimed.topic_ids);
        }
        Some(step)
    }

    /// Answers [`ClaimStep::ReadFence`]; `None`: there is no membership at the moment, and it is asked again.
    pub fn fence_read(&mut self, fence: Option<F>, now: Millis) {
        if !self.asks.fence_read(fence) {
            self.asks.not_answered(now);
        }
    }

    /// Answers [`ClaimStep::ReadEntries`]; `None`: nobody answered, and the claim goes back to its fence.
    pub fn claim_read(
        &mut self,
        claim: ClaimId,
        entries: Option<BTreeMap<TopicPartition, StoredEntry>>,
        now: Millis,
    ) {
        if entries.is_none() {
            self.asks.not_answered(now);
        }
        self.asks.claim_read(claim, entries);
    }

    /// Answers [`ClaimStep::ReadTopics`]; `None`: as for [`Membership::claim_read`].
    pub fn topics_read(
        &mut self,
        claim: ClaimId,
        topic_ids: Option<BTreeMap<TopicName, TopicId>>,
        now: Millis,
    ) {
        if topic_ids.is_none() {
            self.asks.not_answered(now);
        }
        self.asks.topics_read(claim, topic_ids);
    }

    /// The protocol wants entries read.
    pub fn ask_entries(&mut self, asked: EntriesAsked) {
        self.asks.entries.ask(asked);
    }

    /// Which are to be read now; the next ones when these were answered.
    pub fn next_entries(&mut self, current: ClaimId, now: Millis) -> Option<EntriesAsked> {
        if self.may_ask(now) { self.asks.entries.next(current) } else { None }
    }

    /// What was found of them; `None`: nobody answered, and they are asked for again.
    pub fn entries_read(
        &mut self,
        entries: Option<BTreeMap<Partition, StoredEntry>>,
        now: Millis,
    ) -> Option<Event> {
        let asked = self.asks.entries.answered()?;
        let Some(entries) = entries else {
            self.asks.entries.ask(asked);
            self.asks.not_answered(now);
            return None;
        };
        let EntriesAsked { claim, topic, gather, .. } = asked;
        Some(Event::EntriesRead { claim, topic, gather, entries })
    }

    /// The protocol wants to know where these partitions begin.
    pub fn ask_starts(&mut self, asked: PartitionsAsked) {
        self.asks.starts.ask(asked);
    }

    /// Which are to be looked for now; the next ones when these were answered.
    pub fn next_starts(&mut self, current: ClaimId, now: Millis) -> Option<PartitionsAsked> {
        if self.may_ask(now) { self.asks.starts.next(current) } else { None }
    }

    /// Where they begin; `None`: nobody answered, and it is asked again.
    pub fn starts_found(
        &mut self,
        offsets: Option<BTreeMap<TopicPartition, Offset>>,
        now: Millis,
    ) -> Option<Event> {
        let asked = self.asks.starts.answered()?;
        let Some(offsets) = offsets else {
            self.asks.starts.ask(asked);
            self.asks.not_answered(now);
            return None;
        };
        Some(Event::StartOffsets { claim: asked.claim, offsets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Member = Membership<u64, &'static str>;

    fn tp(partition: u32) -> TopicPartition {
        TopicPartition { topic: TopicName::new("t"), partition: Partition(partition) }
    }

    fn ended(act: impl FnOnce(&mut Member)) -> Option<Outcome<&'static str>> {
        let mut member = Member::new(false, false);
        act(&mut member);
        member.ended()
    }

    #[test]
    fn a_task_that_leaves_for_a_reason_does_not_join_anew() {
        let is_taken: fn(&mut Member) = |member| {
            member.trouble(Trouble::NameTaken);
        };
        let acts: [fn(&mut Member); 3] = [Member::rejoin, is_taken, |member| member.left(true)];
        for act in acts {
            let why = ended(|member| {
                member.leave_because("a bad record");
                act(member);
            });
            assert_eq!(why, Some(Outcome::Failed("a bad record")));
        }
        assert_eq!(ended(Member::rejoin), Some(Outcome::Rejoin));
        assert_eq!(ended(|member| member.left(true)), Some(Outcome::Left { landed: true }));
        assert_eq!(ended(|_| ()), None);
    }

    #[test]
    fn each_trouble_has_its_way_on() {
        let after = |trouble| {
            ended(|member| {
                member.trouble(trouble);
            })
        };
        assert_eq!(after(Trouble::NameTaken), Some(Outcome::Replaced));
        assert_eq!(after(Trouble::MemberGone), Some(Outcome::Rejoin));
        for trouble in [Trouble::NoAnswer, Trouble::TopicGone, Trouble::ProducerBroken, Trouble::Hopeless] {
            assert_eq!(after(trouble), None, "{trouble:?} is not for the membership to end");
        }
        let mut member = Member::new(true, false);
        assert_eq!(member.ledger_trouble(Trouble::GenerationPassed), AfterTrouble::RenewFence);
        assert_eq!(member.ledger_trouble(Trouble::NoAnswer), AfterTrouble::Ended);
        assert_eq!(member.ended(), Some(Outcome::Rejoin));
    }

    #[test]
    fn a_name_that_is_taken_says_more_than_that_the_membership_is_over() {
        let twice = ended(|member| {
            member.rejoin();
            member.trouble(Trouble::NameTaken);
        });
        assert_eq!(twice, Some(Outcome::Replaced));
        let failed = ended(|member| {
            member.fail("first");
            member.fail("second");
            member.trouble(Trouble::NameTaken);
        });
        assert_eq!(failed, Some(Outcome::Failed("first")));
    }

    #[test]
    fn what_was_taken_has_landed_only_if_the_assignment_lasted() {
        let assigned = GroupEvent::Assigned(vec![tp(0)]);
        let landed = |lost: bool, lanes: bool| {
            ended(|member| {
                member.group_said(assigned.clone(), false);
                if lost {
                    member.group_said(GroupEvent::Revoking { lost: true }, true);
                }
                member.left(lanes);
            })
        };
        assert_eq!(landed(false, true), Some(Outcome::Left { landed: true }));
        assert_eq!(
            landed(false, false),
            Some(Outcome::Left { landed: false }),
            "claimed, and never looked at"
        );
        assert_eq!(landed(true, true), Some(Outcome::Left { landed: false }));
    }

    #[test]
    fn partitions_that_come_new_are_claimed_with_those_that_stayed() {
        let mut member = Member::new(true, false);
        let assigned = |partitions: &[u32]| GroupEvent::Assigned(partitions.iter().map(|p| tp(*p)).collect());
        let hears = |event| GroupStep::Hear(event);
        let claimed = Event::Assigned { partitions: vec![tp(0)] };
        assert_eq!(member.group_said(assigned(&[0]), false), hears(claimed));
        assert_eq!(member.group_said(assigned(&[0, 1]), true), hears(Event::Revoking));
        member.given_up();
        let both = Event::Assigned { partitions: vec![tp(0), tp(1)] };
        assert_eq!(member.take_back(vec![tp(0), tp(1)]), Some(both));
        member.rejoin();
        assert_eq!(member.take_back(vec![tp(0)]), None, "the membership is over");
    }

    #[test]
    fn a_fence_that_was_read_under_another_claim_is_not_used() {
        let mut member = Member::new(true, false);
        assert!(!member.renewed(5, ClaimId(1), ClaimId(1)), "none was read for the claim yet");
        member.claim(ClaimId(1), vec![tp(0)]);
        member.prepared(ClaimId(1));
        while let Some(step) = member.claim_step(ClaimId(1), Millis(0)) {
            match step {
                ClaimStep::ReadFence => member.fence_read(Some(4), Millis(0)),
                ClaimStep::ReadEntries { .. } => {
                    member.claim_read(ClaimId(1), Some(BTreeMap::new()), Millis(0));
                }
                ClaimStep::ReadTopics(_) => member.topics_read(ClaimId(1), Some(BTreeMap::new()), Millis(0)),
                ClaimStep::ServeGroup | ClaimStep::Claimed(_) => {}
            }
        }
        assert_eq!(member.fence(), Some(&4));
        assert!(!member.renewed(5, ClaimId(1), ClaimId(2)));
        assert!(member.renewed(6, ClaimId(1), ClaimId(1)));
        assert_eq!(member.fence(), Some(&6));
    }

    #[test]
    fn who_comes_back_keeps_its_place_and_who_fails_leaves_it() {
        let stays = |outcome: Outcome<()>, succeeded| outcome.stays(succeeded);
        assert!(stays(Outcome::Rejoin, false) && stays(Outcome::Replaced, false));
        assert!(!stays(Outcome::Failed(()), true), "R5");
        assert!(stays(Outcome::Left { landed: true }, true));
        assert!(!stays(Outcome::Left { landed: true }, false));
    }
}
