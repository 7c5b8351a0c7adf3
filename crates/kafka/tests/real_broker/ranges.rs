//! Recorded ranges read again.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_kafka::{KafkaError, RangeReader, ReadLimits};
use pumphouse_testkit::Topics;
use pumphouse_types::{OffsetRange, Partition, TopicName};

use crate::support::*;

pub const LIMITS: ReadLimits =
    ReadLimits { records_max: 100_000, bytes_max: 10 << 20, idle_timeout: Duration::from_secs(5) };

fn range(first: i64, end: i64) -> OffsetRange {
    OffsetRange::new(at(first), at(end)).unwrap()
}

fn read(
    reader: &mut RangeReader,
    topic: &TopicName,
    ranges: &[(u32, OffsetRange)],
    limits: ReadLimits,
) -> Result<Vec<(u32, i64)>, KafkaError> {
    let ranges: Vec<_> = ranges.iter().map(|(partition, range)| (Partition(*partition), *range)).collect();
    let mut seen = Vec::new();
    let count = reader.read(topic, &ranges, limits, |record| {
        seen.push((record.partition().0, record.offset().get()));
    })?;
    assert_eq!(count, seen.len() as u64);
    Ok(seen)
}

#[test]
fn exactly_the_ranges_come_over_aborted_transactions() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let mut producer = broker.ledger(&group());
    let rough = broker.rough_producer(&group());
    for partition in 0..2 {
        produce(&mut producer, &topic, partition, 10); // 0..10, marker 10
        produce_aborted(&rough, &topic, partition as i32, 5); // 11..16, marker 16
        produce(&mut producer, &topic, partition, 10); // 17..27, marker 27
    }
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let both = [(1, range(8, 19)), (0, range(3, 5))];
    let wanted = [(1, 8), (1, 9), (1, 17), (1, 18), (0, 3), (0, 4)];
    assert_eq!(read(&mut reader, &topic, &both, LIMITS).unwrap(), wanted);
    // Again, by the same reader, from the other end.
    assert_eq!(read(&mut reader, &topic, &[(0, range(3, 5)), (1, range(8, 19))], LIMITS).unwrap().len(), 6);
    // Ranges that end in, begin in, or are nothing but what is no record.
    assert_eq!(read(&mut reader, &topic, &[(0, range(9, 17))], LIMITS).unwrap(), [(0, 9)]);
    assert_eq!(read(&mut reader, &topic, &[(0, range(12, 18))], LIMITS).unwrap(), [(0, 17)]);
    assert_eq!(read(&mut reader, &topic, &[(0, range(11, 16))], LIMITS).unwrap(), []);
    assert_eq!(read(&mut reader, &topic, &[(0, range(27, 28))], LIMITS).unwrap(), []);
    assert_eq!(read(&mut reader, &topic, &[(0, range(5, 5))], LIMITS).unwrap(), []);
    let whole = read(&mut reader, &topic, &[(0, range(0, 28)), (1, range(0, 28))], LIMITS).unwrap();
    assert_eq!(whole.len(), 40);
}

#[test]
fn a_range_that_retention_has_passed_is_out_of_range() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    produce(&mut broker.ledger(&group()), &topic, 0, 20);
    let topics = Topics::new(&broker.bootstrap()).unwrap();
    topics.delete_records(topic.as_str(), &BTreeMap::from([(0, 10)])).unwrap();
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let refused = read(&mut reader, &topic, &[(0, range(5, 15))], LIMITS).unwrap_err();
    assert!(matches!(refused, KafkaError::OffsetOutOfRange { .. }), "{refused}");
    assert_eq!(reader.watermarks(&tp(&topic, 0), PATIENCE).unwrap(), range(10, 21));
    let left = read(&mut reader, &topic, &[(0, range(10, 15))], LIMITS).unwrap();
    assert_eq!(left.len(), 5);
}

#[test]
fn a_range_that_the_log_does_not_reach_stalls() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    produce(&mut broker.ledger(&group()), &topic, 0, 3);
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let limits = ReadLimits { idle_timeout: Duration::from_secs(1), ..LIMITS };
    let begun = Instant::now();
    let refused = read(&mut reader, &topic, &[(0, range(0, 100))], limits).unwrap_err();
    match refused {
        KafkaError::ReadStalled { position, .. } => assert_eq!(position, Some(at(4))),
        other => panic!("{other}"),
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_topic_that_is_gone_is_told() {
    let broker = Broker::share();
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let gone = TopicName::new("no-such-topic");
    let refused = read(&mut reader, &gone, &[(0, range(0, 5))], LIMITS).unwrap_err();
    assert!(matches!(refused, KafkaError::TopicGone { .. }), "{refused}");
}

#[test]
fn a_read_is_bounded() {
    let broker = Broker::share();
    let topic = broker.topic(1);
    produce(&mut broker.ledger(&group()), &topic, 0, 20);
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    for limits in [ReadLimits { records_max: 5, ..LIMITS }, ReadLimits { bytes_max: 10, ..LIMITS }] {
        let refused = read(&mut reader, &topic, &[(0, range(0, 20))], limits).unwrap_err();
        assert!(matches!(refused, KafkaError::ReadTooLarge { .. }), "{refused}");
    }
    assert_eq!(read(&mut reader, &topic, &[(0, range(0, 20))], LIMITS).unwrap().len(), 20);
}
