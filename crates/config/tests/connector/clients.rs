//! Options of Kafka's clients.
use pumphouse_config::{ConfigCode, ConnectorConfig, StartAt};

use crate::{check_refused, good, noted, raw, worker};

#[test]
fn consumer_options_are_laid_over_one_another() {
    let worker = worker(
        "security.protocol=SASL_SSL\nsession.timeout.ms=1\nconsumer.fetch.min.bytes=1\n\
         consumer.client.rack=r1\nconsumer.auto.offset.reset=latest\nproducer.sasl.mechanism=PLAIN\n",
    );
    let changes = [("consumer.override.fetch.min.bytes", "9"), ("consumer.override.group.id", "g")];
    let config = ConnectorConfig::from_raw(&raw(&changes), &worker).unwrap();
    let options: Vec<_> =
        config.consumer_options.reveal().iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        options,
        [
            ("bootstrap.servers", "k1:9092"),
            ("client.rack", "r1"),
            ("fetch.min.bytes", "9"),
            ("security.protocol", "SASL_SSL")
        ]
    );
    assert_eq!((config.group_id.as_str(), config.start_at), ("g", StartAt::Latest));
    assert_eq!(config.ledger_options.get("sasl.mechanism"), Some("PLAIN"));
    assert_eq!(config.ledger_options.get("security.protocol"), Some("SASL_SSL"));
}

#[test]
fn an_overridden_start_wins() {
    let worker = worker("consumer.auto.offset.reset=latest\n");
    let raw = raw(&[("consumer.override.auto.offset.reset", "none")]);
    assert_eq!(ConnectorConfig::from_raw(&raw, &worker).unwrap().start_at, StartAt::None);
}

#[test]
fn time_outs_of_the_group_have_to_agree() {
    check_refused(&[("consumer.override.max.poll.interval.ms", "44999")], ConfigCode::Conflict);
    check_refused(
        &[
            ("consumer.override.session.timeout.ms", "3000"),
            ("consumer.override.heartbeat.interval.ms", "3000"),
        ],
        ConfigCode::Conflict,
    );
    good(&[
        ("consumer.override.session.timeout.ms", "6000"),
        ("consumer.override.max.poll.interval.ms", "6000"),
    ]);
}

#[test]
fn producer_options_without_effect_are_noted() {
    let config = good(&[("producer.override.linger.ms", "5"), ("admin.override.client.id", "x")]);
    assert_eq!(noted(&config), ["admin.override.client.id", "producer.override.linger.ms"]);
}
