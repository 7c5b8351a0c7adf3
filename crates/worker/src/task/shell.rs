//! A membership: the loop that serves the group protocol, takes records, and performs what the
//! delivery protocol asks for. It decides nothing about delivery (ARCHITECTURE.md, absences); how the membership goes
//! and ends is `conduct`'s to say.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use pumphouse_clickhouse::KeeperLedger;
use pumphouse_conduct::{AfterTrouble, GroupEvent, GroupStep, Membership, Outcome};
use pumphouse_delivery::{Event, InsertAnswer, Letter, Task, WriteId};
use pumphouse_kafka::{Consumer, ConsumerEvent, Fence, KafkaError, Leaving, Remedy};
use pumphouse_types::{ConfigVersion, Millis, SchemaId, TopicName};
use tracing::{debug, info, warn};

use super::actions::{Publishing, Write};
use super::asks::Asks;
use super::context::TaskContext;
use super::encoder::Encoder;
use super::failure::Failure;
use super::lane_shell::LaneShell;
use super::ledger_thread::{self, Order};
use super::mail::Mail;
use super::marks::Unmarked;
use super::schemas::{self, Fetched, Wanted};
use super::stores::LedgerStore;
use crate::failpoint::{self, Moment};

/// Longest wait for mail when there is nothing to take.
const IDLE_WAIT: Duration = Duration::from_millis(2);

/// How often the protocol hears that time has passed.
const TICK_MS: u64 = 20;

/// Leaving the group is not waited for longer; the session ends by itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a task waits for its group's coordinator before it joins, and then for tasks that begin with it. Both take some
/// milliseconds, unless the coordinator does not answer, or a task cannot begin.
const LATE_MAX: Duration = Duration::from_millis(300);

/// One membership of the connector's group.
pub(super) struct Shell<'a> {
    pub(super) cx: &'a TaskContext,
    /// Lives longer than a membership: it remembers what it has seen under earlier ones (R17).
    pub(super) task: &'a mut Task,
    pub(super) consumer: Consumer,
    /// Where entries are claimed and read; `None`: with the consumer, or in memory.
    pub(super) keeper: Option<KeeperLedger>,
    pub(super) lanes: BTreeMap<TopicName, LaneShell>,
    pub(super) mail: Sender<Mail>,
    letters: Receiver<Mail>,
    pub(super) orders: Sender<Order>,
    pub(super) encoder: Encoder,
    /// What it decides: claims, fences, how it ends.
    pub(super) member: Membership<Fence, Failure>,
    pub(super) asks: Asks,
    /// Configuration versions that stand in the state topic, and those on their way.
    pub(super) published: BTreeSet<ConfigVersion>,
    pub(super) publishing: Vec<Publishing>,
    pub(super) unmarked: Unmarked,
    /// A write that waits for the records of its dead letters.
    pub(super) unread: Option<Write>,
    /// The dead letters of the write under way.
    pub(super) letters_going: Option<(WriteId, Vec<(TopicName, Letter)>)>,
    /// What lanes wait for, by topic; it shows in the task's status.
    waiting: BTreeMap<TopicName, String>,
    ticked_at: Millis,
    /// Tells the ledger's thread that nobody waits for it any more.
    abandoned: Arc<AtomicBool>,
}

impl<'a> Shell<'a> {
    /// Joins the group. `store`: where the ledger's entries are written;
    /// `keeper`: where they are claimed, if that is in KeeperMap. `cut_off`: an earlier membership
    /// ended before everything that it took had landed.
    /// Errors: settings that the client refuses, a thread that cannot be started.
    pub(super) fn join(
        cx: &'a TaskContext,
        task: &'a mut Task,
        (store, keeper): (Box<dyn LedgerStore>, Option<KeeperLedger>),
        cut_off: bool,
    ) -> Result<(Shell<'a>, JoinHandle<()>), Failure> {
        let consumer = Consumer::open(&cx.consumer_settings, &cx.group, Some(&cx.transactional_id))?;
        consumer.wait_for_coordinator(LATE_MAX);
        cx.together.wait(LATE_MAX);
        consumer.subscribe(&cx.topics)?;
        let member = Membership::new(consumer.is_incremental(), cut_off);
        let (mail, letters) = unbounded();
        let (orders, ordered) = unbounded();
        let abandoned = Arc::new(AtomicBool::new(false));
        let (name, left) = (format!("ledger-{}", cx.task_id), Arc::clone(&abandoned));
        let thread = ledger_thread::spawn(store, ordered, mail.clone(), name, left)
            .map_err(|error| Failure::Thread(error.to_string()))?;
        // Whatever an earlier membership left is over, and so is what it asked for.
        task.hear(Event::Lost, cx.clock.now());
        task.take_actions();
        let shell = Shell {
            cx,
            encoder: cx.encoder(),
            task,
            consumer,
            keeper,
            lanes: BTreeMap::new(),
            mail,
            letters,
            orders,
            member,
            asks: Asks::default(),
            published: BTreeSet::new(),
            publishing: Vec::new(),
            unmarked: Unmarked::default(),
            unread: None,
            letters_going: None,
            waiting: BTreeMap::new(),
            ticked_at: Millis::default(),
            abandoned,
        };
        Ok((shell, thread))
    }

