//! A worker process: the shell that performs a task's actions, one after another, and reports what
//! became of them. Between any two actions it may die or be stopped. What it decides by itself is `conduct`'s, which
//! a real worker runs as well.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_conduct::{
    AfterTrouble, ClaimStep, Claimed, EntriesAsked, GroupEvent, GroupStep, IdleSeal, Life, Membership, Next,
    Pace, PartitionsAsked, Start, Trouble, is_outdated, may_pass, start_of,
};

use pumphouse_delivery::{
    Action, Batch, ClaimId, Event, InsertAnswer, Letter, RereadRange, Rule, StopReason, Task, TaskOptions,
    Verdict, promises,
};
use pumphouse_types::{BatchId, ConfigVersion, Millis, Offset, Partition, TopicName, TopicPartition};

use crate::consumer::Consumer;
use crate::group::Fence;
use crate::ledger::{Place, Written};
use crate::person::{Question, Why};
use crate::run::{Ev, World, brief_action, brief_event};
use crate::source::{Kind, Slot};
use crate::table::Row;
use crate::writes::{Asked, ReadFor, Staged};

/// How often a process looks at the clock and at its queues.
const BEAT_MS: u64 = 50;

/// What a process's loop takes up.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most are events, and few wait at a time")]
pub(crate) enum Message {
    /// For the task.
    Event(Event),
    /// The client has heard of the group.
    Group(GroupEvent),
    /// Something is wrong with the client of this membership.
    Trouble { membership: u64, trouble: Trouble },
    /// The connector is stopped.
    Stop,
    /// Time to take records.
    Poll,
}

/// A sealed block, or one that was built from records that were read again.
pub(crate) struct Block {
    pub topic: usize,
    /// Of the configuration that was asked for when it was built again.
    pub version: Option<ConfigVersion>,
    /// In the order partition, offset.
    pub rows: Vec<Row>,
}

/// One process, from its start to its end.
pub(crate) struct Proc {
    pub slot: usize,
    /// Instance id and transactional id.
    pub identity: u64,
    pub alive: bool,
    pub paused_until: u64,
    pub cut_until: u64,
    pub task: Task,
    pub consumer: Consumer,
    /// What it decides: claims, fences, how the membership ends.
    pub member: Membership<Fence, Why>,
    life: Life,
    /// How many memberships it has had, and since when it has the present one; `None`: it waits for the next.
    pub memberships: u64,
    joined_at: Option<u64>,
    started_at: u64,
    /// It has taken something up.
    has_lanes: bool,
    /// By topic.
    paces: BTreeMap<usize, Pace>,
    idle: BTreeMap<usize, IdleSeal>,
    pub epoch: Option<u64>,
    /// The fate of the producer's last write is unknown: it is replaced before the next claim.
    pub suspect: bool,
    /// A write is under way: the producer does one thing at a time.
    pub writing: bool,
    /// A write lies ready, or is about to.
    pub staged: Option<Staged>,
    pub stages: u64,
    /// Asked once to stop cleanly.
    pub told_to_stop: bool,
    clock_ms: u64,
    inbox: VecDeque<Message>,
    actions: VecDeque<Action>,
    stepping: bool,
    poll_queued: bool,
    open: BTreeMap<usize, Vec<Row>>,
    pub blocks: BTreeMap<BatchId, Block>,
    fetch: BTreeMap<Place, i64>,
    turn: usize,
    /// The table that each topic goes to, by the configuration that it was started with.
    homes: Vec<usize>,
    /// Where the life begins of each topic that the consumer's handle reads. It learns of another one after a while,
    /// and reads on there at the position that it had.
    handle: BTreeMap<usize, i64>,
    /// Records that were taken, by place and offset: which life each is of.
    taken: BTreeMap<(Place, i64), i64>,
}

