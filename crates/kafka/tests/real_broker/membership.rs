//! Rebalances: what is handed over, what is fenced, how fast a member is back.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pumphouse_kafka::{
    Consumer, ConsumerEvent, Fence, KafkaError, LaneQueue, Leaving, LedgerProducer, MessageBatch,
    RecordOutcome, Remedy, StartAt, StoredEntry,
};
use pumphouse_types::{Offset, TopicName, TopicPartition};

use crate::support::*;

/// What all members together took: each offset is to be there once.
type Taken = Mutex<BTreeSet<(u32, i64)>>;

/// A task as small as it can be: what it consumed counts once the ledger has recorded it.
struct SmallTask<'a> {
    topic: TopicName,
    consumer: Consumer,
    ledger: LedgerProducer,
    lane: Option<LaneQueue>,
    fence: Option<Fence>,
    expected: BTreeMap<TopicPartition, Offset>,
    taken: &'a Taken,
    rebalances: usize,
}

impl<'a> SmallTask<'a> {
    fn join(
        broker: &Broker,
        topic: &TopicName,
        group: &str,
        id: &str,
        is_static: bool,
        taken: &'a Taken,
    ) -> SmallTask<'a> {
        let instance = is_static.then_some(id);
        let settings = broker.settings_and("heartbeat.interval.ms", "300");
        let mut consumer = Consumer::open(&settings, group, instance).unwrap();
        consumer.subscribe(std::slice::from_ref(topic)).unwrap();
        let lane = consumer.lane_queue(topic);
        SmallTask {
            topic: topic.clone(),
            consumer,
            ledger: broker.ledger(id),
            lane,
            fence: None,
            expected: BTreeMap::new(),
            taken,
            rebalances: 0,
        }
    }

    fn step(&mut self, batch: &mut MessageBatch) {
        for event in self.consumer.poll_events(Duration::ZERO) {
            match event {
                ConsumerEvent::Assigned(partitions) => self.claim(&partitions),
                ConsumerEvent::Revoking { .. } => {
                    self.expected.clear();
                    self.fence = None;
                    self.consumer.revoked().unwrap();
                }
                ConsumerEvent::Failed(error) => panic!("{error}"),
                ConsumerEvent::PartitionFailed { error, .. } => panic!("{error}"),
                ConsumerEvent::Renewed | ConsumerEvent::Trouble(_) => {}
            }
        }
        self.consume(batch);
    }

    fn claim(&mut self, partitions: &[TopicPartition]) {
        self.rebalances += 1;
        self.fence = self.consumer.group_metadata();
        // A topic that was just created may have no leader yet.
        let end = Instant::now() + PATIENCE;
        let starts = loop {
            match self.consumer.start_offsets(partitions, StartAt::Earliest, PATIENCE) {
                Err(error) if error.remedy() == Remedy::Retry && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                answer => break answer.unwrap(),
            }
        };
        let entries = self.consumer.committed(partitions, PATIENCE).unwrap();
        self.expected = starts
            .into_iter()
            .map(|(tp, start)| {
                let entry = entries[&tp].as_ref().map(|entry| entry.offset);
                (tp, entry.unwrap_or(start))
            })
            .collect();
        self.consumer.fetch(&self.expected).unwrap();
    }

    fn consume(&mut self, batch: &mut MessageBatch) {
        let lane = self.lane.as_mut().unwrap();
        lane.consume_batch(Duration::from_millis(5), batch).unwrap();
        let Some(fence) = self.fence.clone() else {
            return;
        };
        let mut taken = Vec::new();
        let mut entries = BTreeMap::new();
        for record in batch.iter().map(Result::unwrap) {
            let tp = tp(&self.topic, record.partition().0);
            let expected = self.expected.get_mut(&tp).expect("records come of owned partitions");
            assert!(record.offset() >= *expected, "{tp}: {} below {expected}", record.offset());
            *expected = record.offset().next();
            taken.push((record.partition().0, record.offset().get()));
            entries.insert(tp, StoredEntry { offset: *expected, metadata: "m".to_owned() });
        }
        batch.clear();
        if entries.is_empty() {
            return;
        }
        match self.ledger.record(&fence, &entries, &[]) {
            RecordOutcome::Recorded => {
                let mut all = self.taken.lock().unwrap();
                for one in taken {
                    assert!(all.insert(one), "{one:?} came twice");
                }
            }
            RecordOutcome::Fenced(_) => {
                // The group has moved on: nothing more is taken before the next assignment.
                self.expected.clear();
                self.fence = None;
                self.consumer.fetch(&BTreeMap::new()).unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

fn two_members_take_each_record_once(is_static: bool) {
    const PARTITIONS: u32 = 6;
    const ROUNDS: usize = 60;
    const PER_ROUND: usize = 50;
    let broker = Broker::share();
    let topic = broker.topic(PARTITIONS);
    let group = group();
    let taken = Taken::default();
    let stop = AtomicBool::new(false);
    let total = PARTITIONS as usize * ROUNDS * PER_ROUND;

    let second_done = AtomicBool::new(false);
    let run = |id: String, until: &dyn Fn(&SmallTask<'_>) -> bool| {
        let mut task = SmallTask::join(&broker, &topic, &group, &id, is_static, &taken);
        let mut batch = MessageBatch::with_capacity(100);
        while !until(&task) && !stop.load(Ordering::SeqCst) {
            task.step(&mut batch);
        }
        drop(batch);
        drop(task.lane.take());
        task.consumer.close(Leaving::Leave, PATIENCE).unwrap();
        task.rebalances
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| run(format!("{group}-a"), &|_| false));
        scope.spawn(|| {
            let mut producer = broker.ledger(&format!("{group}-source"));
            for _ in 0..ROUNDS {
                for partition in 0..PARTITIONS {
                    produce(&mut producer, &topic, partition, PER_ROUND);
                }
            }
        });
        let wait_for = |count: usize| {
            let end = Instant::now() + Duration::from_secs(60);
            while taken.lock().unwrap().len() < count {
                if Instant::now() > end {
                    stop.store(true, Ordering::SeqCst);
                    panic!("only {} of {count} came", taken.lock().unwrap().len());
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        wait_for(total / 4);
        // A second member joins, takes its share for a while, and leaves again.
        let second = scope.spawn(|| {
            run(format!("{group}-b"), &|task| task.rebalances > 0 && second_done.load(Ordering::SeqCst))
        });
        wait_for(total / 2);
        second_done.store(true, Ordering::SeqCst);
        assert!(second.join().unwrap() >= 1);
        wait_for(total);
        stop.store(true, Ordering::SeqCst);
        assert!(first.join().unwrap() >= 2, "there was no rebalance");
    });
    assert_eq!(taken.lock().unwrap().len(), total);
}

#[test]
fn two_dynamic_members_take_each_record_once() {
    two_members_take_each_record_once(false);
}

#[test]
fn two_static_members_take_each_record_once() {
    two_members_take_each_record_once(true);
}

#[test]
fn a_static_member_that_vanished_is_back_at_once() {
    let broker = Broker::share();
    let topic = broker.topic(3);
    let group = group();
    let join = || {
        let settings = broker.settings_and("session.timeout.ms", "30000");
        let consumer = Consumer::open(&settings, &group, Some("one")).unwrap();
        consumer.subscribe(std::slice::from_ref(&topic)).unwrap();
        consumer
    };
    let mut first = join();
    wait_assigned(&mut first, PATIENCE);
    let old_fence = first.group_metadata().unwrap();
    drop(first); // no close: as if the process had been killed

    let mut second = join();
    let begun = Instant::now();
    let partitions = wait_assigned(&mut second, PATIENCE);
    assert!(begun.elapsed() < Duration::from_secs(15), "took {:?}", begun.elapsed());
    assert_eq!(partitions.len(), 3);
    let fence = second.group_metadata().unwrap();
    assert_eq!(fence.group_instance_id(), Some("one"));
    assert_ne!(fence.member_id(), old_fence.member_id());
    // The old one proves nothing any more.
    let mut ledger = broker.ledger(&group);
    let entries = BTreeMap::from([(tp(&topic, 0), entry(7, "old"))]);
    assert!(matches!(ledger.record(&old_fence, &entries, &[]), RecordOutcome::Fenced(_)));
    assert_eq!(ledger.record(&fence, &entries, &[]), RecordOutcome::Recorded);
}

#[test]
fn a_stopped_twin_of_a_static_member_is_fenced() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let group = group();
    let join = || {
        let settings = broker.settings_and("heartbeat.interval.ms", "300");
        let consumer = Consumer::open(&settings, &group, Some("one")).unwrap();
        consumer.subscribe(std::slice::from_ref(&topic)).unwrap();
        consumer
    };
    let mut first = join();
    wait_assigned(&mut first, PATIENCE);
    let mut second = join();
    wait_assigned(&mut second, PATIENCE);
    let end = Instant::now() + PATIENCE;
    let told = loop {
        let events = first.poll_events(Duration::from_millis(50));
        let failed = events.into_iter().find_map(|event| match event {
            ConsumerEvent::Failed(error) => Some(error),
            ConsumerEvent::Revoking { .. } => {
                first.revoked().unwrap();
                None
            }
            _ => None,
        });
        if let Some(error) = failed {
            break error;
        }
        assert!(Instant::now() < end, "nothing was told");
    };
    assert!(matches!(told, KafkaError::InstanceFenced { .. }), "{told}");
    let begun = Instant::now();
    first.close(Leaving::Leave, Duration::from_secs(5)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "took {:?}", begun.elapsed());
    // The successor has lost nothing by it.
    second.poll_events(Duration::from_secs(1));
    assert!(second.group_metadata().is_some() && !second.assignment_lost());
}

#[test]
fn a_static_member_that_leaves_hands_over_at_once() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let group = group();
    let join = |instance: &str| {
        let settings = broker.settings_and("session.timeout.ms", "40000");
        let consumer = Consumer::open(&settings, &group, Some(instance)).unwrap();
        consumer.subscribe(std::slice::from_ref(&topic)).unwrap();
        consumer
    };
    let mut first = join("one");
    assert_eq!(wait_assigned(&mut first, PATIENCE).len(), 2);
    first.close(Leaving::Leave, PATIENCE).unwrap();
    let begun = Instant::now();
    let mut second = join("two");
    assert_eq!(wait_assigned(&mut second, PATIENCE).len(), 2);
    assert!(begun.elapsed() < Duration::from_secs(20), "took {:?}", begun.elapsed());
}

#[test]
fn closing_is_bounded_while_a_lane_queue_lives() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (mut consumer, _) = member(&broker, &topic, &group());
    let lane = consumer.lane_queue(&topic).unwrap();
    consumer.fetch(&BTreeMap::from([(tp(&topic, 0), at(0))])).unwrap();
    let begun = Instant::now();
    consumer.close(Leaving::Stay, Duration::from_secs(5)).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "took {:?}", begun.elapsed());
    drop(lane);
}
