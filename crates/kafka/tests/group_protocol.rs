//! A broker that has the consumer protocol of KIP-848 switched off: a member that asks for it is told so, and does
//! not wait for ever.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use pumphouse_kafka::{Consumer, ConsumerEvent, KafkaError, Leaving, Settings};
use pumphouse_testkit::{Kafka, KafkaOptions, Topics};
use pumphouse_types::TopicName;

#[test]
fn a_protocol_that_the_broker_does_not_take_is_named() {
    let properties = [("group.coordinator.rebalance.protocols".to_owned(), "classic".to_owned())].into();
    let kafka = Kafka::start(KafkaOptions { heap_mib: 384, properties }).unwrap();
    Topics::new(&kafka.bootstrap()).unwrap().create("t", 1, &[]).unwrap();
    let settings = Settings::from([
        ("bootstrap.servers".to_owned(), kafka.bootstrap()),
        ("group.protocol".to_owned(), "consumer".to_owned()),
    ]);
    let mut consumer = Consumer::open(&settings, "connect-new", Some("instance")).unwrap();
    assert!(consumer.is_incremental() && consumer.needs_new_brokers());
    consumer.subscribe(&[TopicName::new("t")]).unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    let said = loop {
        assert!(Instant::now() < until, "nothing was said");
        assert!(consumer.group_metadata().is_none());
        let events = consumer.poll_events(Duration::from_millis(50));
        if let Some(ConsumerEvent::Failed(error)) =
            events.into_iter().find(|event| matches!(event, ConsumerEvent::Failed(_)))
        {
            break error;
        }
    };
    assert!(matches!(said, KafkaError::GroupProtocolUnknown { .. }), "{said}");
    assert!(said.to_string().contains("KAFKA-029"), "{said}");
    let _ = consumer.close(Leaving::Leave, Duration::from_secs(5));
}