impl World {
    pub fn start(&mut self, slot: usize, other_identity: bool) {
        // While the connector is stopped for something, nobody starts it.
        if self.slots[slot].is_some() || self.upkeep.is_some() {
            return;
        }
        // R12: the connector is not started.
        if !self.plan.passes_proof() && self.without != Some(Rule::R12) {
            return self.refuses_to_start("PROOF-006: the window is too short");
        }
        let predecessor = self.procs.iter().rev().find(|p| p.slot == slot).map(|p| p.identity);
        let identity = match predecessor {
            Some(identity) if !other_identity => identity,
            Some(_) => {
                self.identities += 1;
                self.identities
            }
            None => slot as u64,
        };
        let options = TaskOptions {
            batch_rows_max: self.plan.rows_max,
            batch_bytes_max: 1 << 20,
            batch_linger_ms: self.plan.linger_ms,
            deadline_ms: self.plan.deadline_ms,
            commit_ms_max: self.plan.commit_ms_max,
            exactly_once: !self.plan.at_least_once,
            leaves_out: self.leaves_out,
            retry_timeout_ms: self.plan.retry_timeout_ms,
            retry_delay_ms_max: 10_000,
            retry_jitter_percent: 20,
            decisions: self.decisions.clone(),
            seed: u128::from(self.rng.bits()) << 64 | u128::from(self.rng.bits()),
        };
        let task = match self.without {
            Some(rule) => Task::without(options, rule),
            None => Task::new(options),
        };
        let proc = self.procs.len();
        self.procs.push(Proc {
            slot,
            identity,
            alive: true,
            paused_until: 0,
            cut_until: 0,
            task,
            consumer: Consumer::default(),
            member: Membership::new(self.plan.incremental, false),
            life: Life::default(),
            memberships: 0,
            joined_at: None,
            started_at: self.now,
            has_lanes: false,
            paces: BTreeMap::new(),
            idle: BTreeMap::new(),
            epoch: None,
            suspect: false,
            writing: false,
            staged: None,
            stages: 0,
            told_to_stop: false,
            clock_ms: self.rng.below(1_000_000),
            inbox: VecDeque::new(),
            actions: VecDeque::new(),
            stepping: false,
            poll_queued: false,
            open: BTreeMap::new(),
            blocks: BTreeMap::new(),
            fetch: BTreeMap::new(),
            turn: 0,
            homes: self.homes.clone(),
            handle: BTreeMap::new(),
            taken: BTreeMap::new(),
        });
        self.slots[slot] = Some(proc);
        self.say(|| format!("p{proc} starts as identity {identity}"));
        self.begin_membership(proc);
        self.after(BEAT_MS, Ev::Beat(proc));
        self.after(500, Ev::Heartbeat(proc));
    }

    /// A membership begins, unless the connector was stopped meanwhile.
    pub fn begin_membership(&mut self, proc: usize) {
        if self.if_awake(proc, Ev::JoinAnew { proc }).is_none() {
            return;
        }
        if self.procs[proc].told_to_stop {
            return self.kill_proc(proc);
        }
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        process.memberships += 1;
        process.joined_at = Some(self.now);
        process.member = Membership::new(self.plan.incremental, process.life.cut_off());
        // Whatever an earlier membership left is over, and so is what it asked for.
        process.task.hear(Event::Lost, now);
        process.task.take_actions();
        self.join_anew(proc);
    }

    /// The membership is closed if it has come to its end, and what follows it is begun.
    fn look_for_end(&mut self, proc: usize) {
        let process = &mut self.procs[proc];
        let Some(outcome) = process.member.ended().filter(|_| process.alive) else { return };
        let lived_ms = self.now - process.joined_at.take().unwrap_or(self.now);
        let (stays, next) = (outcome.stays(false), process.life.after(outcome, lived_ms));
        self.drop_blocks(proc);
        let process = &mut self.procs[proc];
        process.actions.clear();
        process.inbox.clear();
        process.poll_queued = false;
        process.handle.clear();
        // The next one opens a producer of its own.
        process.suspect = true;
        self.close_consumer(proc, stays);
        match next {
            Next::Join { after_ms } => {
                self.saw(if after_ms < 30_000 {
                    "membership ended"
                } else {
                    "name taken by another process"
                });
                self.say(|| format!("p{proc} joins anew after {after_ms} ms"));
                self.after(after_ms, Ev::JoinAnew { proc });
            }
            Next::Stopped { landed } => {
                self.saw(if landed { "clean stop" } else { "stop that leaves something open" });
                self.kill_proc(proc);
            }
            Next::Failed(Why { reason, question: Some(question) }) => self.stopped(proc, &reason, question),
            Next::Failed(Why { reason, question: None }) => {
                self.saw("failed task begun anew by itself");
                let slot = self.procs[proc].slot;
                let ran_ms = self.now - self.procs[proc].started_at;
                let pause_ms = self.restarts[slot].after(ran_ms);
                self.say(|| format!("p{proc} is begun anew after {pause_ms} ms: {reason}"));
                if self.end_proc(proc) {
                    self.after(pause_ms, Ev::Start { slot, other_identity: false });
                }
            }
        }
    }

    /// SIGKILL, or an exit: what is on the way may still arrive. Somebody starts it again.
    pub fn kill_proc(&mut self, proc: usize) {
        let slot = self.procs[proc].slot;
        if self.end_proc(proc) {
            let down = if self.calm { 500 } else { self.rng.between(100, self.plan.down_ms_max) };
            let other_identity = self.strikes(self.plan.other_identity);
            self.after(down, Ev::Start { slot, other_identity });
        }
    }

