//! The ledger's client in each process: claims, reads and transactional writes, each a conversation
//! of several messages in which the process may die, be stopped, or lose the answer.
use std::collections::{BTreeMap, VecDeque};

use pumphouse_conduct::{Trouble, WriteFate, heard_of_write};
use pumphouse_delivery::{ClaimId, Event, LedgerAnswer, Rule, StoredEntry, WriteId};
use pumphouse_types::{Partition, TopicId};

use crate::group::{Fence, Group};
use crate::keeper::Guard;
use crate::ledger::{Place, Written};
use crate::run::{Ev, World};

/// Pause before an unstable entry is read again.
const STABLE_POLL_MS: u64 = 50;

/// A write does not lie ready for longer.
const STAGED_MS_MAX: u64 = 3_000;

/// The client does one thing at a time: pause before it is looked whether the one before has ended.
const IN_TURN_MS: u64 = 5;

/// What a reading is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReadFor {
    Claim,
    Entries,
}

/// A reading under way.
#[derive(Debug)]
pub(crate) struct Asked {
    proc: usize,
    claim: ClaimId,
    read_for: ReadFor,
    left: VecDeque<Place>,
    found: BTreeMap<Place, StoredEntry>,
}

impl Asked {
    pub fn new(proc: usize, claim: ClaimId, read_for: ReadFor, left: VecDeque<Place>) -> Asked {
        Asked { proc, claim, read_for, left, found: BTreeMap::new() }
    }

    pub fn proc(&self) -> usize {
        self.proc
    }

    pub fn claim(&self) -> ClaimId {
        self.claim
    }

    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.left.iter().copied()
    }
}

/// A write that was foreseen: its transaction is open, or on its way.
#[derive(Debug)]
pub(crate) struct Staged {
    stage: u64,
    claim: ClaimId,
    entries: BTreeMap<Place, StoredEntry>,
    fence: Option<Fence>,
    epoch: u64,
    /// The client heard that the offsets are in.
    is_in: bool,
    since: u64,
}

/// A write under way.
#[derive(Debug)]
pub(crate) struct Write {
    proc: usize,
    claim: ClaimId,
    write: WriteId,
    fence: Option<Fence>,
    transactional_id: u64,
    epoch: u64,
    written: Written,
    /// Of another topic than this nothing is committed (R15).
    only_while: Option<(usize, TopicId)>,
    /// What the statement demands, with the ledger in KeeperMap.
    guard: Option<Guard>,
}

impl Write {
    pub fn proc(&self) -> usize {
        self.proc
    }

    pub fn claim(&self) -> ClaimId {
        self.claim
    }

    pub fn content(&self) -> &Written {
        &self.written
    }

    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_ref()
    }

    pub fn is_let_in(&self, group: &Group) -> Result<(), Trouble> {
        group.let_in(self.fence)
    }
}

impl World {
    /// R5: before a claim reads anything, the producer whose last write is in doubt is replaced.
    pub fn begin_prepare(&mut self, proc: usize, claim: ClaimId) {
        if self.procs[proc].writing || self.procs[proc].staged.is_some() {
            self.unstage_soon(proc);
            self.after(20, Ev::PrepareWaits { proc, claim });
            return;
        }
        let hop = self.hop();
        let process = &self.procs[proc];
        if self.keeper.is_none() && (process.epoch.is_none() || process.suspect) {
            let pause = self.rng.below(50);
            self.after(hop + pause, Ev::InitArrives { proc, claim });
        } else {
            self.prepared(proc, claim);
        }
    }

    pub fn prepare_waits(&mut self, proc: usize, claim: ClaimId) {
        if self.if_awake(proc, Ev::PrepareWaits { proc, claim }).is_some() {
            self.begin_prepare(proc, claim);
        }
    }

    pub fn init_arrives(&mut self, proc: usize, claim: ClaimId) {
        if self.cut(proc) {
            self.after(200, Ev::InitArrives { proc, claim });
            return;
        }
        // A request that is on its way arrives, whatever becomes of its sender.
        let (epoch, changed) = self.ledger.init_producer(self.procs[proc].identity);
        if changed {
            self.ledger_changed();
        }
        let hop = self.hop();
        self.after(hop, Ev::InitAnswered { proc, claim, epoch });
    }

    pub fn init_answered(&mut self, proc: usize, claim: ClaimId, epoch: u64) {
        if self.if_awake(proc, Ev::InitAnswered { proc, claim, epoch }).is_none() {
            return;
        }
        // Of two replacements under way the later one counts.
        if self.procs[proc].epoch.is_none_or(|known| known < epoch) {
            self.procs[proc].epoch = Some(epoch);
            self.procs[proc].suspect = false;
        }
        self.prepared(proc, claim);
    }

