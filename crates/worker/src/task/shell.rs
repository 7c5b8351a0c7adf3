//! A membership: the loop that serves the group protocol, takes records, and performs what the
//! delivery protocol asks for. It decides nothing about delivery (ARCHITECTURE.md, absences).
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use pumphouse_clickhouse::KeeperLedger;
use pumphouse_delivery::{Event, InsertAnswer, LedgerAnswer, Letter, Task, WriteId};
use pumphouse_kafka::{Consumer, ConsumerEvent, Fence, KafkaError, Leaving, Remedy};
use pumphouse_types::{ConfigVersion, Millis, SchemaId, TopicId, TopicName, TopicPartition};
use tracing::{debug, info, warn};

use super::actions::{Publishing, Write};
use super::asks::Asks;
use super::context::TaskContext;
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

/// How a membership ended.
pub(super) enum Outcome {
    /// A new one is to be begun, after a pause.
    Rejoin,
    /// Another process has this task's name. A new membership would throw that one out, so it is
    /// begun only after a long pause.
    Replaced,
    /// A person has to look.
    Failed(Failure),
    /// The connector was stopped.
    Left {
        /// Everything that was taken has landed; else an open batch may stand in the ledger.
        landed: bool,
    },
}

impl Outcome {
    /// A task that was leaving for a reason is not begun anew, however its membership ended: the
    /// protocol has heard the stop, and a new member would hold its partitions and do nothing.
    fn because(self, leaving: Option<Failure>) -> Outcome {
        match (self, leaving) {
            (Outcome::Failed(failure), _) | (_, Some(failure)) => Outcome::Failed(failure),
            (outcome, None) => outcome,
        }
    }
}

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
    /// Read for the claim in force; every write of the claim names it (R5).
    pub(super) fence: Option<Fence>,
    pub(super) asks: Asks,
    pub(super) assigned: Vec<TopicPartition>,
    /// Configuration versions that stand in the state topic, and those on their way.
    pub(super) published: BTreeSet<ConfigVersion>,
    pub(super) publishing: Vec<Publishing>,
    /// Identities of the topics, as they were at claim.
    pub(super) topic_ids: BTreeMap<TopicName, TopicId>,
    pub(super) unmarked: Unmarked,
    /// A write that waits for the records of its dead letters.
    pub(super) unread: Option<Write>,
    /// The dead letters of the write under way.
    pub(super) letters_going: Option<(WriteId, Vec<(TopicName, Letter)>)>,
    /// What lanes wait for, by topic; it shows in the task's status.
    waiting: BTreeMap<TopicName, String>,
    /// Why the task leaves, if not because it was asked to.
    pub(super) leaving_because: Option<Failure>,
    pub(super) outcome: Option<Outcome>,
    ticked_at: Millis,
    stop_heard: bool,
    /// Something that was taken may stand open in the ledger, and the assignment that could land it is over:
    /// from then on until the next one.
    pub(super) cut_off: bool,
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
        consumer.subscribe(&cx.topics)?;
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
            task,
            consumer,
            keeper,
            lanes: BTreeMap::new(),
            mail,
            letters,
            orders,
            fence: None,
            asks: Asks::default(),
            assigned: Vec::new(),
            published: BTreeSet::new(),
            publishing: Vec::new(),
            topic_ids: BTreeMap::new(),
            unmarked: Unmarked::default(),
            unread: None,
            letters_going: None,
            waiting: BTreeMap::new(),
            leaving_because: None,
            outcome: None,
            ticked_at: Millis::default(),
            stop_heard: false,
            cut_off,
            abandoned,
        };
        Ok((shell, thread))
    }

    /// Runs until the membership ends, and closes it.
    pub(super) fn run(mut self) -> Outcome {
        loop {
            self.serve_group();
            self.hear_stop();
            self.read_mail();
            self.serve_asks();
            let took = !self.cx.paused.load(Ordering::Relaxed) && self.take_records();
            self.tick();
            if let Some(outcome) = self.outcome.take() {
                let outcome = outcome.because(self.leaving_because.take());
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
            match event {
                ConsumerEvent::Assigned(partitions) => {
                    info!(task = %self.cx.task_id, partitions = partitions.len(), "partitions assigned");
                    failpoint::reach(Moment::Rebalance);
                    // What is under way for those that it had is settled first, as for a revocation; then all are
                    // claimed together (`give_up`).
                    if self.consumer.is_incremental() && !self.lanes.is_empty() {
                        self.hear(Event::Revoking);
                    } else {
                        self.claim_assigned(partitions);
                    }
                }
                ConsumerEvent::Renewed => self.renew_fence(),
                ConsumerEvent::Revoking { lost, .. } => {
                    info!(task = %self.cx.task_id, lost, "partitions revoked");
                    failpoint::reach(Moment::Rebalance);
                    self.cut_off |= !self.lanes.is_empty();
                    self.hear(if lost { Event::Lost } else { Event::Revoking });
                }
                ConsumerEvent::PartitionFailed { error, .. }
                | ConsumerEvent::Failed(error)
                | ConsumerEvent::Trouble(error) => self.kafka_trouble(error),
            }
        }
    }

    pub(super) fn claim_assigned(&mut self, partitions: Vec<TopicPartition>) {
        self.assigned = partitions.clone();
        self.cut_off = false;
        self.hear(Event::Assigned { partitions });
    }

    /// R5: the group has another generation, and this member kept its partitions: read first, then every queued
    /// event is heard, and what was read is used only if the claim is still in force.
    fn renew_fence(&mut self) {
        let claim = self.task.claim();
        let Some(fence) = self.consumer.group_metadata().filter(|_| self.fence.is_some()) else { return };
        self.serve_group();
        if self.task.claim() == claim {
            debug!(task = %self.cx.task_id, generation = fence.generation(), "the fence is read anew (R5)");
            self.fence = Some(fence);
            self.show_in_group(&BTreeMap::new());
        }
    }

    pub(super) fn kafka_trouble(&mut self, error: KafkaError) {
        if matches!(error, KafkaError::TopicGone { .. }) {
            // Deleted, or not there yet: identities tell, and are compared at once (R15).
            warn!(task = %self.cx.task_id, %error, "a topic is not there; its partitions wait for it");
            self.asks.compare_topics_soon();
            return;
        }
        match error.remedy() {
            Remedy::StopTask => self.fail(Failure::Kafka(error)),
            Remedy::Rejoin => {
                warn!(task = %self.cx.task_id, %error, "the membership ends and is begun anew");
                match error {
                    KafkaError::InstanceFenced { .. } | KafkaError::ProducerReplaced { .. } => {
                        if !matches!(self.outcome, Some(Outcome::Failed(_) | Outcome::Left { .. })) {
                            self.outcome = Some(Outcome::Replaced);
                        }
                    }
                    _ => self.rejoin(),
                }
            }
            Remedy::Retry | Remedy::ReplaceProducer => {
                debug!(task = %self.cx.task_id, %error, "Kafka is being asked again");
            }
        }
    }

    fn hear_stop(&mut self) {
        if self.cx.stop.load(Ordering::Relaxed) && !self.stop_heard {
            self.stop_heard = true;
            self.hear(Event::StopRequested);
        }
        if self.cx.cut.load(Ordering::Relaxed) {
            self.outcome.get_or_insert(Outcome::Left { landed: false });
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
                    // Its generation may have passed.
                    if *answer == LedgerAnswer::NotRecorded && self.consumer.is_incremental() {
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
            Mail::Prepared { claim } => self.asks.prepared(claim, self.task.claim()),
            Mail::Inspected { event, recipe } => self.inspected(event, &recipe),
            Mail::Published { claim } => self.published(claim),
            Mail::Reread { event, batch, rows } => self.reread_done(event, batch, rows),
            Mail::LettersRead { claim, topic, records } => self.letters_read(claim, &topic, records),
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
            Mail::Recycled { topic, recipe, segments } => {
                if let Some(lane) = self.lanes.get_mut(&topic) {
                    lane.recycle(&recipe, segments);
                }
            }
            // Offsets that only inform were refused for it; they are shown under the next one.
            Mail::LedgerFailed { error: KafkaError::MemberReplaced { only_generation: true, .. } } => {
                if self.consumer.is_incremental() {
                    self.renew_fence();
                }
            }
            Mail::LedgerFailed { error } => match error.remedy() {
                Remedy::Rejoin => self.kafka_trouble(error),
                Remedy::StopTask => self.fail(Failure::Kafka(error)),
                Remedy::Retry | Remedy::ReplaceProducer => {
                    warn!(task = %self.cx.task_id, %error, "the ledger's producer cannot be had");
                    self.rejoin();
                }
            },
            Mail::Failed { claim, failure } => {
                if claim.is_none_or(|claim| claim == self.task.claim()) {
                    self.fail(failure);
                }
            }
        }
    }

    fn take_records(&mut self) -> bool {
        let mut took = false;
        let topics: Vec<TopicName> = self.lanes.keys().cloned().collect();
        for topic in topics {
            took |= self.take_records_of(&topic);
        }
        took
    }

    fn take_records_of(&mut self, topic: &TopicName) -> bool {
        let now = self.now();
        let Some(lane) = self.lanes.get_mut(topic) else { return false };
        match lane.take_run(self.task, now) {
            Ok(taken) => {
                if taken.ran_dry {
                    lane.tell_positions(self.task, &self.assigned, now);
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
                self.leaving_because.get_or_insert(failure);
                self.hear(Event::StopRequested);
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
            self.hear(Event::Tick);
            self.lanes.values_mut().for_each(LaneShell::account);
            let bytes = self.lanes.values().map(LaneShell::bytes).sum();
            self.cx.meters.block_bytes(bytes);
        }
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        if !matches!(self.outcome, Some(Outcome::Failed(_))) {
            self.outcome = Some(Outcome::Failed(failure));
        }
    }

    pub(super) fn rejoin(&mut self) {
        self.outcome.get_or_insert(Outcome::Rejoin);
    }

    fn close(self, outcome: &Outcome) {
        let Shell { lanes, consumer, orders, cx, abandoned, .. } = self;
        abandoned.store(true, Ordering::Relaxed);
        // Queues first: the handle lives as long as one of them.
        drop(lanes);
        drop(orders);
        let began = Instant::now();
        let leaving = match outcome {
            // It comes back at once, and should find its partitions.
            Outcome::Rejoin | Outcome::Replaced => Leaving::Stay,
            // Its successor takes the place over, and the others keep theirs.
            Outcome::Left { .. } if cx.stays.load(Ordering::Relaxed) => Leaving::Stay,
            Outcome::Failed(_) | Outcome::Left { .. } => Leaving::Leave,
        };
        if let Err(error) = consumer.close(leaving, CLOSE_TIMEOUT) {
            warn!(task = %cx.task_id, %error, "leaving the group was not answered");
        }
        debug!(task = %cx.task_id, ms = began.elapsed().as_millis() as u64, "consumer closed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_leaves_for_a_reason_does_not_join_anew() {
        for outcome in [Outcome::Rejoin, Outcome::Replaced, Outcome::Left { landed: true }] {
            let ended = outcome.because(Some(Failure::Thread("a bad record".to_owned())));
            assert!(matches!(ended, Outcome::Failed(_)));
        }
        assert!(matches!(Outcome::Rejoin.because(None), Outcome::Rejoin));
        assert!(matches!(Outcome::Left { landed: true }.because(None), Outcome::Left { landed: true }));
    }
}
