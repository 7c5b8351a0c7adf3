//! The run of one seed: simulated time, the queue of what happens next, and the end.
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pumphouse_conduct::Restarts;
use pumphouse_delivery::{Action, ClaimId, Decision, Event, RereadRange, Rule};
use pumphouse_types::{BatchId, Offset, Partition, QuestionId, TopicId, TopicName, TopicPartition};

use crate::faults::Plan;
use crate::group::{Group, Joined};
use crate::inserts::{FactsFor, Quieting, Reading};
use crate::invariants::{Violation, Watch, topic_id};
use crate::keeper::Keeper;
use crate::ledger::{Ledger, Place};
use crate::operator::Upkeep;
use crate::person::Person;
use crate::rng::Rng;
use crate::source::Source;
use crate::table::{Server, name_of};
use crate::worker::{Message, Proc};
use crate::writes::{Asked, Write};

/// How long after the last fault everything must have landed.
const RECOVERY_MS_MAX: u64 = 240_000;

/// How a run is to be done.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// A rule whose check is switched off.
    pub without: Option<Rule>,
    /// Print every step.
    pub trace: bool,
}

/// What came of a seed.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The first broken promise.
    pub violation: Option<Violation>,
    /// Stops that a person is asked for, by code; all of them are legal ones.
    pub stops: BTreeMap<String, u64>,
    /// Batches that landed.
    pub landed: u64,
    /// Attempts that were sent.
    pub attempts: u64,
    /// Processes that were started.
    pub processes: u64,
    /// Simulated time, in ms.
    pub lasted_ms: u64,
    /// How often the run came into situations that are worth coming into, by name.
    pub seen: BTreeMap<&'static str, u64>,
}

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Ev {
    SourceGrows,
    Chaos,
    GroupCheck,
    Step(usize),
    Beat(usize),
    Heartbeat(usize),
    Resume(usize),
    Deliver(usize, Message),
    Start { slot: usize, other_identity: bool },
    JoinArrives { proc: usize, request: u64 },
    JoinAgain { proc: usize, request: u64 },
    JoinAnswered(Joined),
    JoinAnew { proc: usize },
    KillProc(usize),
    Leaves { member: u64 },
    PrepareWaits { proc: usize, claim: ClaimId },
    InitArrives { proc: usize, claim: ClaimId },
    InitAnswered { proc: usize, claim: ClaimId, epoch: u64 },
    TopicsOfClaim { proc: usize, claim: ClaimId },
    StartsFound { proc: usize, claim: ClaimId, offsets: BTreeMap<TopicPartition, Offset> },
    ReadNext(Asked),
    RaiseArrives(Asked),
    KeeperMarks(Write),
    KeeperSends(Write),
    KeeperUpdates(Write, bool),
    KeeperPays(Write),
    KeeperPaid(Write),
    WriteWaits(Write),
    StageArrives { proc: usize, stage: u64 },
    StageAnswered { proc: usize, stage: u64 },
    Unstage { proc: usize, stage: u64 },
    OffsetsArrive(Write),
    CommitSent(Write),
    WriteLooksAtTopic(Write),
    TopicLookedAt(Write, Option<TopicId>),
    CommitArrives(Write),
    Show { transactional_id: u64, epoch: u64 },
    AttemptArrives(usize),
    AttemptCommits(usize),
    AttemptRenames(usize),
    AttemptTimesOut(usize),
    FactsAsked { proc: usize, for_: FactsFor, sent: u64 },
    FactsBack { proc: usize, for_: FactsFor, sent: u64, reading: Box<Reading> },
    KillAsked(Quieting),
    ServerStarts,
    DipWindow(usize),
    CreateTopic(usize),
    TopicsAsked { proc: usize, claim: ClaimId },
    IdentityAsked { proc: usize, claim: ClaimId, topic: usize, batch: BatchId },
    RereadEnds { proc: usize, claim: ClaimId, topic: usize, batch: BatchId, ranges: Ranges },
    Upkeep,
}

/// What a reading of a batch's records has found.
type Ranges = BTreeMap<Partition, RereadRange>;

