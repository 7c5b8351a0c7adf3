//! What a worker of many runs, and what it answers: its part of every connector follows from the workers' topics and from
//! its places.
mod hears;
mod news;
mod reconcile;
mod write;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_config::{ConnectorConfig, Distributed, RawConfig, WorkerConfig};
use pumphouse_kafka::{Leaving, Settings};
use pumphouse_rest::{
    ConnectorState, ConnectorView, Herder, LetterSample, OffsetChange, PartitionOffset, Place, Process,
    Refusal, Restart, TargetState, WorkerView,
};
use pumphouse_types::TopicName;
use tracing::{info, warn};

pub(super) use self::hears::{HearsConfig, HearsStatus};
use self::write::rebalancing;
use super::cluster::Cluster;
use super::follower::Follower;
use super::membership::Membership;
use super::places::{place_of_connector, place_of_task};
use super::words::Writes;
use crate::herder::{
    Checked, Connectors, Target, already_exists, not_found, not_stopped, offsets, patched, unknown, unmasked,
};
use crate::letter_sample;
use crate::placement::{PLACES, Placement};
use crate::spec::ConnectorSpec;
use crate::validation::spec_of;
use crate::worker::{Shared, holds_within, in_rest_words};

/// A producer for one write is there within this time.
const PRODUCER_TIMEOUT: Duration = Duration::from_secs(10);

/// The topics, and what reads and writes them.
pub(super) struct Wires {
    /// Towards Kafka, for everything that belongs to no connector.
    pub settings: Settings,
    pub distributed: Distributed,
    pub config: Follower,
    pub status: Arc<Follower>,
    pub membership: Arc<Membership>,
}

/// A worker of many.
pub(super) struct DistributedHerder {
    worker: WorkerConfig,
    shared: Arc<Shared>,
    cluster: Arc<Mutex<Cluster>>,
    wires: Wires,
    local: Mutex<Local>,
    /// Told when something has changed that may concern what runs here.
    wake: Sender<()>,
    /// One change of a connector at a time.
    turns: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
    /// One write under each place's name at a time.
    writing: Vec<Mutex<()>>,
}

/// What runs here.
#[derive(Default)]
struct Local {
    connectors: Connectors,
    /// Parts of connectors that have gone elsewhere, as long as something of them works.
    going: Vec<Arc<Placement>>,
    /// Configurations that cannot be run here, and why.
    refused: BTreeMap<String, (RawConfig, String)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DistributedHerder {
    pub(super) fn new(
        worker: WorkerConfig,
        shared: Arc<Shared>,
        cluster: Arc<Mutex<Cluster>>,
        wires: Wires,
        wake: Sender<()>,
    ) -> DistributedHerder {
        let writing = (0..PLACES).map(|_| Mutex::default()).collect();
        let (local, turns) = (Mutex::default(), Mutex::default());
        DistributedHerder { worker, shared, cluster, wires, local, wake, turns, writing }
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        locked(&self.cluster)
    }

    /// Waits until both topics were read, as long as that takes: a worker that knows nothing would end everything.
    pub(super) fn wait_until_read(&self) {
        for follower in [&self.wires.config, &*self.wires.status] {
            while let Err(why) = follower.catch_up() {
                warn!(why, "the worker waits for the workers' topics");
            }
        }
    }

    /// Lets everything here land what it has taken, and waits for it, at most `limit`. Places in consumer groups are
    /// kept: this worker comes back, or another one takes them over. False: some had not ended.
    pub(super) fn stop_all(&self, limit: Duration) -> bool {
        locked(&self.local).connectors.close(Leaving::Stay);
        holds_within(limit, || locked(&self.local).connectors.have_ended())
    }

    fn view_in(&self, cluster: &Cluster, name: &str) -> Option<ConnectorView> {
        let known = cluster.connector(name)?;
        let state = self.state(cluster, name, None).0;
        let tasks = (0..cluster.tasks(name)).map(|task| self.state(cluster, name, Some(task)).0).collect();
        Some(ConnectorView { name: name.to_owned(), config: known.masked(), state, tasks })
    }

    fn view(&self, name: &str) -> Result<ConnectorView, Refusal> {
        self.connector(name).ok_or_else(|| not_found(name))
    }

    /// How a connector, or a task of it, is, and on which worker: what the owner of its place says of it.
    fn state(&self, cluster: &Cluster, name: &str, task: Option<usize>) -> (ConnectorState, String) {
        let place = task.map_or_else(|| place_of_connector(name), |task| place_of_task(name, task));
        let said = cluster.said(name, task);
        if self.wires.membership.has(place)
            && let Some(shown) = self.shared.board.show(name)
        {
            let state = match task {
                None => Some(shown.state),
                Some(task) => shown.tasks.into_iter().nth(task),
            };
            let state = state.map_or(ConnectorState::Unassigned, in_rest_words);
            return (state, self.shared.worker_id.clone());
        }
        match (cluster.owner(place), said) {
            (Some(owner), Some(said)) if said.worker_id == *owner => {
                (said.state.clone(), said.worker_id.clone())
            }
            // Its worker is gone, and the next one has not begun it.
            (_, Some(said)) => (ConnectorState::Unassigned, said.worker_id.clone()),
            (owner, None) => (ConnectorState::Unassigned, owner.cloned().unwrap_or_default()),
        }
    }

    fn spec(&self, name: &str) -> Result<ConnectorSpec, Refusal> {
        let raw =
            self.cluster().connector(name).map(|known| known.raw.clone()).ok_or_else(|| not_found(name))?;
        let config = ConnectorConfig::from_raw(&raw, &self.worker)
            .map_err(|errors| Refusal::new(500, errors.to_string()))?;
        spec_of(&config, &raw, &self.worker).map_err(|error| Refusal::new(500, error.to_string()))
    }
}

fn no_connector(name: &str) -> Refusal {
    Refusal::new(404, format!("Unknown connector: {name}"))
}

impl WorkerView for DistributedHerder {
    fn process(&self) -> &dyn Process {
        &*self.shared
    }