    /// False: it has been replaced already, or is not there.
    fn end_proc(&mut self, proc: usize) -> bool {
        let process = &mut self.procs[proc];
        if !process.alive {
            return false;
        }
        process.alive = false;
        process.inbox.clear();
        process.actions.clear();
        let slot = process.slot;
        self.say(|| format!("p{proc} is dead"));
        for attempt in 0..self.server.attempts.len() {
            if self.server.attempts[attempt].proc == proc {
                self.connection_lost(attempt);
            }
        }
        if self.slots[slot] != Some(proc) {
            return false;
        }
        self.slots[slot] = None;
        true
    }

    pub fn resume(&mut self, proc: usize) {
        if self.procs[proc].alive && self.procs[proc].paused_until <= self.now {
            self.say(|| format!("p{proc} continues"));
            self.wake(proc);
        }
    }

    pub fn beat(&mut self, proc: usize) {
        if !self.procs[proc].alive {
            return;
        }
        self.after(BEAT_MS, Ev::Beat(proc));
        if self.procs[proc].paused_until > self.now {
            return;
        }
        if self.procs[proc].joined_at.is_none() {
            return;
        }
        // A busy loop takes one look, not many.
        if !self.procs[proc].poll_queued {
            self.procs[proc].poll_queued = true;
            self.deliver(proc, Message::Event(Event::Tick));
            self.deliver(proc, Message::Poll);
        }
        self.serve_asks(proc);
        let now = self.clock(proc);
        if self.procs[proc].member.may_ask(now) && self.procs[proc].member.topics_are_due(now) {
            let (claim, hop) = (self.procs[proc].task.claim(), self.hop());
            self.after(hop, Ev::TopicsAsked { proc, claim });
        }
        self.look_for_end(proc);
    }

    /// Asks whatever the membership wants to know.
    pub fn serve_asks(&mut self, proc: usize) {
        if self.procs[proc].joined_at.is_none() {
            return;
        }
        loop {
            let (claim, now) = (self.procs[proc].task.claim(), self.clock(proc));
            let Some(step) = self.procs[proc].member.claim_step(claim, now) else { break };
            match step {
                ClaimStep::ReadFence => {
                    let process = &mut self.procs[proc];
                    process.member.fence_read(process.consumer.fence, now);
                }
                ClaimStep::ServeGroup => self.serve_group(proc),
                ClaimStep::ReadEntries { partitions, .. } => {
                    let left = partitions.iter().map(|tp| self.place(tp)).collect();
                    self.begin_reading(Asked::new(proc, claim, ReadFor::Claim, left));
                }
                ClaimStep::ReadTopics(_) => {
                    let hop = self.hop();
                    self.after(hop, Ev::TopicsOfClaim { proc, claim });
                }
                ClaimStep::Claimed(Claimed { claim, entries, topic_ids, .. }) => {
                    self.hear(proc, Event::Claimed { claim, entries, topic_ids });
                }
            }
        }
        let (claim, now) = (self.procs[proc].task.claim(), self.clock(proc));
        if let Some(asked) = self.procs[proc].member.next_entries(claim, now) {
            let topic = self.topic(&asked.topic);
            let left = asked.partitions.iter().map(|partition| (topic, partition.0)).collect();
            self.begin_reading(Asked::new(proc, claim, ReadFor::Entries, left));
        }
        if let Some(asked) = self.procs[proc].member.next_starts(claim, now) {
            self.start_offsets(proc, asked);
        }
        self.wake(proc);
    }

    /// R5: whatever the client has heard of the group is heard before anything else that waits.
    fn serve_group(&mut self, proc: usize) {
        let waiting = std::mem::take(&mut self.procs[proc].inbox);
        for message in waiting {
            match message {
                Message::Group(event) => self.group_said(proc, event),
                other => self.procs[proc].inbox.push_back(other),
            }
        }
    }

    fn group_said(&mut self, proc: usize, event: GroupEvent) {
        let process = &mut self.procs[proc];
        match process.member.group_said(event, process.has_lanes) {
            GroupStep::Hear(event) => self.hear(proc, event),
            GroupStep::RenewFence => self.renew_fence(proc),
        }
    }

    /// R5: read first, then the group is heard, and what was read is used only if the claim is still in force.
    fn renew_fence(&mut self, proc: usize) {
        let process = &self.procs[proc];
        let claim = process.task.claim();
        let Some(fence) = process.consumer.fence.filter(|_| process.member.fence().is_some()) else { return };
        self.serve_group(proc);
        let process = &mut self.procs[proc];
        if process.member.renewed(fence, claim, process.task.claim()) {
            self.saw("fence read anew");
        }
    }

    fn has_trouble(&mut self, proc: usize, trouble: Trouble) {
        match self.procs[proc].member.trouble(trouble) {
            // The topics are compared with the next beat.
            AfterTrouble::Ended | AfterTrouble::CompareTopics => {}
            other => panic!("{trouble:?} is answered with {other:?}"),
        }
    }

