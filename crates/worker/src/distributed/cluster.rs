//! What the workers' topics say, as this worker has read them: connectors, what each is to be, the states of their
//! tasks, and where the workers are.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_config::{ConnectorConfig, RawConfig, TASKS_MAX, WorkerConfig};
use pumphouse_rest::Restart;
use pumphouse_types::Partition;
use tracing::error;

use super::words::{ConfigWord, Said, StatusWord, WorkerAt};
use crate::herder::Target;

/// All of it.
#[derive(Default)]
pub(super) struct Cluster {
    configs: BTreeMap<String, Known>,
    targets: BTreeMap<String, Target>,
    /// Restarts that were asked for, and not carried out here yet.
    restarts: Vec<(String, Restart)>,
    states: BTreeMap<String, BTreeMap<Option<usize>, Said>>,
    topics: BTreeMap<String, BTreeSet<String>>,
    /// Topics that are no longer counted as taken, and not heard of here yet.
    forgotten: Vec<(String, String)>,
    workers: BTreeMap<String, WorkerAt>,
    /// Who has each place: the last one who said so.
    owners: BTreeMap<Partition, String>,
}

/// A connector's configuration.
pub(super) struct Known {
    pub raw: RawConfig,
    /// The configuration's tasks, and how it is shown. Errors: why it cannot be run here.
    pub read: Result<ReadConfig, String>,
}

/// What is needed of a configuration wherever it does not run.
pub(super) struct ReadConfig {
    pub tasks: usize,
    pub masked: BTreeMap<String, String>,
}

impl Known {
    fn new(name: &str, raw: RawConfig, worker: &WorkerConfig) -> Known {
        let read = ConnectorConfig::from_raw(&raw, worker)
            .map(|config| ReadConfig { tasks: config.tasks_max as usize, masked: config.masked() })
            .map_err(|errors| errors.to_string());
        if let Err(why) = &read {
            error!(connector = name, why, "a connector's configuration cannot be read here");
        }
        Known { raw, read }
    }

    /// How many tasks it asks for, as far as that can be told of one that cannot be read.
    pub(super) fn tasks(&self) -> usize {
        let given = || self.raw.get("tasks.max")?.trim().parse().ok();
        match &self.read {
            Ok(read) => read.tasks,
            Err(_) => given().filter(|tasks| (1..=TASKS_MAX).contains(tasks)).unwrap_or(1) as usize,
        }
    }

    /// As it is shown.
    pub(super) fn masked(&self) -> BTreeMap<String, String> {
        match &self.read {
            Ok(read) => read.masked.clone(),
            Err(_) => pumphouse_config::masked_connector(&self.raw),
        }
    }
}

impl Cluster {
    /// Hears a record of the configuration topic. `live`: it was said after this worker had begun to hear.
    pub(super) fn hear_config(&mut self, word: ConfigWord, live: bool, worker: &WorkerConfig) {
        match word {
            ConfigWord::Config(name, Some(raw)) => {
                if self.configs.get(&name).is_none_or(|known| known.raw != raw) {
                    let known = Known::new(&name, raw, worker);
                    self.configs.insert(name, known);
                }
            }
            ConfigWord::Config(name, None) => {
                self.configs.remove(&name);
            }
            ConfigWord::Target(name, Some(target)) => {
                self.targets.insert(name, target);
            }
            ConfigWord::Target(name, None) => {
                self.targets.remove(&name);
            }
            ConfigWord::Restart(name, what) if live => {
                // What it could not read before may be there now.
                if let Some(known) = self.configs.get_mut(&name).filter(|known| known.read.is_err()) {
                    *known = Known::new(&name, known.raw.clone(), worker);
                }
                self.restarts.push((name, what));
            }
            // A level is the process's.
            ConfigWord::Restart(..) | ConfigWord::Level(..) | ConfigWord::Other => {}
        }
    }

    /// Hears a record of the status topic.
    pub(super) fn hear_status(&mut self, word: StatusWord) {
        match word {
            StatusWord::State { connector, task, said: Some(said) } => {
                self.states.entry(connector).or_default().insert(task, said);
            }
            StatusWord::State { connector, task, said: None } => {
                if let Some(states) = self.states.get_mut(&connector) {
                    states.remove(&task);
                    if states.is_empty() {
                        self.states.remove(&connector);
                    }
                }
            }
            StatusWord::Topic { connector, topic, taken: true } => {
                self.topics.entry(connector).or_default().insert(topic);
            }
            StatusWord::Topic { connector, topic, taken: false } => {
                let topics = self.topics.get_mut(&connector);
                if topics.is_some_and(|topics| topics.remove(&topic)) {
                    self.forgotten.push((connector, topic));
                }
            }
            StatusWord::Worker(id, Some(at)) => {
                self.owners.retain(|_, owner| *owner != id);
                self.owners.extend(at.places.iter().map(|place| (*place, id.clone())));
                self.workers.insert(id, at);
            }
            StatusWord::Worker(id, None) => {
                self.owners.retain(|_, owner| *owner != id);
                self.workers.remove(&id);
            }
            StatusWord::Other => {}
        }
    }

    /// Forgets what the configuration topic said: it is read from its beginning again.
    pub(super) fn forget_config(&mut self) {
        self.configs.clear();
        self.targets.clear();
    }

