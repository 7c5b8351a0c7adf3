//! What a worker of many runs, and what it answers: its part of every connector follows from the workers' topics and from
//! its places; a change is written by the worker that has the connector's place, in a transaction that Kafka refuses
//! to anybody else.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use pumphouse_config::{ConfigError, ConfigInfos, ConnectorConfig, Distributed, RawConfig, WorkerConfig};
use pumphouse_kafka::{Leaving, LedgerProducer, OutgoingRecord, RecordOutcome, Settings, StoredEntry};
use pumphouse_rest::{
    ConnectorState, ConnectorView, Figures, Herder, LetterSample, OffsetChange, PartitionOffset, Place,
    Refusal, Restart, TargetState, WorkerView,
};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use tracing::{error, info, warn};

use super::cluster::Cluster;
use super::follower::{Follower, Listener, Read};
use super::membership::{Membership, Moves};
use super::places::{place_of_connector, place_of_task, tasks_at};
use super::words::{Said, Writes, config_word, status_word};
use crate::herder::{
    Checked, Connectors, OFFSETS_TIMEOUT, Order, already_exists, log_notes, not_found, not_stopped, offsets,
    patched, unknown, unmasked,
};
use crate::letter_sample;
use crate::placement::{PLACES, Placement};
use crate::spec::ConnectorSpec;
use crate::validation::spec_of;
use crate::worker::{Shared, in_rest_words};

/// A producer for one write is there within this time.
const PRODUCER_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is looked whether all connectors have ended.
const LOOK: Duration = Duration::from_millis(10);

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

/// Hears the configuration topic.
pub(super) struct HearsConfig {
    pub cluster: Arc<Mutex<Cluster>>,
    pub worker: WorkerConfig,
    pub wake: Sender<()>,
}

impl Listener for HearsConfig {
    fn from_the_beginning(&self, records: Vec<Read>) {
        let mut cluster = locked(&self.cluster);
        cluster.forget_config();
        for Read { key, value, is_new } in records {
            cluster.hear_config(config_word(&key, Some(&value)), is_new, &self.worker);
        }
        drop(cluster);
        let _ = self.wake.try_send(());
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>) {
        locked(&self.cluster).hear_config(config_word(key, value), true, &self.worker);
        let _ = self.wake.try_send(());
    }
}

/// Hears the status topic.
pub(super) struct HearsStatus(pub Arc<Mutex<Cluster>>);

impl Listener for HearsStatus {
    fn from_the_beginning(&self, records: Vec<Read>) {
        let mut cluster = locked(&self.0);
        cluster.forget_status();
        for Read { key, value, .. } in records {
            cluster.hear_status(status_word(&key, Some(&value)));
        }
    }

    fn hear(&self, key: &[u8], value: Option<&[u8]>) {
        locked(&self.0).hear_status(status_word(key, value));
    }
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

    /// Makes what runs here what it is to be. Other connectors than those that changed notice nothing.
    pub(super) fn reconcile(&self) {
        let mut local = locked(&self.local);
        if local.connectors.is_closed() {
            return;
        }
        let places = self.wires.membership.places();
        let (wanted, restarts) = {
            let mut cluster = self.cluster();
            let wanted: BTreeMap<String, Wanted> = cluster
                .connectors()
                .iter()
                .filter_map(|(name, known)| {
                    let tasks = known.read.as_ref().ok()?.tasks;
                    let mine = tasks_at(name, &places);
                    let has_tasks = (0..tasks.min(PLACES as usize)).any(|task| mine.contains(&(task as u32)));
                    let here = has_tasks || places.contains(&place_of_connector(name));
                    let target = cluster.target(name);
                    here.then(|| (name.clone(), Wanted { raw: known.raw.clone(), target, mine }))
                })
                .collect();
            (wanted, cluster.take_restarts())
        };
        local.going.retain(|placement| !placement.is_idle());
        self.end_others(&mut local, &wanted);
        for (name, _) in &restarts {
            local.refused.remove(name);
        }
        for (name, wanted) in wanted {
            self.make(&mut local, &name, wanted);
        }
        for (name, what) in restarts {
            if let Some(managed) = local.connectors.managed.get(&name) {
                managed.restart(what);
            }
        }
    }

