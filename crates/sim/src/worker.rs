//! A worker process: the shell that performs a task's actions, one after another, and reports what
//! became of them. Between any two actions it may die or be stopped.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_delivery::{
    Action, Batch, ClaimId, Event, Letter, RereadRange, Rule, Task, TaskOptions, Verdict, promises,
};
use pumphouse_types::{
    BatchId, ConfigVersion, Millis, Offset, Partition, TopicId, TopicName, TopicPartition,
};

use crate::consumer::Consumer;
use crate::group::Fence;
use crate::ledger::{Mark, Place, Written, topic_of};
use crate::person::Question;
use crate::run::{Ev, World, brief_action, brief_event};
use crate::source::{Kind, Slot};
use crate::table::Row;
use crate::writes::{Asked, ReadFor, Staged};

/// How often a process looks at the clock and at its queues.
const BEAT_MS: u64 = 50;

/// How often topics are compared with what they were at claim.
const TOPIC_IDS_MS: u64 = 5_000;

/// What a process's loop takes up.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "most are events, and few wait at a time")]
pub(crate) enum Message {
    /// For the task.
    Event(Event),
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
    pub fences: BTreeMap<ClaimId, Fence>,
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
    /// Identities of the topics, as they were at claim.
    pub topic_ids: BTreeMap<TopicName, TopicId>,
    /// When topics are compared with what they were at claim.
    compare_at: u64,
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
            epoch: None,
            suspect: false,
            writing: false,
            staged: None,
            stages: 0,
            told_to_stop: false,
            fences: BTreeMap::new(),
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
            topic_ids: BTreeMap::new(),
            compare_at: 0,
            handle: BTreeMap::new(),
            taken: BTreeMap::new(),
        });
        self.slots[slot] = Some(proc);
        self.say(|| format!("p{proc} starts as identity {identity}"));
        self.join_anew(proc);
        self.after(BEAT_MS, Ev::Beat(proc));
        self.after(500, Ev::Heartbeat(proc));
    }

    /// SIGKILL, or an exit: what is on the way may still arrive.
    pub fn kill_proc(&mut self, proc: usize) {
        let process = &mut self.procs[proc];
        if !process.alive {
            return;
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
        if self.slots[slot] == Some(proc) {
            self.slots[slot] = None;
            let down = if self.calm { 500 } else { self.rng.between(100, self.plan.down_ms_max) };
            let other_identity = self.strikes(self.plan.other_identity);
            self.after(down, Ev::Start { slot, other_identity });
        }
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
        // A busy loop takes one look, not many.
        if !self.procs[proc].poll_queued {
            self.procs[proc].poll_queued = true;
            self.deliver(proc, Message::Event(Event::Tick));
            self.deliver(proc, Message::Poll);
        }
        if self.now >= self.procs[proc].compare_at {
            self.procs[proc].compare_at = self.now + TOPIC_IDS_MS;
            let (claim, hop) = (self.procs[proc].task.claim(), self.hop());
            self.after(hop, Ev::TopicsAsked { proc, claim });
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

    pub fn deliver(&mut self, proc: usize, message: Message) {
        if self.procs[proc].alive {
            self.procs[proc].inbox.push_back(message);
            self.wake(proc);
        }
    }

    /// An answer is on its way to the process.
    pub fn answer(&mut self, proc: usize, event: Event) {
        let hop = self.hop();
        self.after(hop, Ev::Deliver(proc, Message::Event(event)));
    }

    fn wake(&mut self, proc: usize) {
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
                Message::Poll => self.poll(proc),
            }
        }
        let process = &self.procs[proc];
        if process.alive && !(process.actions.is_empty() && process.inbox.is_empty()) {
            self.procs[proc].stepping = true;
            // An action takes a moment; so does the scheduler, at times.
            let pause = if self.rng.below(8) == 0 { self.rng.below(5) } else { 0 };
            self.after(pause, Ev::Step(proc));
        }
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

    fn hear(&mut self, proc: usize, event: Event) {
        if event != Event::Tick {
            self.say(|| format!("p{proc} hears {}", brief_event(&event)));
        }
        let now = self.clock(proc);
        let process = &mut self.procs[proc];
        process.task.hear(event, now);
        process.actions.extend(process.task.take_actions());
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
            return self.out_of_range(proc);
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
            self.procs[proc].compare_at = self.now;
        }
    }

    /// The log ends before the position: the task fails, and is begun anew.
    fn out_of_range(&mut self, proc: usize) -> bool {
        self.saw("position out of range");
        self.drop_blocks(proc);
        self.leave_group(proc);
        self.kill_proc(proc);
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
        self.procs[proc].fetch.clear();
        self.unstage_soon(proc);
    }

    fn perform(&mut self, proc: usize, action: Action) {
        match action {
            Action::Claim { claim, partitions } => {
                self.drop_blocks(proc);
                let left = partitions.iter().map(|tp| self.place(tp)).collect();
                self.begin_claim(Asked::new(proc, claim, ReadFor::Claim, left));
            }
            Action::ReadEntries { claim, topic, gather, partitions } => {
                self.saw(if gather.is_some() { "entries gathered" } else { "lead's owner waited for" });
                let topic = self.topic(&topic);
                let left = partitions.iter().map(|partition| (topic, partition.0)).collect();
                let asked = Asked::new(proc, claim, ReadFor::Entries { topic, gather }, left);
                let hop = self.hop();
                self.after(hop, Ev::ReadNext(asked));
            }
            Action::AskStartOffsets { claim, partitions } => {
                self.start_offsets(proc, claim, partitions);
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
                self.given_up(proc);
            }
            Action::EndMembership => {
                self.saw("membership ended");
                self.drop_blocks(proc);
                self.procs[proc].handle.clear();
                self.end_membership(proc);
            }
            Action::Fail(reason) => {
                self.drop_blocks(proc);
                self.leave_group(proc);
                self.stopped(proc, &reason.to_string(), self.question(&reason));
            }
            Action::Leave => {
                self.saw("clean stop");
                self.leave_group(proc);
                self.kill_proc(proc);
            }
        }
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

    /// Where partitions without an entry start: those that were left at rest go on there, those that
    /// were not call for a person (R16).
    fn start_offsets(&mut self, proc: usize, claim: ClaimId, partitions: Vec<TopicPartition>) {
        let (mut offsets, mut starts) = (BTreeMap::new(), BTreeMap::new());
        for tp in partitions {
            let place = self.place(&tp);
            let topic_id = self.procs[proc].topic_ids.get(&tp.topic).copied();
            let mark = topic_id.filter(|_| self.without != Some(Rule::R16));
            let mark = mark.and_then(|topic_id| self.ledger.mark(place, topic_id));
            let start = match mark {
                Some(Mark::AtRest(next)) => {
                    // Somebody may have gone on from there since the entries were read.
                    self.saw("offset restored from rest");
                    next
                }
                // Somebody has written since the entries were read, or the topic is another one: the claim is outdated.
                Some(Mark::Running)
                    if topic_id != self.topic_id(place.0)
                        || self.ledger.entry(place).is_some_and(|e| topic_of(place, e) == topic_id) =>
                {
                    self.deliver(proc, Message::Event(Event::Lost));
                    return;
                }
                Some(Mark::Running) => {
                    self.drop_blocks(proc);
                    self.leave_group(proc);
                    let reason = format!("WORKER-006: {tp} has history and no offset");
                    self.stopped(proc, &reason, Question::Offsets);
                    return;
                }
                None => 0,
            };
            starts.insert(place, start);
            offsets.insert(tp, Offset::new(start).expect("offsets are not negative"));
        }
        if !self.keeper_enters(proc, claim, &starts) {
            self.deliver(proc, Message::Event(Event::Lost));
            return;
        }
        self.answer(proc, Event::StartOffsets { claim, offsets });
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
