//! The client's side of the group protocol in each process: joins, heartbeats, and what it tells the
//! task. It joins again only after the task gave its partitions up, so the fence of a member never
//! runs ahead of what the task knows.
use std::collections::BTreeSet;

use pumphouse_conduct::{GroupEvent, Trouble};
use pumphouse_types::TopicPartition;

use crate::group::{Fence, Joined, Pulse};
use crate::ledger::Place;
use crate::run::{Ev, World};
use crate::worker::Message;

/// heartbeat.interval.ms.
const HEARTBEAT_MS: u64 = 500;

/// An unanswered join is sent again.
const JOIN_TIMEOUT_MS: u64 = 16_000;

/// A process's consumer.
#[derive(Debug, Default)]
pub struct Consumer {
    /// The membership, once joined.
    pub fence: Option<Fence>,
    /// The member that joins again.
    member: Option<u64>,
    /// The join that is under way; answers to others are not heard.
    request: u64,
    joining: bool,
    /// The task was told to give up.
    told: bool,
    /// What the group has given, where a rebalance takes only what goes to somebody else.
    owned: BTreeSet<Place>,
    /// What will be its own once the task has given the rest up.
    left: Option<BTreeSet<Place>>,
}

impl World {
    fn instance(&self, proc: usize) -> Option<u64> {
        self.plan.static_members.then_some(self.procs[proc].identity)
    }

    /// Joins without a membership.
    pub fn join_anew(&mut self, proc: usize) {
        let consumer = &mut self.procs[proc].consumer;
        if consumer.joining || consumer.fence.is_some() {
            return;
        }
        consumer.member = None;
        self.join(proc);
    }

    fn join(&mut self, proc: usize) {
        let consumer = &mut self.procs[proc].consumer;
        consumer.request += 1;
        consumer.joining = true;
        consumer.told = false;
        // Who keeps its partitions keeps what proves it, until the group has gone on.
        if !self.plan.incremental || consumer.member.is_none() {
            consumer.fence = None;
        }
        let request = consumer.request;
        let hop = self.hop();
        self.after(hop, Ev::JoinArrives { proc, request });
        self.after(JOIN_TIMEOUT_MS, Ev::JoinAgain { proc, request });
    }

    pub fn join_arrives(&mut self, proc: usize, request: u64) {
        if self.cut(proc) || self.procs[proc].consumer.request != request {
            return;
        }
        let (instance, member) = (self.instance(proc), self.procs[proc].consumer.member);
        let owned = self.procs[proc].consumer.owned.clone();
        let answer = self.group.join(proc, request, instance, member, owned, self.now);
        if let Some(joined) = answer {
            let hop = self.hop();
            self.after(hop, Ev::JoinAnswered(joined));
        }
    }

    pub fn join_again(&mut self, proc: usize, request: u64) {
        let Some(_) = self.if_awake(proc, Ev::JoinAgain { proc, request }) else { return };
        let consumer = &self.procs[proc].consumer;
        if consumer.joining && consumer.request == request {
            self.join(proc);
        }
    }

    pub fn join_answered(&mut self, joined: Joined) {
        let proc = joined.proc;
        if self.cut(proc) {
            return;
        }
        let Some(Ev::JoinAnswered(joined)) = self.if_awake(proc, Ev::JoinAnswered(joined)) else {
            return;
        };
        let consumer = &mut self.procs[proc].consumer;
        if !consumer.joining || consumer.request != joined.request {
            return;
        }
        consumer.joining = false;
        consumer.fence = Some(joined.fence);
        consumer.member = Some(joined.fence.member);
        let event = if self.plan.incremental {
            self.goes_on(proc, joined.partitions.into_iter().collect())
        } else {
            GroupEvent::Assigned(self.topic_partitions(&joined.partitions))
        };
        self.deliver(proc, Message::Group(event));
    }