    /// What is not wanted here goes: to another worker, or for good.
    fn end_others(&self, local: &mut Local, wanted: &BTreeMap<String, Wanted>) {
        local.refused.retain(|name, _| wanted.contains_key(name));
        let others: Vec<String> =
            local.connectors.managed.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        for name in others {
            let is_known = self.cluster().connector(&name).is_some();
            if let Some(managed) = local.connectors.managed.get(&name) {
                if is_known {
                    managed.placement.set(BTreeSet::new());
                }
                local.going.push(Arc::clone(&managed.placement));
            }
            let leaving = if is_known { Leaving::Stay } else { Leaving::Leave };
            local.connectors.remove(&self.shared, &name, leaving);
        }
    }

    fn make(&self, local: &mut Local, name: &str, wanted: Wanted) {
        let Wanted { raw, target, mine } = wanted;
        let is_new = |known: &RawConfig| *known != raw;
        if local.connectors.managed.get(name).is_none_or(|managed| is_new(&managed.raw)) {
            if local.refused.get(name).is_some_and(|(known, _)| !is_new(known)) {
                return;
            }
            match self.understood(&raw) {
                Ok(checked) => {
                    local.refused.remove(name);
                    match local.connectors.managed.get_mut(name) {
                        Some(managed) => managed.configure(checked),
                        None => {
                            let taken = self.shared.all_bytes_taken(&checked.spec);
                            let placement = Arc::new(Placement::of(mine));
                            info!(connector = name, state = ?target, "connector begins here");
                            let begun = local.connectors.add(&self.shared, checked, target, placement, taken);
                            if let Err(refusal) = begun {
                                error!(
                                    connector = name,
                                    why = refusal.message,
                                    "a connector cannot begin here"
                                );
                            }
                            return;
                        }
                    }
                }
                Err(why) => {
                    error!(connector = name, why, "a connector's configuration cannot be run here");
                    local.refused.insert(name.to_owned(), (raw, why));
                    local.connectors.remove(&self.shared, name, Leaving::Leave);
                    return;
                }
            }
        }
        let Some(managed) = local.connectors.managed.get_mut(name) else { return };
        if managed.placement.set(mine) {
            let placement = Arc::clone(&managed.placement);
            managed.face.placed(|task| placement.is_mine(task));
            managed.keeper.order(Order::Place);
        }
        if managed.target != target {
            managed.become_state(target);
        }
    }

    fn understood(&self, raw: &RawConfig) -> Result<Checked, String> {
        let config = ConnectorConfig::from_raw(raw, &self.worker).map_err(|errors| errors.to_string())?;
        let spec = spec_of(&config, raw, &self.worker).map_err(|error| error.to_string())?;
        log_notes(&config);
        Ok(Checked { raw: raw.clone(), config, spec })
    }

    /// Lets everything here land what it has taken, and waits for it, at most `limit`. Places in consumer groups are
    /// kept: this worker comes back, or another one takes them over. False: some had not ended.
    pub(super) fn stop_all(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        locked(&self.local).connectors.close(Leaving::Stay);
        while Instant::now() < until {
            if locked(&self.local).connectors.have_ended() {
                return true;
            }
            std::thread::sleep(LOOK);
        }
        locked(&self.local).connectors.have_ended()
    }

