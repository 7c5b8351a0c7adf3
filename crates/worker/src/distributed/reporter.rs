//! Writes to the status topic what this worker knows: where it is reached, which places it has, and how what runs there
//! is. It writes what differs from what it reads there, so that what a worker says late, or wrongly, is put right.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pumphouse_kafka::{KafkaError, LedgerProducer, OutgoingRecord, RecordOutcome, Settings};
use pumphouse_types::{Partition, TopicName};
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

/// The address of a worker that has had no place for so long is forgotten: it is gone for good. One that lives has its
/// places before that, and says so anew.
const FORGET_AFTER: Duration = Duration::from_secs(600);

/// Who has this place forgets others' addresses.
const FORGETTING: Partition = Partition(0);

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
        let mut placeless = Placeless::default();
        while !self.stop.load(Ordering::Relaxed) {
            let mut records = self.herder.news();
            if let Some(record) = self.about_me(said_at) {
                said_at = Some(Instant::now());
                records.push(record);
            }
            records.extend(self.about_the_gone(&mut placeless));
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
        let known = cluster.worker(&self.worker_id);
        // Nobody needs the address of a worker without places.
        let is_known = known == Some(&at) || (known.is_none() && at.places.is_empty());
        let is_mine = at.places.iter().all(|place| cluster.owner(*place) == Some(&self.worker_id));
        let is_due = said_at.is_none_or(|at| at.elapsed() >= SAY_AGAIN);
        let is_new = said_at.is_none() || !is_known || (!is_mine && is_due);
        is_new.then(|| Writes { topic: &self.topic }.worker(&self.worker_id, Some(&at)))
    }

    /// Takes back the addresses of workers that are gone for good.
    fn about_the_gone(&self, placeless: &mut Placeless) -> Vec<OutgoingRecord> {
        let now = self.cluster.lock().unwrap_or_else(PoisonError::into_inner).placeless();
        let gone = placeless.longer_than(FORGET_AFTER, now, Instant::now());
        if !self.membership.has(FORGETTING) {
            return Vec::new();
        }
        let writes = Writes { topic: &self.topic };
        gone.iter().filter(|id| **id != self.worker_id).map(|id| writes.worker(id, None)).collect()
    }
}

/// Since when workers have had no place.
#[derive(Default)]
struct Placeless(BTreeMap<String, Instant>);

impl Placeless {
    /// Hears who has none `at` this time. Answers who has had none for so long.
    fn longer_than(&mut self, time: Duration, without: BTreeSet<String>, at: Instant) -> Vec<String> {
        self.0.retain(|id, _| without.contains(id));
        for id in without {
            self.0.entry(id).or_insert(at);
        }
        let long = self.0.iter().filter(|(_, since)| at.duration_since(**since) >= time);
        long.map(|(id, _)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_without_a_place_for_long_is_gone() {
        let mut placeless = Placeless::default();
        let began = Instant::now();
        let mut gone_after = |seconds: u64, without: &[&str]| {
            let without = without.iter().map(|id| (*id).to_owned()).collect();
            placeless.longer_than(FORGET_AFTER, without, began + Duration::from_secs(seconds))
        };
        assert!(gone_after(0, &["a", "b"]).is_empty());
        // One that has had a place meanwhile lives.
        assert!(gone_after(400, &["a"]).is_empty());
        assert_eq!(gone_after(600, &["a", "b"]), ["a"]);
        assert_eq!(gone_after(1_000, &["b"]), Vec::<String>::new());
        assert_eq!(gone_after(1_200, &["b"]), ["b"]);
    }
}
