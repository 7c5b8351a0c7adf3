//! The workers' group: places are spread, only those that move are asked back, and who lost its place cannot write.
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use pumphouse_kafka::{
    Fence, GroupEvent, LedgerProducer, OutgoingRecord, RecordOutcome, StoredEntry, Tail, WorkersGroup,
    WorkersGroupSettings,
};
use pumphouse_testkit::unique_name;
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use crate::support::*;

const PLACES: u32 = 64;
const LIMIT: Duration = Duration::from_secs(90);

/// A worker that only holds places.
struct Holder {
    group: WorkersGroup,
    held: BTreeSet<Partition>,
    /// Every place that was ever asked back.
    given_up: BTreeSet<Partition>,
    lost: bool,
}

impl Holder {
    fn join(broker: &Broker, topic: &TopicName, group: &str, id: &str) -> Holder {
        let member = WorkersGroupSettings {
            group: group.to_owned(),
            instance: id.to_owned(),
            session_timeout_ms: 6_000,
            heartbeat_interval_ms: 300,
            rebalance_timeout_ms: 10_000,
        };
        let group = WorkersGroup::join(&broker.settings(), topic, &member).unwrap();
        Holder { group, held: BTreeSet::new(), given_up: BTreeSet::new(), lost: false }
    }

    fn step(&mut self) {
        for event in self.group.poll(Duration::from_millis(5)) {
            match event {
                GroupEvent::Assigned(places) => self.held.extend(places),
                GroupEvent::Revoking { places, lost } => {
                    self.held.retain(|place| !places.contains(place));
                    self.given_up.extend(places);
                    self.lost |= lost;
                    self.group.revoked().unwrap();
                }
                GroupEvent::Failed(error) => panic!("{error}"),
                GroupEvent::Trouble(_) => {}
            }
        }
    }
}

fn until(holders: &mut [&mut Holder], awaited: &str, reached: impl Fn(&[&mut Holder]) -> bool) {
    let end = Instant::now() + LIMIT;
    while !reached(holders) {
        assert!(
            Instant::now() < end,
            "{awaited}: {:?}",
            holders.iter().map(|h| h.held.len()).collect::<Vec<_>>()
        );
        holders.iter_mut().for_each(|holder| holder.step());
    }
}

/// All places are held, each once, and nobody holds less than a fair share.
fn spread(holders: &[&mut Holder]) -> bool {
    let all: BTreeSet<Partition> = holders.iter().flat_map(|holder| holder.held.clone()).collect();
    let sum: usize = holders.iter().map(|holder| holder.held.len()).sum();
    let fair = PLACES as usize / holders.len();
    all.len() == PLACES as usize && sum == all.len() && holders.iter().all(|h| h.held.len() >= fair)
}

fn write(
    producer: &mut LedgerProducer,
    fence: &Fence,
    tasks: &TopicName,
    told: &TopicName,
    text: &str,
) -> RecordOutcome {
    let place = TopicPartition { topic: tasks.clone(), partition: Partition(7) };
    let entry = StoredEntry { offset: Offset::ZERO, metadata: String::new() };
    let record = OutgoingRecord {
        topic: told.clone(),
        partition: Some(Partition(0)),
        key: Some(b"key".to_vec()),
        value: Some(text.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    };
    producer.record(fence, &BTreeMap::from([(place, entry)]), &[record])
}

#[test]
fn only_what_moves_is_asked_back_and_a_restart_moves_nothing() {
    let broker = Broker::share();
    let (tasks, group) = (broker.topic(PLACES), unique_name("workers"));
    let mut first = Holder::join(&broker, &tasks, &group, "a");
    until(&mut [&mut first], "the first has all", spread);
    let mut second = Holder::join(&broker, &tasks, &group, "b");
    until(&mut [&mut first, &mut second], "two share", spread);
    assert_eq!(first.given_up, second.held, "only what moved was asked back");

    // A restart within the session.
    let before = second.held.clone();
    second.group.close(PATIENCE).unwrap();
    let mut second = Holder::join(&broker, &tasks, &group, "b");
    until(&mut [&mut first, &mut second], "it has them again", spread);
    assert_eq!(second.held, before);
    assert_eq!(first.given_up, before, "the other one has not noticed");

    // One that does not come back.
    drop(second);
    until(&mut [&mut first], "the session ends", spread);
    first.group.close(PATIENCE).unwrap();
}

#[test]
fn a_worker_that_lost_its_place_cannot_write() {
    let broker = Broker::share();
    let (tasks, told, group) = (broker.topic(PLACES), broker.topic(1), unique_name("workers"));
    let mut sleeper = Holder::join(&broker, &tasks, &group, "sleeper");
    until(&mut [&mut sleeper], "the first has all", spread);
    let stale = sleeper.group.fence().unwrap();
    let id = format!("{group}-7");
    let mut late = broker.ledger(&id);
    assert_eq!(write(&mut late, &stale, &tasks, &told, "first"), RecordOutcome::Recorded);

    let mut other = Holder::join(&broker, &tasks, &group, "other");
    until(&mut [&mut sleeper, &mut other], "two share", spread);
    // Its producer is its own still: the group's generation alone refuses it.
    let refused = write(&mut late, &stale, &tasks, &told, "late");
    assert!(matches!(refused, RecordOutcome::Fenced(_)), "{refused:?}");
    let fence = other.group.fence().unwrap();
    let mut producer = broker.ledger(&id);
    assert_eq!(write(&mut producer, &fence, &tasks, &told, "second"), RecordOutcome::Recorded);
    // And its producer is another's now.
    let fresh = sleeper.group.fence().unwrap();
    assert!(matches!(write(&mut late, &fresh, &tasks, &told, "later"), RecordOutcome::Fenced(_)));

    let mut tail = Tail::open(&broker.settings(), &group, &told, PATIENCE).unwrap();
    let (ends, mut seen, end) = (tail.ends(PATIENCE).unwrap(), Vec::new(), Instant::now() + LIMIT);
    while !tail.has_reached(&ends) {
        assert!(Instant::now() < end, "the tail does not reach {ends:?}");
        let take = |record: &pumphouse_kafka::RecordView<'_>| {
            seen.push(String::from_utf8(record.value().unwrap().to_vec()).unwrap());
        };
        tail.poll(Duration::from_millis(50), take).unwrap();
    }
    assert_eq!(seen, ["first", "second"]);
}
