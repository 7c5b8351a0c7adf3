//! The client's side of the group protocol in each process: joins, heartbeats, and what it tells the
//! task. It joins again only after the task gave its partitions up, so the fence of a member never
//! runs ahead of what the task knows.
use pumphouse_delivery::Event;

use crate::group::{Fence, Joined, Pulse};
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
    /// It has left for good.
    closed: bool,
}

impl World {
    fn instance(&self, proc: usize) -> Option<u64> {
        self.plan.static_members.then_some(self.procs[proc].identity)
    }

    /// Joins without a membership.
    pub fn join_anew(&mut self, proc: usize) {
        let consumer = &mut self.procs[proc].consumer;
        if consumer.closed || consumer.joining || consumer.fence.is_some() {
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
        consumer.fence = None;
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
        let answer = self.group.join(proc, request, instance, member, self.now);
        if let Some(joined) = answer {
            let hop = self.hop();
            self.after(hop, Ev::JoinAnswered(joined));
        }
    }

    pub fn join_again(&mut self, proc: usize, request: u64) {
        let Some(_) = self.if_awake(proc, Ev::JoinAgain { proc, request }) else { return };
        let consumer = &self.procs[proc].consumer;
        if consumer.joining && consumer.request == request && !consumer.closed {
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
        if !consumer.joining || consumer.request != joined.request || consumer.closed {
            return;
        }
        consumer.joining = false;
        consumer.fence = Some(joined.fence);
        consumer.member = Some(joined.fence.member);
        let partitions = self.topic_partitions(&joined.partitions);
        self.deliver(proc, Message::Event(Event::Assigned { partitions }));
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
            Pulse::Rebalancing => {
                if !std::mem::replace(&mut self.procs[proc].consumer.told, true) {
                    self.deliver(proc, Message::Event(Event::Revoking));
                }
            }
            Pulse::Unknown => {
                self.procs[proc].consumer.fence = None;
                self.procs[proc].consumer.member = None;
                self.procs[proc].consumer.told = true;
                self.deliver(proc, Message::Event(Event::Lost));
            }
            Pulse::Fenced => {
                self.procs[proc].consumer.fence = None;
                self.procs[proc].consumer.closed = true;
                self.deliver(proc, Message::Event(Event::Lost));
                // A fenced twin does not come back; it needs a moment to notice.
                let ms = self.rng.between(1, 2_000);
                self.after(ms, Ev::KillProc(proc));
            }
        }
    }

    /// The task gave its partitions up: the member joins again.
    pub fn given_up(&mut self, proc: usize) {
        let consumer = &self.procs[proc].consumer;
        if !consumer.closed && !consumer.joining {
            self.join(proc);
        }
    }

    /// Closes the consumer, and joins anew after a while.
    pub fn end_membership(&mut self, proc: usize) {
        self.leave(proc);
        self.procs[proc].suspect = true;
        let ms = self.rng.between(300, 2_000);
        self.after(ms, Ev::JoinAnew { proc });
    }

    /// Leaves for good.
    pub fn leave_group(&mut self, proc: usize) {
        self.leave(proc);
        self.procs[proc].consumer.closed = true;
    }

    fn leave(&mut self, proc: usize) {
        let consumer = &mut self.procs[proc].consumer;
        consumer.joining = false;
        consumer.request += 1;
        consumer.told = false;
        consumer.member = None;
        if let Some(fence) = consumer.fence.take()
            // A static member does not say good-bye: it is expected back.
            && !self.plan.static_members
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