    /// R15: the brokers say what topics there are. What nobody answers is asked again later.
    pub fn topics_asked(&mut self, proc: usize, claim: ClaimId) {
        if !self.cut(proc) {
            let topic_ids = self.topic_ids();
            self.answer(proc, Event::TopicIds { claim, topic_ids });
        }
    }

    /// R15: the brokers say what topic there is.
    pub fn identity_asked(&mut self, proc: usize, claim: ClaimId, topic: usize, batch: BatchId) {
        if self.cut(proc) {
            return self.after(200, Ev::IdentityAsked { proc, claim, topic, batch });
        }
        let (topic_id, topic) = (self.topic_id(topic), self.topics[topic].clone());
        self.answer(proc, Event::Identified { claim, topic, batch, topic_id });
    }

    /// Between two memberships nobody reads what comes for the one before; a stop is heard all the same.
    pub fn deliver(&mut self, proc: usize, message: Message) {
        let process = &self.procs[proc];
        if process.alive && (process.joined_at.is_some() || matches!(message, Message::Stop)) {
            self.procs[proc].inbox.push_back(message);
            self.wake(proc);
        }
    }

    /// An answer is on its way to the process.
    pub fn answer(&mut self, proc: usize, event: Event) {
        let hop = self.hop();
        self.after(hop, Ev::Deliver(proc, Message::Event(event)));
    }

    pub fn wake(&mut self, proc: usize) {
        if !self.procs[proc].stepping {
            self.procs[proc].stepping = true;
            self.after(0, Ev::Step(proc));
        }
    }

    /// One turn of the process's loop: an action, or else a message.
    pub fn step(&mut self, proc: usize) {
        self.procs[proc].stepping = false;
        if !self.procs[proc].alive || self.procs[proc].paused_until > self.now {
            return;
        }
        if let Some(action) = self.procs[proc].actions.pop_front() {
            let dies = self.plan.crash_at_action;
            if self.strikes(dies) {
                self.kill_proc(proc);
                return;
            }
            if self.strikes(self.plan.pause / 10) {
                self.pause(proc);
            }
            self.say(|| format!("p{proc} does {}", brief_action(&action)));
            self.perform(proc, action);
        } else if let Some(message) = self.procs[proc].inbox.pop_front() {
            match message {
                Message::Event(event) => self.hear(proc, event),
                Message::Group(event) => self.group_said(proc, event),
                Message::Trouble { membership, trouble } => {
                    if membership == self.procs[proc].memberships {
                        self.has_trouble(proc, trouble);
                    }
                }
                Message::Stop => self.is_stopped(proc),
                Message::Poll => self.poll(proc),
            }
        }
        self.look_for_end(proc);
        let process = &self.procs[proc];
        if process.alive && !(process.actions.is_empty() && process.inbox.is_empty()) {
            self.procs[proc].stepping = true;
            // An action takes a moment; so does the scheduler, at times.
            let pause = if self.rng.below(8) == 0 { self.rng.below(5) } else { 0 };
            self.after(pause, Ev::Step(proc));
        }
    }

    fn is_stopped(&mut self, proc: usize) {
        if self.procs[proc].joined_at.is_none() {
            // Between two memberships there is nothing to land.
            return self.kill_proc(proc);
        }
        let event = self.procs[proc].member.stop();
        event.into_iter().for_each(|event| self.hear(proc, event));
    }

    pub fn pause(&mut self, proc: usize) {
        let ms = self.rng.between(50, self.plan.down_ms_max + 2_000);
        self.procs[proc].paused_until = self.procs[proc].paused_until.max(self.now + ms);
        self.say(|| format!("p{proc} is stopped for {ms} ms"));
        self.after(ms, Ev::Resume(proc));
        if self.strikes(self.plan.twin) && self.slots[self.procs[proc].slot] == Some(proc) {
            self.saw("twin of a stopped process");
            // Whoever looks after the workers takes it for dead and starts another one.
            let slot = self.procs[proc].slot;
            self.slots[slot] = None;
            let down = self.rng.between(100, self.plan.down_ms_max);
            self.after(down, Ev::Start { slot, other_identity: false });
        }
    }

    /// The table that the process fills with a topic's records.
    pub fn home(&self, proc: usize, topic: usize) -> usize {
        self.procs[proc].homes[topic]
    }

    pub fn clock(&self, proc: usize) -> Millis {
        Millis(self.procs[proc].clock_ms + self.now)
    }

    pub fn hear(&mut self, proc: usize, event: Event) {
        if let Event::Insert { topic, answer, .. } = &event {
            self.pace(proc, topic, answer);
        }
        if let Event::Ledger { answer, .. } = &event
            && self.procs[proc].member.doubts_fence(answer)
        {
            self.renew_fence(proc);
        }
        if event != Event::Tick {
            self.say(|| format!("p{proc} hears {}", brief_event(&event)));
        }
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        process.task.hear(event, now);
        process.actions.extend(process.task.take_actions());
    }