    /// Runs until the membership ends, and closes it.
    pub(super) fn run(mut self) -> Outcome<Failure> {
        loop {
            self.serve_group();
            self.hear_stop();
            self.read_mail();
            self.serve_asks();
            let took = !self.cx.paused.load(Ordering::Relaxed) && self.take_records();
            self.tick();
            if let Some(outcome) = self.member.ended() {
                self.nothing_waits();
                self.close(&outcome);
                return outcome;
            }
            if !took && let Ok(letter) = self.letters.recv_timeout(IDLE_WAIT) {
                self.open_letter(letter);
            }
        }
    }

    pub(super) fn now(&self) -> Millis {
        self.cx.clock.now()
    }

    pub(super) fn hear(&mut self, event: Event) {
        self.task.hear(event, self.now());
        self.perform();
    }

    /// R5: every queued event of the group protocol is heard before anything that was read is used.
    pub(super) fn serve_group(&mut self) {
        for event in self.consumer.poll_events(Duration::ZERO) {
            let said = match event {
                ConsumerEvent::Assigned(partitions) => {
                    info!(task = %self.cx.task_id, partitions = partitions.len(), "partitions assigned");
                    failpoint::reach(Moment::Rebalance);
                    GroupEvent::Assigned(partitions)
                }
                ConsumerEvent::Renewed => GroupEvent::Renewed,
                ConsumerEvent::Revoking { lost, .. } => {
                    info!(task = %self.cx.task_id, lost, "partitions revoked");
                    failpoint::reach(Moment::Rebalance);
                    GroupEvent::Revoking { lost }
                }
                ConsumerEvent::PartitionFailed { error, .. }
                | ConsumerEvent::Failed(error)
                | ConsumerEvent::Trouble(error) => {
                    self.kafka_trouble(error);
                    continue;
                }
            };
            match self.member.group_said(said, !self.lanes.is_empty()) {
                GroupStep::Hear(event) => self.hear(event),
                GroupStep::RenewFence => self.renew_fence(),
            }
        }
    }

    /// R5: the group has another generation, and this member kept its partitions: read first, then every queued
    /// event is heard, and what was read is used only if the claim is still in force.
    fn renew_fence(&mut self) {
        let claim = self.task.claim();
        let Some(fence) = self.consumer.group_metadata().filter(|_| self.member.fence().is_some()) else {
            return;
        };
        self.serve_group();
        let generation = fence.generation();
        if self.member.renewed(fence, claim, self.task.claim()) {
            debug!(task = %self.cx.task_id, generation, "the fence is read anew (R5)");
            self.show_in_group(&BTreeMap::new());
        }
    }

    pub(super) fn kafka_trouble(&mut self, error: KafkaError) {
        let after = self.member.trouble(error.trouble());
        self.after_trouble(after, error);
    }

    fn after_trouble(&mut self, after: AfterTrouble, error: KafkaError) {
        match after {
            AfterTrouble::AskAgain => debug!(task = %self.cx.task_id, %error, "Kafka is being asked again"),
            AfterTrouble::CompareTopics => {
                warn!(task = %self.cx.task_id, %error, "a topic is not there; its partitions wait for it");
            }
            AfterTrouble::Ended => {
                warn!(task = %self.cx.task_id, %error, "the membership ends and is begun anew");
            }
            AfterTrouble::RenewFence => self.renew_fence(),
            AfterTrouble::Fail => self.fail(Failure::Kafka(error)),
        }
    }

    fn hear_stop(&mut self) {
        if self.cx.stop.load(Ordering::Relaxed)
            && let Some(event) = self.member.stop()
        {
            self.hear(event);
        }
        if self.cx.cut.load(Ordering::Relaxed) {
            self.member.cut();
        }
    }

    fn read_mail(&mut self) {
        while let Ok(letter) = self.letters.try_recv() {
            self.open_letter(letter);
        }
    }

