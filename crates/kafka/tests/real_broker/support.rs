//! One broker for all tests that run at the same time, and the few words the tests are written in.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use pumphouse_kafka::{
    Admin, Consumer, ConsumerEvent, Fence, LedgerProducer, MessageBatch, OutgoingRecord, RecordOutcome,
    Settings, StoredEntry,
};
use pumphouse_testkit::{Kafka, KafkaOptions, unique_name};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A share in the broker: the last one stops it.
pub struct Broker {
    kafka: Arc<Kafka>,
}

impl Broker {
    pub fn share() -> Broker {
        static SHARED: Mutex<Weak<Kafka>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        let kafka =
            shared.upgrade().unwrap_or_else(|| Arc::new(Kafka::start(KafkaOptions::default()).unwrap()));
        *shared = Arc::downgrade(&kafka);
        Broker { kafka }
    }

    pub fn bootstrap(&self) -> String {
        self.kafka.bootstrap()
    }

    pub fn settings(&self) -> Settings {
        Settings::from([("bootstrap.servers".to_owned(), self.kafka.bootstrap())])
    }

    pub fn settings_and(&self, name: &str, value: &str) -> Settings {
        let mut settings = self.settings();
        settings.insert(name.to_owned(), value.to_owned());
        settings
    }

    /// A new topic with a name of its own.
    pub fn topic(&self, partitions: u32) -> TopicName {
        let topic = TopicName::new(&unique_name("t"));
        let admin = Admin::open(&self.settings()).unwrap();
        admin.create_topic_if_missing(&topic, partitions, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
        topic
    }

    pub fn ledger(&self, transactional_id: &str) -> LedgerProducer {
        LedgerProducer::open(&self.settings(), transactional_id, PATIENCE).unwrap()
    }

    /// A transactional producer of another kind than ours, which can leave transactions open.
    pub fn rough_producer(&self, transactional_id: &str) -> BaseProducer {
        let producer: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", self.bootstrap())
            .set("transactional.id", transactional_id)
            .set("linger.ms", "0")
            .create()
            .unwrap();
        producer.init_transactions(PATIENCE).unwrap();
        producer
    }
}

pub fn group() -> String {
    unique_name("connect-g")
}

pub fn tp(topic: &TopicName, partition: u32) -> TopicPartition {
    TopicPartition { topic: topic.clone(), partition: Partition(partition) }
}

pub fn at(offset: i64) -> Offset {
    Offset::new(offset).unwrap()
}

pub fn entry(offset: i64, metadata: &str) -> StoredEntry {
    StoredEntry { offset: at(offset), metadata: metadata.to_owned() }
}

pub fn record_of(topic: &TopicName, partition: u32, key: &str, value: &str) -> OutgoingRecord {
    OutgoingRecord {
        topic: topic.clone(),
        partition: Some(Partition(partition)),
        key: Some(key.as_bytes().to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    }
}

/// `count` records of one committed transaction; a marker follows them in each partition.
pub fn produce(producer: &mut LedgerProducer, topic: &TopicName, partition: u32, count: usize) {
    let records: Vec<_> = (0..count).map(|n| record_of(topic, partition, "k", &format!("{n}"))).collect();
    assert_eq!(producer.produce_in_transaction(&records), RecordOutcome::Recorded);
}

/// `count` records of one aborted transaction, and its marker.
pub fn produce_aborted(producer: &BaseProducer, topic: &TopicName, partition: i32, count: usize) {
    producer.begin_transaction().unwrap();
    for _ in 0..count {
        let record = BaseRecord::to(topic.as_str()).partition(partition).key("k").payload("aborted");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
}

/// Polls until the member has an assignment; revocations on the way are answered.
pub fn wait_assigned(consumer: &mut Consumer, patience: Duration) -> Vec<TopicPartition> {
    let end = Instant::now() + patience;
    while Instant::now() < end {
        for event in consumer.poll_events(Duration::from_millis(50)) {
            match event {
                ConsumerEvent::Assigned(partitions) => return partitions,
                ConsumerEvent::Revoking { .. } => consumer.revoked().unwrap(),
                ConsumerEvent::Failed(error) => panic!("{error}"),
                ConsumerEvent::PartitionFailed { .. }
                | ConsumerEvent::Renewed
                | ConsumerEvent::Trouble(_) => {}
            }
        }
    }
    panic!("no assignment within {patience:?}");
}

/// A member of a new group that has all of `topic`, and its fence.
pub fn member(broker: &Broker, topic: &TopicName, group: &str) -> (Consumer, Fence) {
    let mut consumer = Consumer::open(&broker.settings(), group, None).unwrap();
    consumer.subscribe(std::slice::from_ref(topic)).unwrap();
    wait_assigned(&mut consumer, PATIENCE);
    let fence = consumer.group_metadata().unwrap();
    (consumer, fence)
}

/// Takes records of one partition until `done` says so.
pub fn take_until(
    lane: &mut pumphouse_kafka::LaneQueue,
    patience: Duration,
    mut done: impl FnMut(&pumphouse_kafka::LaneQueue, &[i64]) -> bool,
) -> Vec<i64> {
    let mut batch = MessageBatch::with_capacity(1_000);
    let mut offsets = Vec::new();
    let end = Instant::now() + patience;
    while !done(lane, &offsets) {
        assert!(Instant::now() < end, "only {offsets:?} came");
        lane.consume_batch(Duration::from_millis(20), &mut batch).unwrap();
        offsets.extend(batch.iter().map(|record| record.unwrap().offset().get()));
    }
    offsets
}