    fn worker_of(&self, name: &str, task: Option<usize>) -> String {
        self.state(&self.cluster(), name, task).1
    }

    fn connectors(&self) -> Vec<String> {
        self.cluster().connectors().keys().cloned().collect()
    }

    fn connector(&self, name: &str) -> Option<ConnectorView> {
        self.view_in(&self.cluster(), name)
    }
}

impl Herder for DistributedHerder {
    fn place_of(&self, name: &str, task: Option<usize>) -> Place {
        let place = task.map_or_else(|| place_of_connector(name), |task| place_of_task(name, task));
        if self.wires.membership.has(place) {
            return Place::Here;
        }
        let cluster = self.cluster();
        match cluster.owner(place).filter(|owner| **owner != self.shared.worker_id) {
            Some(owner) => cluster.worker(owner).map_or(Place::Unknown, |at| Place::At(at.url.clone())),
            None => Place::Unknown,
        }
    }

    fn catch_up(&self) {
        if let Err(why) = self.wires.config.catch_up() {
            warn!(why, "what another worker has changed is not seen here yet");
        }
    }

    fn set_level_everywhere(&self, logger: &str, level: &str) -> Result<bool, Refusal> {
        let topic = TopicName::new(&self.wires.distributed.config_topic.name);
        let level = Writes { topic: &topic }.level(logger, level);
        let said = self.say("levels", &[level]).and_then(|()| self.wires.config.catch_up());
        said.map(|()| true).map_err(|why| Refusal::new(500, why))
    }

    fn create(
        &self,
        config: BTreeMap<String, String>,
        initial: TargetState,
    ) -> Result<ConnectorView, Refusal> {
        let checked = Checked::new(config.into_iter().collect(), &self.worker)?;
        let name = checked.spec.name.clone();
        let turn = self.turn(&name);
        let _turn = locked(&turn);
        self.write(&name, |writes| {
            if self.cluster().connector(&name).is_some() {
                return Err(already_exists(&name));
            }
            let target = Target::of_new(initial);
            let target = (target != Target::Running).then(|| writes.target(&name, Some(target)));
            Ok(target.into_iter().chain([writes.config(&name, Some(&checked.raw))]).collect())
        })?;
        info!(connector = name, state = ?initial, "connector created");
        // As a distributed Kafka Connect worker answers: its tasks are not begun.
        Ok(ConnectorView { tasks: Vec::new(), ..self.view(&name)? })
    }

    fn put_config(
        &self,
        name: &str,
        config: BTreeMap<String, String>,
    ) -> Result<(ConnectorView, bool), Refusal> {
        // A cheap look first: what it depends on is looked at again before it is written.
        if self.cluster().connector(name).is_none() {
            self.catch_up();
        }
        if self.cluster().connector(name).is_none() {
            return Ok((self.create(config, TargetState::Running)?, true));
        }
        let turn = self.turn(name);
        let _turn = locked(&turn);
        self.put(name, |known, masked| Ok(unmasked(config, known, masked)))?;
        Ok((self.view(name)?, false))
    }