/// The whole simulated system.
pub(crate) struct World {
    pub now: u64,
    pub rng: Rng,
    pub plan: Plan,
    pub source: Source,
    pub group: Group,
    pub ledger: Ledger,
    /// The fences of its rows, if it is in KeeperMap.
    pub keeper: Option<Keeper>,
    pub server: Server,
    pub procs: Vec<Proc>,
    /// The process that runs in each worker's place; `None` = down.
    pub slots: Vec<Option<usize>>,
    /// How often the task in each place has failed and was begun anew.
    pub restarts: Vec<Restarts>,
    pub identities: u64,
    pub watch: Watch,
    pub calm: bool,
    pub without: Option<Rule>,
    pub landed: u64,
    pub places: Vec<Place>,
    pub topics: Vec<TopicName>,
    /// The table that each topic goes to, as processes that are started now are told.
    pub homes: Vec<usize>,
    pub seen: BTreeMap<&'static str, u64>,
    /// Until when no ledger write comes about.
    pub ledger_out_until: u64,
    pub stops: BTreeMap<String, u64>,
    /// Records that cannot be inserted go to the dead letters of tasks that are started now.
    pub leaves_out: bool,
    /// Who is asked when a task stops.
    pub person: Person,
    /// What was decided about batches; every task that is started hears of it.
    pub decisions: BTreeMap<QuestionId, Decision>,
    /// The connector is stopped for something.
    pub upkeep: Option<Upkeep>,
    /// When it was last stopped for something.
    pub upkept_at: u64,
    /// Nothing happens after this moment.
    pub end_at: u64,
    trace: bool,
    /// Boxed: a quarter of a run was spent on moving events within the map.
    queue: BTreeMap<(u64, u64), Box<Ev>>,
    queued: u64,
    ended: bool,
}

/// Runs one seed. A panic in the protocol (a broken assertion) is a violation.
pub fn run(seed: u64, options: RunOptions) -> Outcome {
    run_world(World::new(seed, options))
}

/// The same plans with the ledger in KeeperMap: for `--keeper`.
pub fn run_in_keeper(seed: u64, options: RunOptions) -> Outcome {
    let mut world = World::new(seed, options);
    world.keeper = Some(Keeper::default());
    run_world(world)
}

fn run_world(mut world: World) -> Outcome {
    let done = catch_unwind(AssertUnwindSafe(|| world.run_to_end()));
    if let Err(panic) = done {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default();
        world.watch.violated("assertions_hold", text);
    }
    Outcome {
        violation: world.watch.violation,
        stops: world.stops,
        landed: world.landed,
        attempts: world.server.attempts.len() as u64,
        processes: world.procs.len() as u64,
        lasted_ms: world.now,
        seen: world.seen,
    }
}

impl World {
    fn new(seed: u64, options: RunOptions) -> World {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let places: Vec<Place> = (0..plan.topics)
            .flat_map(|topic| (0..plan.partitions).map(move |partition| (topic, partition)))
            .collect();
        let mut world = World {
            now: 0,
            source: Source::new(plan.topics, plan.partitions),
            group: Group::new(plan.session_ms, places.clone(), plan.incremental),
            ledger: Ledger::default(),
            keeper: None,
            server: Server::new(&plan),
            procs: Vec::new(),
            slots: vec![None; plan.workers],
            restarts: vec![Restarts::default(); plan.workers],
            identities: plan.workers as u64,
            watch: Watch::new(plan.at_least_once),
            calm: false,
            without: options.without,
            landed: 0,
            places,
            homes: (0..plan.topics).collect(),
            topics: (0..plan.topics).map(|topic| TopicName::new(&format!("t{topic}"))).collect(),
            seen: BTreeMap::new(),
            ledger_out_until: 0,
            stops: BTreeMap::new(),
            leaves_out: plan.leaves_out,
            person: Person::default(),
            decisions: BTreeMap::new(),
            upkeep: None,
            upkept_at: 0,
            end_at: u64::MAX,
            trace: options.trace,
            queue: BTreeMap::new(),
            queued: 0,
            ended: false,
            rng,
            plan,
        };
        if world.trace {
            println!("{:#?}", world.plan);
        }
        for slot in 0..world.plan.workers {
            let after = world.rng.below(2_000);
            world.after(after, Ev::Start { slot, other_identity: false });
        }
        world.after(0, Ev::SourceGrows);
        world.after(1, Ev::Chaos);
        world.after(2, Ev::GroupCheck);
        world
    }

    fn run_to_end(&mut self) {
        while !self.ended && self.watch.violation.is_none() {
            let Some(((at, _), event)) = self.queue.pop_first() else { break };
            self.now = at;
            if self.now > self.end_at {
                break;
            }
            self.happens(*event);
        }
    }