    fn pace(&mut self, proc: usize, topic: &TopicName, answer: &InsertAnswer) {
        let topic = self.topic(topic);
        if let Some(pace) = self.procs[proc].paces.get_mut(&topic) {
            pace.answered(answer);
        }
    }

    /// How long an attempt is held back, in ms.
    pub fn held_back_ms(&mut self, proc: usize, topic: usize) -> u64 {
        let deadline_ms = self.plan.deadline_ms;
        let pause_ms =
            self.procs[proc].paces.entry(topic).or_insert_with(|| Pace::new(deadline_ms)).pause_ms();
        if pause_ms > 0 {
            self.saw("attempt held back");
        }
        pause_ms
    }

    /// Takes a few records of one partition into the open block, as the consumer's queue gives them.
    fn poll(&mut self, proc: usize) {
        self.procs[proc].poll_queued = false;
        let places: Vec<Place> = self.procs[proc].fetch.keys().copied().collect();
        for _ in 0..places.len() {
            self.procs[proc].turn += 1;
            let place = places[self.procs[proc].turn % places.len()];
            // The place before may have ended the process.
            if self.procs[proc].alive && self.poll_place(proc, place) {
                self.procs[proc].inbox.push_back(Message::Poll);
                self.procs[proc].poll_queued = true;
                return;
            }
        }
        for topic in 0..self.topics.len() {
            self.seal_early(proc, topic);
        }
    }

    /// Nothing has come for a while, and nothing of the lane is under way.
    fn seal_early(&mut self, proc: usize, topic: usize) {
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        let under_way = process.blocks.values().any(|block| block.topic == topic);
        if !under_way && process.idle.get_mut(&topic).is_some_and(|idle| idle.is_due(now)) {
            process.task.seal_early(&self.topics[topic], now);
            process.actions.extend(process.task.take_actions());
            self.saw("block sealed before its linger was over");
        }
    }

    fn poll_place(&mut self, proc: usize, (topic, partition): Place) -> bool {
        let now = self.clock(proc);
        let name = self.topics[topic].clone();
        let records_max = self.rng.between(1, 5) as usize;
        let tells_position = self.rng.below(3) == 0;
        let process = &mut self.procs[proc];
        if !process.task.takes(&name, Partition(partition)) {
            return false;
        }
        let Some(expected) = process.task.expected(&name, Partition(partition)) else { return false };
        let begin = self.source.begin(topic);
        let known = *process.handle.entry(topic).or_insert(begin);
        if !self.source.exists(topic) || known != begin {
            self.goes_over(proc, topic);
            return false;
        }
        let mut position = process.fetch[&(topic, partition)];
        if begin + position > self.source.end(topic, partition) {
            return self.out_of_range(proc, (topic, partition));
        }
        let mut offsets = Vec::new();
        while offsets.len() < records_max {
            match self.source.at(topic, partition, begin + position) {
                // One that cannot be decoded comes by itself.
                Some(Slot::Record(Kind::Undecodable)) if position >= expected.get() => {
                    if offsets.is_empty() {
                        return self.leave_out(proc, (topic, partition), position);
                    }
                    break;
                }
                Some(Slot::Record(_) | Slot::Rewritten) => {
                    // The consumer may give records again that were taken already.
                    if position >= expected.get() {
                        offsets.push(Offset::new(position).expect("offsets are not negative"));
                    }
                }
                Some(Slot::Gap | Slot::Removed(_)) => {}
                None => break,
            }
            position += 1;
        }
        process.fetch.insert((topic, partition), position);
        if !offsets.is_empty() {
            let block = process.open.entry(topic).or_default();
            block.extend(offsets.iter().map(|offset| (partition, begin + offset.get())));
            let taken = offsets.iter().map(|at| (((topic, partition), at.get()), begin + at.get()));
            process.taken.extend(taken);
            let bytes = 100 * block.len() as u64;
            let linger_ms = self.plan.linger_ms;
            process.idle.entry(topic).or_insert_with(|| IdleSeal::new(linger_ms)).took(now);
            process.task.filled(&name, Partition(partition), &offsets, bytes, now);
        }
        if tells_position && position > 0 {
            let position = Offset::new(position).expect("offsets are not negative");
            process.task.positioned(&name, Partition(partition), position, now);
        }
        process.actions.extend(process.task.take_actions());
        !offsets.is_empty()
    }

    /// The topic that the consumer's handle reads is gone. When it is there again, the handle reads on where it was.
    fn goes_over(&mut self, proc: usize, topic: usize) {
        if self.source.exists(topic) && self.rng.below(10) == 0 {
            self.saw("old handle reads the next life");
            let begin = self.source.begin(topic);
            self.procs[proc].handle.insert(topic, begin);
        } else if self.rng.below(20) == 0 {
            // An error of the handle's has the topics compared at once.
            self.has_trouble(proc, Trouble::TopicGone);
        }
    }

