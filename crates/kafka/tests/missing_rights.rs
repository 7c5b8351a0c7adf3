//! Each missing right is an error of its own, which names what to grant.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::CString;
use std::time::{Duration, Instant};

use pumphouse_kafka::{
    Admin, Consumer, ConsumerEvent, DeadLetterTopic, DeadLetterWarning, KafkaError, LedgerProducer,
    OutgoingRecord, RecordOutcome, Remedy, Settings, StoredEntry, WantedLetters,
};
use pumphouse_testkit::{Kafka, KafkaOptions};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer};
use rdkafka_sys as rd;
use rdkafka_sys::{rd_kafka_AclOperation_t as Operation, rd_kafka_AclPermissionType_t as Permission};

const PATIENCE: Duration = Duration::from_secs(20);

/// Everybody may do everything but where a rule says otherwise.
fn broker_with_rules() -> Kafka {
    let properties = [
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"),
        ("allow.everyone.if.no.acl.found", "true"),
    ];
    let mut options = KafkaOptions::default();
    for (name, value) in properties {
        options.properties.insert(name.to_owned(), value.to_owned());
    }
    Kafka::start(options).unwrap()
}

/// Denies everybody everything on one resource.
fn deny(kafka: &Kafka, kind: rd::rd_kafka_ResourceType_t, name: &str) {
    rule(
        kafka,
        kind,
        name,
        Operation::RD_KAFKA_ACL_OPERATION_ALL,
        Permission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY,
    );
}

/// Denies everybody one operation on a topic, and allows the others.
fn deny_operation(kafka: &Kafka, topic: &str, operation: Operation) {
    let kind = rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
    let all = Operation::RD_KAFKA_ACL_OPERATION_ALL;
    rule(kafka, kind, topic, all, Permission::RD_KAFKA_ACL_PERMISSION_TYPE_ALLOW);
    rule(kafka, kind, topic, operation, Permission::RD_KAFKA_ACL_PERMISSION_TYPE_DENY);
}

fn rule(
    kafka: &Kafka,
    kind: rd::rd_kafka_ResourceType_t,
    name: &str,
    operation: Operation,
    permission: Permission,
) {
    let client: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", kafka.bootstrap()).create().unwrap();
    let texts = [name, "User:ANONYMOUS", "*"].map(|text| CString::new(text).unwrap());
    let mut reason = [0; 512];
    // SAFETY: a living handle, texts that outlive the call, a buffer of the size that is given; the
    // binding, the queue and the event are ours to destroy.
    unsafe {
        let client = client.client().native_ptr();
        let mut rule = rd::rd_kafka_AclBinding_new(
            kind,
            texts[0].as_ptr(),
            rd::rd_kafka_ResourcePatternType_t::RD_KAFKA_RESOURCE_PATTERN_LITERAL,
            texts[1].as_ptr(),
            texts[2].as_ptr(),
            operation,
            permission,
            reason.as_mut_ptr(),
            reason.len(),
        );
        assert!(!rule.is_null());
        let queue = rd::rd_kafka_queue_new(client);
        rd::rd_kafka_CreateAcls(client, &mut rule, 1, std::ptr::null(), queue);
        let event = rd::rd_kafka_queue_poll(queue, 20_000);
        assert!(!event.is_null());
        assert_eq!(rd::rd_kafka_event_error(event) as i32, 0);
        rd::rd_kafka_event_destroy(event);
        rd::rd_kafka_queue_destroy(queue);
        rd::rd_kafka_AclBinding_destroy(rule);
    }
}

fn first_error(consumer: &mut Consumer, wanted: impl Fn(&KafkaError) -> bool) -> Option<KafkaError> {
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        for event in consumer.poll_events(Duration::from_millis(50)) {
            match event {
                ConsumerEvent::Failed(error)
                | ConsumerEvent::Trouble(error)
                | ConsumerEvent::PartitionFailed { error, .. }
                    if wanted(&error) =>
                {
                    return Some(error);
                }
                ConsumerEvent::Assigned(_)
                | ConsumerEvent::Renewed
                | ConsumerEvent::Revoking { .. }
                | ConsumerEvent::Failed(_)
                | ConsumerEvent::Trouble(_)
                | ConsumerEvent::PartitionFailed { .. } => {}
            }
        }
    }
    None
}