    fn prepared(&mut self, proc: usize, claim: ClaimId) {
        self.procs[proc].member.prepared(claim);
        self.serve_asks(proc);
    }

    /// Reads entries; with the ledger in KeeperMap, a claim raises their epoch first.
    pub fn begin_reading(&mut self, asked: Asked) {
        let hop = self.hop();
        let claims = matches!(asked.read_for, ReadFor::Claim);
        let ev = if claims && self.keeper.is_some() { Ev::RaiseArrives(asked) } else { Ev::ReadNext(asked) };
        self.after(hop, ev);
    }

    /// Reads one partition's entry, stable; each at its own moment.
    pub fn read_next(&mut self, asked: Asked) {
        let proc = asked.proc;
        let Some(Ev::ReadNext(mut asked)) = self.if_awake(proc, Ev::ReadNext(asked)) else { return };
        if self.procs[proc].task.claim() != asked.claim && self.without.is_none() {
            return;
        }
        let Some(&place) = asked.left.front() else {
            self.all_read(asked);
            return;
        };
        // R14 is kept by whoever reads.
        let unstable = self.ledger.is_unstable(place) && self.without != Some(Rule::R14);
        if self.cut(proc) || unstable {
            self.saw("unstable entry waited for");
            self.after(STABLE_POLL_MS, Ev::ReadNext(asked));
            return;
        }
        if let Some(stored) = self.ledger.entry(place) {
            asked.found.insert(place, stored.clone());
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.read(proc, place);
        }
        asked.left.pop_front();
        let pause = if self.rng.below(4) == 0 { self.hop() } else { 0 };
        self.after(pause, Ev::ReadNext(asked));
    }

    fn all_read(&mut self, asked: Asked) {
        let Asked { proc, claim, read_for, found, .. } = asked;
        let now = self.clock(proc);
        match read_for {
            ReadFor::Claim => {
                let entries = found.into_iter().map(|(place, entry)| (self.topic_partition(place), entry));
                let entries = entries.collect();
                let paid = self.keeper_claim_pays(proc, claim);
                self.procs[proc].member.claim_read(claim, paid.then_some(entries), now);
            }
            ReadFor::Entries if self.procs[proc].task.claim() != claim => {}
            ReadFor::Entries => {
                let entries = found.into_iter().map(|((_, partition), entry)| (Partition(partition), entry));
                let event = self.procs[proc].member.entries_read(Some(entries.collect()), now);
                event.into_iter().for_each(|event| self.hear(proc, event));
            }
        }
        self.serve_asks(proc);
    }

    /// R9, R15: the brokers say what topics there are, last of all.
    pub fn topics_of_claim(&mut self, proc: usize, claim: ClaimId) {
        if self.if_awake(proc, Ev::TopicsOfClaim { proc, claim }).is_none() {
            return;
        }
        let topic_ids = (!self.cut(proc)).then(|| self.topic_ids());
        let now = self.clock(proc);
        self.procs[proc].member.topics_read(claim, topic_ids, now);
        self.serve_asks(proc);
    }

    pub fn begin_write(
        &mut self,
        proc: usize,
        (claim, write): (ClaimId, WriteId),
        written: Written,
        only_while: Option<(usize, TopicId)>,
    ) {
        self.procs[proc].writing = true;
        let process = &self.procs[proc];
        let guard = self.keeper.as_ref().and_then(|keeper| keeper.guard(proc, claim, written.entries.keys()));
        let write = Write {
            proc,
            claim,
            write,
            fence: process.member.fence().copied(),
            transactional_id: process.identity,
            epoch: process.epoch.unwrap_or(0),
            written,
            only_while,
            guard,
        };
        if self.keeper.is_some() {
            let hop = self.hop();
            self.after(hop, Ev::KeeperMarks(write));
            return;
        }
        self.write_in_turn(write);
    }

    /// What lies ready is committed if it is what is to be written, else it is aborted first.
    pub fn write_in_turn(&mut self, write: Write) {
        let proc = write.proc;
        let Some(Ev::WriteWaits(write)) = self.if_awake(proc, Ev::WriteWaits(write)) else { return };
        let (now, hop) = (self.now, self.hop());
        let Some(staged) = &self.procs[proc].staged else {
            self.after(hop, Ev::OffsetsArrive(write));
            return;
        };
        let same = staged.claim == write.claim
            && staged.entries == write.written.entries
            && write.written.letters.is_empty()
            && !write.written.at_rest
            && write.only_while.is_none()
            && now <= staged.since + STAGED_MS_MAX;
        if staged.is_in && same {
            self.saw("foreseen write committed");
            self.procs[proc].staged = None;
            self.after(hop, Ev::CommitArrives(write));
            return;
        }
        self.unstage_soon(proc);
        self.after(IN_TURN_MS, Ev::WriteWaits(write));
    }

