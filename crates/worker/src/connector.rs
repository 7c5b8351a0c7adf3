//! A connector: proves that its tables can take batches exactly once, makes sure of the state topic, and
//! runs its tasks, each in a thread of its own. One connector's failure leaves the others alone.
mod start;
mod task_run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use pumphouse_conduct::Restarts;
use pumphouse_delivery::TaskOptions;
use pumphouse_kafka::Leaving;
use tracing::{error, warn};

use crate::board::{State, TaskVoice, Voice};
use crate::metrics::ConnectorLabels;
use crate::placement::Placement;
use crate::restart::{pause_or_stop, whole_ms};
use crate::spec::ConnectorSpec;
use crate::task::{Failure, Together};
use crate::worker::Shared;
pub(crate) use start::proofs;
use start::{Ready, prepare, with_letters};
use task_run::{TaskRun, run_task, task_is};

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
        let begins = |number: &usize| !stopping && !slots.contains_key(number) && placement.begin(*number);
        let beginning: Vec<usize> = (0..spec.tasks).filter(begins).collect();
        let together = Arc::new(Together::new(beginning.len()));
        for number in beginning {
            slots.insert(number, self.begin(spec, number, Arc::clone(&together)));
        }
    }

    /// A task in a thread of its own.
    fn begin(&self, spec: &ConnectorSpec, number: usize, together: Arc<Together>) -> Slot {
        let task = TaskRun {
            number,
            together,
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
            if !failure.may_pass() {
                return None;
            }
            let pause_ms = restarts.after(whole_ms(began.elapsed()));
            if pause_or_stop(Duration::from_millis(pause_ms), stop) {
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
