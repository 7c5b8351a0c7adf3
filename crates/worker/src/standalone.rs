//! `pumphouse standalone worker.properties connector.json...`: files, connectors, REST, and a stop that
//! lands what was taken.
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pumphouse_config::{
    ConfigErrors, ConnectorConfig, Note, RawConfig, WorkerConfig, parse_connector_file, parse_properties,
};
use pumphouse_rest::{Loggers, ServeError, Server};
use tracing::{info, warn};

use crate::distributed::TopicError;
use crate::herder::{Checked, StandaloneHerder, Target, log_notes};
use crate::serving::serve_until_asked;
use crate::spec::ConnectorSpec;
use crate::worker::{Shared, ask_cluster_id};

/// The worker cannot start. Nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file cannot be read.
    #[error("WORKER-003: {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file says something that cannot be done.
    #[error("{path}:\n{errors}")]
    Config {
        /// Which.
        path: String,
        /// Everything that is wrong with it.
        errors: ConfigErrors,
    },
    /// Two files name the same connector.
    #[error("WORKER-004: {path}: a connector {name} was configured by another file; give it another name")]
    SameName {
        /// The second file.
        path: String,
        /// The name.
        name: String,
    },
    /// The REST API's address cannot be had.
    #[error(transparent)]
    Rest(#[from] ServeError),
    /// A client of Kafka or ClickHouse cannot be made of what the file says.
    #[error("{path}: {why}")]
    Client {
        /// The connector's file.
        path: String,
        /// Why, with its code.
        why: String,
    },
    /// A topic of the workers cannot be used.
    #[error(transparent)]
    Topic(#[from] TopicError),
    /// The system gives no threads, signals or the like.
    #[error("WORKER-005: the system refuses what a worker needs: {0}")]
    System(#[from] std::io::Error),
}

/// Runs the connectors of `connectors`, and those that REST brings, until the process is asked to stop
/// (SIGTERM, SIGINT).
/// Errors: [`StartError`], before any connector was started.
pub fn run_standalone(worker: &Path, connectors: &[PathBuf], loggers: Loggers) -> Result<(), StartError> {
    let worker = read_worker(worker)?;
    let connectors = read_connectors(connectors, &worker)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(Server::bind(&worker))?;
    let shared = Arc::new(Shared::new(&worker, server.address().port(), None, runtime.handle()));
    log_worker_notes(&worker.notes);
    ask_cluster_id(&shared)?;
    info!(worker_id = shared.worker_id, rest = %server.address(), connectors = connectors.len(), "worker started");
    let herder = Arc::new(StandaloneHerder::new(worker.clone(), Arc::clone(&shared)));
    for (path, checked) in connectors {
        let name = checked.spec.name.clone();
        herder
            .add(checked, Target::Running)
            .map_err(|_| StartError::SameName { path: path.display().to_string(), name })?;
    }
    let serving = Arc::clone(&herder) as _;
    Ok(serve_until_asked(runtime, server, serving, Arc::new(loggers), || stop(&herder, &worker))?)
}

fn stop(herder: &StandaloneHerder, worker: &WorkerConfig) {
    info!("stopping; what was taken lands first");
    if !herder.stop_all(Duration::from_millis(worker.shutdown_timeout_ms)) {
        warn!(
            limit_ms = worker.shutdown_timeout_ms,
            "not every task has stopped in time; open batches stand in the ledger and are resolved at the next start (R6)"
        );
    }
}

pub(crate) fn log_worker_notes(notes: &[Note]) {
    for note in notes {
        warn!(
            of = "worker",
            option = note.option,
            why = note.message,
            "an option is accepted without effect"
        );
    }
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    std::fs::read(path).map_err(|source| StartError::File { path: path.display().to_string(), source })
}

pub(crate) fn read_worker(path: &Path) -> Result<WorkerConfig, StartError> {
    let wrong = |errors: ConfigErrors| StartError::Config { path: path.display().to_string(), errors };
    let raw = parse_properties(&read(path)?).map_err(|error| wrong(error.into()))?;
    WorkerConfig::from_raw(&raw).map_err(wrong)
}

fn read_raw(path: &Path) -> Result<RawConfig, StartError> {
    let wrong = |errors: ConfigErrors| StartError::Config { path: path.display().to_string(), errors };
    parse_connector_file(&read(path)?).map_err(|error| wrong(error.into()))
}

pub(crate) fn read_connector(path: &Path, worker: &WorkerConfig) -> Result<ConnectorConfig, StartError> {
    ConnectorConfig::from_raw(&read_raw(path)?, worker)
        .map_err(|errors| StartError::Config { path: path.display().to_string(), errors })
}

/// All of them, before anything is started.
fn read_connectors(paths: &[PathBuf], worker: &WorkerConfig) -> Result<Vec<(PathBuf, Checked)>, StartError> {
    let mut connectors: Vec<(PathBuf, Checked)> = Vec::new();
    for path in paths {
        let raw = read_raw(path)?;
        let config = ConnectorConfig::from_raw(&raw, worker)
            .map_err(|errors| StartError::Config { path: path.display().to_string(), errors })?;
        let spec = ConnectorSpec::new(&config, worker)
            .map_err(|why| StartError::Client { path: path.display().to_string(), why })?;
        if connectors.iter().any(|(_, other)| other.spec.name == config.name) {
            return Err(StartError::SameName { path: path.display().to_string(), name: config.name });
        }
        log_notes(&config);
        connectors.push((path.clone(), Checked { raw, config, spec }));
    }
    Ok(connectors)
}
