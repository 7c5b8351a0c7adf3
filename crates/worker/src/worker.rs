//! The worker: connectors beside one another, and what they share.
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pumphouse_config::{ConfigError, ConfigInfos, RawConfig, WorkerConfig};
use pumphouse_kafka::{Admin, Leaving, client_settings};
use pumphouse_rest::{ConnectorState, ConnectorView, Figures, Process};
use pumphouse_types::TopicName;
use tokio::runtime::Handle;
use tracing::warn;

use crate::board::{Board, Shown, State};
use crate::clock::Clock;
use crate::connector::Connector;
use crate::metrics::{LaneLabels, Metrics};
use crate::spec::ConnectorSpec;

/// How often it is looked whether connectors have ended.
const LOOK: Duration = Duration::from_millis(10);

/// What all connectors of a worker share.
pub(crate) struct Shared {
    pub worker_id: String,
    /// Whose tasks they are, towards the brokers: this worker's, or, where tasks move, the workers' group's.
    pub task_scope: String,
    pub board: Board,
    pub metrics: Arc<Metrics>,
    pub runtime: Handle,
    pub clock: Clock,
    /// `None` = the broker's default.
    pub state_topic_replication: Option<u32>,
    /// The worker's file.
    pub config: Arc<WorkerConfig>,
    /// How long tasks may take to land what they have taken.
    pub shutdown_timeout: Duration,
    /// The Kafka cluster's, once a broker has told it.
    pub cluster_id: OnceLock<String>,
}

impl Shared {
    /// Of a worker that is reached at `port`. `group`: of the workers among which its tasks move; `None`: they do not.
    pub(crate) fn new(config: &WorkerConfig, port: u16, group: Option<&str>, runtime: &Handle) -> Shared {
        let worker_id = config.worker_id(&local_host(), port);
        Shared {
            // The next owner of a task has its name, and so ends at once what the one before has left open.
            task_scope: group.unwrap_or(&worker_id).to_owned(),
            worker_id,
            board: Board::default(),
            metrics: Arc::new(Metrics::new()),
            runtime: runtime.clone(),
            clock: Clock::start(),
            state_topic_replication: config.state_topic_replication,
            config: Arc::new(config.clone()),
            shutdown_timeout: Duration::from_millis(config.shutdown_timeout_ms),
            cluster_id: OnceLock::new(),
        }
    }
}

/// This machine's name.
pub(crate) fn local_host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Some(name.trim()).filter(|name| !name.is_empty()).unwrap_or("localhost").to_owned()
}

/// Stops all connectors and waits for them, at most `limit`. False: some had not ended; their open
/// batches stand in the ledger, and the next owner resolves them.
pub(crate) fn stop_all(connectors: &[Connector], limit: Duration) -> bool {
    connectors.iter().for_each(|connector| connector.ask_to_stop(Leaving::Leave));
    holds_within(limit, || connectors.iter().all(Connector::has_ended))
}

/// Looks again and again whether it holds, at most for `limit`. False: it does not.
pub(crate) fn holds_within(limit: Duration, holds: impl Fn() -> bool) -> bool {
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if holds() {
            return true;
        }
        std::thread::sleep(LOOK);
    }
    holds()
}

/// One question to the brokers for the cluster's id, and the pause before the next.
const CLUSTER_ID_TIMEOUT: Duration = Duration::from_secs(10);
const CLUSTER_ID_AGAIN: Duration = Duration::from_secs(5);

/// Asks the brokers for the cluster's id, beside everything else, until they answer.
pub(crate) fn ask_cluster_id(shared: &Arc<Shared>) -> std::io::Result<()> {
    let shared = Arc::clone(shared);
    let ask = move || {
        loop {
            let settings = client_settings(shared.config.client_options().reveal());
            let admin = settings.and_then(|settings| Admin::open(&settings.connection));
            match admin {
                Ok(admin) => {
                    if let Some(id) = admin.cluster_id(CLUSTER_ID_TIMEOUT) {
                        shared.cluster_id.get_or_init(|| id);
                        return;
                    }
                }
                // Every connector says so, too, and what to do.
                Err(error) => return warn!(%error, "the cluster's id cannot be asked for"),
            }
            std::thread::sleep(CLUSTER_ID_AGAIN);
        }
    };
    std::thread::Builder::new().name("cluster-id".to_owned()).spawn(ask).map(drop)
}

impl Process for Shared {
    fn worker_id(&self) -> String {
        self.worker_id.clone()
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        self.cluster_id.get().cloned()
    }

    fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos {
        crate::validation::validate_connector(config, &self.config, further)
    }

    fn figures(&self, name: &str) -> Figures {
        self.metrics.pulses.figures(name, &self.metrics.lags(name))
    }

    fn metrics_text(&self) -> String {
        self.metrics.text()
    }
}

impl Shared {
    /// A connector as it is here.
    pub(crate) fn connector(&self, name: &str) -> Option<ConnectorView> {
        let Shown { config, state, tasks } = self.board.show(name)?;
        let tasks = tasks.into_iter().map(in_rest_words).collect();
        Some(ConnectorView { name: name.to_owned(), config, state: in_rest_words(state), tasks })
    }

    /// Bytes of a topic's records that tasks of this process have taken since it was started.
    pub(crate) fn bytes_taken(&self, connector: &str, topic: &TopicName) -> u64 {
        let labels = LaneLabels { connector: connector.to_owned(), topic: topic.to_string() };
        // Asking makes no series: a name that was refused would stay in the metrics.
        self.metrics.record_bytes.get(&labels).map_or(0, |bytes| bytes.get())
    }

    /// The same for all topics of a connector.
    pub(crate) fn all_bytes_taken(&self, spec: &ConnectorSpec) -> BTreeMap<TopicName, u64> {
        let topics = crate::herder::offsets::topics_of(spec).into_iter();
        topics.map(|topic| (topic.clone(), self.bytes_taken(&spec.name, &topic))).collect()
    }
}

pub(crate) fn in_rest_words(state: State) -> ConnectorState {
    match state {
        State::Unassigned => ConnectorState::Unassigned,
        State::Running(None) => ConnectorState::Running,
        State::Running(Some(note)) => ConnectorState::RunningWith(note),
        State::Paused => ConnectorState::Paused,
        State::Restarting => ConnectorState::Restarting,
        State::Failed(why) => ConnectorState::Failed(why),
        State::Stopped => ConnectorState::Stopped,
    }
}
