//! `pumphouse dlq replay`: takes a connector's dead letters again, through its own pipeline and under the
//! same protocol, up to where the dead letter topic ended at the start (docs/dead-letters.md). A letter
//! becomes a row at the place of its record, or fails again and gets a successor in the same ledger
//! write that passes over it: so each record stands once, in its table or among the letters.
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pumphouse_config::{ConnectorConfig, LedgerStore, WorkerConfig};
use pumphouse_kafka::StartAt;
use pumphouse_types::{Offset, TopicName};
use pumphouse_verify::{
    ReplayLedger, ReplayPositions, VerifyError, Waiting, WaitingLetters, waiting_letters,
    with_matching_topics,
};
use tracing::warn;

use crate::board::State;
use crate::connector::Connector;
use crate::metrics::{CauseLabels, LaneLabels};
use crate::placement::Placement;
use crate::serving::StopSignals;
use crate::spec::ConnectorSpec;
use crate::standalone::{StartError, read_connector, read_worker};
use crate::task::Replayed;
use crate::worker::{Shared, stop_all};

/// How often it is looked whether the replay has come to its end, or has failed.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What is to be taken again.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The worker's properties.
    pub worker: PathBuf,
    /// The connector's file.
    pub connector: PathBuf,
    /// Letters about records of these topics; empty: of all that the connector reads.
    pub topics: Vec<String>,
}

/// What became of the letters.
#[derive(Debug, Clone)]
pub struct ReplayReport {
    /// The dead letter topic.
    pub dead_letter_topic: String,
    /// Topic by topic.
    pub topics: Vec<TopicReplay>,
    /// Records of the dead letter topic that do not say what they stand for: they stay where they are.
    pub nameless: u64,
}

/// What became of the letters about one topic's records.
#[derive(Debug, Clone)]
pub struct TopicReplay {
    /// The topic.
    pub topic: String,
    /// The table.
    pub table: String,
    /// Letters that waited when the replay began.
    pub waiting: u64,
    /// Rows that landed.
    pub landed: u64,
    /// Letters that failed again; each has a successor.
    pub failed_again: u64,
    /// Why it ended early; `None`: every letter that waited was taken.
    pub ended_early: Option<String>,
}

impl ReplayReport {
    /// Whether every letter has become a row.
    pub fn all_landed(&self) -> bool {
        self.topics.iter().all(|topic| topic.failed_again == 0 && topic.ended_early.is_none())
    }
}

/// The replay could not begin; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The files, or the system.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The connector has nothing that letters could be taken from.
    #[error("REPLAY-001: {why}")]
    NothingToTake {
        /// Why.
        why: String,
    },
    /// What waits cannot be told.
    #[error(transparent)]
    Look(#[from] VerifyError),
}

/// Takes the letters, topic after topic, until all are taken, one topic fails, or the process is asked to
/// stop (SIGTERM, SIGINT). `progress` gets lines for a person who waits.
/// Errors: [`ReplayError`], before anything was written. What fails later stands in the report.
pub fn replay_dead_letters(
    request: &ReplayRequest,
    progress: &mut dyn FnMut(&str),
) -> Result<ReplayReport, ReplayError> {
    let worker = read_worker(&request.worker)?;
    let config = read_connector(&request.connector, &worker)?;
    let config = with_matching_topics(config, &worker.state_topic)?;
    let topics = chosen(&config, &request.topics)?;
    let waiting = waiting_letters(&config, &worker.state_topic, &topics)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(StartError::System)?;
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    let asked = runtime.block_on(async { StopSignals::listen() }).map_err(StartError::System)?;
    runtime.spawn(async move {
        asked.heard().await;
        heard.store(true, Ordering::Relaxed);
    });
    let port = worker.listeners.advertised.port;
    let shared = Arc::new(Shared::new(&worker, port, None, runtime.handle()));
    let mut report = ReplayReport {
        dead_letter_topic: waiting.topic.to_string(),
        topics: Vec::new(),
        nameless: waiting.nameless,
    };
    for (topic, of) in &waiting.of {
        let table = format!("{}.{}", config.endpoint.database, config.tables[topic.as_str()]);
        let mut taken = TopicReplay {
            topic: topic.to_string(),
            table,
            waiting: of.letters,
            landed: 0,
            failed_again: 0,
            ended_early: None,
        };
        if of.letters > 0 || of.interrupted {
            progress(&format!("{topic}: {} dead letters are taken again", of.letters));
            let replay =
                Replay { config: &config, worker: &worker, shared: &shared, waiting: &waiting, stop: &stop };
            taken.ended_early = replay.run(topic, *of, &mut taken).err();
        }
        let early = taken.ended_early.is_some();
        report.topics.push(taken);
        if early {
            break;
        }
    }
    runtime.shutdown_timeout(LOOK_EVERY);
    Ok(report)
}

