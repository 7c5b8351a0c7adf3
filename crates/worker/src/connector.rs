//! A connector: proves that its tables can take batches exactly once, makes sure of the state topic, and
//! runs its tasks, each in a thread of its own. One connector's failure leaves the others alone.
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pumphouse_clickhouse::{ClickHouseError, CreateTable, ProofLimits, TableName};
use pumphouse_delivery::TaskOptions;
use pumphouse_kafka::{Admin, DeadLetterTopic, KafkaError, Leaving, Remedy};
use pumphouse_types::TopicName;
use tracing::{error, info, warn};

use crate::board::{State, TaskVoice, Voice};
use crate::metrics::ConnectorLabels;
use crate::placement::Placement;
use crate::promise::{Promise, promise};
use crate::restart::{Restarts, pause_or_stop};
use crate::spec::ConnectorSpec;
use crate::task::{self, Failure, LetterRules, Meters, Stopped, TaskContext};
use crate::worker::Shared;

/// Pauses between tries of what a connector needs at its start.
const START_AGAIN: Duration = Duration::from_millis(500);
const START_AGAIN_MAX: Duration = Duration::from_secs(10);

/// One question to the brokers at the start.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How often a run that is to end looks whether it has.
const LOOK: Duration = Duration::from_millis(10);

/// How often a run that goes on looks after its tasks' threads.
const LOOK_IDLE: Duration = Duration::from_millis(500);

/// What a run is told.
enum Order {
    /// This task is to begin anew.
    Restart(usize),
    /// Something was set that is to be looked at once.
    Wake,
}

/// What a run is asked from outside, whatever it does at the moment.
struct Asked {
    stop: Arc<AtomicBool>,
    /// Its tasks keep their places in the consumer group when they stop.
    stays: AtomicBool,
    paused: Arc<AtomicBool>,
    placement: Arc<Placement>,
}

