//! `pumphouse distributed worker.properties`: one of many workers that share connectors. Kafka's group protocol places
//! tasks; configurations, target states and states stand in compacted topics (docs/distributed.md, ADR 12).
mod cluster;
mod follower;
mod herder;
mod membership;
mod places;
mod reporter;
mod topics;
mod words;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use pumphouse_config::{ConfigErrors, Distributed, WorkerConfig, parse_properties};
use pumphouse_kafka::{Settings, WorkersGroupSettings, client_settings};
use pumphouse_rest::{Loggers, Server};
use pumphouse_types::TopicName;
use tracing::{info, warn};

use crate::serving::serve_until_asked;
use crate::standalone::{StartError, log_worker_notes, read};
use crate::worker::{Shared, ask_cluster_id, local_host};
use cluster::Cluster;
use follower::{Followed, Follower};
use herder::{DistributedHerder, HearsConfig, HearsStatus, Wires};
use membership::{Member, Membership};
use reporter::Reporter;
pub use topics::TopicError;

/// What runs here is compared with what is to run this often, if nothing has asked for it before.
const RECONCILE: Duration = Duration::from_secs(1);

/// Runs this worker's part of the group's connectors until the process is asked to stop (SIGTERM, SIGINT).
/// Errors: [`StartError`], before anything was started.
pub fn run_distributed(path: &Path, loggers: Loggers) -> Result<(), StartError> {
    let wrong = |errors: ConfigErrors| StartError::Config { path: path.display().to_string(), errors };
    let raw = parse_properties(&read(path)?).map_err(|error| wrong(error.into()))?;
    let (worker, distributed) = WorkerConfig::distributed_from_raw(&raw).map_err(wrong)?;
    let settings = client_settings(worker.client_options().reveal())
        .map_err(|error| StartError::Client { path: path.display().to_string(), why: error.to_string() })?
        .connection;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = runtime.block_on(Server::bind(&worker))?;
    log_worker_notes(&worker.notes);
    topics::ensure(&settings, &distributed)?;
    let port = server.address().port();
    let group = Some(distributed.group.as_str());
    let shared = Arc::new(Shared::new(&worker, port, group, runtime.handle()));
    ask_cluster_id(&shared)?;
    let url = worker.advertised_url(&local_host(), port);
    info!(worker_id = shared.worker_id, group = distributed.group, url, "worker started");
    let loggers = Arc::new(loggers);
    let running = Running::start(worker, distributed, settings, Arc::clone(&shared), url, &loggers)?;
    let serving = Arc::clone(&running.herder) as _;
    Ok(serve_until_asked(runtime, server, serving, loggers, || running.stop(shared.shutdown_timeout))?)
}

/// The threads of a worker of many.
struct Running {
    herder: Arc<DistributedHerder>,
    stop: Arc<AtomicBool>,
    membership: JoinHandle<()>,
    others: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(
        worker: WorkerConfig,
        distributed: Distributed,
        settings: Settings,
        shared: Arc<Shared>,
        url: String,
        loggers: &Arc<Loggers>,
    ) -> std::io::Result<Running> {
        let (stop, cluster) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Cluster::default())));
        let (wake, woken) = bounded(1);
        let followed = |topic: &str| Followed {
            settings: settings.clone(),
            group: distributed.group.clone(),
            topic: TopicName::new(topic),
        };
        let hears = HearsConfig {
            cluster: Arc::clone(&cluster),
            worker: worker.clone(),
            loggers: Arc::clone(loggers),
            wake: wake.clone(),
        };
        let (config, reads_config) =
            Follower::start(followed(&distributed.config_topic.name), Arc::new(hears), Arc::clone(&stop))?;
        let hears = HearsStatus(Arc::clone(&cluster));
        let (status, reads_status) =
            Follower::start(followed(&distributed.status_topic.name), Arc::new(hears), Arc::clone(&stop))?;
        let (status, membership) = (Arc::new(status), Arc::new(Membership::new()));
        let group = WorkersGroupSettings {
            group: distributed.group.clone(),
            instance: shared.worker_id.clone(),
            session_timeout_ms: distributed.session_timeout_ms,
            heartbeat_interval_ms: distributed.heartbeat_interval_ms,
            rebalance_timeout_ms: distributed.rebalance_timeout_ms,
        };
        let member = Member {
            settings: settings.clone(),
            topic: TopicName::new(&distributed.tasks_topic.name),
            group,
            shutdown_timeout: shared.shutdown_timeout,
        };
        let reporter_id = format!("connect-{}-status-{}", distributed.group, shared.worker_id);
        let topic = TopicName::new(&distributed.status_topic.name);
        let wires = Wires {
            settings: settings.clone(),
            distributed,
            config,
            status: Arc::clone(&status),
            membership: Arc::clone(&membership),
        };
        let herder =
            Arc::new(DistributedHerder::new(worker, Arc::clone(&shared), Arc::clone(&cluster), wires, wake));
        // What there is, is known before places come.
        herder.wait_until_read();
        let reporter = Reporter {
            settings,
            transactional_id: reporter_id,
            topic,
            worker_id: shared.worker_id.clone(),
            url,
            cluster,
            membership: Arc::clone(&membership),
            status,
            herder: Arc::clone(&herder),
            stop: Arc::clone(&stop),
        };
        let reports =
            std::thread::Builder::new().name("reporter".to_owned()).spawn(move || reporter.work())?;
        let reconciles = std::thread::Builder::new().name("herder".to_owned()).spawn({
            let (herder, stop) = (Arc::clone(&herder), Arc::clone(&stop));
            move || reconcile(&herder, &woken, &stop)
        })?;
        let membership = membership.start(member, Arc::clone(&herder) as _, Arc::clone(&stop))?;
        Ok(Running {
            herder,
            stop,
            membership,
            others: vec![reads_config, reads_status, reports, reconciles],
        })
    }

    /// The tasks land what they have taken, and the worker's places are kept for it until its session is over.
    fn stop(self, limit: Duration) {
        info!("stopping; what was taken lands first");
        if !self.herder.stop_all(limit) {
            warn!(
                limit_ms = limit.as_millis() as u64,
                "not every task has stopped in time; open batches stand in the ledger and are resolved by the next owner (R6)"
            );
        }
        self.stop.store(true, Ordering::Relaxed);
        for thread in std::iter::once(self.membership).chain(self.others) {
            if thread.join().is_err() {
                warn!("a thread of the worker panicked");
            }
        }
    }
}

fn reconcile(herder: &DistributedHerder, woken: &Receiver<()>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        match woken.recv_timeout(RECONCILE) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => herder.reconcile(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
