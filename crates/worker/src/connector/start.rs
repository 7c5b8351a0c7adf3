//! What a connector needs before its tasks begin: its tables, which can prove that they take batches exactly once, and
//! the topics that are its own (R12).
use std::collections::BTreeSet;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pumphouse_clickhouse::{ClickHouseError, CreateTable, Proof, ProofLimits, TableName};
use pumphouse_kafka::{Admin, DeadLetterTopic, KafkaError, Remedy};
use pumphouse_types::TopicName;
use tokio::runtime::Handle;
use tracing::{info, warn};

use crate::promise::{Promise, promise};
use crate::restart::pause_or_stop;
use crate::spec::ConnectorSpec;
use crate::task::{Failure, LetterRules};
use crate::worker::Shared;

/// Pauses between tries of what a connector needs at its start.
pub(super) const START_AGAIN: Duration = Duration::from_millis(500);
pub(super) const START_AGAIN_MAX: Duration = Duration::from_secs(10);

/// One question to the brokers at the start.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

/// What a connector finds out before its tasks begin.
pub(super) struct Ready {
    pub promise: Promise,
    pub letters: Option<DeadLetterTopic>,
}

/// Everything that must hold before the first record is taken (R12). `None`: stopped meanwhile.
pub(super) fn prepare(
    spec: &ConnectorSpec,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<Option<Ready>, Failure> {
    let mut pause = START_AGAIN;
    loop {
        let ready =
            create_tables(spec, shared).and_then(|()| prove_tables(spec, shared)).and_then(|promise| {
                state_table(spec, shared)?;
                state_topic(spec, shared)?;
                Ok(Ready { promise, letters: letter_topic(spec)? })
            });
        let transient = match ready {
            Ok(ready) => {
                if let Promise::AtLeastOnce(why) = &ready.promise {
                    warn!(connector = spec.name, why, "the connector delivers at least once (R12)");
                }
                return Ok(Some(ready));
            }
            Err(NotYet::Later(why)) => why,
            Err(NotYet::Never(failure)) => return Err(failure),
        };
        warn!(connector = spec.name, why = transient, "what the connector needs does not answer yet");
        if pause_or_stop(pause, stop) {
            return Ok(None);
        }
        pause = (pause * 2).min(START_AGAIN_MAX);
    }
}

pub(super) enum NotYet {
    Later(String),
    Never(Failure),
}

impl From<ClickHouseError> for NotYet {
    fn from(error: ClickHouseError) -> NotYet {
        if error.is_transient() { NotYet::Later(error.to_string()) } else { NotYet::Never(error.into()) }
    }
}

impl From<KafkaError> for NotYet {
    fn from(error: KafkaError) -> NotYet {
        if error.remedy() == Remedy::StopTask {
            NotYet::Never(error.into())
        } else {
            NotYet::Later(error.to_string())
        }
    }
}

/// Each table, and what its deduplication window has to suffice for.
fn tables_with_limits(spec: &ConnectorSpec) -> impl Iterator<Item = (&TableName, ProofLimits)> {
    let distinct: BTreeSet<&TableName> = spec.tables.values().collect();
    distinct.into_iter().map(|table| {
        let topics = spec.tables.values().filter(|other| *other == table).count() as u64;
        let limits = ProofLimits {
            deadline_ms: spec.limits.deadline_ms,
            max_execution_ms: spec.max_execution_ms,
            linger_ms: spec.limits.batch_linger_ms,
            lanes: topics * spec.tasks as u64,
        };
        (table, limits)
    })
}

/// The start-up proof of each table.
pub(crate) fn proofs<'a>(
    spec: &'a ConnectorSpec,
    runtime: &Handle,
) -> impl Iterator<Item = (&'a TableName, Result<Proof, ClickHouseError>)> {
    let tables = tables_with_limits(spec).map(|(table, limits)| (table.clone(), limits));
    let proofs = runtime.block_on(spec.client.prove_all(tables));
    tables_with_limits(spec).map(|(table, _)| table).zip(proofs)
}

/// Creates those that are missing, if that is asked for.
fn create_tables(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    let Some(wanted) = &spec.table_creation else { return Ok(()) };
    for (table, limits) in tables_with_limits(spec) {
        let create = CreateTable {
            table: table.clone(),
            columns: wanted.columns.clone(),
            order_by: wanted.order_by.clone(),
            engine: wanted.engine.clone(),
            limits,
        };
        shared.runtime.block_on(spec.client.create_table(&create))?;
    }
    Ok(())
}

fn prove_tables(spec: &ConnectorSpec, shared: &Shared) -> Result<Promise, NotYet> {
    let mut failed = Vec::new();
    for (table, proof) in proofs(spec, &shared.runtime) {
        let proof = proof?;
        shared.metrics.pulses.proved(&spec.name, table, &proof);
        for warning in &proof.warnings {
            warn!(connector = spec.name, warning, "start-up proof (R12)");
        }
        if proof.failed.is_empty() {
            info!(connector = spec.name, %table, "the table can take batches exactly once (R12)");
        }
        failed.extend(proof.failed);
    }
    promise(spec.exactly_once, &failed).map_err(|why| NotYet::Never(Failure::ClickHouseLacks(why)))
}

/// The ledger's KeeperMap table, if that is where it is.
fn state_table(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    let Some(ledger) = &spec.keeper_ledger else { return Ok(()) };
    Ok(shared.runtime.block_on(ledger.ensure())?)
}

pub(super) fn state_topic(spec: &ConnectorSpec, shared: &Shared) -> Result<(), NotYet> {
    if spec.memory_ledger.is_some() {
        warn!(
            connector = spec.name,
            "the ledger store is `memory`: after a restart nothing is known; for tests only"
        );
        return Ok(());
    }
    let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    let admin = Admin::open(&spec.producer_settings)?;
    let replicas = shared.state_topic_replication;
    admin.create_topic_if_missing(&spec.state_topic, 1, replicas, &compacted, ADMIN_TIMEOUT)?;
    for warning in admin.weak_ledger_topics(ADMIN_TIMEOUT)? {
        warn!(connector = spec.name, %warning, "the ledger's durability (R12)");
    }
    Ok(())
}

/// The dead letter topic, made if it is missing (R12).
pub(super) fn letter_topic(spec: &ConnectorSpec) -> Result<Option<DeadLetterTopic>, NotYet> {
    let Some(wanted) = &spec.wanted_letters else { return Ok(None) };
    let admin = Admin::open(&spec.producer_settings)?;
    let sources: Vec<TopicName> = spec.tables.keys().cloned().collect();
    let (topic, warnings) = DeadLetterTopic::ensure(&admin, wanted.clone(), &sources, ADMIN_TIMEOUT)?;
    for warning in warnings {
        warn!(connector = spec.name, %warning, "dead letters (R12)");
    }
    Ok(Some(topic))
}

/// The same, with its dead letter topic as it was found.
pub(super) fn with_letters(spec: &ConnectorSpec, topic: Option<DeadLetterTopic>) -> ConnectorSpec {
    let letters = spec.letters.as_ref().map(|rules| LetterRules { topic, ..rules.clone() });
    ConnectorSpec { letters, ..spec.clone() }
}