    /// The client sends what was foreseen ahead of its time, uncommitted.
    pub fn begin_stage(&mut self, proc: usize, claim: ClaimId, entries: BTreeMap<Place, StoredEntry>) {
        let process = &mut self.procs[proc];
        // An earlier one is ended by its own time. A statement for KeeperMap is not made ready.
        if self.keeper.is_some() || process.writing || process.staged.is_some() {
            return;
        }
        process.stages += 1;
        let (stage, fence, epoch) =
            (process.stages, process.member.fence().copied(), process.epoch.unwrap_or(0));
        let since = self.now;
        process.staged = Some(Staged { stage, claim, entries, fence, epoch, is_in: false, since });
        let hop = self.hop();
        self.after(hop, Ev::StageArrives { proc, stage });
        self.after(STAGED_MS_MAX, Ev::Unstage { proc, stage });
    }

    /// TxnOffsetCommit of what was foreseen: the broker checks as it does for a write. It arrives even if
    /// its sender has died.
    pub fn stage_arrives(&mut self, proc: usize, stage: u64) {
        if self.cut(proc) {
            self.after(200, Ev::StageArrives { proc, stage });
            return;
        }
        let Some(staged) = self.procs[proc].staged.as_ref().filter(|staged| staged.stage == stage) else {
            return;
        };
        let (id, epoch) = (self.procs[proc].identity, staged.epoch);
        let member = self.group.let_in(staged.fence).is_ok();
        let entries = staged.entries.clone();
        let refused = !member
            || !self.ledger.is_current(id, epoch)
            || entries.keys().any(|place| !self.source.exists(place.0))
            || self.strikes(self.plan.ledger_not_recorded)
            || self.ledger_out_until > self.now;
        if refused {
            self.saw("foreseen write not taken");
            self.procs[proc].staged = None;
            return;
        }
        let written = Written { entries, letters: Vec::new(), at_rest: false };
        if self.ledger.offsets(id, epoch, written, self.now) {
            self.ledger_changed();
        }
        let hop = self.hop();
        self.after(hop, Ev::StageAnswered { proc, stage });
    }

    pub fn stage_answered(&mut self, proc: usize, stage: u64) {
        if self.if_awake(proc, Ev::StageAnswered { proc, stage }).is_none() {
            return;
        }
        if let Some(staged) = self.procs[proc].staged.as_mut().filter(|staged| staged.stage == stage) {
            staged.is_in = true;
        }
    }

    /// What lies ready will not be asked for.
    pub fn unstage_soon(&mut self, proc: usize) {
        if let Some(stage) = self.procs[proc].staged.as_ref().map(|staged| staged.stage) {
            let hop = self.hop();
            self.after(hop, Ev::Unstage { proc, stage });
        }
    }

    /// The transaction of what was foreseen is aborted, once it is known to have begun.
    pub fn unstage(&mut self, proc: usize, stage: u64) {
        if self.if_awake(proc, Ev::Unstage { proc, stage }).is_none() {
            return;
        }
        let Some(staged) = self.procs[proc].staged.as_ref().filter(|staged| staged.stage == stage) else {
            return;
        };
        if !staged.is_in || self.cut(proc) {
            self.after(20, Ev::Unstage { proc, stage });
            return;
        }
        let (id, epoch) = (self.procs[proc].identity, staged.epoch);
        self.procs[proc].staged = None;
        self.saw("foreseen write aborted");
        if self.ledger.abort(id, epoch) {
            self.ledger_changed();
        }
    }

    /// The client knows what became of a transaction.
    pub fn settled(&mut self, write: &Write, fate: WriteFate) {
        let answer = heard_of_write(fate, self.plan.incremental, || format!("{fate:?}"));
        self.written(write, answer);
    }

    pub fn written(&mut self, write: &Write, answer: LedgerAnswer) {
        self.procs[write.proc].writing = false;
        let event = Event::Ledger { claim: write.claim, write: write.write, answer };
        self.answer(write.proc, event);
    }

