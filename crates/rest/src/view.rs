//! What the API is told about the worker.
use std::collections::BTreeMap;

use pumphouse_config::{ConfigError, ConfigInfos, RawConfig};

use crate::figures::Figures;

/// A state in Kafka Connect's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectorState {
    /// Not started yet.
    Unassigned,
    /// At work.
    Running,
    /// At work, with something that an operator should know.
    RunningWith(String),
    /// It keeps its place in the group and takes nothing.
    Paused,
    /// It ends, to begin anew.
    Restarting,
    /// A person has to look; why.
    Failed(String),
    /// Stopped.
    Stopped,
}

/// A connector as the API shows it.
#[derive(Debug, Clone)]
pub struct ConnectorView {
    /// Its name.
    pub name: String,
    /// Its configuration; secrets are masked by whoever gives it.
    pub config: BTreeMap<String, String>,
    /// Its own state.
    pub state: ConnectorState,
    /// The states of its tasks, by number.
    pub tasks: Vec<ConnectorState>,
}

/// The worker's process, as the API sees it: all that is the same wherever connectors are.
pub trait Process: Send + Sync {
    /// `host:port` or the configured id, as `worker_id` shows it.
    fn worker_id(&self) -> String;
    /// The cluster's id, once it is known.
    fn kafka_cluster_id(&self) -> Option<String>;
    /// Checks a connector's configuration as its start would, without starting anything. `further` are
    /// mistakes that the request itself has.
    fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos;
    /// What the page shows of a connector beside its states.
    fn figures(&self, name: &str) -> Figures {
        let _ = name;
        Figures::default()
    }
    /// Prometheus' text format.
    fn metrics_text(&self) -> String;
}

/// The worker, as the API sees it.
pub trait WorkerView: Send + Sync + 'static {
    /// What it runs in.
    fn process(&self) -> &dyn Process;
    /// The worker that a connector (`None`), or a task of it, is on: this one, unless there are others.
    fn worker_of(&self, name: &str, task: Option<usize>) -> String {
        let _ = (name, task);
        self.process().worker_id()
    }
    /// Names of all connectors, sorted.
    fn connectors(&self) -> Vec<String>;
    /// One connector.
    fn connector(&self, name: &str) -> Option<ConnectorView>;
}