    /// What this worker knows better than the status topic says: to be written there.
    pub(super) fn news(&self) -> Vec<OutgoingRecord> {
        let topic = TopicName::new(&self.wires.distributed.status_topic.name);
        let writes = Writes { topic: &topic };
        let mut local = locked(&self.local);
        if local.connectors.is_closed() {
            return Vec::new();
        }
        let mut cluster = self.cluster();
        // Before it is looked what was taken since.
        for (name, topic) in cluster.take_forgotten() {
            if let Some(managed) = local.connectors.managed.get_mut(&name) {
                let topic = TopicName::new(&topic);
                let taken = self.shared.bytes_taken(&name, &topic);
                managed.taken_before.insert(topic, taken);
            }
        }
        let mut news = Vec::new();
        let mut tell = |name: &str, task: Option<usize>, state: ConnectorState| {
            let said = Said { state, worker_id: self.shared.worker_id.clone() };
            if cluster.said(name, task) != Some(&said) {
                news.push(writes.state(name, task, Some(&said)));
            }
        };
        for (name, managed) in &local.connectors.managed {
            let shown = managed.face.show();
            if self.wires.membership.has(place_of_connector(name)) {
                tell(name, None, in_rest_words(shown.state));
            }
            for (task, state) in shown.tasks.into_iter().enumerate() {
                if self.wires.membership.has(place_of_task(name, task)) && task < cluster.tasks(name) {
                    tell(name, Some(task), in_rest_words(state));
                }
            }
        }
        for (name, known) in cluster.connectors() {
            let why = known.read.as_ref().err().or_else(|| local.refused.get(name).map(|(_, why)| why));
            let Some(why) = why.filter(|_| !local.connectors.managed.contains_key(name)) else { continue };
            if self.wires.membership.has(place_of_connector(name)) {
                tell(name, None, ConnectorState::Failed(why.clone()));
            }
            // Other workers may be able to read it: they show what is said here of the tasks that stand here.
            let tasks = known.tasks();
            let has_tasks = cluster.target(name).has_tasks();
            for task in (0..tasks).filter(|_| has_tasks) {
                if self.wires.membership.has(place_of_task(name, task)) {
                    tell(name, Some(task), ConnectorState::Failed(why.clone()));
                }
            }
        }
        // One that was deleted may still be ending here: what it took is nobody's news any more.
        let known = |name: &String| cluster.connector(name).is_some();
        for (name, managed) in local.connectors.managed.iter().filter(|(name, _)| known(name)) {
            for topic in managed.spec.tables.keys() {
                let before = managed.taken_before.get(topic).copied().unwrap_or(0);
                let is_told = || cluster.topics(name).contains(topic.as_str());
                if self.shared.bytes_taken(name, topic) > before && !is_told() {
                    news.push(writes.topic(name, topic.as_str(), true));
                }
            }
        }
        news.extend(self.obsolete(&cluster, &writes));
        news
    }

    /// States of what is no more, where this worker has the connector's place.
    fn obsolete(&self, cluster: &Cluster, writes: &Writes<'_>) -> Vec<OutgoingRecord> {
        let is_mine = |name: &str| self.wires.membership.has(place_of_connector(name));
        let states = cluster.all_said().filter(|(name, task)| match task {
            None => cluster.connector(name).is_none(),
            // Who cannot read the configuration does not know how many tasks there are; others may.
            Some(task) => {
                cluster.connector(name).is_none_or(|known| known.read.is_ok()) && *task >= cluster.tasks(name)
            }
        });
        let states = states.filter(|(name, _)| is_mine(name));
        let states = states.map(|(name, task)| writes.state(name, task, None));
        let topics = cluster.topics_of_all().iter();
        let topics = topics.filter(|(name, _)| cluster.connector(name).is_none() && is_mine(name));
        let topics =
            topics.flat_map(|(name, topics)| topics.iter().map(|topic| writes.topic(name, topic, false)));
        states.chain(topics).collect()
    }

    /// One change of a connector at a time; others go on.
    fn turn(&self, name: &str) -> Arc<Mutex<()>> {
        let mut turns = locked(&self.turns);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }

