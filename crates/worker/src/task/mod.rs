//! A connector task: memberships one after the other, until it is stopped or a person has to look.
mod actions;
mod asks;
mod audit;
mod block;
mod context;
mod encoder;
mod failure;
mod keeper_asks;
mod lane_shell;
mod ledger_thread;
mod letter_reader;
mod letters;
mod log_comment;
mod mail;
mod marks;
mod memory;
mod open_block;
mod owed;
mod places;
mod recipe;
mod replayed;
mod report;
mod reread;
mod schemas;
mod server_jobs;
mod shell;
mod spare;
mod start_asks;
mod state;
mod stores;
#[cfg(test)]
mod test_batch;
mod together;
mod trial;
mod waiting;

use std::time::{Duration, Instant};

use pumphouse_clickhouse::KeeperLedger;
use pumphouse_conduct::{Life, Next, Outcome};
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
use shell::Shell;
use stores::{KafkaStore, KeeperStore, LedgerStore, MemoryStore};
pub(crate) use stores::{MemoryLedger, informed};
#[cfg(test)]
pub(crate) use test_batch::batch as test_batch;
pub(crate) use together::Together;
pub(crate) use trial::{Trial, Tried};

use crate::restart::{pause_or_stop, whole_ms};

/// A producer is opened, or replaced, within this time: the transaction that its predecessor left
/// open is ended by it.
const PRODUCER_TIMEOUT: Duration = Duration::from_secs(10);

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
    let mut task = Task::new(TaskOptions { seed: rand::random(), ..cx.limits.clone() });
    let mut life = Life::default();
    loop {
        let began = Instant::now();
        let outcome = membership(cx, &mut task, life.cut_off())?;
        match life.after(outcome, whole_ms(began.elapsed())) {
            Next::Stopped { landed: true } => return Ok(Stopped::Landed),
            Next::Stopped { landed: false } => return Ok(Stopped::Interrupted),
            Next::Failed(failure) => return Err(failure),
            Next::Join { after_ms } => {
                info!(task = %cx.task_id, pause_ms = after_ms, "joining anew after a pause");
                if pause_or_stop(Duration::from_millis(after_ms), &cx.stop) {
                    return Ok(Stopped::Interrupted);
                }
            }
        }
    }
}

fn membership(cx: &TaskContext, task: &mut Task, cut_off: bool) -> Result<Outcome<Failure>, Failure> {
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