/// The topics whose letters are asked for.
fn chosen(config: &ConnectorConfig, asked: &[String]) -> Result<Vec<String>, ReplayError> {
    let nothing = |why: String| ReplayError::NothingToTake { why };
    if config.ledger_store == LedgerStore::Memory {
        return Err(nothing("pumphouse.ledger.store is memory: nobody would know what was taken".to_owned()));
    }
    let all: Vec<String> = config.tables.keys().cloned().collect();
    if all.first().is_some_and(|topic| config.dlq_replay(topic).is_none()) {
        let why = "the connector has no dead letter topic; set errors.tolerance=all and \
                   errors.deadletterqueue.topic.name";
        return Err(nothing(why.to_owned()));
    }
    match asked.iter().find(|topic| !all.contains(topic)) {
        Some(topic) => Err(nothing(format!("{} does not read topic {topic}", config.name))),
        None if asked.is_empty() => Ok(all),
        None => Ok(asked.to_vec()),
    }
}

/// One topic's replay.
struct Replay<'a> {
    config: &'a ConnectorConfig,
    worker: &'a WorkerConfig,
    shared: &'a Arc<Shared>,
    waiting: &'a WaitingLetters,
    stop: &'a AtomicBool,
}

impl Replay<'_> {
    /// Runs until the letters are taken. Errors: why it ended before that.
    fn run(&self, topic: &TopicName, of: Waiting, taken: &mut TopicReplay) -> Result<(), String> {
        let config = self.config.dlq_replay(topic.as_str()).expect("chosen() looked");
        let ledger =
            ReplayLedger::open(&config, &self.worker.state_topic).map_err(|error| error.to_string())?;
        let spec = self.spec(&config, topic, of)?;
        let (name, shutdown) = (spec.name.clone(), Duration::from_millis(self.worker.shutdown_timeout_ms));
        let voice = self.shared.board.add(&name, config.masked(), spec.tasks).begin_run(spec.tasks);
        let connector =
            Connector::start(spec, Arc::new(Placement::everything()), Arc::clone(self.shared), voice, false);
        let connector = [connector.map_err(|error| error.to_string())?];
        let reached = self.wait(&name, &connector[0], &ledger);
        let landed = stop_all(&connector, shutdown);
        self.count(&name, taken);
        reached?;
        if landed { Ok(()) } else { Err("the replay did not stop in time; run it again".to_owned()) }
    }

    fn spec(
        &self,
        config: &ConnectorConfig,
        topic: &TopicName,
        of: Waiting,
    ) -> Result<ConnectorSpec, String> {
        let mut spec = ConnectorSpec::new(config, self.worker)?;
        spec.ends = Some(self.waiting.ends.clone());
        spec.start_at = Some(StartAt::Earliest);
        // A successor is the connector's letter, like the one before it.
        if let Some(wanted) = &mut spec.wanted_letters {
            wanted.connector.clone_from(&self.config.name);
        }
        spec.recipe_source.replayed = Some(Replayed {
            connector: self.config.name.clone(),
            topic: topic.clone(),
            topic_id: of.topic_id,
        });
        Ok(spec)
    }

    /// Waits until everything that waited is passed. Errors: a failure, or a stop.
    fn wait(&self, name: &str, connector: &Connector, ledger: &ReplayLedger) -> Result<(), String> {
        loop {
            if let Some(why) = self.failure(name) {
                return Err(why);
            }
            if self.stop.load(Ordering::Relaxed) {
                return Err("it was asked to stop".to_owned());
            }
            match ledger.positions() {
                Ok(positions) if self.is_past_the_ends(&positions) => return Ok(()),
                Ok(_) => {}
                Err(error) => warn!(%error, "the replay's ledger does not answer yet"),
            }
            if connector.has_ended() {
                return Err("the replay's task has ended; run it again".to_owned());
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn is_past_the_ends(&self, positions: &ReplayPositions) -> bool {
        self.waiting.ends.iter().all(|(partition, end)| {
            let position = positions.get(partition);
            *end == Offset::ZERO || position.is_some_and(|at| !at.is_open() && at.landed >= *end)
        })
    }

    fn failure(&self, name: &str) -> Option<String> {
        let shown = self.shared.board.show(name)?;
        // A task's reason says more than the connector's.
        shown.tasks.into_iter().chain([shown.state]).find_map(|state| match state {
            State::Failed(why) => Some(why),
            State::Unassigned | State::Running(_) | State::Paused | State::Restarting | State::Stopped => {
                None
            }
        })
    }

    fn count(&self, name: &str, taken: &mut TopicReplay) {
        let (connector, topic) = (name.to_owned(), self.waiting.topic.to_string());
        let metrics = &self.shared.metrics;
        let lane = LaneLabels { connector: connector.clone(), topic: topic.clone() };
        taken.landed = metrics.rows.get_or_create(&lane).get();
        for cause in ["undecodable", "refused"] {
            let cause = cause.to_owned();
            let labels = CauseLabels { connector: connector.clone(), topic: topic.clone(), cause };
            taken.failed_again += metrics.dead_letters.get_or_create(&labels).get();
        }
    }
}
