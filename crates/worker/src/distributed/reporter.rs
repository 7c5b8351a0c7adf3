//! Writes to the status topic what this worker knows: where it is reached, which places it has, and how what runs there
//! is. It writes what differs from what it reads there, so that what a worker says late, or wrongly, is put right.
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pumphouse_kafka::{KafkaError, LedgerProducer, OutgoingRecord, RecordOutcome, Settings};
use pumphouse_types::TopicName;
use tracing::warn;

use super::cluster::Cluster;
use super::follower::Follower;
use super::herder::DistributedHerder;
use super::membership::Membership;
use super::words::{WorkerAt, Writes};

/// How often it looks for something to say.
const LOOK: Duration = Duration::from_millis(200);

/// Places that somebody else names, too, are named again after this: one of the two has not heard of the other yet.
const SAY_AGAIN: Duration = Duration::from_secs(2);

const PRODUCER_TIMEOUT: Duration = Duration::from_secs(10);

/// Between tries of a topic that cannot be written.
const WRITE_AGAIN: Duration = Duration::from_secs(2);

pub(super) struct Reporter {
    pub settings: Settings,
    pub transactional_id: String,
    pub topic: TopicName,
    pub worker_id: String,
    pub url: String,
    pub cluster: Arc<Mutex<Cluster>>,
    pub membership: Arc<Membership>,
    pub status: Arc<Follower>,
    pub herder: Arc<DistributedHerder>,
    pub stop: Arc<AtomicBool>,
}

impl Reporter {
    pub(super) fn work(self) {
        while !self.stop.load(Ordering::Relaxed) {
            if let Err(error) = self.report() {
                warn!(%error, "states cannot be written to the status topic");
                std::thread::sleep(WRITE_AGAIN);
            }
        }
    }

    fn report(&self) -> Result<(), KafkaError> {
        let mut producer = LedgerProducer::open(&self.settings, &self.transactional_id, PRODUCER_TIMEOUT)?;
        let mut said_at: Option<Instant> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let mut records = self.herder.news();
            if let Some(record) = self.about_me(said_at) {
                said_at = Some(Instant::now());
                records.push(record);
            }
            if records.is_empty() {
                std::thread::sleep(LOOK);
                continue;
            }
            match producer.produce_in_transaction(&records) {
                RecordOutcome::Recorded => {}
                RecordOutcome::Fenced(error)
                | RecordOutcome::NotRecorded(error)
                | RecordOutcome::Unknown(error) => return Err(error),
            }
            if let Err(why) = self.status.catch_up() {
                warn!(why, "the status topic");
            }
        }
        Ok(())
    }

    /// `None`: everybody can know it.
    fn about_me(&self, said_at: Option<Instant>) -> Option<OutgoingRecord> {
        let at = WorkerAt { url: self.url.clone(), places: self.membership.places() };
        let cluster = self.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = cluster.worker(&self.worker_id) == Some(&at);
        let is_mine = at.places.iter().all(|place| cluster.owner(*place) == Some(&self.worker_id));
        let is_due = said_at.is_none_or(|at| at.elapsed() >= SAY_AGAIN);
        let is_new = said_at.is_none() || !is_known || (!is_mine && is_due);
        is_new.then(|| Writes { topic: &self.topic }.worker(&self.worker_id, &at))
    }
}