    /// The log ends before the position: in a topic that was created again that ends the membership (R15); else what
    /// was taken lands, and the task fails.
    fn out_of_range(&mut self, proc: usize, place: Place) -> bool {
        self.saw("position out of range");
        self.procs[proc].fetch.remove(&place);
        let claim = self.procs[proc].task.claim();
        if !self.cut(proc) {
            let topic_ids = self.topic_ids();
            self.hear(proc, Event::TopicIds { claim, topic_ids });
        }
        if self.procs[proc].task.claim() == claim {
            let why = Why { reason: "KAFKA-011: out of range".to_owned(), question: Some(Question::Restart) };
            let event = self.procs[proc].member.leave_because(why);
            self.hear(proc, event);
        }
        false
    }

    /// A record that cannot be decoded: nothing of it comes into the block.
    fn leave_out(&mut self, proc: usize, (topic, partition): Place, position: i64) -> bool {
        self.saw("record left out undecoded");
        let now = self.clock(proc);
        let name = self.topics[topic].clone();
        let process = &mut self.procs[proc];
        process.fetch.insert((topic, partition), position + 1);
        process.taken.insert(((topic, partition), position), self.source.begin(topic) + position);
        let bytes = 100 * process.open.get(&topic).map_or(0, |block| block.len() as u64 + 1);
        let offset = Offset::new(position).expect("offsets are not negative");
        let linger_ms = self.plan.linger_ms;
        process.idle.entry(topic).or_insert_with(|| IdleSeal::new(linger_ms)).took(now);
        process.task.left_out(&name, Partition(partition), offset, bytes, now);
        process.actions.extend(process.task.take_actions());
        true
    }

    fn drop_blocks(&mut self, proc: usize) {
        // Without R5 the lanes live on, and their blocks with them.
        if self.without != Some(Rule::R5) {
            self.procs[proc].open.clear();
            self.procs[proc].blocks.clear();
            self.procs[proc].taken.clear();
        }
        let process = &mut self.procs[proc];
        process.fetch.clear();
        process.paces.clear();
        process.idle.clear();
        process.has_lanes = false;
        process.member.drop_asks();
        self.drop_held_back(proc);
        self.unstage_soon(proc);
    }