    /// Writes about a connector what `decide` makes of all that was written before. Errors: those of `decide`; 409 when
    /// this worker has not, or has no longer, the connector's place; 500 when Kafka does not answer.
    ///
    /// Nobody else can have written in between: the predecessor at the place wrote under the same transactional id,
    /// which is this write's from before it reads; and a successor begins only in a later generation of the group, in
    /// which Kafka refuses this write.
    fn write(
        &self,
        name: &str,
        decide: impl FnOnce(&Writes<'_>) -> Result<Vec<OutgoingRecord>, Refusal>,
    ) -> Result<(), Refusal> {
        let place = place_of_connector(name);
        let failed = |error: String| Refusal::new(500, error);
        let _writing = locked(&self.writing[place.0 as usize]);
        let Some(fence) = self.wires.membership.fence(place) else { return Err(rebalancing()) };
        let group = &self.wires.distributed.group;
        let id = format!("connect-{group}-place-{place}");
        let mut producer = LedgerProducer::open(&self.wires.settings, &id, PRODUCER_TIMEOUT)
            .map_err(|error| failed(error.to_string()))?;
        self.wires.config.catch_up().map_err(failed)?;
        let topic = TopicName::new(&self.wires.distributed.config_topic.name);
        let records = decide(&Writes { topic: &topic })?;
        if records.is_empty() {
            return Ok(());
        }
        let tasks_topic = TopicName::new(&self.wires.distributed.tasks_topic.name);
        let at = TopicPartition { topic: tasks_topic, partition: place };
        let entry = StoredEntry { offset: Offset::ZERO, metadata: String::new() };
        match producer.record(&fence, &BTreeMap::from([(at, entry)]), &records) {
            RecordOutcome::Recorded => self
                .wires
                .config
                .catch_up()
                .map_err(|why| failed(format!("The change is written, but is not seen here yet: {why}"))),
            RecordOutcome::Fenced(error) => {
                warn!(connector = name, %error, "a change was refused: the connector's place is another worker's now");
                Err(rebalancing())
            }
            RecordOutcome::NotRecorded(error) => Err(failed(format!("The change was not written: {error}"))),
            RecordOutcome::Unknown(error) => {
                // Settles it, one way or the other.
                let _ = producer.replace();
                Err(failed(format!("Whether the change was written is not known: {error}")))
            }
        }
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

    /// A configuration that was read, changed, and is to be written if nobody else has changed it meanwhile.
    fn put(
        &self,
        name: &str,
        make: impl FnOnce(&RawConfig, &BTreeMap<String, String>) -> Result<RawConfig, Refusal>,
    ) -> Result<(), Refusal> {
        self.write(name, |writes| {
            let known = {
                let cluster = self.cluster();
                let known = cluster.connector(name).ok_or_else(|| not_found(name))?;
                (known.raw.clone(), known.masked())
            };
            let checked = Checked::new(make(&known.0, &known.1)?, &self.worker)?;
            Ok(vec![writes.config(name, Some(&checked.raw))])
        })
    }
}

/// What of a connector is to be here.
struct Wanted {
    raw: RawConfig,
    target: Target,
    mine: BTreeSet<u32>,
}

/// As Kafka Connect says it.
fn rebalancing() -> Refusal {
    let why = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)";
    Refusal::new(409, why.to_owned())
}

fn no_connector(name: &str) -> Refusal {
    Refusal::new(404, format!("Unknown connector: {name}"))
}

impl Moves for DistributedHerder {
    fn places_are(&self, _places: &BTreeSet<Partition>) {
        self.reconcile();
        let _ = self.wake.try_send(());
    }

    fn is_settled(&self) -> bool {
        let local = locked(&self.local);
        local.connectors.managed.values().all(|managed| managed.placement.is_settled())
            && local.going.iter().all(|placement| placement.is_idle())
    }
}

impl WorkerView for DistributedHerder {
    fn worker_id(&self) -> String {
        self.shared.worker_id.clone()
    }

    fn worker_of(&self, name: &str, task: Option<usize>) -> String {
        self.state(&self.cluster(), name, task).1
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        self.shared.kafka_cluster_id()
    }

    fn connectors(&self) -> Vec<String> {
        self.cluster().connectors().keys().cloned().collect()
    }

    fn connector(&self, name: &str) -> Option<ConnectorView> {
        self.view_in(&self.cluster(), name)
    }

    fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos {
        self.shared.validate(config, further)
    }

    fn figures(&self, name: &str) -> Figures {
        self.shared.figures(name)
    }

    fn metrics_text(&self) -> String {
        self.shared.metrics.text()
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
        self.put(name, |known, masked| {
            let raw = patched(known, masked, patch);
            if raw.get("name") != Some(name) {
                let asked = raw.get("name").unwrap_or("null");
                return Err(Refusal::new(
                    400,
                    format!(
                        "Connector name configuration ({asked}) doesn't match connector name in the URL ({name})"
                    ),
                ));
            }
            Ok(raw)
        })?;
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
        let id = format!("connect-{}-topics-{}", self.wires.distributed.group, self.shared.worker_id);
        let written = LedgerProducer::open(&self.wires.settings, &id, PRODUCER_TIMEOUT)
            .map_err(RecordOutcome::NotRecorded)
            .map_or_else(|outcome| outcome, |mut producer| producer.produce_in_transaction(&records));
        if written != RecordOutcome::Recorded {
            warn!(connector = name, ?written, "the connector's topics are not reset");
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
        let (done, told) = bounded(1);
        {
            let mut local = locked(&self.local);
            let managed = local.connectors.find(name, |_| rebalancing())?;
            let shared = Arc::clone(&self.shared);
            managed.keeper.order(Order::WhileStopped(Box::new(move || {
                let _ = done.send(offsets::change(&spec, &shared, &change));
            })));
        }
        told.recv_timeout(OFFSETS_TIMEOUT).unwrap_or_else(|_| {
            Err(Refusal::new(500, "Request timed out. The change may still be carried out".to_owned()))
        })
    }
}
