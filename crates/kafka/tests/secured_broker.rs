//! TLS and a login, with the options that a Java client has: they work, and each mistake is told.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use pumphouse_kafka::{
    Admin, ClientOptions, KafkaError, LedgerProducer, OutgoingRecord, RangeReader, ReadLimits, RecordOutcome,
    client_settings,
};
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{Kafka, unique_name};
use pumphouse_types::{Offset, OffsetRange, Partition, TopicName};
use support::broker_with;

const PATIENCE: Duration = Duration::from_secs(20);

/// A certificate of its own for 127.0.0.1, and its key: `<name>.pem` has both, `<name>-ca.pem` the former.
fn certificate(place: &str, name: &str) {
    let line = format!(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \\
         -addext subjectAltName=IP:127.0.0.1 -keyout {name}.pem -out {name}-ca.pem 2>{name}.err \\
         && cat {name}-ca.pem >> {name}.pem"
    );
    assert!(Command::new("sh").arg("-c").arg(line).current_dir(place).status().unwrap().success());
}

fn secured_broker(place: &str, secure_port: u16) -> Kafka {
    let options = [
        ("sasl.enabled.mechanisms", "PLAIN".to_owned()),
        (
            "plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"s e\";".to_owned(),
        ),
        ("ssl.keystore.type", "PEM".to_owned()),
        ("ssl.keystore.location", format!("{place}/broker.pem")),
    ];
    broker_with("SECURE", "SASL_SSL", secure_port, &options)
}

#[test]
fn a_java_clients_options_open_a_secured_broker() {
    let directory = std::env::temp_dir().join(unique_name("pumphouse-secured"));
    std::fs::create_dir(&directory).unwrap();
    let place = directory.to_str().unwrap();
    certificate(place, "broker");
    certificate(place, "stranger");
    let [secure_port] = free_ports().unwrap();
    let _kafka = secured_broker(place, secure_port);
    let options = |password: &str, authority: &str| -> ClientOptions {
        let jaas = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"alice\" password=\"{password}\";"
        );
        let options = [
            ("bootstrap.servers", format!("127.0.0.1:{secure_port}")),
            ("security.protocol", "SASL_SSL".to_owned()),
            ("sasl.mechanism", "PLAIN".to_owned()),
            ("sasl.jaas.config", jaas),
            ("ssl.truststore.type", "PEM".to_owned()),
            ("ssl.truststore.location", format!("{place}/{authority}-ca.pem")),
        ];
        let options: BTreeMap<_, _> =
            options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        client_settings(&options).unwrap()
    };

    // Topic, write and read, each over a client of its own.
    let good = options("s e", "broker");
    let topic = TopicName::new("secured");
    let admin = Admin::open(&good.connection).unwrap();
    admin.create_topic_if_missing(&topic, 1, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    let mut ledger = LedgerProducer::open(&good.connection, "connect-s-0", PATIENCE).unwrap();
    let record = OutgoingRecord {
        topic: topic.clone(),
        partition: Some(Partition(0)),
        key: None,
        value: Some(b"v".to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    };
    assert_eq!(ledger.produce_in_transaction(&[record]), RecordOutcome::Recorded);
    let mut reader = RangeReader::open(&good.consumer, "connect-s").unwrap();
    let limits = ReadLimits { records_max: 10, bytes_max: 1_000, idle_timeout: PATIENCE };
    let first = OffsetRange::new(Offset::ZERO, Offset::ZERO.next()).unwrap();
    let mut values = Vec::new();
    reader
        .read(&topic, &[(Partition(0), first)], limits, |record| {
            values.push(record.value().unwrap().to_vec())
        })
        .unwrap();
    assert_eq!(values, [b"v".to_vec()]);

    for (password, authority, what) in
        [("wrong", "broker", "the password"), ("s e", "stranger", "the authority")]
    {
        let refused = LedgerProducer::open(
            &options(password, authority).connection,
            "connect-s-1",
            Duration::from_secs(5),
        );
        match refused.map(drop).unwrap_err() {
            error @ KafkaError::Login { .. } => {
                println!("{what}: {error}");
                assert!(!error.to_string().contains("wrong"), "{error}");
            }
            other => panic!("{what}: {other}"),
        }
    }
    std::fs::remove_dir_all(&directory).unwrap();
}