    fn perform(&mut self, proc: usize, action: Action) {
        match action {
            Action::Claim { claim, partitions } => {
                self.drop_blocks(proc);
                self.procs[proc].member.claim(claim, partitions);
                self.begin_prepare(proc, claim);
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                self.saw(if gather.is_some() { "entries gathered" } else { "lead's owner waited for" });
                self.procs[proc].member.ask_entries(EntriesAsked { claim, topic, gather, partitions });
                self.serve_asks(proc);
            }
            Action::AskStartOffsets { claim, partitions } => {
                self.procs[proc].member.ask_starts(PartitionsAsked { claim, partitions });
                self.serve_asks(proc);
            }
            Action::Fetch { positions } => {
                let mut fetch = BTreeMap::new();
                for (tp, at) in &positions {
                    // What was on its way already is given again.
                    let back = if self.rng.below(8) == 0 { self.rng.below(5) as i64 } else { 0 };
                    fetch.insert(self.place(tp), (at.get() - back).max(0));
                }
                self.procs[proc].fetch = fetch;
            }
            Action::Seal { topic, batch } => {
                let topic = self.topic(&topic);
                let process = &mut self.procs[proc];
                let rows = process.open.remove(&topic).unwrap_or_default();
                process.blocks.insert(batch, Block { topic, version: None, rows });
                let now = self.clock(proc);
                if let Some(idle) = self.procs[proc].idle.get_mut(&topic) {
                    idle.sealed(now);
                }
            }
            Action::Record { claim, write, entries, letters, at_rest, only_while } => {
                let entries = entries.iter().map(|(tp, entry)| (self.place(tp), entry.clone())).collect();
                let taken = &self.procs[proc].taken;
                let letter = |(topic, letter): &(TopicName, Letter)| {
                    let place = (self.topic(topic), letter.partition.0);
                    (place, taken[&(place, letter.offset.get())])
                };
                let letters = letters.iter().map(letter).collect();
                let only_while = only_while.map(|(topic, topic_id)| (self.topic(&topic), topic_id));
                let written = Written { entries, letters, at_rest };
                self.begin_write(proc, (claim, write), written, only_while);
            }
            Action::Foresee { claim, entries } => {
                let entries = entries.iter().map(|(tp, entry)| (self.place(tp), entry.clone())).collect();
                self.begin_stage(proc, claim, entries);
            }
            Action::Reread { claim, topic, batch, config_version } => {
                self.saw("open batch taken up");
                let topic = self.topic(&topic);
                let (rows, ranges) = self.reread(proc, topic, &batch);
                let batch = batch.id;
                self.procs[proc].blocks.insert(batch, Block { topic, version: Some(config_version), rows });
                let ms = self.rng.between(5, 300);
                self.after(ms, Ev::RereadEnds { proc, claim, topic, batch, ranges });
            }
            Action::Inspect { claim, topic, table } => {
                self.procs[proc].has_lanes = true;
                self.begin_inspect(proc, claim, &topic, table.as_deref());
            }
            Action::Settle { claim, topic, batch, table, after } => {
                self.begin_settle(proc, claim, &topic, (batch, &table), after);
            }
            Action::Evidence { claim, topic, batch, ranges, rows, after } => {
                self.begin_evidence(proc, claim, &topic, &batch, ranges, rows, after);
            }
            Action::Insert { claim, topic, batch, attempt, rows } => {
                self.begin_insert(proc, claim, &topic, batch, attempt, rows);
            }
            Action::Confirm { claim, topic, batch, table } => {
                self.begin_confirm(proc, claim, &topic, (batch, &table));
            }
            Action::Landed { batch, rows, .. } => {
                self.landed += 1;
                self.look_at_landed(proc, &batch, rows);
            }
            Action::Release { topic: _, batch } => {
                self.procs[proc].blocks.remove(&batch);
            }
            Action::Report { verdict, .. } => self.saw(verdict_name(&verdict)),
            Action::Identify { claim, topic, batch } => {
                let (topic, hop) = (self.topic(&topic), self.hop());
                self.after(hop, Ev::IdentityAsked { proc, claim, topic, batch });
            }
            Action::WarnTopicGone { .. } => self.saw("batch of an earlier life dropped"),
            Action::WarnTopicReborn { .. } => self.saw("next life read by another membership"),
            Action::WarnWindow { .. } => self.saw("window too short"),
            Action::GiveUp => {
                self.drop_blocks(proc);
                self.procs[proc].member.given_up();
                self.given_up(proc);
                let owned = self.owned(proc);
                let event = self.procs[proc].member.take_back(owned);
                event.into_iter().for_each(|event| self.hear(proc, event));
            }
            Action::EndMembership => {
                self.drop_blocks(proc);
                self.procs[proc].member.rejoin();
            }
            Action::Fail(reason) => {
                let why = self.why(&reason);
                self.procs[proc].member.fail(why);
            }
            Action::Leave => {
                let has_lanes = self.procs[proc].has_lanes;
                self.drop_blocks(proc);
                self.procs[proc].member.left(has_lanes);
            }
        }
    }

    fn why(&self, reason: &StopReason) -> Why {
        let question = (!may_pass(reason)).then(|| self.question(reason));
        Why { reason: reason.to_string(), question }
    }

    /// As a worker does in production, for a batch that landed whole.
    fn look_at_landed(&mut self, proc: usize, batch: &Batch, rows: u64) {
        let whole = batch.piece_end.is_none() && rows == batch.rows() && !self.plan.at_least_once;
        let Some(block) =
            self.procs[proc].blocks.get(&batch.id).filter(|block| block.rows.len() as u64 == rows)
        else {
            return;
        };
        // Who sets offsets back owes more than one row.
        if !whole || self.plan.resets + self.plan.long_rests > 0 {
            return;
        }
        let topic = self.table(&batch.table.name) % self.topics.len();
        // A member that stood still has all rows of a batch that its successor sent without those that the source has
        // lost since, under the same token (R9): its answer says of these nothing.
        let is_owed = |row: &&Row| !matches!(self.source.at(topic, row.0, row.1), Some(Slot::Removed(_)));
        let counts = block.rows.iter().filter(is_owed);
        let counts = counts.map(|row| u64::from(self.server.count(topic, row.0, row.1)));
        let (expected, present, distinct) =
            counts.fold((0, 0, 0), |(owed, all, any), count| (owed + 1, all + count, any + count.min(1)));
        if let Err(why) = promises::landed_is_there(expected, present, distinct, false) {
            self.watch.violated("landed_is_there", format!("batch {}: {why}", batch.id));
        }
    }

