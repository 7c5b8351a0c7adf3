//! One life of a task, in a thread of its own: begun anew as long as what ends it may pass.
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use pumphouse_conduct::Restarts;
use tracing::{error, info, warn};

use super::start::{NotYet, START_AGAIN, START_AGAIN_MAX, letter_topic, state_topic, with_letters};
use crate::board::{State, TaskVoice};
use crate::metrics::ConnectorLabels;
use crate::restart::{pause_or_stop, whole_ms};
use crate::spec::ConnectorSpec;
use crate::task::{self, Failure, Meters, Stopped, TaskContext, Together};
use crate::worker::Shared;

/// What belongs to one life of a task.
pub(super) struct TaskRun {
    pub number: usize,
    /// Where it waits for those that begin with it.
    pub together: Arc<Together>,
    pub voice: TaskVoice,
    pub stop: Arc<AtomicBool>,
    pub cut: Arc<AtomicBool>,
    pub stays: Arc<AtomicBool>,
    pub paused: Arc<AtomicBool>,
}

/// Runs a task until it is stopped, or fails for a reason that only a person can cure.
pub(super) fn run_task(spec: &ConnectorSpec, shared: &Arc<Shared>, run: &TaskRun) {
    let stop = &run.stop;
    let mut restarts = Restarts::default();
    let mut lacks_topic = false;
    loop {
        let began = Instant::now();
        // A panic is a broken invariant of ours; the ledger is intact, and the task begins anew from it.
        let ran = catch_unwind(AssertUnwindSafe(|| {
            if lacks_topic {
                return run_once(&with_own_topics(spec, shared, stop)?, shared, run);
            }
            run_once(spec, shared, run)
        }));
        let failure = match ran {
            Ok(Ok(())) => return,
            Ok(Err(failure)) => failure,
            Err(_) => Failure::Thread("the task panicked; its ledger is intact".to_owned()),
        };
        lacks_topic = failure.lacks_topic();
        let task = format!("{}-{}", spec.name, run.number);
        shared.metrics.pulses.failed(&spec.name, format!("task {}", run.number), failure.to_string());
        task_is(spec, shared, &run.voice, State::Failed(failure.to_string()));
        if !failure.may_pass() {
            error!(task, %failure, "task failed");
            return;
        }
        let pause = Duration::from_millis(restarts.after(whole_ms(began.elapsed())));
        error!(task, %failure, pause_s = pause.as_secs(), "task failed; it is begun anew after a pause");
        if pause_or_stop(pause, stop) {
            return;
        }
    }
}

/// Makes the connector's own topics again, which somebody has deleted: with the marks of the state topic
/// goes what R16 knows of partitions that nobody has claimed since.
fn with_own_topics(
    spec: &ConnectorSpec,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<ConnectorSpec, Failure> {
    let mut pause = START_AGAIN;
    loop {
        match state_topic(spec, shared).and_then(|()| letter_topic(spec)) {
            Ok(letters) => return Ok(with_letters(spec, letters)),
            Err(NotYet::Never(failure)) => return Err(failure),
            Err(NotYet::Later(why)) => {
                warn!(connector = spec.name, why, "the connector's own topics cannot be looked at yet");
            }
        }
        if pause_or_stop(pause, stop) {
            // The task that begins with it ends at once.
            return Ok(spec.clone());
        }
        pause = (pause * 2).min(START_AGAIN_MAX);
    }
}

fn run_once(spec: &ConnectorSpec, shared: &Arc<Shared>, run: &TaskRun) -> Result<(), Failure> {
    let number = run.number;
    let task_id = format!("{}-{number}", spec.name);
    let cx = TaskContext {
        connector: spec.name.clone(),
        group: spec.group.clone(),
        transactional_id: spec.transactional_id(&shared.task_scope, number),
        task_id: task_id.clone(),
        task_number: u32::try_from(number).unwrap_or(u32::MAX),
        topics: spec.tables.keys().cloned().collect(),
        tables: spec.tables.clone(),
        consumer_settings: spec.memory.bounded(&spec.consumer_settings, spec.tasks, spec.tables.len()),
        producer_settings: spec.producer_settings.clone(),
        ends: spec.ends.clone(),
        start_at: spec.start_at,
        state_topic: spec.state_topic.clone(),
        limits: spec.limits.clone(),
        max_execution_ms: spec.max_execution_ms,
        compression: spec.compression,
        recipe_source: spec.recipe_source.clone(),
        letters: spec.letters.clone(),
        schemas: spec.schemas.clone(),
        client: spec.client.clone(),
        memory_ledger: spec.memory_ledger.clone(),
        keeper_ledger: spec.keeper_ledger.clone(),
        memory: Arc::clone(&spec.memory),
        runtime: shared.runtime.clone(),
        clock: shared.clock,
        together: Arc::clone(&run.together),
        meters: Meters { metrics: Arc::clone(&shared.metrics), connector: spec.name.clone() },
        note: note(&run.voice),
        paused: Arc::clone(&run.paused),
        stop: Arc::clone(&run.stop),
        stays: Arc::clone(&run.stays),
        cut: Arc::clone(&run.cut),
    };
    task_is(spec, shared, &run.voice, State::Running(None));
    info!(task = task_id, "task started");
    match task::run(&cx)? {
        Stopped::Landed => info!(task = task_id, "task stopped; everything it took has landed"),
        Stopped::Interrupted => warn!(
            task = task_id,
            "task stopped before everything it took could land; open batches stand in the ledger and are resolved at the next start (R6)"
        ),
    }
    task_is(spec, shared, &run.voice, State::Stopped);
    Ok(())
}

/// Shows on the board what an operator should know about a task at work.
fn note(voice: &TaskVoice) -> Arc<dyn Fn(Option<String>) + Send + Sync> {
    let voice = voice.clone();
    Arc::new(move |note| voice.is(State::Running(note)))
}

pub(super) fn task_is(spec: &ConnectorSpec, shared: &Shared, voice: &TaskVoice, state: State) {
    voice.is(state);
    let labels = ConnectorLabels { connector: spec.name.clone() };
    let failed = i64::try_from(voice.run().failed_tasks()).unwrap_or(i64::MAX);
    // Also at 0: a gauge that appears only with the first failure is one that nobody can be alerted by.
    shared.metrics.failed_tasks.get_or_create(&labels).set(failed);
}
