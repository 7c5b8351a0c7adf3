//! A connector: proves that its tables can take batches exactly once, makes sure of the state topic, and
//! runs its tasks, each in a thread of its own. One connector's failure leaves the others alone.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use pumphouse_clickhouse::{ClickHouseError, ProofLimits, TableName};
use pumphouse_kafka::{Admin, Remedy};
use tracing::{error, info, warn};

use crate::board::{Board, State};
use crate::metrics::ConnectorLabels;
use crate::spec::ConnectorSpec;
use crate::task::{self, Failure, Meters, Stopped, TaskContext};
use crate::worker::Shared;

/// Pauses between tries of what a connector needs at its start.
const START_AGAIN: Duration = Duration::from_millis(500);
const START_AGAIN_MAX: Duration = Duration::from_secs(10);

/// One question to the brokers at the start.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A connector that runs.
pub(crate) struct Connector {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Connector {
    /// Starts it; everything that can go wrong shows on the board.
    pub(crate) fn start(spec: ConnectorSpec, shared: Arc<Shared>) -> std::io::Result<Connector> {
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name(format!("connector-{}", spec.name))
            .spawn(move || run(&spec, &shared, &heard))?;
        Ok(Connector { stop, thread })
    }

    /// Asks its tasks to land what they have taken.
    pub(crate) fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

fn run(spec: &ConnectorSpec, shared: &Arc<Shared>, stop: &Arc<AtomicBool>) {
    let board = &shared.board;
    match prepare(spec, shared, stop) {
        Ok(true) => {}
        Ok(false) => return,
        Err(failure) => {
            error!(connector = spec.name, %failure, "the connector cannot start");
            board.connector_is(&spec.name, State::Failed(failure.to_string()));
            for task in 0..spec.tasks {
                fail_task(spec, shared, task, &failure);
            }
            return;
        }
    }
    board.connector_is(&spec.name, State::Running);
    // A gauge that appears only with the first failure is one that nobody can be alerted by.
    shared.metrics.failed_tasks.get_or_create(&ConnectorLabels { connector: spec.name.clone() }).set(0);
    let threads: Vec<_> = (0..spec.tasks)
        .map(|number| {
            let (spec, shared, stop) = (spec.clone(), Arc::clone(shared), Arc::clone(stop));
            std::thread::Builder::new()
                .name(format!("task-{}-{number}", spec.name))
                .spawn(move || run_task(&spec, &shared, &stop, number))
        })
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let why = match thread.map(JoinHandle::join) {
            Ok(Ok(())) => continue,
            Ok(Err(_)) => "the task's thread panicked; its ledger is intact".to_owned(),
            Err(error) => error.to_string(),
        };
        fail_task(spec, shared, number, &Failure::Thread(why));
    }
}

fn run_task(spec: &ConnectorSpec, shared: &Arc<Shared>, stop: &Arc<AtomicBool>, number: usize) {
    let task_id = format!("{}-{number}", spec.name);
    let cx = TaskContext {
        connector: spec.name.clone(),
        group: spec.group.clone(),
        transactional_id: format!("connect-{}-{}-{number}", spec.name, shared.worker_id),
        task_id: task_id.clone(),
        topics: spec.tables.keys().cloned().collect(),
        tables: spec.tables.clone(),
        consumer_settings: spec.consumer_settings.clone(),
        producer_settings: spec.producer_settings.clone(),
        start_at: spec.start_at,
        state_topic: spec.state_topic.clone(),
        limits: spec.limits.clone(),
        max_execution_ms: spec.max_execution_ms,
        recipe_source: spec.recipe_source.clone(),
        client: spec.client.clone(),
        memory_ledger: spec.memory_ledger.clone(),
        runtime: shared.runtime.clone(),
        clock: shared.clock,
        meters: Meters { metrics: Arc::clone(&shared.metrics), connector: spec.name.clone() },
        stop: Arc::clone(stop),
    };
    shared.board.task_is(&spec.name, number, State::Running);
    info!(task = task_id, "task started");
    match task::run(&cx) {
        Ok(stopped) => {
            match stopped {
                Stopped::Landed => info!(task = task_id, "task stopped; everything it took has landed"),
                Stopped::Interrupted => warn!(
                    task = task_id,
                    "task stopped before everything it took could land; open batches stand in the ledger and are resolved at the next start (R6)"
                ),
            }
            shared.board.task_is(&spec.name, number, State::Stopped);
        }
        Err(failure) => {
            error!(task = task_id, %failure, "task failed");
            fail_task(spec, shared, number, &failure);
        }
    }
}

fn fail_task(spec: &ConnectorSpec, shared: &Shared, number: usize, failure: &Failure) {
    let labels = ConnectorLabels { connector: spec.name.clone() };
    shared.metrics.failed_tasks.get_or_create(&labels).inc();
    let board: &Board = &shared.board;
    board.task_is(&spec.name, number, State::Failed(failure.to_string()));
}

/// Everything that must hold before the first record is taken (R12). False: stopped meanwhile.
fn prepare(spec: &ConnectorSpec, shared: &Shared, stop: &AtomicBool) -> Result<bool, Failure> {
    let mut pause = START_AGAIN;
    loop {
        let transient = match prove_tables(spec, shared).and_then(|()| state_topic(spec, shared)) {
            Ok(()) => return Ok(true),
            Err(NotYet::Later(why)) => why,
            Err(NotYet::Never(failure)) => return Err(failure),
        };
        warn!(connector = spec.name, why = transient, "what the connector needs does not answer yet");
        let until = std::time::Instant::now() + pause;
        while std::time::Instant::now() < until {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        pause = (pause * 2).min(START_AGAIN_MAX);
    }
}

enum NotYet {
    Later(String),
    Never(Failure),
}

impl From<ClickHouseError> for NotYet {
    fn from(error: ClickHouseError) -> NotYet {
        if error.is_transient() {
            NotYet::Later(error.to_string())
        } else {
            NotYet::Never(Failure::ClickHouse(error.to_string()))
        }
    }
}

fn prove_tables(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    let distinct: std::collections::BTreeSet<&TableName> = spec.tables.values().collect();
    for table in distinct {
        let topics = spec.tables.values().filter(|other| *other == table).count() as u64;
        let limits = ProofLimits {
            deadline_ms: spec.limits.deadline_ms,
            max_execution_ms: spec.max_execution_ms,
            linger_ms: spec.limits.batch_linger_ms,
            lanes: topics * spec.tasks as u64,
        };
        let proof = shared.runtime.block_on(spec.client.prove(table, limits))?;
        for warning in &proof.warnings {
            warn!(connector = spec.name, warning, "start-up proof (R12)");
        }
        if !proof.failed.is_empty() {
            let failed: Vec<String> = proof.failed.iter().map(ToString::to_string).collect();
            return Err(NotYet::Never(Failure::ClickHouse(failed.join("; "))));
        }
        info!(connector = spec.name, %table, "the table can take batches exactly once (R12)");
    }
    Ok(())
}

fn state_topic(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    if spec.memory_ledger.is_some() {
        warn!(
            connector = spec.name,
            "the ledger store is `memory`: after a restart nothing is known; for tests only"
        );
        return Ok(());
    }
    let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let made = Admin::open(&spec.producer_settings).and_then(|admin| {
        admin.create_topic_if_missing(
            &spec.state_topic,
            1,
            shared.state_topic_replication,
            &compacted,
            ADMIN_TIMEOUT,
        )
    });
    match made {
        Ok(_) => Ok(()),
        Err(error) if error.remedy() == Remedy::StopTask => Err(NotYet::Never(error.into())),
        Err(error) => Err(NotYet::Later(error.to_string())),
    }
}