    fn open_letter(&mut self, letter: Mail) {
        match letter {
            Mail::Event(event) => self.hear(event),
            Mail::Written { event, took } => {
                if let Event::Ledger { write, answer, .. } = &event {
                    if self.member.doubts_fence(answer) {
                        self.renew_fence();
                    }
                    self.unmarked.answered(*write, answer);
                    self.letters_answered(*write, answer);
                }
                self.cx.meters.ledger_written(took);
                self.hear(event);
            }
            Mail::Inserted { event, took, bytes } => {
                if let Event::Insert { topic, answer, .. } = &event {
                    if *answer == InsertAnswer::Accepted {
                        failpoint::reach(Moment::Accepted);
                    }
                    if let Some(lane) = self.lanes.get_mut(topic) {
                        lane.pace.answered(answer);
                    }
                    self.cx.meters.inserted(topic, took, bytes, *answer == InsertAnswer::Accepted);
                }
                self.hear(event);
            }
            Mail::Prepared { claim } => self.member.prepared(claim),
            Mail::Inspected { event, recipe } => self.inspected(event, &recipe),
            Mail::Published { claim } => self.published(claim),
            Mail::Reread { event, batch, rows } => self.reread_done(event, batch, rows),
            Mail::LettersRead { claim, topic, records } => self.letters_read(claim, &topic, records),
            Mail::DueRead { claim, letters } => self.due_read(claim, letters),
            Mail::Paid { claim, answer, letters } => self.paid(claim, answer, &letters),
            Mail::Schema { claim, topic, id, fetched } => {
                if claim == self.task.claim() {
                    self.schema_came(&topic, id, &fetched);
                }
            }
            Mail::Waiting { claim, topic, waiting } => {
                if claim == self.task.claim() {
                    self.lane_waits(topic, waiting);
                }
            }
            Mail::LedgerFailed { error } => {
                let after = self.member.ledger_trouble(error.trouble());
                self.after_trouble(after, error);
            }
            Mail::Failed { claim, failure } => {
                if claim.is_none_or(|claim| claim == self.task.claim()) {
                    self.fail(failure);
                }
            }
        }
    }

    /// Of lanes that are behind, whoever began first goes on first, and others take what time is left while its queue fills up
    /// again: so one block after the other becomes full, in place of all at the same moment.
    fn take_records(&mut self) -> bool {
        self.seal_largest();
        let mut took = false;
        let mut topics: Vec<TopicName> = self.lanes.keys().cloned().collect();
        let now = self.now();
        topics.sort_by_cached_key(|topic| self.lanes[topic].turn_order(now));
        let mut filling = topics.iter().filter(|topic| self.is_filling(topic, now)).count();
        let mut has_taken = false;
        for topic in topics {
            if has_taken && self.stands_back(&topic, now) {
                continue;
            }
            let was_filling = self.is_filling(&topic, now);
            let takes = self.take_records_of(&topic, filling);
            took |= takes;
            has_taken |= takes && self.lanes.get(&topic).is_some_and(LaneShell::is_behind);
            filling = filling + usize::from(self.is_filling(&topic, now)) - usize::from(was_filling);
        }
        took
    }

    fn stands_back(&mut self, topic: &TopicName, now: Millis) -> bool {
        self.lanes.get_mut(topic).is_some_and(|lane| lane.stands_back(self.task, now))
    }

    fn is_filling(&mut self, topic: &TopicName, now: Millis) -> bool {
        self.lanes.get(topic).is_some_and(|lane| lane.is_filling(self.task, now))
    }

    /// Of several lanes that fill side by side one goes after the other ([`Memory::open_max`]).
    fn seal_largest(&mut self) {
        let open: u64 = self.lanes.values().map(LaneShell::open_bytes).sum();
        let open_max = self.cx.memory.open_max(self.lanes.len());
        if self.lanes.len() < 2 || open < open_max {
            return;
        }
        // Where the large ones are under way, small ones would go again and again; and one whose topic has no more than a
        // little left goes by itself soon, with all of it.
        let is_much = open >= open_max + open_max / 4;
        let free = self.lanes.iter().filter(|(topic, lane)| {
            lane.is_large() && (is_much || lane.is_behind()) && self.task.is_idle(topic)
        });
        let Some((topic, _)) = free.max_by_key(|(_, lane)| lane.open_bytes()) else { return };
        self.task.seal_early(topic, self.cx.clock.now());
        self.perform();
    }