    /// Forgets what the status topic said.
    pub(super) fn forget_status(&mut self) {
        (self.states, self.topics, self.workers, self.owners) = Default::default();
    }

    pub(super) fn connectors(&self) -> &BTreeMap<String, Known> {
        &self.configs
    }

    pub(super) fn connector(&self, name: &str) -> Option<&Known> {
        self.configs.get(name)
    }

    pub(super) fn target(&self, name: &str) -> Target {
        self.targets.get(name).copied().unwrap_or(Target::Running)
    }

    /// How many tasks a connector is shown with.
    pub(super) fn tasks(&self, name: &str) -> usize {
        match self.connector(name).map(|known| &known.read) {
            Some(Ok(read)) if self.target(name).has_tasks() => read.tasks,
            Some(_) | None => 0,
        }
    }

    pub(super) fn said(&self, name: &str, task: Option<usize>) -> Option<&Said> {
        self.states.get(name)?.get(&task)
    }

    /// Every state that stands somewhere.
    pub(super) fn all_said(&self) -> impl Iterator<Item = (&String, Option<usize>)> {
        self.states.iter().flat_map(|(name, states)| states.keys().map(move |task| (name, *task)))
    }

    pub(super) fn topics(&self, name: &str) -> BTreeSet<String> {
        self.topics.get(name).cloned().unwrap_or_default()
    }

    pub(super) fn topics_of_all(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.topics
    }

    pub(super) fn worker(&self, id: &str) -> Option<&WorkerAt> {
        self.workers.get(id)
    }

    /// Workers that nobody reaches by a place: they are gone, or have none.
    pub(super) fn placeless(&self) -> BTreeSet<String> {
        let having: BTreeSet<&String> = self.owners.values().collect();
        self.workers.keys().filter(|id| !having.contains(id)).cloned().collect()
    }

    pub(super) fn owner(&self, place: Partition) -> Option<&String> {
        self.owners.get(&place)
    }

    pub(super) fn take_restarts(&mut self) -> Vec<(String, Restart)> {
        std::mem::take(&mut self.restarts)
    }

    pub(super) fn take_forgotten(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.forgotten)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(places: &[u32]) -> WorkerAt {
        WorkerAt { url: "http://h".to_owned(), places: places.iter().copied().map(Partition).collect() }
    }

    #[test]
    fn the_last_who_names_a_place_has_it() {
        let mut cluster = Cluster::default();
        let mut says = |id: &str, places: &[u32]| {
            cluster.hear_status(StatusWord::Worker(id.to_owned(), Some(at(places))));
            [0, 1].map(|place| cluster.owner(Partition(place)).cloned().unwrap_or_default())
        };
        assert_eq!(says("a", &[0, 1]), ["a", "a"]);
        assert_eq!(says("b", &[1]), ["a", "b"]);
        assert_eq!(says("a", &[0]), ["a", "b"]);
        // One that was killed said nothing more; its successor does.
        assert_eq!(says("b", &[0, 1]), ["b", "b"]);
        // One that wakes up and finds that it has nothing takes nothing away.
        assert_eq!(says("a", &[]), ["b", "b"]);
        assert_eq!(cluster.placeless(), ["a".to_owned()].into());
        cluster.hear_status(StatusWord::Worker("a".to_owned(), None));
        assert_eq!(cluster.placeless(), BTreeSet::new());
    }

    #[test]
    fn a_restart_that_was_asked_for_long_ago_is_not_carried_out() {
        let worker = [("bootstrap.servers", "b:1")].into_iter().collect();
        let worker = WorkerConfig::from_raw(&worker).unwrap();
        let mut cluster = Cluster::default();
        let restart = || ConfigWord::Restart("c".to_owned(), Restart::default());
        cluster.hear_config(restart(), false, &worker);
        assert!(cluster.take_restarts().is_empty());
        cluster.hear_config(restart(), true, &worker);
        assert_eq!(cluster.take_restarts().len(), 1);
        assert!(cluster.take_restarts().is_empty());
    }

    #[test]
    fn a_configuration_that_cannot_be_read_here_is_kept_and_shown_without_secrets() {
        let worker = [("bootstrap.servers", "b:1")].into_iter().collect();
        let worker = WorkerConfig::from_raw(&worker).unwrap();
        let raw: RawConfig = [("connector.class", "no.such.Class"), ("password", "hush"), ("topics", "a")]
            .into_iter()
            .collect();
        let mut cluster = Cluster::default();
        cluster.hear_config(ConfigWord::Config("c".to_owned(), Some(raw)), false, &worker);
        let known = cluster.connector("c").unwrap();
        assert!(known.read.is_err());
        assert!(!known.masked().values().any(|value| value == "hush"), "{:?}", known.masked());
        assert_eq!(cluster.tasks("c"), 0);
    }

    #[test]
    fn how_many_tasks_an_unreadable_configuration_is_shown_with() {
        let worker = [("bootstrap.servers", "b:1")].into_iter().collect();
        let worker = WorkerConfig::from_raw(&worker).unwrap();
        let tasks = |given: &str| {
            let raw = [("connector.class", "no.such.Class"), ("tasks.max", given)].into_iter().collect();
            Known::new("c", raw, &worker).tasks()
        };
        assert_eq!(["3", " 1024 ", "1025", "4000000000", "-1", "none"].map(tasks), [3, 1024, 1, 1, 1, 1]);
    }
}