    /// TxnOffsetCommit: here the broker checks epoch, member and generation.
    pub fn offsets_arrive(&mut self, write: Write) {
        if self.cut(write.proc) {
            // The client sends again until it gets through.
            self.after(200, Ev::OffsetsArrive(write));
            return;
        }
        let producer = self.ledger.is_current(write.transactional_id, write.epoch);
        let member = if producer { write.is_let_in(&self.group) } else { Err(Trouble::NameTaken) };
        if let Err(trouble) = member {
            self.say(|| format!("write {:?} of p{} is fenced", write.write, write.proc));
            self.saw(if producer {
                "write of a former member refused"
            } else {
                "write of a former producer refused"
            });
            self.settled(&write, WriteFate::Fenced(trouble));
            return;
        }
        let gone = write.written.entries.keys().any(|place| !self.source.exists(place.0));
        if gone || self.strikes(self.plan.ledger_not_recorded) || self.ledger_out_until > self.now {
            self.saw("write not recorded");
            let trouble = if gone { Trouble::TopicGone } else { Trouble::NoAnswer };
            self.settled(&write, WriteFate::NotRecorded(trouble));
            return;
        }
        let (id, epoch) = (write.transactional_id, write.epoch);
        if self.ledger.offsets(id, epoch, write.written.clone(), self.now) {
            self.ledger_changed();
        }
        let hop = self.hop();
        self.after(hop, Ev::CommitSent(write));
    }

    /// The client heard that the offsets are in, and sends EndTxn, unless it has to look at the topic first.
    pub fn commit_sent(&mut self, write: Write) {
        let proc = write.proc;
        let Some(Ev::CommitSent(write)) = self.if_awake(proc, Ev::CommitSent(write)) else { return };
        let hop = self.hop();
        if write.only_while.is_some() {
            self.after(hop, Ev::WriteLooksAtTopic(write));
        } else {
            self.after(hop, Ev::CommitArrives(write));
        }
    }

    /// R15: which topic it is, once the offsets are in.
    pub fn write_looks_at_topic(&mut self, write: Write) {
        if self.cut(write.proc) {
            self.after(200, Ev::WriteLooksAtTopic(write));
            return;
        }
        let (topic, _) = write.only_while.expect("it looks for that");
        let (topic_id, hop) = (self.topic_id(topic), self.hop());
        self.after(hop, Ev::TopicLookedAt(write, topic_id));
    }

    pub fn topic_looked_at(&mut self, write: Write, topic_id: Option<TopicId>) {
        let proc = write.proc;
        let event = Ev::TopicLookedAt(write, topic_id);
        let Some(Ev::TopicLookedAt(write, topic_id)) = self.if_awake(proc, event) else { return };
        if write.only_while.map(|(_, id)| id) == topic_id {
            let hop = self.hop();
            self.after(hop, Ev::CommitArrives(write));
            return;
        }
        if self.cut(proc) {
            self.after(200, Ev::TopicLookedAt(write, topic_id));
            return;
        }
        self.saw("write for another life aborted");
        if self.ledger.abort(write.transactional_id, write.epoch) {
            self.ledger_changed();
        }
        self.written(&write, LedgerAnswer::OtherTopic(topic_id));
    }

    pub fn commit_arrives(&mut self, write: Write) {
        if self.cut(write.proc) {
            self.after(200, Ev::CommitArrives(write));
            return;
        }
        let unknown = self.strikes(self.plan.ledger_unknown);
        if unknown && self.rng.below(2) == 0 {
            self.saw("transaction left open");
            // It never arrived: what was begun stays open until it is settled.
            self.say(|| format!("commit of {:?} by p{} is lost", write.write, write.proc));
            self.unknown(&write);
            return;
        }
        let (id, epoch) = (write.transactional_id, write.epoch);
        if !self.ledger.commit(id, epoch) {
            self.settled(&write, WriteFate::Fenced(Trouble::NameTaken));
            return;
        }
        // The answer comes before the entries show.
        let shows_after = if self.rng.below(5) == 0 { self.hop() } else { 0 };
        self.after(shows_after, Ev::Show { transactional_id: id, epoch });
        if unknown {
            self.saw("write applied, answer lost");
            self.say(|| format!("the answer to {:?} of p{} is lost", write.write, write.proc));
            // A repeated EndTxn may meet a replaced producer and be told so, although it stands.
            if self.rng.below(4) == 0 {
                self.settled(&write, WriteFate::Fenced(Trouble::NameTaken));
            } else {
                self.unknown(&write);
            }
        } else {
            self.settled(&write, WriteFate::Recorded);
        }
    }

    pub fn unknown(&mut self, write: &Write) {
        self.procs[write.proc].writing = false;
        // Only this producer is in doubt, not one that has replaced it since.
        if self.procs[write.proc].epoch == Some(write.epoch) {
            self.procs[write.proc].suspect = true;
        }
        let ms = self.rng.between(10, 3_000);
        let answer = heard_of_write(WriteFate::Unknown, self.plan.incremental, String::new);
        let event = Event::Ledger { claim: write.claim, write: write.write, answer };
        self.after(ms, Ev::Deliver(write.proc, crate::worker::Message::Event(event)));
    }
}