    fn patch_config(
        &self,
        name: &str,
        patch: BTreeMap<String, Option<String>>,
    ) -> Result<ConnectorView, Refusal> {
        let turn = self.turn(name);
        let _turn = locked(&turn);
        self.put(name, |known, masked| patched(name, known, masked, patch))?;
        self.view(name)
    }

    fn delete(&self, name: &str) -> Result<(), Refusal> {
        let turn = self.turn(name);
        let _turn = locked(&turn);
        self.write(name, |writes| {
            self.view(name)?;
            Ok(vec![writes.config(name, None), writes.target(name, None)])
        })?;
        // The next one of this name has taken nothing yet.
        self.reset_topics(name);
        info!(connector = name, "connector deleted");
        Ok(())
    }

    fn set_target(&self, name: &str, target: TargetState) -> Result<(), Refusal> {
        let turn = self.turn(name);
        let _turn = locked(&turn);
        self.write(name, |writes| {
            self.view(name).map_err(|_| unknown(name))?;
            let target = self.cluster().target(name).then(target);
            Ok(vec![writes.target(name, Some(target))])
        })?;
        info!(connector = name, state = ?target, "target state set");
        Ok(())
    }

    fn restart(&self, name: &str, what: Restart) -> Result<ConnectorView, Refusal> {
        let turn = self.turn(name);
        let _turn = locked(&turn);
        let mut view = self.view(name).map_err(|_| no_connector(name))?;
        self.write(name, |writes| {
            self.view(name).map_err(|_| no_connector(name))?;
            Ok(vec![writes.restart(name, what)])
        })?;
        if self.cluster().target(name) == Target::Stopped {
            return Ok(view);
        }
        let wanted = |state: &ConnectorState| !what.only_failed || matches!(state, ConnectorState::Failed(_));
        let never_began = matches!(view.state, ConnectorState::Failed(_));
        if wanted(&view.state) && (never_began || what.include_tasks) {
            view.state = ConnectorState::Restarting;
        }
        if what.include_tasks {
            view.tasks
                .iter_mut()
                .filter(|state| wanted(state))
                .for_each(|state| *state = ConnectorState::Restarting);
        }
        Ok(view)
    }

    fn restart_task(&self, name: &str, task: usize) -> Result<(), Refusal> {
        {
            let cluster = self.cluster();
            cluster.connector(name).ok_or_else(|| no_connector(name))?;
            if task >= cluster.tasks(name) {
                return Err(Refusal::new(404, format!("Unknown task: {name}-{task}")));
            }
        }
        let mut local = locked(&self.local);
        let managed = local.connectors.find(name, |_| rebalancing())?;
        managed.restart_task(task)
    }

    fn topics(&self, name: &str) -> Vec<String> {
        self.cluster().topics(name).into_iter().collect()
    }

    fn reset_topics(&self, name: &str) {
        let topic = TopicName::new(&self.wires.distributed.status_topic.name);
        let writes = Writes { topic: &topic };
        let records: Vec<_> =
            self.cluster().topics(name).iter().map(|topic| writes.topic(name, topic, false)).collect();
        if records.is_empty() {
            return;
        }
        if let Err(why) = self.say("topics", &records) {
            warn!(connector = name, why, "the connector's topics are not reset");
        }
        let _ = self.wires.status.catch_up();
    }

    fn offsets(&self, name: &str) -> Result<Vec<PartitionOffset>, Refusal> {
        offsets::read(&self.spec(name)?, &self.shared.runtime)
    }

    fn dead_letters(&self, name: &str) -> Result<LetterSample, Refusal> {
        letter_sample::sample(&self.spec(name)?)
    }

    fn change_offsets(&self, name: &str, change: OffsetChange) -> Result<(), Refusal> {
        // A resume waits for it.
        let turn = self.turn(name);
        let _turn = locked(&turn);
        self.wires.config.catch_up().map_err(|why| Refusal::new(500, why))?;
        let spec = self.spec(name)?;
        if self.cluster().target(name) != Target::Stopped {
            return Err(not_stopped(name));
        }
        // What runs here is to know by then that it is stopped.
        self.reconcile();
        let changing = {
            let mut local = locked(&self.local);
            let managed = local.connectors.find(name, |_| rebalancing())?;
            managed.change_offsets(spec, &self.shared, change)
        };
        changing.wait()
    }
}
