//! The worker: connectors beside one another, and what they share.
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use pumphouse_config::{ConfigError, ConfigInfos, RawConfig, WorkerConfig};
use pumphouse_rest::{ConnectorState, ConnectorView};
use tokio::runtime::Handle;

use crate::board::{Board, Shown, State};
use crate::clock::Clock;
use crate::connector::Connector;
use crate::metrics::Metrics;

/// What all connectors of a worker share.
pub(crate) struct Shared {
    pub worker_id: String,
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

/// Stops all connectors and waits for them, at most `limit`. False: some had not ended; their open
/// batches stand in the ledger, and the next owner resolves them.
pub(crate) fn stop_all(connectors: &[Connector], limit: Duration) -> bool {
    connectors.iter().for_each(Connector::ask_to_stop);
    let until = Instant::now() + limit;
    while Instant::now() < until {
        if connectors.iter().all(Connector::has_ended) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Everything of [`WorkerView`](pumphouse_rest::WorkerView) that needs no herder.
impl Shared {
    pub(crate) fn kafka_cluster_id(&self) -> Option<String> {
        self.cluster_id.get().cloned()
    }

    pub(crate) fn connector(&self, name: &str) -> Option<ConnectorView> {
        let Shown { config, state, tasks } = self.board.show(name)?;
        let tasks = tasks.into_iter().map(in_rest_words).collect();
        Some(ConnectorView { name: name.to_owned(), config, state: in_rest_words(state), tasks })
    }

    pub(crate) fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos {
        crate::validation::validate_connector(config, &self.config, further)
    }
}

fn in_rest_words(state: State) -> ConnectorState {
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
