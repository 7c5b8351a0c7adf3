//! A connector task: memberships one after the other, until it is stopped or a person has to look.
mod actions;
mod asks;
mod audit;
mod block;
mod context;
mod failure;
mod idle_seal;
mod keeper_asks;
mod lane_shell;
mod ledger_thread;
mod letters;
mod log_comment;
mod mail;
mod marks;
mod memory;
mod pace;
mod places;
mod recipe;
mod replayed;
mod report;
mod reread;
mod schemas;
mod server_jobs;
mod shell;
mod spare;
mod state;
mod stores;
#[cfg(test)]
mod test_batch;
mod trial;

use std::time::{Duration, Instant};

use pumphouse_clickhouse::KeeperLedger;
use pumphouse_delivery::{Task, TaskOptions};
use pumphouse_kafka::{KafkaError, LedgerProducer, Remedy, rebalances_incrementally};
use tracing::{info, warn};

pub use context::{Meters, TaskContext};
pub use failure::Failure;
pub(crate) use lane_shell::Ends;
pub use letters::LetterRules;
pub(crate) use memory::Memory;
pub use recipe::RecipeSource;
pub(crate) use replayed::Replayed;
pub use schemas::SchemaSource;
use shell::{Outcome, Shell};
use stores::{KafkaStore, KeeperStore, LedgerStore, MemoryStore};
pub(crate) use stores::{MemoryLedger, informed};
#[cfg(test)]
pub(crate) use test_batch::batch as test_batch;
pub(crate) use trial::{Trial, Tried};

use crate::restart::pause_or_stop;

/// A producer is opened, or replaced, within this time: the transaction that its predecessor left
/// open is ended by it.
const PRODUCER_TIMEOUT: Duration = Duration::from_secs(10);

/// First pause before a membership is begun anew; doubles up to the longest.
const REJOIN_FIRST: Duration = Duration::from_millis(250);
const REJOIN_MAX: Duration = Duration::from_secs(10);

/// A twin that was started on purpose has this long before its predecessor asks again.
const REPLACED_PAUSE: Duration = Duration::from_secs(30);

/// A membership that lived this long was a good one: the pauses begin anew.
const MEMBERSHIP_GOOD: Duration = Duration::from_secs(60);

/// How a task was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything that it took has landed.
    Landed,
    /// Something stood in the way, such as brokers that do not answer: an open batch may stand in the
    /// ledger, and is resolved at the next start (R6).
    Interrupted,
}

/// Runs the task until it is stopped or fails.
pub fn run(cx: &TaskContext) -> Result<Stopped, Failure> {
    let mut pause = REJOIN_FIRST;
    let mut task = Task::new(TaskOptions { seed: rand::random(), ..cx.limits.clone() });
    let mut cut_off = false;
    loop {
        let began = Instant::now();
        match membership(cx, &mut task, cut_off)? {
            Outcome::Left { landed: true } => return Ok(Stopped::Landed),
            Outcome::Left { landed: false } => return Ok(Stopped::Interrupted),
            Outcome::Failed(failure) => return Err(failure),
            outcome @ (Outcome::Rejoin | Outcome::Replaced) => {
                cut_off = true;
                if began.elapsed() > MEMBERSHIP_GOOD {
                    pause = REJOIN_FIRST;
                }
                if matches!(outcome, Outcome::Replaced) {
                    pause = REPLACED_PAUSE;
                }
                info!(task = %cx.task_id, pause_ms = pause.as_millis() as u64, "joining anew after a pause");
                if pause_or_stop(pause, &cx.stop) {
                    return Ok(Stopped::Interrupted);
                }
                pause = (pause * 2).min(REJOIN_MAX.max(pause));
            }
        }
    }
}

fn membership(cx: &TaskContext, task: &mut Task, cut_off: bool) -> Result<Outcome, Failure> {
    // A claim of its own for each membership.
    let keeper = cx.keeper_ledger.as_ref().map(KeeperLedger::another);
    let incremental = rebalances_incrementally(&cx.consumer_settings);
    let store: Box<dyn LedgerStore> = match &cx.memory_ledger {
        Some(memory) => Box::new(MemoryStore(memory.clone())),
        None => match open_producer(cx) {
            Ok(producer) => match keeper.clone() {
                None => Box::new(KafkaStore::new(producer, incremental)),
                Some(ledger) => Box::new(KeeperStore::new(
                    ledger,
                    cx.runtime.clone(),
                    KafkaStore::new(producer, incremental),
                )),
            },
            Err(error) if error.remedy() == Remedy::StopTask => return Err(error.into()),
            Err(error) => {
                warn!(task = %cx.task_id, %error, "the ledger's producer cannot be opened yet");
                return Ok(Outcome::Rejoin);
            }
        },
    };
    let (shell, thread) = Shell::join(cx, task, (store, keeper), cut_off)?;
    let outcome = shell.run();
    // Nothing of an abandoned producer may still be on its way when the next one is opened (R5).
    if thread.join().is_err() {
        return Err(Failure::Thread("the ledger's thread panicked".to_owned()));
    }
    Ok(outcome)
}

/// The ledger's producer, once the dead letter topic was seen to take what it writes (R12).
fn open_producer(cx: &TaskContext) -> Result<LedgerProducer, KafkaError> {
    let letters = cx.letters.as_ref().and_then(|rules| rules.topic.as_ref());
    let Some(letters) = letters else {
        return LedgerProducer::open(&cx.producer_settings, &cx.transactional_id, PRODUCER_TIMEOUT);
    };
    let settings = letters.producer_settings(&cx.producer_settings);
    let mut producer = LedgerProducer::open(&settings, &cx.transactional_id, PRODUCER_TIMEOUT)?;
    producer.rehearse(&letters.probes())?;
    Ok(producer)
}
