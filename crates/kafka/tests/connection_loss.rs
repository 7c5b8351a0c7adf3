//! A connection that is lost in the course of a transaction: the producer is replaced before it
//! writes again. Alone in its process, because it cuts every connection that the process has.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpStream};
use std::os::fd::FromRawFd;
use std::time::{Duration, Instant};

use pumphouse_kafka::{Admin, Consumer, ConsumerEvent, LedgerProducer, RecordOutcome, Settings, StoredEntry};
use pumphouse_testkit::{Kafka, KafkaOptions};
use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

const PATIENCE: Duration = Duration::from_secs(30);

/// Shuts down every socket of this process that is connected to `port`; answers their number.
fn cut_connections(port: u16) -> usize {
    let mut cut = 0;
    for descriptor in std::fs::read_dir("/proc/self/fd").unwrap().flatten() {
        let Ok(number) = descriptor.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        // SAFETY: the stream is only borrowed: it is forgotten, so the descriptor stays open.
        let stream = std::mem::ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(number) });
        if stream.peer_addr().is_ok_and(|peer| peer.port() == port) {
            cut += usize::from(stream.shutdown(Shutdown::Both).is_ok());
        }
    }
    cut
}

#[test]
fn a_connection_lost_in_a_transaction_taints_the_producer() {
    let mut kafka = Kafka::start(KafkaOptions::default()).unwrap();
    let port = kafka.bootstrap().rsplit(':').next().unwrap().parse().unwrap();
    let settings = Settings::from([("bootstrap.servers".to_owned(), kafka.bootstrap())]);
    let topic = TopicName::new("source");
    let admin = Admin::open(&settings).unwrap();
    admin.create_topic_if_missing(&topic, 1, Some(1), &BTreeMap::new(), PATIENCE).unwrap();

    let mut consumer = Consumer::open(&settings, "connect-c", Some("one")).unwrap();
    consumer.subscribe(std::slice::from_ref(&topic)).unwrap();
    let end = Instant::now() + PATIENCE;
    while !consumer
        .poll_events(Duration::from_millis(100))
        .iter()
        .any(|event| matches!(event, ConsumerEvent::Assigned(_)))
    {
        assert!(Instant::now() < end, "no assignment");
    }
    let fence = consumer.group_metadata().unwrap();
    let partition = TopicPartition { topic, partition: Partition(0) };
    let entries = |offset: i64| {
        let entry = StoredEntry { offset: Offset::new(offset).unwrap(), metadata: "m".to_owned() };
        BTreeMap::from([(partition.clone(), entry)])
    };
    let mut ledger = LedgerProducer::open(&settings, "connect-c-0", PATIENCE).unwrap();
    assert_eq!(ledger.record(&fence, &entries(1), &[]), RecordOutcome::Recorded);
    assert!(!ledger.tainted(), "nothing was lost yet");

    // A connection that is lost between two writes harms nothing.
    assert!(cut_connections(port) > 0);
    std::thread::sleep(Duration::from_millis(500));
    let outcome = ledger.record(&fence, &entries(2), &[]);
    assert_eq!(outcome, RecordOutcome::Recorded);

    // The broker stands still while the transaction is on its way, and its connections go.
    kafka.pause().unwrap();
    let outcome = std::thread::scope(|scope| {
        let writing = scope.spawn(|| ledger.record(&fence, &entries(3), &[]));
        std::thread::sleep(Duration::from_millis(500));
        assert!(cut_connections(port) > 0);
        std::thread::sleep(Duration::from_millis(300));
        kafka.resume().unwrap();
        writing.join().unwrap()
    });
    println!("the write ended as {outcome:?}");
    let recorded = outcome == RecordOutcome::Recorded;
    match outcome {
        RecordOutcome::Recorded | RecordOutcome::NotRecorded(_) => assert!(ledger.tainted()),
        RecordOutcome::Unknown(_) => ledger.replace().unwrap(),
        RecordOutcome::Fenced(error) => panic!("{error}"),
    }
    let stands = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    let offset = stands[&partition].as_ref().unwrap().offset.get();
    if recorded {
        assert_eq!(offset, 3);
    } else {
        assert!(offset == 2 || offset == 3);
    }
    // The next write replaces the handle by itself.
    assert_eq!(ledger.record(&fence, &entries(4), &[]), RecordOutcome::Recorded);
    assert!(!ledger.tainted());
    let stands = consumer.committed(std::slice::from_ref(&partition), PATIENCE).unwrap();
    assert_eq!(stands[&partition].as_ref().unwrap().offset.get(), 4);
}
