//! Records through lane queues: positions, restarts of fetching, errors.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_kafka::{Consumer, ConsumerEvent, Header, KafkaError, MessageBatch};
use pumphouse_testkit::Topics;
use pumphouse_types::{Partition, TopicName};

use crate::support::*;

#[test]
fn position_passes_markers_and_aborted_records() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let mut producer = broker.ledger(&group());
    produce(&mut producer, &topic, 0, 5); // 0..5, marker 5
    produce_aborted(&broker.rough_producer(&group()), &topic, 0, 3); // 6..9, marker 9
    let (mut consumer, _) = member(&broker, &topic, &group());
    let mut lane = consumer.lane_queue(&topic).unwrap();
    assert!(consumer.lane_queue(&topic).is_none(), "one lane queue at a time");

    assert_eq!(lane.position(Partition(0)), None);
    consumer.fetch(&BTreeMap::from([(tp(&topic, 0), at(0))])).unwrap();
    let taken = take_until(&mut lane, PATIENCE, |lane, _| lane.position(Partition(0)) == Some(at(10)));
    assert_eq!(taken, [0, 1, 2, 3, 4]);
    drop(lane);
    consumer.close(pumphouse_kafka::Leaving::Leave, PATIENCE).unwrap();
}

#[test]
fn records_carry_their_parts() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let mut producer = broker.ledger(&group());
    let mut records = vec![record_of(&topic, 1, "key", "value"), record_of(&topic, 1, "", "")];
    records[0].headers = vec![Header { name: b"h".to_vec(), value: Some(vec![0, 255]) }];
    records[1].key = None;
    records.push(records[1].clone());
    records[2].value = None;
    producer.produce_in_transaction(&records);

    let (mut consumer, _) = member(&broker, &topic, &group());
    let mut lane = consumer.lane_queue(&topic).unwrap();
    consumer.fetch(&BTreeMap::from([(tp(&topic, 1), at(0))])).unwrap();
    let mut batch = MessageBatch::with_capacity(3);
    while lane.consume_batch(Duration::from_millis(500), &mut batch).unwrap() < 3 {
        consumer.fetch(&BTreeMap::from([(tp(&topic, 1), at(0))])).unwrap();
    }
    let views: Vec<_> = batch.iter().map(Result::unwrap).collect();
    assert_eq!(views[0].partition(), Partition(1));
    assert_eq!((views[0].key(), views[0].value()), (Some(&b"key"[..]), Some(&b"value"[..])));
    assert_eq!(views[0].headers().collect::<Vec<_>>(), [(&b"h"[..], Some(&[0, 255][..]))]);
    assert!(views[0].timestamp_ms().unwrap() > 1_500_000_000_000);
    assert_eq!((views[1].key(), views[1].value()), (None, Some(&b""[..])));
    assert_eq!((views[2].key(), views[2].value()), (None, None));
}

#[test]
fn fetching_restarts_where_it_is_told_and_never_stalls() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let mut producer = broker.ledger(&group());
    produce(&mut producer, &topic, 0, 1_000);
    produce(&mut producer, &topic, 1, 1_000);
    let (mut consumer, _) = member(&broker, &topic, &group());
    let mut lane = consumer.lane_queue(&topic).unwrap();
    let mut batch = MessageBatch::with_capacity(300);
    for round in 0..40_i64 {
        let start = (round * 373) % 1_000;
        let both = BTreeMap::from([(tp(&topic, 0), at(start)), (tp(&topic, 1), at(999 - start))]);
        consumer.fetch(&both).unwrap();
        // The position of the fetch before is forgotten.
        assert_eq!(lane.position(Partition(0)), None);
        let mut expected = [start, 999 - start];
        // Some rounds go on to the end, others leave most of it in the queue.
        let enough = if round % 4 == 0 { 1_000 } else { start + 1 };
        let mut idle = 0;
        while expected[0] < enough.min(1_000) {
            if lane.consume_batch(Duration::from_millis(10), &mut batch).unwrap() == 0 {
                idle += 1;
                assert!(idle < 500, "round {round} stalls at {expected:?}");
            }
            for record in batch.iter().map(Result::unwrap) {
                let place = &mut expected[record.partition().0 as usize];
                assert_eq!(record.offset().get(), *place, "round {round}");
                *place += 1;
            }
        }
        consumer.poll_events(Duration::ZERO);
    }
}