#[test]
fn each_missing_right_is_named() {
    use rd::rd_kafka_ResourceType_t as kind;
    let kafka = broker_with_rules();
    let settings = Settings::from([("bootstrap.servers".to_owned(), kafka.bootstrap())]);
    let admin = Admin::open(&settings).unwrap();
    let (open, closed) = (TopicName::new("open"), TopicName::new("closed"));
    for topic in [&open, &closed] {
        admin.create_topic_if_missing(topic, 1, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    }
    let mut member = Consumer::open(&settings, "connect-open", None).unwrap();
    member.subscribe(std::slice::from_ref(&open)).unwrap();
    while member.group_metadata().is_none() {
        member.poll_events(Duration::from_millis(50));
    }
    let fence = member.group_metadata().unwrap();
    let mut ledger = LedgerProducer::open(&settings, "connect-open-0", PATIENCE).unwrap();

    deny(&kafka, kind::RD_KAFKA_RESOURCE_GROUP, "connect-closed");
    deny(&kafka, kind::RD_KAFKA_RESOURCE_TOPIC, "closed");
    deny(&kafka, kind::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID, "connect-closed-0");

    // The group, told while joining.
    let mut consumer = Consumer::open(&settings, "connect-closed", None).unwrap();
    consumer.subscribe(std::slice::from_ref(&open)).unwrap();
    let is_group = |error: &KafkaError| matches!(error, KafkaError::GroupDenied { group, .. } if group == "connect-closed");
    assert!(first_error(&mut consumer, is_group).is_some());
    let partition = TopicPartition { topic: open, partition: Partition(0) };

    // A source topic.
    let mut consumer = Consumer::open(&settings, "connect-other", None).unwrap();
    consumer.subscribe(std::slice::from_ref(&closed)).unwrap();
    let is_topic = |error: &KafkaError| matches!(error, KafkaError::TopicDenied { .. });
    assert!(first_error(&mut consumer, is_topic).is_some());

    // The transactional id.
    match LedgerProducer::open(&settings, "connect-closed-0", PATIENCE) {
        Err(error) => {
            assert_eq!(error.remedy(), Remedy::StopTask);
            match error {
                KafkaError::TransactionalIdDenied { transactional_id, .. } => {
                    assert_eq!(transactional_id, "connect-closed-0");
                }
                other => panic!("{other}"),
            }
        }
        Ok(_) => panic!("it opened"),
    }

    // The dead letter topic: nothing stands, and writes without it go on.
    let entry = StoredEntry { offset: Offset::ZERO.next(), metadata: "m".to_owned() };
    let entries = BTreeMap::from([(partition.clone(), entry.clone())]);
    let letter = OutgoingRecord {
        topic: closed,
        partition: Some(Partition(0)),
        key: None,
        value: Some(b"v".to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    };
    let outcome = ledger.record(&fence, &entries, &[letter]);
    assert!(matches!(&outcome, RecordOutcome::NotRecorded(error) if is_topic(error)), "{outcome:?}");
    let read = member.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    assert_eq!(read[&partition], None);
    assert_eq!(ledger.record(&fence, &entries, &[]), RecordOutcome::Recorded);
    dead_letter_rights(&kafka, &admin, &mut ledger);

    // A right that is taken away from a producer that runs.
    deny(&kafka, kind::RD_KAFKA_RESOURCE_TRANSACTIONAL_ID, "connect-open-0");
    let outcome = ledger.record(&fence, &entries, &[]);
    let is_id = |error: &KafkaError| matches!(error, KafkaError::TransactionalIdDenied { .. });
    assert!(matches!(&outcome, RecordOutcome::NotRecorded(error) if is_id(error)), "{outcome:?}");

    // And one that is taken away from a member.
    deny(&kafka, kind::RD_KAFKA_RESOURCE_GROUP, "connect-open");
    let refused = member.committed(std::slice::from_ref(&partition), PATIENCE).unwrap_err();
    assert!(
        matches!(&refused, KafkaError::GroupDenied { group, .. } if group == "connect-open"),
        "{refused}"
    );
}

/// Told before anything depends on the topic.
fn dead_letter_rights(kafka: &Kafka, admin: &Admin, ledger: &mut LedgerProducer) {
    let wanted = |topic: &TopicName| WantedLetters {
        topic: topic.clone(),
        replicas: Some(1),
        connector: "open".to_owned(),
        context_headers: false,
    };
    let (hidden, read_only) = (TopicName::new("hidden-options"), TopicName::new("read-only"));
    for topic in [&hidden, &read_only] {
        admin.create_topic_if_missing(topic, 1, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    }
    deny_operation(kafka, "hidden-options", Operation::RD_KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS);
    deny_operation(kafka, "read-only", Operation::RD_KAFKA_ACL_OPERATION_WRITE);

    // Without its options the topic is used as if it had Kafka's.
    let (letters, warnings) = DeadLetterTopic::ensure(admin, wanted(&hidden), &[], PATIENCE).unwrap();
    assert!(matches!(&warnings[..], [DeadLetterWarning::OptionsUnknown { topic, .. }] if *topic == hidden));
    assert!(warnings[0].to_string().contains("grant DESCRIBE_CONFIGS on Topic hidden-options"));
    assert_eq!(letters.letter_bytes_max(), 1_048_588);
    assert_eq!(ledger.rehearse(&letters.probes()), Ok(()));

    let (letters, _) = DeadLetterTopic::ensure(admin, wanted(&read_only), &[], PATIENCE).unwrap();
    let refused = ledger.rehearse(&letters.probes()).unwrap_err();
    assert!(matches!(refused, KafkaError::TopicDenied { .. }), "{refused}");
    assert_eq!(refused.remedy(), Remedy::StopTask);
}
