//! A worker's place in the group of workers: Kafka's group protocol spreads the partitions of the tasks topic over
//! them, and a task runs where its partition is. The topic holds no records; its partitions are places.
//!
//! Members are static (KIP-345): a worker that comes back within the session has its places at once, and nobody
//! else notices. Assignment is cooperative: a place that does not move is never asked back.
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use crate::error::{Asker, KafkaError};
use crate::fence::Fence;
use crate::ffi::client::{CallbackEvent, Client, Kind};
use crate::ffi::partition_list::PartitionList;
use crate::ffi::{group, message};
use crate::settings::{self, Settings};

/// How a worker is a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkersGroupSettings {
    /// The group's id.
    pub group: String,
    /// The worker's name in it: one process at a time has it.
    pub instance: String,
    /// How long the places of a worker that is silent are kept for it.
    pub session_timeout_ms: u64,
    /// How often it says that it lives.
    pub heartbeat_interval_ms: u64,
    /// How long the group waits for it in a rebalance.
    pub rebalance_timeout_ms: u64,
}

/// What the group says to a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// These places come to the worker's; often none.
    Assigned(BTreeSet<Partition>),
    /// The group wants these back, and waits for [`WorkersGroup::revoked`].
    Revoking {
        /// What is to be given up.
        places: BTreeSet<Partition>,
        /// Somebody else may have them already: the session is over. To be answered all the same.
        lost: bool,
    },
    /// The membership is over; another one may be begun.
    Failed(KafkaError),
    /// Something that librdkafka goes on trying.
    Trouble(KafkaError),
}

/// The membership of one worker. Dropping it keeps its places until its session is over.
pub struct WorkersGroup {
    client: Arc<Client>,
    asker: Asker,
    topic: TopicName,
    revoking: BTreeSet<Partition>,
    closed: bool,
}

impl WorkersGroup {
    /// Begins to join. Errors: settings, and `Client`; brokers that do not answer are told by
    /// [`poll`](WorkersGroup::poll).
    pub fn join(
        given: &Settings,
        topic: &TopicName,
        member: &WorkersGroupSettings,
    ) -> Result<WorkersGroup, KafkaError> {
        let client = Client::new(Kind::Consumer, &settings::worker(given, member)?)?;
        let asker = Asker { group: member.group.clone(), ..Asker::default() };
        group::subscribe(&client, &PartitionList::of_topics([topic]))
            .map_err(|raw| asker.sort("joining the workers", &raw))?;
        Ok(WorkersGroup { client, asker, topic: topic.clone(), revoking: BTreeSet::new(), closed: false })
    }

    /// What happened; waits at most `timeout` for something. To be called again within the rebalance time-out.
    pub fn poll(&mut self, timeout: Duration) -> Vec<GroupEvent> {
        let mut events = Vec::new();
        let mut patience = timeout;
        loop {
            let failed = message::poll_consumer(&self.client, patience);
            let quiet = failed.is_none();
            if let Some(failed) = failed {
                events.push(match failed.error.fatal {
                    true => self.failed(),
                    false => GroupEvent::Trouble(self.asker.sort("being a worker", &failed.error)),
                });
            }
            let before = events.len();
            while let Some(event) = self.client.next_event() {
                let served = self.serve(event);
                events.push(served);
            }
            if quiet && events.len() == before {
                return events;
            }
            patience = Duration::ZERO;
        }
    }

    fn serve(&mut self, event: CallbackEvent) -> GroupEvent {
        match event {
            CallbackEvent::Assign(partitions) => {
                let places = places(partitions);
                let mut list = PartitionList::new();
                // From where an empty partition begins: there is nothing to fetch, and nothing to ask for.
                places.iter().for_each(|place| list.add_offset(&self.at(*place), Offset::ZERO));
                match group::incremental_assign(&self.client, &list) {
                    Ok(()) => GroupEvent::Assigned(places),
                    Err(raw) => GroupEvent::Failed(self.asker.sort("taking places", &raw)),
                }
            }
            CallbackEvent::Revoke(partitions) => {
                let places = places(partitions);
                self.revoking = places.clone();
                GroupEvent::Revoking { places, lost: group::assignment_lost(&self.client) }
            }
            CallbackEvent::Error(raw) if raw.fatal => self.failed(),
            CallbackEvent::Error(raw) => GroupEvent::Trouble(self.asker.sort("being a worker", &raw)),
        }
    }

    fn at(&self, place: Partition) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: place }
    }

    fn failed(&self) -> GroupEvent {
        GroupEvent::Failed(match self.client.fatal_error() {
            None => KafkaError::ConsumerFailed { reason: "the handle is broken".to_owned() },
            Some(raw) => match self.asker.sort("being a worker", &raw) {
                KafkaError::Refused { reason, .. } => KafkaError::ConsumerFailed { reason },
                error => error,
            },
        })
    }

    /// What was asked back is given up: nothing runs there any more.
    pub fn revoked(&mut self) -> Result<(), KafkaError> {
        let places = std::mem::take(&mut self.revoking);
        let list = PartitionList::of(&places.iter().map(|place| self.at(*place)).collect::<Vec<_>>());
        group::incremental_unassign(&self.client, &list)
            .map_err(|raw| self.asker.sort("giving places back", &raw))
    }

    /// The proof of this membership; `None` before the first generation and after the last. A write that carries
    /// it is refused once the group has gone on to another generation.
    pub fn fence(&self) -> Option<Fence> {
        group::group_metadata(&self.client)
    }

    /// Ends the handle, and keeps the places until the session is over: a worker that is started again in its
    /// stead has them at once.
    /// Errors: `NoAnswer` when `timeout` was over.
    pub fn close(mut self, timeout: Duration) -> Result<(), KafkaError> {
        self.end(timeout)
    }

    fn end(&mut self, timeout: Duration) -> Result<(), KafkaError> {
        self.closed = true;
        self.client.set_closing();
        // What the callback queued before is not answered by it, and a handle that waits for an answer never ends.
        while let Some(event) = self.client.next_event() {
            if let GroupEvent::Revoking { .. } = self.serve(event) {
                let _ = self.revoked();
            }
        }
        if !self.revoking.is_empty() {
            let _ = self.revoked();
        }
        match group::close(&self.client, Instant::now() + timeout) {
            Ok(true) => Ok(()),
            Ok(false) => Err(KafkaError::NoAnswer {
                asked: "closing the worker's membership".to_owned(),
                reason: format!("{} ms are over", timeout.as_millis()),
            }),
            // A broken handle is no member.
            Err(raw) if raw.fatal => Ok(()),
            Err(raw) => Err(self.asker.sort("closing the worker's membership", &raw)),
        }
    }
}

/// The destructor of a handle that was not closed waits for the answer to a rebalance that nobody gives.
const DROP_TIMEOUT: Duration = Duration::from_secs(3);

impl Drop for WorkersGroup {
    fn drop(&mut self) {
        if !self.closed {
            let _ = self.end(DROP_TIMEOUT);
        }
    }
}

fn places(partitions: Vec<TopicPartition>) -> BTreeSet<Partition> {
    partitions.into_iter().map(|tp| tp.partition).collect()
}
