//! Keeps one connector as it is wanted: one run at a time, orders one after the other, in a thread of its
//! own, so that a connector that takes long to end holds up no other.
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use pumphouse_kafka::Leaving;
use tracing::{error, info};

use crate::board::{Face, State};
use crate::connector::Connector;
use crate::placement::Placement;
use crate::spec::ConnectorSpec;
use crate::worker::Shared;

/// How often it is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(10);

/// What a keeper is told.
pub(crate) enum Order {
    /// The connector is to run so, from the start; what runs ends first. `paused`: it takes nothing.
    Run { spec: Box<ConnectorSpec>, paused: bool },
    /// Nothing is to run before it is resumed, and then this.
    Wait(Box<ConnectorSpec>),
    /// Whether records are taken.
    Pause(bool),
    /// Nothing is to run.
    Stop,
    /// These tasks are to begin anew.
    RestartTasks(Vec<usize>),
    /// Other tasks belong here.
    Place,
    /// To be done while nothing runs; a run is not ended for it.
    WhileStopped(Box<dyn FnOnce() + Send>),
    /// Nothing is to run any more.
    End(Leaving),
}

/// The handle of a keeper's thread.
pub(crate) struct Keeper {
    orders: Sender<Order>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// `after`: the keeper of an earlier connector of this name. Its tasks have the names of this one's, so
    /// it is waited for.
    /// Errors: no thread can be had.
    pub(crate) fn start(
        face: Arc<Face>,
        placement: Arc<Placement>,
        shared: Arc<Shared>,
        after: Option<Keeper>,
    ) -> std::io::Result<Keeper> {
        let (orders, ordered) = unbounded();
        let thread = std::thread::Builder::new().name(format!("keeper-{}", face.name)).spawn(move || {
            if let Some(before) = after {
                before.order(Order::End(Leaving::Leave));
                if before.thread.join().is_err() {
                    error!(connector = face.name, "the thread of the connector's predecessor panicked");
                }
            }
            Keeping { face, placement, shared, current: None, spec: None }.work(&ordered);
        })?;
        Ok(Keeper { orders, thread })
    }

    /// Returns at once.
    pub(crate) fn order(&self, order: Order) {
        // One that has ended needs no orders.
        let _ = self.orders.send(order);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

struct Keeping {
    face: Arc<Face>,
    placement: Arc<Placement>,
    shared: Arc<Shared>,
    current: Option<Connector>,
    /// What is to run; `None`: nothing. With no `current`, it waits for a resume.
    spec: Option<ConnectorSpec>,
}

impl Keeping {
    fn work(mut self, orders: &Receiver<Order>) {
        // A herder that is gone has given its last order.
        let mut leaving = Leaving::Leave;
        while let Ok(order) = orders.recv() {
            match order {
                Order::Run { spec, paused } => self.run(*spec, paused),
                Order::Wait(spec) => self.wait(*spec),
                Order::Pause(paused) => self.pause(paused),
                Order::Stop => {
                    self.end_current(Leaving::Leave);
                    self.spec = None;
                    self.face.stopped();
                    self.shared.metrics.forget(&self.face.name);
                    info!(connector = self.face.name, "connector stopped");
                }
                Order::RestartTasks(tasks) => self.restart_tasks(&tasks),
                Order::Place => self.place(),
                Order::WhileStopped(job) => job(),
                Order::End(how) => {
                    leaving = how;
                    break;
                }
            }
        }
        self.end_current(leaving);
        self.shared.metrics.forget(&self.face.name);
    }

    fn run(&mut self, spec: ConnectorSpec, paused: bool) {
        // From here on, what the ending run says is not heard.
        self.face.begin_run(self.face.show().tasks.len());
        self.end_current(Leaving::Leave);
        self.spec = Some(spec);
        self.begin(paused);
    }

    fn wait(&mut self, spec: ConnectorSpec) {
        self.face.begin_run(0);
        self.end_current(Leaving::Leave);
        self.spec = Some(spec);
        self.face.waits();
    }

    fn pause(&mut self, paused: bool) {
        match &self.current {
            Some(run) => run.pause(paused),
            None if !paused => self.begin(false),
            None => {}
        }
    }

    fn place(&mut self) {
        match &self.current {
            Some(run) if !run.has_ended() => run.wake(),
            // One that could not prove its tables: whoever comes to it sees that for himself.
            Some(_) => {
                self.end_current(Leaving::Stay);
                self.begin(self.face.is_paused());
            }
            None => {}
        }
    }

    fn restart_tasks(&mut self, tasks: &[usize]) {
        let Some(run) = &self.current else { return self.face.waits() };
        // A run that has ended could not prove its tables: it is the connector that has to begin anew.
        if tasks.iter().any(|task| !run.restart_task(*task)) {
            self.end_current(Leaving::Leave);
            self.begin(self.face.is_paused());
        }
    }

    fn begin(&mut self, paused: bool) {
        let Some(spec) = self.spec.clone() else { return };
        let voice = self.face.begin_run(spec.tasks);
        let placement = Arc::clone(&self.placement);
        match Connector::start(spec, placement, Arc::clone(&self.shared), voice.clone(), paused) {
            Ok(run) => self.current = Some(run),
            Err(error) => voice.connector_is(State::Failed(format!("WORKER-005: {error}"))),
        }
    }

    /// Two runs of a connector never overlap: their tasks have the same names towards the brokers.
    fn end_current(&mut self, leaving: Leaving) {
        if let Some(run) = self.current.take() {
            run.ask_to_stop(leaving);
            while !run.has_ended() {
                std::thread::sleep(LOOK);
            }
        }
    }
}
