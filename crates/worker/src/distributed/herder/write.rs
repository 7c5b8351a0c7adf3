//! How a change of a connector is written: by the worker that has its place, in a transaction that Kafka refuses to
//! anybody else.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pumphouse_config::RawConfig;
use pumphouse_kafka::{LedgerProducer, OutgoingRecord, RecordOutcome, StoredEntry};
use pumphouse_rest::Refusal;
use pumphouse_types::{Offset, TopicName, TopicPartition};
use tracing::warn;

use super::{DistributedHerder, PRODUCER_TIMEOUT, locked};
use crate::distributed::places::place_of_connector;
use crate::distributed::words::Writes;
use crate::herder::{Checked, not_found};

impl DistributedHerder {
    /// One change of a connector at a time; others go on.
    pub(super) fn turn(&self, name: &str) -> Arc<Mutex<()>> {
        let mut turns = locked(&self.turns);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(name.to_owned()).or_default())
    }

    /// Writes about a connector what `decide` makes of all that was written before. Errors: those of `decide`; 409 when
    /// this worker has not, or has no longer, the connector's place; 500 when Kafka does not answer.
    ///
    /// Nobody else can have written in between: the predecessor at the place wrote under the same transactional id,
    /// which is this write's from before it reads; and a successor begins only in a later generation of the group, in
    /// which Kafka refuses this write.
    pub(super) fn write(
        &self,
        name: &str,
        decide: impl FnOnce(&Writes<'_>) -> Result<Vec<OutgoingRecord>, Refusal>,
    ) -> Result<(), Refusal> {
        let place = place_of_connector(name);
        let failed = |error: String| Refusal::new(500, error);
        let _writing = locked(&self.writing[place.0 as usize]);
        let Some(fence) = self.wires.membership.fence(place) else { return Err(rebalancing()) };
        let group = &self.wires.distributed.group;
        let id = format!("connect-{group}-place-{place}");
        let mut producer = LedgerProducer::open(&self.wires.settings, &id, PRODUCER_TIMEOUT)
            .map_err(|error| failed(error.to_string()))?;
        self.wires.config.catch_up().map_err(failed)?;
        let topic = TopicName::new(&self.wires.distributed.config_topic.name);
        let records = decide(&Writes { topic: &topic })?;
        if records.is_empty() {
            return Ok(());
        }
        let tasks_topic = TopicName::new(&self.wires.distributed.tasks_topic.name);
        let at = TopicPartition { topic: tasks_topic, partition: place };
        let entry = StoredEntry { offset: Offset::ZERO, metadata: String::new() };
        match producer.record(&fence, &BTreeMap::from([(at, entry)]), &records) {
            RecordOutcome::Recorded => self
                .wires
                .config
                .catch_up()
                .map_err(|why| failed(format!("The change is written, but is not seen here yet: {why}"))),
            RecordOutcome::Fenced(error) => {
                warn!(connector = name, %error, "a change was refused: the connector's place is another worker's now");
                Err(rebalancing())
            }
            RecordOutcome::NotRecorded(error) => Err(failed(format!("The change was not written: {error}"))),
            RecordOutcome::Unknown(error) => {
                // Settles it, one way or the other.
                let _ = producer.replace();
                Err(failed(format!("Whether the change was written is not known: {error}")))
            }
        }
    }

    /// Writes what any worker may say at any time. `about`: one such write at a time. Errors: it is not written, or
    /// nobody knows.
    pub(super) fn say(&self, about: &str, records: &[OutgoingRecord]) -> Result<(), String> {
        let id = format!("connect-{}-{about}-{}", self.wires.distributed.group, self.shared.worker_id);
        let mut producer = LedgerProducer::open(&self.wires.settings, &id, PRODUCER_TIMEOUT)
            .map_err(|error| error.to_string())?;
        match producer.produce_in_transaction(records) {
            RecordOutcome::Recorded => Ok(()),
            RecordOutcome::Fenced(error)
            | RecordOutcome::NotRecorded(error)
            | RecordOutcome::Unknown(error) => Err(format!("The change was not written: {error}")),
        }
    }

    /// A configuration that was read, changed, and is to be written if nobody else has changed it meanwhile.
    pub(super) fn put(
        &self,
        name: &str,
        make: impl FnOnce(&RawConfig, &BTreeMap<String, String>) -> Result<RawConfig, Refusal>,
    ) -> Result<(), Refusal> {
        self.write(name, |writes| {
            let known = {
                let cluster = self.cluster();
                let known = cluster.connector(name).ok_or_else(|| not_found(name))?;
                (known.raw.clone(), known.masked())
            };
            let checked = Checked::new(make(&known.0, &known.1)?, &self.worker)?;
            Ok(vec![writes.config(name, Some(&checked.raw))])
        })
    }
}

/// As Kafka Connect says it.
pub(super) fn rebalancing() -> Refusal {
    let why = "Cannot complete request because of a conflicting operation (e.g. worker rebalance)";
    Refusal::new(409, why.to_owned())
}