    fn happens(&mut self, event: Ev) {
        match event {
            Ev::SourceGrows => self.source_grows(),
            Ev::Chaos => self.chaos(),
            Ev::GroupCheck => self.group_check(),
            Ev::Step(proc) => self.step(proc),
            Ev::Beat(proc) => self.beat(proc),
            Ev::Heartbeat(proc) => self.heartbeat(proc),
            Ev::Resume(proc) => self.resume(proc),
            Ev::Deliver(proc, message) => self.deliver(proc, message),
            Ev::Start { slot, other_identity } => self.start(slot, other_identity),
            Ev::JoinArrives { proc, request } => self.join_arrives(proc, request),
            Ev::JoinAgain { proc, request } => self.join_again(proc, request),
            Ev::JoinAnswered(joined) => self.join_answered(joined),
            Ev::JoinAnew { proc } => self.begin_membership(proc),
            Ev::KillProc(proc) => self.kill_proc(proc),
            Ev::Leaves { member } => self.group.leave(member, self.now),
            Ev::PrepareWaits { proc, claim } => self.prepare_waits(proc, claim),
            Ev::InitArrives { proc, claim } => self.init_arrives(proc, claim),
            Ev::InitAnswered { proc, claim, epoch } => self.init_answered(proc, claim, epoch),
            Ev::TopicsOfClaim { proc, claim } => self.topics_of_claim(proc, claim),
            Ev::StartsFound { proc, claim, offsets } => self.starts_found(proc, claim, offsets),
            Ev::ReadNext(asked) => self.read_next(asked),
            Ev::RaiseArrives(asked) => self.raise_arrives(asked),
            Ev::KeeperMarks(write) => self.keeper_marks(write),
            Ev::KeeperSends(write) => self.keeper_sends(write),
            Ev::KeeperUpdates(write, heard) => self.keeper_updates(write, heard),
            Ev::KeeperPays(write) => self.keeper_pays(write),
            Ev::KeeperPaid(write) => self.keeper_paid(write),
            Ev::WriteWaits(write) => self.write_in_turn(write),
            Ev::StageArrives { proc, stage } => self.stage_arrives(proc, stage),
            Ev::StageAnswered { proc, stage } => self.stage_answered(proc, stage),
            Ev::Unstage { proc, stage } => self.unstage(proc, stage),
            Ev::OffsetsArrive(write) => self.offsets_arrive(write),
            Ev::CommitSent(write) => self.commit_sent(write),
            Ev::WriteLooksAtTopic(write) => self.write_looks_at_topic(write),
            Ev::TopicLookedAt(write, topic_id) => self.topic_looked_at(write, topic_id),
            Ev::CommitArrives(write) => self.commit_arrives(write),
            Ev::Show { transactional_id, epoch } => {
                if self.ledger.show(transactional_id, epoch) {
                    self.ledger_changed();
                }
            }
            Ev::AttemptArrives(attempt) => self.attempt_arrives(attempt),
            Ev::AttemptCommits(attempt) => self.attempt_commits(attempt),
            Ev::AttemptRenames(attempt) => self.attempt_renames(attempt),
            Ev::AttemptTimesOut(attempt) => self.attempt_times_out(attempt),
            Ev::FactsAsked { proc, for_, sent } => self.facts_asked(proc, for_, sent),
            Ev::FactsBack { proc, for_, sent, reading } => self.facts_back(proc, for_, sent, reading),
            Ev::KillAsked(quieting) => self.kill_asked(quieting),
            Ev::ServerStarts => self.server_starts(),
            Ev::DipWindow(table) => self.dip_window(table),
            Ev::CreateTopic(topic) => self.create_topic(topic),
            Ev::TopicsAsked { proc, claim } => self.topics_asked(proc, claim),
            Ev::IdentityAsked { proc, claim, topic, batch } => self.identity_asked(proc, claim, topic, batch),
            Ev::RereadEnds { proc, claim, topic, batch, ranges } => {
                self.reread_ends(proc, claim, topic, batch, ranges);
            }
            Ev::Upkeep => self.upkeep(),
        }
    }

    /// Something happens `ms` from now; what is queued first for a moment happens first.
    pub fn after(&mut self, ms: u64, event: Ev) {
        self.queued += 1;
        self.queue.insert((self.now + ms, self.queued), Box::new(event));
    }