    /// Where partitions without an entry start, by their marks (R16).
    fn start_offsets(&mut self, proc: usize, asked: PartitionsAsked) {
        let PartitionsAsked { claim, partitions } = asked;
        let (mut offsets, mut starts) = (BTreeMap::new(), BTreeMap::new());
        for tp in partitions {
            let place = self.place(&tp);
            let topic_id = self.procs[proc].member.topic_ids().get(&tp.topic).copied();
            let mark = topic_id.filter(|_| self.without != Some(Rule::R16));
            let mark = mark.and_then(|topic_id| self.ledger.mark(place, topic_id));
            let start = match start_of(mark, !self.plan.at_least_once) {
                Start::Fresh => Offset::ZERO,
                Start::Anew => {
                    self.saw("partition begun anew");
                    let begin = self.source.begin(place.0);
                    self.watch.offset_set(place, None, begin, &self.ledger, &self.source, &self.server);
                    Offset::ZERO
                }
                Start::AtRest(next) => {
                    self.saw("offset restored from rest");
                    next
                }
                Start::Lost => return self.lost_or_outdated(proc, &tp),
            };
            starts.insert(place, start.get());
            offsets.insert(tp, start);
        }
        if !self.keeper_enters(proc, claim, &starts) {
            return self.procs[proc].member.rejoin();
        }
        let hop = self.hop();
        self.after(hop, Ev::StartsFound { proc, claim, offsets });
    }

    /// R16: the offsets are lost, unless somebody has written since the claim's entries were read.
    fn lost_or_outdated(&mut self, proc: usize, tp: &TopicPartition) {
        let (now, place) = (self.clock(proc), self.place(tp));
        if self.ledger.is_unstable(place) {
            self.procs[proc].member.starts_found(None, now);
            return;
        }
        let topic_id = self.procs[proc].member.topic_ids().get(&tp.topic).copied();
        let entry = self.ledger.entry(place);
        if topic_id.is_some_and(|id| is_outdated(tp.partition, entry, id, self.topic_id(place.0))) {
            self.saw("entry written since the claim");
            return self.procs[proc].member.rejoin();
        }
        let reason = format!("WORKER-006: {tp} has history and no offset");
        self.procs[proc].member.fail(Why { reason, question: Some(Question::Offsets) });
    }

    pub fn starts_found(&mut self, proc: usize, claim: ClaimId, offsets: BTreeMap<TopicPartition, Offset>) {
        let event = Ev::StartsFound { proc, claim, offsets };
        let Some(Ev::StartsFound { offsets, .. }) = self.if_awake(proc, event) else { return };
        let now = self.clock(proc);
        if self.procs[proc].task.claim() == claim {
            let event = self.procs[proc].member.starts_found(Some(offsets), now);
            event.into_iter().for_each(|event| self.hear(proc, event));
            self.wake(proc);
        }
    }

    /// Reads the batch's records again, from whatever topic has the name now.
    fn reread(
        &mut self,
        proc: usize,
        topic: usize,
        batch: &Batch,
    ) -> (Vec<Row>, BTreeMap<Partition, RereadRange>) {
        let (mut rows, mut found) = (Vec::new(), BTreeMap::new());
        let begin = self.source.begin(topic);
        for (partition, share) in &batch.ranges {
            let (first, end) = (begin + share.range.first().get(), begin + share.range.end().get());
            let mut range = RereadRange { offsets: Vec::new(), left_out: 0 };
            for at in self.source.records(topic, partition.0, first, end) {
                self.procs[proc].taken.insert(((topic, partition.0), at - begin), at);
                if self.source.is_undecodable(topic, partition.0, at) {
                    range.left_out += 1;
                } else {
                    range.offsets.push(Offset::new(at - begin).expect("offsets are not negative"));
                    rows.push((partition.0, at));
                }
            }
            found.insert(*partition, range);
        }
        (rows, found)
    }

    /// R15: last of all, which topic that was.
    pub fn reread_ends(
        &mut self,
        proc: usize,
        claim: ClaimId,
        topic: usize,
        batch: BatchId,
        ranges: BTreeMap<Partition, RereadRange>,
    ) {
        let (topic_id, topic) = (self.topic_id(topic), self.topics[topic].clone());
        self.deliver(proc, Message::Event(Event::Reread { claim, topic, batch, ranges, topic_id }));
    }

    /// The partitions of an assignment as the task is told them.
    pub fn topic_partitions(&self, places: &[Place]) -> Vec<TopicPartition> {
        places.iter().map(|&place| self.topic_partition(place)).collect()
    }
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::EvidenceNeeded(_) => "evidence needed",
        Verdict::RowsFound => "rows found",
        Verdict::QueryFinished => "query finished",
        Verdict::RowsMissing { .. } => "rows missing",
        Verdict::SameProcess => "same process",
        Verdict::SourceThinned { .. } => "source thinned",
        Verdict::RefusedBefore => "refused before",
        Verdict::Amended { .. } => "block amended",
        Verdict::LeftOut { .. } => "record left out refused",
        Verdict::Rebuilt => "block rebuilt",
        Verdict::OpenElsewhere { .. } => "batch open for another table",
        Verdict::OffsetsWereSet => "offsets were set",
        Verdict::Decided(_) => "decision carried out",
        Verdict::AtLeastOnce(_) => "sent again unproven",
    }
}