/// One run of a connector: from its start-up proof to the end of its last task.
pub(crate) struct Connector {
    asked: Arc<Asked>,
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Connector {
    /// Starts it, with those of its tasks that belong here; everything that can go wrong shows on the board.
    /// `paused`: its tasks begin, settle what stands open, and take nothing.
    pub(crate) fn start(
        spec: ConnectorSpec,
        placement: Arc<Placement>,
        shared: Arc<Shared>,
        voice: Voice,
        paused: bool,
    ) -> std::io::Result<Connector> {
        let asked = Arc::new(Asked {
            stop: Arc::default(),
            stays: AtomicBool::new(false),
            paused: Arc::new(AtomicBool::new(paused)),
            placement,
        });
        let (orders, ordered) = unbounded();
        let run = Run { shared, voice, asked: Arc::clone(&asked) };
        let thread = std::thread::Builder::new()
            .name(format!("connector-{}", spec.name))
            .spawn(move || run.run(spec, &ordered))?;
        Ok(Connector { asked, orders, thread })
    }

    /// Asks its tasks to land what they have taken. Those that have not within
    /// `task.shutdown.graceful.timeout.ms` leave what is open in the ledger, where it is resolved at the
    /// next start (R6). [`Leaving::Stay`]: they come back, here or elsewhere, and find their partitions.
    pub(crate) fn ask_to_stop(&self, leaving: Leaving) {
        self.asked.stays.store(leaving == Leaving::Stay, Ordering::Relaxed);
        self.asked.stop.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Other tasks may belong here: it looks at once.
    pub(crate) fn wake(&self) {
        // A run that has ended hears nothing.
        let _ = self.orders.send(Order::Wake);
    }

    /// Whether its tasks take records.
    pub(crate) fn pause(&self, paused: bool) {
        self.asked.paused.store(paused, Ordering::Relaxed);
    }

    /// Lets one task end in order and begin anew; the others go on. False: the run has ended.
    pub(crate) fn restart_task(&self, number: usize) -> bool {
        !self.has_ended() && self.orders.send(Order::Restart(number)).is_ok()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Run {
    shared: Arc<Shared>,
    voice: Voice,
    asked: Arc<Asked>,
}

impl Run {
    fn run(self, spec: ConnectorSpec, orders: &Receiver<Order>) {
        match &spec.topic_choice {
            None => self.run_with_topics(&spec, &self.asked.stop, orders),
            Some(choice) => choice.run(&spec, &self.voice, &self.asked.stop, &mut |spec, stop| {
                self.run_with_topics(spec, stop, orders);
            }),
        }
    }

    /// Runs it for the topics that it has, until it is stopped or has failed for good.
    fn run_with_topics(&self, spec: &ConnectorSpec, stop: &Arc<AtomicBool>, orders: &Receiver<Order>) {
        let Some(Ready { promise, letters }) = self.prepared(spec, stop) else { return };
        let labels = ConnectorLabels { connector: spec.name.clone() };
        self.shared.metrics.exactly_once.get_or_create(&labels).set(i64::from(promise.is_exactly_once()));
        let spec = ConnectorSpec {
            limits: TaskOptions { exactly_once: promise.is_exactly_once(), ..spec.limits.clone() },
            ..with_letters(spec, letters)
        };
        self.shared.metrics.pulses.promised(&spec.name, promise.is_exactly_once());
        self.voice.connector_is(State::Running(promise.note()));
        let mut slots: BTreeMap<usize, Slot> = BTreeMap::new();
        loop {
            let stopping = stop.load(Ordering::Relaxed);
            self.place(&spec, stopping, &mut slots);
            if stopping && slots.is_empty() {
                return;
            }
            let busy = stopping || slots.values().any(Slot::is_ending);
            match orders.recv_timeout(if busy { LOOK } else { LOOK_IDLE }) {
                Ok(Order::Restart(number)) => {
                    if let Some(slot) = slots.get_mut(&number) {
                        slot.begins_anew = true;
                        slot.ask_to_end(Leaving::Leave);
                    }
                }
                Ok(Order::Wake) | Err(RecvTimeoutError::Timeout) => {}
                // Whoever could have stopped it is gone.
                Err(RecvTimeoutError::Disconnected) => {
                    stop.store(true, Ordering::Relaxed);
                    std::thread::sleep(LOOK);
                }
            }
        }
    }

    /// Begins what belongs here and is not here, and ends what does not.
    fn place(&self, spec: &ConnectorSpec, stopping: bool, slots: &mut BTreeMap<usize, Slot>) {
        let placement = &self.asked.placement;
        for slot in slots.values_mut() {
            if stopping {
                let stays = self.asked.stays.load(Ordering::Relaxed);
                slot.ask_to_end(if stays { Leaving::Stay } else { Leaving::Leave });
            } else if !placement.is_mine(slot.number) {
                // Another worker goes on with its membership, so that no other task notices.
                slot.ask_to_end(Leaving::Stay);
            } else {
                // It came back before it had gone.
                slot.begins_anew |= slot.is_ending();
            }
            slot.look(spec, &self.shared);
        }
        // One that has failed stays, and is shown as it is.
        let is_over = |slot: &Slot| stopping || slot.begins_anew || !placement.is_mine(slot.number);
        slots.retain(|_, slot| slot.thread.is_some() || !is_over(slot));
        for number in (0..spec.tasks).filter(|_| !stopping) {
            if !slots.contains_key(&number) && placement.begin(number) {
                slots.insert(number, self.begin(spec, number));
            }
        }
    }

    /// A task in a thread of its own.
    fn begin(&self, spec: &ConnectorSpec, number: usize) -> Slot {
        let task = TaskRun {
            number,
            voice: self.voice.task(number),
            stop: Arc::new(AtomicBool::new(false)),
            cut: Arc::new(AtomicBool::new(false)),
            stays: Arc::new(AtomicBool::new(false)),
            paused: Arc::clone(&self.asked.paused),
        };
        let (stop, cut, voice) = (Arc::clone(&task.stop), Arc::clone(&task.cut), task.voice.clone());
        let (stays, placement) = (Arc::clone(&task.stays), Arc::clone(&self.asked.placement));
        let (spec, shared) = (spec.clone(), Arc::clone(&self.shared));
        let started = std::thread::Builder::new()
            .name(format!("task-{}-{number}", spec.name))
            .spawn(move || run_task(&spec, &shared, &task));
        let thread = match started {
            Ok(thread) => Some(thread),
            Err(error) => {
                placement.ended(number);
                voice.is(State::Failed(Failure::Thread(error.to_string()).to_string()));
                None
            }
        };
        Slot { number, voice, placement, stop, stays, cut, thread, cut_at: None, begins_anew: false }
    }

    /// Waits until everything that the connector needs is there. `None`: stopped meanwhile, or for
    /// good; the board says why.
    fn prepared(&self, spec: &ConnectorSpec, stop: &AtomicBool) -> Option<Ready> {
        let Run { shared, voice, asked } = self;
        let mut restarts = Restarts::default();
        loop {
            let began = Instant::now();
            let failure = match prepare(spec, shared, stop) {
                Ok(ready) => return ready,
                Err(failure) => failure,
            };
            error!(connector = spec.name, %failure, "the connector cannot start");
            let why = failure.to_string();
            shared.metrics.pulses.failed(&spec.name, "connector".to_owned(), why.clone());
            voice.connector_is(State::Failed(why.clone()));
            (0..spec.tasks)
                .filter(|task| asked.placement.is_mine(*task))
                .for_each(|task| task_is(spec, shared, &voice.task(task), State::Failed(why.clone())));
            // What a person puts right is seen without a restart.
            if !failure.may_pass() || pause_or_stop(restarts.after(began.elapsed()), stop) {
                return None;
            }
        }
    }
}

/// A task's place: its thread, and how it is told to end.
struct Slot {
    number: usize,
    voice: TaskVoice,
    placement: Arc<Placement>,
    stop: Arc<AtomicBool>,
    stays: Arc<AtomicBool>,
    cut: Arc<AtomicBool>,
    /// `None`: it has ended.
    thread: Option<JoinHandle<()>>,
    /// When it was first asked to end.
    cut_at: Option<Instant>,
    begins_anew: bool,
}

impl Slot {
    /// The first word about its place in the group counts: it may have left by the second.
    fn ask_to_end(&mut self, leaving: Leaving) {
        if self.cut_at.is_none() {
            self.stays.store(leaving == Leaving::Stay, Ordering::Relaxed);
        }
        self.stop.store(true, Ordering::Relaxed);
        self.cut_at.get_or_insert_with(Instant::now);
    }

    fn is_ending(&self) -> bool {
        self.cut_at.is_some()
    }

    /// Cuts a task off that takes too long to end, and takes note of one that has ended.
    fn look(&mut self, spec: &ConnectorSpec, shared: &Shared) {
        let asked = self.cut_at.is_some_and(|asked| asked.elapsed() >= shared.shutdown_timeout);
        if asked && !self.cut.swap(true, Ordering::Relaxed) && self.thread.is_some() {
            warn!(connector = spec.name, task = self.number, "a task has not stopped in time and is cut off");
        }
        let Some(ended) = self.thread.take_if(|thread| thread.is_finished()) else { return };
        self.placement.ended(self.number);
        if ended.join().is_err() {
            let why = "the task's thread panicked; its ledger is intact".to_owned();
            task_is(spec, shared, &self.voice, State::Failed(Failure::Thread(why).to_string()));
        }
    }
}

/// What belongs to one life of a task.
struct TaskRun {
    number: usize,
    voice: TaskVoice,
    stop: Arc<AtomicBool>,
    cut: Arc<AtomicBool>,
    stays: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
}

/// The same, with its dead letter topic as it was found.
fn with_letters(spec: &ConnectorSpec, topic: Option<DeadLetterTopic>) -> ConnectorSpec {
    let letters = spec.letters.as_ref().map(|rules| LetterRules { topic, ..rules.clone() });
    ConnectorSpec { letters, ..spec.clone() }
}

/// What a connector finds out before its tasks begin.
struct Ready {
    promise: Promise,
    letters: Option<DeadLetterTopic>,
}

/// Runs a task until it is stopped, or fails for a reason that only a person can cure.
fn run_task(spec: &ConnectorSpec, shared: &Arc<Shared>, run: &TaskRun) {
    let stop = &run.stop;
    let mut restarts = Restarts::default();
    let mut lacks_topic = false;
    loop {
        let began = Instant::now();
        // A panic is a broken invariant of ours; the ledger is intact, and the task begins anew from it.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            if lacks_topic {
                return run_once(&with_own_topics(spec, shared, stop)?, shared, run);
            }
            run_once(spec, shared, run)
        }));
        let failure = match ran {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Thread("the task panicked; its ledger is intact".to_owned()),
        };
        lacks_topic = failure.lacks_topic();
        let task = format!("{}-{}", spec.name, run.number);
        shared.metrics.pulses.failed(&spec.name, format!("task {}", run.number), failure.to_string());
        task_is(spec, shared, &run.voice, State::Failed(failure.to_string()));
        if !failure.may_pass() {
            error!(task, %failure, "task failed");
            return;
        }
        let pause = restarts.after(began.elapsed());
        error!(task, %failure, pause_s = pause.as_secs(), "task failed; it is begun anew after a pause");
        if pause_or_stop(pause, stop) {
            return;
        }
    }
}

