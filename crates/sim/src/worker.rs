//! A worker process: the shell that performs a task's actions, one after another, and reports what
//! became of them. Between any two actions it may die or be stopped. What it decides by itself is `conduct`'s, which
//! a real worker runs as well.
mod membership;
mod reading;

use std::collections::{BTreeMap, VecDeque};

use pumphouse_conduct::{
    AfterTrouble, ClaimStep, Claimed, EarlySeal, EntriesAsked, GroupEvent, GroupStep, Life, Membership, Next,
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
    early: BTreeMap<usize, EarlySeal>,
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
            early: BTreeMap::new(),
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
        process.early.clear();
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
                process.blocks.insert(batch, Block { version: None, rows });
                let now = self.clock(proc);
                if let Some(early) = self.procs[proc].early.get_mut(&topic) {
                    early.sealed(now);
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
                self.procs[proc].blocks.insert(batch, Block { version: Some(config_version), rows });
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