    fn take_records_of(&mut self, topic: &TopicName, filling: usize) -> bool {
        let now = self.now();
        let Some(lane) = self.lanes.get_mut(topic) else { return false };
        match lane.take_run(self.task, now, &self.encoder, filling) {
            Ok(taken) => {
                if taken.ran_dry {
                    lane.tell_positions(self.task, self.member.assigned(), now);
                }
                self.cx.meters.taken(topic, taken.bytes);
                if let Some(id) = taken.needs {
                    self.need_schema(topic, id);
                }
                self.perform();
                taken.records > 0
            }
            // An error in a record's place ends its partition until it is fetched anew.
            Err(Failure::Kafka(error))
                if error.remedy() != Remedy::StopTask || matches!(error, KafkaError::TopicGone { .. }) =>
            {
                self.perform();
                warn!(task = %self.cx.task_id, %topic, %error, "a partition is fetched by a new membership");
                self.kafka_trouble(error);
                self.rejoin();
                true
            }
            Err(failure) => {
                self.perform();
                if self.is_of_another_life(&failure) {
                    return true;
                }
                // What came before the bad record lands first; then the task leaves, as FAILED.
                warn!(task = %self.cx.task_id, %failure, "a record cannot be taken; the task stops before it");
                let event = self.member.leave_because(failure);
                self.hear(event);
                true
            }
        }
    }

    /// R15: a position that its log does not have is no failure in a topic that was created again, whose membership
    /// ends with that.
    fn is_of_another_life(&mut self, failure: &Failure) -> bool {
        let claim = self.task.claim();
        if matches!(failure, Failure::Kafka(KafkaError::OffsetOutOfRange { .. })) {
            self.compare_topic_ids();
        }
        self.task.claim() != claim
    }

    /// The lane goes on at once with a schema that was fetched before; else it waits, and what it has taken
    /// waits with it.
    fn need_schema(&mut self, topic: &TopicName, id: SchemaId) {
        let source = self.cx.schemas.clone();
        let source = source.expect("a format whose records name schemas is configured with a registry");
        if let Some(schema) = source.registry.cached(id) {
            return self.schema_came(topic, id, &Fetched::Schema(schema));
        }
        let Some(lane) = self.lanes.get_mut(topic) else { return };
        let subject = source.subjects.before_schema(lane.source_topic().as_str());
        let (claim, mail) = (self.task.claim(), self.mail.clone());
        let wanted = Wanted { source, subject, claim, topic: topic.clone(), mail, ended: lane.ended() };
        lane.asking(schemas::fetch(self.cx, wanted, id));
    }

    fn schema_came(&mut self, topic: &TopicName, id: SchemaId, fetched: &Fetched) {
        if let Some(lane) = self.lanes.get_mut(topic)
            && let Err(error) = lane.schema_came(id, fetched)
        {
            warn!(task = %self.cx.task_id, %topic, %error, "a schema cannot be used; its records are bad");
        }
    }

    fn lane_waits(&mut self, topic: TopicName, waiting: Option<String>) {
        let changed = match waiting {
            Some(why) => self.waiting.insert(topic, why.clone()) != Some(why),
            None => self.waiting.remove(&topic).is_some(),
        };
        if changed {
            let lines = self.waiting.iter().map(|(topic, why)| format!("{topic} waits: {why}"));
            let lines: Vec<String> = lines.collect();
            (self.cx.note)((!lines.is_empty()).then(|| lines.join("; ")));
        }
    }

    /// The lanes end, and with them what they wait for.
    pub(super) fn nothing_waits(&mut self) {
        if !std::mem::take(&mut self.waiting).is_empty() {
            (self.cx.note)(None);
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        if now.since(self.ticked_at) >= TICK_MS {
            self.ticked_at = now;
            self.lanes.values_mut().for_each(|lane| lane.tell_waiting(self.task, now));
            self.hear(Event::Tick);
            self.lanes.values_mut().for_each(LaneShell::account);
            let bytes = self.lanes.values().map(LaneShell::bytes).sum();
            self.cx.meters.block_bytes(bytes);
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.member.fail(failure);
    }

    pub(super) fn rejoin(&mut self) {
        self.member.rejoin();
    }

    fn close(self, outcome: &Outcome<Failure>) {
        let Shell { lanes, consumer, orders, cx, abandoned, .. } = self;
        abandoned.store(true, Ordering::Relaxed);
        // Queues first: the handle lives as long as one of them.
        drop(lanes);
        drop(orders);
        let began = Instant::now();
        let stays = outcome.stays(cx.stays.load(Ordering::Relaxed));
        let leaving = if stays { Leaving::Stay } else { Leaving::Leave };
        if let Err(error) = consumer.close(leaving, CLOSE_TIMEOUT) {
            warn!(task = %cx.task_id, %error, "leaving the group was not answered");
        }
        debug!(task = %cx.task_id, ms = began.elapsed().as_millis() as u64, "consumer closed");
    }
}