    /// The group has gone on, and has given this member these partitions. Those of its own that are not among them are
    /// to go to somebody else, who gets them when they have been given up.
    fn goes_on(&mut self, proc: usize, given: BTreeSet<Place>) -> GroupEvent {
        let consumer = &mut self.procs[proc].consumer;
        if !consumer.owned.is_subset(&given) {
            consumer.left = Some(given);
            self.saw("some partitions revoked");
            return GroupEvent::Revoking { lost: false };
        }
        if given == consumer.owned {
            self.saw("generation passed, nothing moved");
            return GroupEvent::Renewed;
        }
        consumer.owned.clone_from(&given);
        let given: Vec<Place> = given.into_iter().collect();
        GroupEvent::Assigned(self.topic_partitions(&given))
    }

    pub fn heartbeat(&mut self, proc: usize) {
        if !self.procs[proc].alive {
            return;
        }
        self.after(HEARTBEAT_MS, Ev::Heartbeat(proc));
        if self.procs[proc].paused_until > self.now || self.cut(proc) {
            return;
        }
        let Some(fence) = self.procs[proc].consumer.fence else { return };
        let pulse = self.group.heartbeat(fence, self.instance(proc), self.now);
        match pulse {
            Pulse::Fine => {}
            // Nobody is told before it is known what is to move.
            Pulse::Rebalancing if self.plan.incremental => {
                let consumer = &self.procs[proc].consumer;
                if !consumer.joining && consumer.left.is_none() {
                    self.join(proc);
                }
            }
            Pulse::Rebalancing => {
                if !std::mem::replace(&mut self.procs[proc].consumer.told, true) {
                    self.deliver(proc, Message::Group(GroupEvent::Revoking { lost: false }));
                }
            }
            Pulse::Unknown => {
                self.procs[proc].consumer.fence = None;
                let consumer = &mut self.procs[proc].consumer;
                (consumer.member, consumer.joining, consumer.told) = (None, false, true);
                (consumer.owned, consumer.left) = (BTreeSet::new(), None);
                self.deliver(proc, Message::Group(GroupEvent::Revoking { lost: true }));
            }
            Pulse::Fenced => {
                self.procs[proc].consumer.fence = None;
                self.procs[proc].consumer.told = true;
                // It needs a moment to notice.
                let (ms, membership) = (self.rng.between(1, 2_000), self.procs[proc].memberships);
                self.after(
                    ms,
                    Ev::Deliver(proc, Message::Trouble { membership, trouble: Trouble::NameTaken }),
                );
            }
        }
    }

    /// The task gave its partitions up: the member joins again.
    /// Where a rebalance takes only some of them, the member goes on with the others.
    pub fn given_up(&mut self, proc: usize) {
        let incremental = self.plan.incremental;
        let consumer = &mut self.procs[proc].consumer;
        let moved = consumer.left.take().map(|left| consumer.owned = left).is_some();
        if !consumer.joining && (!incremental || moved || consumer.fence.is_none()) {
            self.join(proc);
        }
    }

    /// What the group has left to the member.
    pub fn owned(&self, proc: usize) -> Vec<TopicPartition> {
        let owned: Vec<Place> = self.procs[proc].consumer.owned.iter().copied().collect();
        self.topic_partitions(&owned)
    }

    /// Closes the consumer. `stays`: a static member does not say good-bye, it is expected back.
    pub fn close_consumer(&mut self, proc: usize, stays: bool) {
        let consumer = &mut self.procs[proc].consumer;
        consumer.joining = false;
        consumer.request += 1;
        consumer.told = false;
        consumer.member = None;
        (consumer.owned, consumer.left) = (BTreeSet::new(), None);
        if let Some(fence) = consumer.fence.take()
            && !(self.plan.static_members && stays)
            && !self.cut(proc)
        {
            let hop = self.hop();
            self.after(hop, Ev::Leaves { member: fence.member });
        }
    }

    /// Whether the process does not reach the broker.
    pub fn cut(&self, proc: usize) -> bool {
        self.procs[proc].cut_until > self.now
    }
}