    pub fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:>8} {}", self.now, what());
        }
    }

    /// Counts a situation that the run came into.
    pub fn saw(&mut self, situation: &'static str) {
        *self.seen.entry(situation).or_insert(0) += 1;
    }

    /// A network hop: mostly short, at times long.
    pub fn hop(&mut self) -> u64 {
        if !self.calm && self.rng.chance(100) { self.rng.between(50, 1_500) } else { self.rng.between(1, 12) }
    }

    /// Whether a fault with this chance strikes; none does once it is calm.
    pub fn strikes(&mut self, per_10_000: u64) -> bool {
        !self.calm && self.rng.chance(per_10_000)
    }

    /// What a client does next in a process: not at all if that is dead, later if it is stopped.
    /// Gives the event back if it is to be done now.
    pub fn if_awake(&mut self, proc: usize, event: Ev) -> Option<Ev> {
        let process = &self.procs[proc];
        if !process.alive {
            return None;
        }
        if process.paused_until > self.now {
            let wait = process.paused_until - self.now;
            self.after(wait, event);
            return None;
        }
        Some(event)
    }

    pub fn place(&self, tp: &TopicPartition) -> Place {
        (self.topic(&tp.topic), tp.partition.0)
    }

    pub fn topic(&self, name: &TopicName) -> usize {
        self.topics.iter().position(|topic| topic == name).expect("a simulated topic")
    }

    /// The table that a batch names.
    pub fn table(&self, name: &str) -> usize {
        (0..2 * self.topics.len()).find(|&table| name_of(table) == name).expect("a simulated table")
    }

    /// The identity of a topic, if there is one.
    pub fn topic_id(&self, topic: usize) -> Option<TopicId> {
        self.source.exists(topic).then(|| topic_id(topic, self.source.begin(topic)))
    }

    /// The identities of the topics that there are.
    pub fn topic_ids(&self) -> BTreeMap<TopicName, TopicId> {
        let named = |topic: usize| Some((self.topics[topic].clone(), self.topic_id(topic)?));
        (0..self.topics.len()).filter_map(named).collect()
    }

    pub fn topic_partition(&self, place: Place) -> TopicPartition {
        TopicPartition { topic: self.topics[place.0].clone(), partition: Partition(place.1) }
    }

    pub fn ledger_changed(&mut self) {
        for (place, offset) in self.ledger.take_new_letters() {
            self.watch.letter(place, offset, &self.ledger, &self.source, &self.server);
        }
        self.watch.ledger_changed(&self.ledger, &self.source, &self.server, &self.places);
    }

    fn source_grows(&mut self) {
        if self.calm {
            return;
        }
        for place in self.places.clone() {
            if self.rng.below(4) == 0 && self.source.exists(place.0) {
                self.source.append(&mut self.rng, place.0, place.1, &self.plan);
            }
        }
        let after = self.rng.between(50, 400);
        self.after(after, Ev::SourceGrows);
    }

    fn group_check(&mut self) {
        self.ledger.expire(self.now);
        for joined in self.group.check(&mut self.rng, self.now) {
            let hop = self.hop();
            self.after(hop, Ev::JoinAnswered(joined));
        }
        if self.calm {
            let late = self.now > self.plan.faults_ms.max(self.upkept_at) + RECOVERY_MS_MAX;
            let stopping = self.procs.iter().position(|p| p.alive && p.told_to_stop);
            let in_debt = self.ledger.lacks_letters() || self.keeper.as_ref().is_some_and(Keeper::is_in_debt);
            let landed = !in_debt && Watch::all_landed(&self.ledger, &self.source, &self.places);
            if self.upkeep.is_some() {
                // The connector is stopped.
            } else if landed && stopping.is_none() {
                self.ended = true;
            } else if let Some(proc) = stopping
                && late
            {
                self.watch.violated("stops_are_followed", format!("p{proc} does not leave"));
            } else if late {
                self.watch.progress_resumes(&self.ledger, &self.source, &self.places);
            }
        }
        self.after(100, Ev::GroupCheck);
    }
}

/// An event or action in a trace, without the parts that fill the screen.
pub(crate) fn brief_event(event: &Event) -> String {
    shorten(format!("{event:?}"))
}

/// See [`brief_event`].
pub(crate) fn brief_action(action: &Action) -> String {
    shorten(format!("{action:?}"))
}

fn shorten(text: String) -> String {
    const SHOWN_CHARS: usize = 1_200;
    text.chars().take(SHOWN_CHARS).collect()
}