/// Makes the connector's own topics again, which somebody has deleted: with the marks of the state topic
/// goes what R16 knows of partitions that nobody has claimed since.
fn with_own_topics(
    spec: &ConnectorSpec,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<ConnectorSpec, Failure> {
    let mut pause = START_AGAIN;
    loop {
        match state_topic(spec, shared).and_then(|()| letter_topic(spec)) {
            Ok(letters) => return Ok(with_letters(spec, letters)),
            Err(NotYet::Never(failure)) => return Err(failure),
            Err(NotYet::Later(why)) => {
                warn!(connector = spec.name, why, "the connector's own topics cannot be looked at yet");
            }
        }
        if pause_or_stop(pause, stop) {
            // The task that begins with it ends at once.
            return Ok(spec.clone());
        }
        pause = (pause * 2).min(START_AGAIN_MAX);
    }
}

fn run_once(spec: &ConnectorSpec, shared: &Arc<Shared>, run: &TaskRun) -> Result<(), Failure> {
    let number = run.number;
    let task_id = format!("{}-{number}", spec.name);
    let cx = TaskContext {
        connector: spec.name.clone(),
        group: spec.group.clone(),
        transactional_id: spec.transactional_id(&shared.task_scope, number),
        task_id: task_id.clone(),
        task_number: u32::try_from(number).unwrap_or(u32::MAX),
        topics: spec.tables.keys().cloned().collect(),
        tables: spec.tables.clone(),
        consumer_settings: spec.memory.bounded(&spec.consumer_settings, spec.tasks, spec.tables.len()),
        producer_settings: spec.producer_settings.clone(),
        ends: spec.ends.clone(),
        start_at: spec.start_at,
        state_topic: spec.state_topic.clone(),
        limits: spec.limits.clone(),
        max_execution_ms: spec.max_execution_ms,
        recipe_source: spec.recipe_source.clone(),
        letters: spec.letters.clone(),
        schemas: spec.schemas.clone(),
        client: spec.client.clone(),
        memory_ledger: spec.memory_ledger.clone(),
        keeper_ledger: spec.keeper_ledger.clone(),
        memory: Arc::clone(&spec.memory),
        runtime: shared.runtime.clone(),
        clock: shared.clock,
        meters: Meters { metrics: Arc::clone(&shared.metrics), connector: spec.name.clone() },
        note: note(&run.voice),
        paused: Arc::clone(&run.paused),
        stop: Arc::clone(&run.stop),
        stays: Arc::clone(&run.stays),
        cut: Arc::clone(&run.cut),
    };
    task_is(spec, shared, &run.voice, State::Running(None));
    info!(task = task_id, "task started");
    match task::run(&cx)? {
        Stopped::Landed => info!(task = task_id, "task stopped; everything it took has landed"),
        Stopped::Interrupted => warn!(
            task = task_id,
            "task stopped before everything it took could land; open batches stand in the ledger and are resolved at the next start (R6)"
        ),
    }
    task_is(spec, shared, &run.voice, State::Stopped);
    Ok(())
}

/// Shows on the board what an operator should know about a task at work.
fn note(voice: &TaskVoice) -> Arc<dyn Fn(Option<String>) + Send + Sync> {
    let voice = voice.clone();
    Arc::new(move |note| voice.is(State::Running(note)))
}

fn task_is(spec: &ConnectorSpec, shared: &Shared, voice: &TaskVoice, state: State) {
    voice.is(state);
    let labels = ConnectorLabels { connector: spec.name.clone() };
    let failed = i64::try_from(voice.run().failed_tasks()).unwrap_or(i64::MAX);
    // Also at 0: a gauge that appears only with the first failure is one that nobody can be alerted by.
    shared.metrics.failed_tasks.get_or_create(&labels).set(failed);
}

/// Everything that must hold before the first record is taken (R12). `None`: stopped meanwhile.
fn prepare(spec: &ConnectorSpec, shared: &Shared, stop: &AtomicBool) -> Result<Option<Ready>, Failure> {
    let mut pause = START_AGAIN;
    loop {
        let ready =
            create_tables(spec, shared).and_then(|()| prove_tables(spec, shared)).and_then(|promise| {
                state_table(spec, shared)?;
                state_topic(spec, shared)?;
                Ok(Ready { promise, letters: letter_topic(spec)? })
            });
        let transient = match ready {
            Ok(ready) => {
                if let Promise::AtLeastOnce(why) = &ready.promise {
                    warn!(connector = spec.name, why, "the connector delivers at least once (R12)");
                }
                return Ok(Some(ready));
            }
            Err(NotYet::Later(why)) => why,
            Err(NotYet::Never(failure)) => return Err(failure),
        };
        warn!(connector = spec.name, why = transient, "what the connector needs does not answer yet");
        if pause_or_stop(pause, stop) {
            return Ok(None);
        }
        pause = (pause * 2).min(START_AGAIN_MAX);
    }
}

enum NotYet {
    Later(String),
    Never(Failure),
}

impl From<ClickHouseError> for NotYet {
    fn from(error: ClickHouseError) -> NotYet {
        if error.is_transient() { NotYet::Later(error.to_string()) } else { NotYet::Never(error.into()) }
    }
}

impl From<KafkaError> for NotYet {
    fn from(error: KafkaError) -> NotYet {
        if error.remedy() == Remedy::StopTask {
            NotYet::Never(error.into())
        } else {
            NotYet::Later(error.to_string())
        }
    }
}

/// Each table, and what its deduplication window has to suffice for.
pub(crate) fn tables_with_limits(spec: &ConnectorSpec) -> impl Iterator<Item = (&TableName, ProofLimits)> {
    let distinct: BTreeSet<&TableName> = spec.tables.values().collect();
    distinct.into_iter().map(|table| {
        let topics = spec.tables.values().filter(|other| *other == table).count() as u64;
        let limits = ProofLimits {
            deadline_ms: spec.limits.deadline_ms,
            max_execution_ms: spec.max_execution_ms,
            linger_ms: spec.limits.batch_linger_ms,
            lanes: topics * spec.tasks as u64,
        };
        (table, limits)
    })
}

/// Creates those that are missing, if that is asked for.
fn create_tables(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    let Some(wanted) = &spec.table_creation else { return Ok(()) };
    for (table, limits) in tables_with_limits(spec) {
        let create = CreateTable {
            table: table.clone(),
            columns: wanted.columns.clone(),
            order_by: wanted.order_by.clone(),
            engine: wanted.engine.clone(),
            limits,
        };
        shared.runtime.block_on(spec.client.create_table(&create))?;
    }
    Ok(())
}

fn prove_tables(spec: &ConnectorSpec, shared: &Shared) -> Result<Promise, NotYet> {
    let mut failed = Vec::new();
    for (table, limits) in tables_with_limits(spec) {
        let proof = shared.runtime.block_on(spec.client.prove(table, limits))?;
        shared.metrics.pulses.proved(&spec.name, table, &proof);
        for warning in &proof.warnings {
            warn!(connector = spec.name, warning, "start-up proof (R12)");
        }
        if proof.failed.is_empty() {
            info!(connector = spec.name, %table, "the table can take batches exactly once (R12)");
        }
        failed.extend(proof.failed);
    }
    promise(spec.exactly_once, &failed).map_err(|why| NotYet::Never(Failure::ClickHouseLacks(why)))
}

/// The ledger's KeeperMap table, if that is where it is.
fn state_table(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    let Some(ledger) = &spec.keeper_ledger else { return Ok(()) };
    Ok(shared.runtime.block_on(ledger.ensure())?)
}

fn state_topic(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    if spec.memory_ledger.is_some() {
        warn!(
            connector = spec.name,
            "the ledger store is `memory`: after a restart nothing is known; for tests only"
        );
        return Ok(());
    }
    let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let admin = Admin::open(&spec.producer_settings)?;
    let replicas = shared.state_topic_replication;
    admin.create_topic_if_missing(&spec.state_topic, 1, replicas, &compacted, ADMIN_TIMEOUT)?;
    for warning in admin.weak_ledger_topics(ADMIN_TIMEOUT)? {
        warn!(connector = spec.name, %warning, "the ledger's durability (R12)");
    }
    Ok(())
}

/// The dead letter topic, made if it is missing (R12).
fn letter_topic(spec: &ConnectorSpec) -> Result<Option<DeadLetterTopic>, NotYet> {
    let Some(wanted) = &spec.wanted_letters else { return Ok(None) };
    let admin = Admin::open(&spec.producer_settings)?;
    let sources: Vec<TopicName> = spec.tables.keys().cloned().collect();
    let (topic, warnings) = DeadLetterTopic::ensure(&admin, wanted.clone(), &sources, ADMIN_TIMEOUT)?;
    for warning in warnings {
        warn!(connector = spec.name, %warning, "dead letters (R12)");
    }
    Ok(Some(topic))
}
