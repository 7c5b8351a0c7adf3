//! Topic identities, creation, and the state topic's content.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_kafka::{Admin, Consumer, KafkaError, RangeReader, RecordOutcome, read_compacted};
use pumphouse_testkit::Topics;
use pumphouse_types::{TopicId, TopicName};

use crate::ranges::LIMITS;
use crate::support::*;

#[test]
fn a_topic_that_is_made_again_has_another_id() {
    let broker = Broker::share();
    let topic = broker.topic(2);
    let consumer = Consumer::open(&broker.settings(), &group(), None).unwrap();
    let id_now =
        || consumer.topic_ids(std::slice::from_ref(&topic), PATIENCE).unwrap().remove(&topic).unwrap();
    let first = id_now().unwrap();
    assert_ne!(first, TopicId(0));
    assert_eq!(id_now(), Some(first));

    Topics::new(&broker.bootstrap()).unwrap().delete(topic.as_str()).unwrap();
    let end = Instant::now() + PATIENCE;
    while id_now().is_some() {
        assert!(Instant::now() < end, "the topic is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    let admin = Admin::open(&broker.settings()).unwrap();
    let again = admin.create_topic_if_missing(&topic, 5, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    assert_eq!(again.partitions, 5);
    assert_ne!(again.topic_id, first);
    assert_eq!(id_now(), Some(again.topic_id));
}

#[test]
fn a_topic_that_exists_is_left_alone() {
    let broker = Broker::share();
    let admin = Admin::open(&broker.settings()).unwrap();
    let topic = broker.topic(3);
    let before = admin.describe(std::slice::from_ref(&topic), PATIENCE).unwrap()[&topic].unwrap();
    assert_eq!((before.partitions, before.replicas), (3, 1));
    let found = admin.create_topic_if_missing(&topic, 9, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    assert_eq!(found, before);
}

#[test]
fn a_topic_that_cannot_be_made_is_told() {
    let broker = Broker::share();
    let admin = Admin::open(&broker.settings()).unwrap();
    let nonsense = BTreeMap::from([("cleanup.policy".to_owned(), "nonsense".to_owned())]);
    let topic = TopicName::new(&group());
    let refused = admin.create_topic_if_missing(&topic, 1, Some(1), &nonsense, PATIENCE).unwrap_err();
    assert!(matches!(refused, KafkaError::CreateTopic { .. }), "{refused}");
    let replicas = admin.create_topic_if_missing(&topic, 1, Some(3), &BTreeMap::new(), PATIENCE).unwrap_err();
    assert!(matches!(replicas, KafkaError::CreateTopic { .. }), "{replicas}");
}

#[test]
fn the_state_topic_answers_with_the_last_value_of_each_key() {
    let broker = Broker::share();
    let admin = Admin::open(&broker.settings()).unwrap();
    let topic = TopicName::new(&group());
    let compacted = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
    admin.create_topic_if_missing(&topic, 1, None, &compacted, PATIENCE).unwrap();
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let content = |reader: &mut RangeReader| read_compacted(reader, &topic, LIMITS, PATIENCE).unwrap();
    assert!(content(&mut reader).is_empty());

    let mut producer = broker.ledger(&group());
    let mut records = vec![
        record_of(&topic, 0, "c/config/1", "one"),
        record_of(&topic, 0, "c/config/2", "two"),
        record_of(&topic, 0, "c/config/1", "uno"),
        record_of(&topic, 0, "c/config/2", ""),
    ];
    records[3].value = None;
    assert_eq!(producer.produce_in_transaction(&records), RecordOutcome::Recorded);
    let wanted = BTreeMap::from([(b"c/config/1".to_vec(), b"uno".to_vec())]);
    assert_eq!(content(&mut reader), wanted);
}
