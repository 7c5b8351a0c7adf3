//! Topic identities, creation, and the state topic's content.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_conduct::Mark;
use pumphouse_kafka::{
    Admin, Consumer, KafkaError, RangeReader, RecordOutcome, config_key, mark_key, mark_record,
    read_compacted, read_marks, read_value,
};
use pumphouse_testkit::Topics;
use pumphouse_types::{ConfigVersion, Partition, TopicId, TopicName};

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

#[test]
fn marks_and_configurations_are_read_back_by_connector_and_key() {
    let broker = Broker::share();
    let source = broker.topic(1);
    let state = broker.topic(1);
    let mut reader = RangeReader::open(&broker.settings(), &group()).unwrap();
    let (_member, fence) = member(&broker, &source, &group());
    let mut producer = broker.ledger(&group());
    let mark = |mark: Mark, connector: &str, partition| {
        mark_record(mark, &state, connector, TopicId(7), Partition(partition))
    };
    let config = |version, text: &str| {
        let mut record = record_of(&state, 0, "", text);
        record.key = Some(config_key("c", ConfigVersion(version)));
        record
    };
    let records = [
        mark(Mark::Running, "c", 0),
        mark(Mark::Running, "c", 1),
        mark(Mark::AtRest { next: at(5) }, "c", 0),
        mark(Mark::Running, "other", 2),
        config(1, "one"),
        config(2, "two"),
        config(1, "uno"),
    ];
    // With an entry, as a clean stop writes them.
    let entries = BTreeMap::from([(tp(&source, 0), entry(5, "m"))]);
    assert_eq!(producer.record(&fence, &entries, &records), RecordOutcome::Recorded);

    let marks = read_marks(&mut reader, &state, "c", LIMITS, PATIENCE).unwrap();
    let wanted = [
        ((TopicId(7), Partition(0)), Mark::AtRest { next: at(5) }),
        ((TopicId(7), Partition(1)), Mark::Running),
    ];
    assert_eq!(marks, BTreeMap::from(wanted));
    let mut value = |key: &[u8]| read_value(&mut reader, &state, key, LIMITS, PATIENCE).unwrap();
    assert_eq!(value(&config_key("c", ConfigVersion(1))).as_deref(), Some(&b"uno"[..]));
    assert_eq!(value(&config_key("c", ConfigVersion(3))), None);

    // A mark that nobody here wrote is not guessed at; one that replaces it is read.
    let mut foreign = mark(Mark::Running, "c", 1);
    foreign.value = Some(b"paused".to_vec());
    assert_eq!(producer.produce_in_transaction(&[foreign]), RecordOutcome::Recorded);
    match read_marks(&mut reader, &state, "c", LIMITS, PATIENCE).unwrap_err() {
        KafkaError::StateUnreadable { key, found, .. } => {
            assert_eq!(key.as_bytes(), mark_key("c", TopicId(7), Partition(1)));
            assert_eq!(found, "paused");
        }
        other => panic!("{other}"),
    }
    assert!(read_marks(&mut reader, &state, "other", LIMITS, PATIENCE).is_ok());
    let mended = [mark(Mark::Running, "c", 1)];
    assert_eq!(producer.produce_in_transaction(&mended), RecordOutcome::Recorded);
    assert_eq!(read_marks(&mut reader, &state, "c", LIMITS, PATIENCE).unwrap(), BTreeMap::from(wanted));
}

/// The test's one broker keeps both topics in one replica, and is told so once they exist.
#[test]
fn a_ledger_that_one_broker_can_lose_is_told() {
    let broker = Broker::share();
    let admin = Admin::open(&broker.settings()).unwrap();
    let topic = broker.topic(1);
    let topics = Topics::new(&broker.bootstrap()).unwrap();
    let end = Instant::now() + PATIENCE;
    loop {
        // The broker makes its topic when somebody commits.
        let committed = topics.commit(&group(), topic.as_str(), &[(0, 0)].into());
        let weak: Vec<String> =
            admin.weak_ledger_topics(PATIENCE).unwrap().iter().map(ToString::to_string).collect();
        if weak
            .iter()
            .any(|told| told.starts_with("__consumer_offsets has 1 replicas and min.insync.replicas 1"))
        {
            return;
        }
        assert!(Instant::now() < end, "told: {weak:?}; {committed:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