#[test]
fn an_offset_that_the_log_does_not_hold_is_told_and_leaves_no_position() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    let (mut consumer, _) = member(&broker, &topic, &group());
    let mut lane = consumer.lane_queue(&topic).unwrap();
    consumer.fetch(&BTreeMap::from([(tp(&topic, 0), at(1_000_000))])).unwrap();
    let mut batch = MessageBatch::with_capacity(10);
    let mut told = None;
    for _ in 0..200 {
        lane.consume_batch(Duration::from_millis(50), &mut batch).unwrap();
        told = batch.iter().find_map(Result::err);
        if told.is_some() {
            break;
        }
        consumer.poll_events(Duration::ZERO);
    }
    match told {
        Some(KafkaError::OffsetOutOfRange { topic_partition, .. }) => {
            assert_eq!(topic_partition, tp(&topic, 0));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(lane.position(Partition(0)), None);
    let held = consumer.watermarks(&tp(&topic, 0), PATIENCE).unwrap();
    assert_eq!((held.first(), held.end()), (at(0), at(0)));
}

#[test]
fn a_missing_topic_is_told() {
    let broker = Broker::share();
    let mut consumer = Consumer::open(&broker.settings(), &group(), None).unwrap();
    consumer.subscribe(&[TopicName::new("no-such-topic")]).unwrap();
    for _ in 0..200 {
        for event in consumer.poll_events(Duration::from_millis(50)) {
            if let ConsumerEvent::PartitionFailed { error, .. } = event {
                assert!(matches!(error, KafkaError::TopicGone { .. }), "{error}");
                return;
            }
        }
    }
    panic!("nothing was told");
}

/// Errors of partitions lie between records in the lane's queue, and go to the handle's callback while records are
/// taken in bulk. The record behind one is not dropped with it.
#[test]
fn errors_between_records_lose_none() {
    const RECORDS: usize = 300;
    let broker = Broker::share();
    let topic = broker.topic(2);
    let settings = broker.settings_and("topic.metadata.refresh.interval.ms", "500");
    // Not subscribed: no rebalance for the partitions that come.
    let mut consumer = Consumer::open(&settings, &group(), None).unwrap();
    let mut lane = consumer.lane_queue(&topic).unwrap();
    // A partition that the topic will not have; the handle says so when it gets others.
    consumer.fetch(&BTreeMap::from([(tp(&topic, 0), at(0)), (tp(&topic, 7), at(0))])).unwrap();
    let mut producer = broker.ledger(&group());
    let mut batch = MessageBatch::with_capacity(RECORDS);
    let (mut told, mut written, mut taken) = (false, 0, Vec::new());
    for partitions in 3..7 {
        Topics::new(&broker.bootstrap()).unwrap().grow(topic.as_str(), partitions).unwrap();
        // The error comes first, if the machine is not too slow; whether it has come is not to be seen from here.
        std::thread::sleep(Duration::from_millis(1_500));
        produce(&mut producer, &topic, 0, RECORDS);
        written += RECORDS;
        let end = Instant::now() + PATIENCE;
        while taken.len() < written && Instant::now() < end {
            lane.consume_batch(Duration::from_millis(20), &mut batch).unwrap();
            taken.extend(batch.iter().map(|record| record.unwrap().offset().get()));
        }
        let events = consumer.poll_events(Duration::ZERO);
        told |=
            events.iter().any(|event| matches!(event, ConsumerEvent::Trouble(KafkaError::TopicGone { .. })));
    }
    // A marker behind each transaction.
    let expected: Vec<i64> = (0..4).flat_map(|n| n * 301..n * 301 + 300).collect();
    if taken != expected {
        // A handle that has lost a record waits for it for ever when it is closed.
        std::mem::forget((batch, lane, consumer));
        panic!("{taken:?}");
    }
    assert!(told, "no error came, so nothing was tried");
}
