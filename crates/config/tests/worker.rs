//! A worker's file: what it means, what is noted, what is refused.
#![allow(clippy::unwrap_used)]
use pumphouse_config::{ConfigCode, ConfigErrors, MASK, WorkerConfig, parse_properties};

fn read(file: &str) -> Result<WorkerConfig, ConfigErrors> {
    WorkerConfig::from_raw(&parse_properties(file.as_bytes()).unwrap())
}

fn good(extra: &str) -> WorkerConfig {
    read(&format!("bootstrap.servers=k1:9092,k2:9092\n{extra}")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn check_refused(line: &str, code: ConfigCode) {
    let errors = read(&format!("bootstrap.servers=k:1\n{line}\n")).expect_err(line);
    let refused: Vec<_> = errors.0.iter().map(|e| (e.code, e.option.as_str())).collect();
    assert_eq!(refused, [(code, line.split('=').next().unwrap())], "{errors}");
}

/// `connect-standalone.properties` as Kafka 4.1 ships it, comments left out.
const SHIPPED: &str = "\
bootstrap.servers=localhost:9092
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
key.converter.schemas.enable=true
value.converter.schemas.enable=true
offset.storage.file.filename=/tmp/connect.offsets
offset.flush.interval.ms=10000
#plugin.path=
";

#[test]
fn the_file_that_kafka_ships_is_accepted() {
    let config = read(SHIPPED).unwrap();
    let noted: Vec<_> = config.notes.iter().map(|note| note.option.as_str()).collect();
    assert_eq!(
        noted,
        [
            "key.converter",
            "key.converter.schemas.enable",
            "offset.flush.interval.ms",
            "offset.storage.file.filename"
        ]
    );
    assert_eq!(config.bootstrap_servers, "localhost:9092");
}

#[test]
fn defaults() {
    let config = good("");
    assert_eq!(config.listener.address(), "0.0.0.0:8083");
    assert_eq!((config.state_topic.as_str(), config.state_topic_replication), ("pumphouse-state", None));
    assert_eq!(config.shutdown_timeout_ms, 5000);
    assert!(config.notes.is_empty());
}

#[test]
fn listeners() {
    assert_eq!(good("listeners=http://127.0.0.1:0\n").listener.address(), "127.0.0.1:0");
    assert_eq!(good("listeners=HTTP://[::1]:8084/\n").listener.address(), "[::1]:8084");
    check_refused("listeners=https://:8443", ConfigCode::NotYet);
    check_refused("listeners=http://a:1,http://b:2", ConfigCode::NotYet);
    check_refused("listeners=http://a", ConfigCode::Value);
    check_refused("listeners=a:8083", ConfigCode::Value);
    check_refused("listeners=http://a:99999", ConfigCode::Value);
}

#[test]
fn worker_ids() {
    assert_eq!(good("").worker_id("10.0.0.7", 8083), "10.0.0.7:8083");
    assert_eq!(good("listeners=http://localhost:0\n").worker_id("10.0.0.7", 40123), "localhost:40123");
    let advertised = good("rest.advertised.host.name=w1\nrest.advertised.port=80\n");
    assert_eq!(advertised.worker_id("10.0.0.7", 8083), "w1:80");
    assert_eq!(good("pumphouse.worker.id=w9\n").worker_id("10.0.0.7", 8083), "w9");
}

#[test]
fn replication_of_the_state_topic() {
    let given = |text: &str| {
        good(&format!("pumphouse.state.topic.replication.factor={text}\n")).state_topic_replication
    };
    assert_eq!((given("-1"), given("3")), (None, Some(3)));
    check_refused("pumphouse.state.topic.replication.factor=0", ConfigCode::Value);
}

#[test]
fn options_of_distributed_mode_are_noted() {
    let config = good("group.id=g\nconfig.storage.topic=c\nstatus.storage.replication.factor=1\n");
    assert_eq!(config.notes.len(), 3);
}

#[test]
fn what_is_refused() {
    check_refused("rest.extension.classes=x.Y", ConfigCode::NotYet);
    check_refused("consumer.group.id=g", ConfigCode::NotYet);
    check_refused("consumer.auto.offset.reset=error", ConfigCode::Value);
    check_refused("topics=a", ConfigCode::Unknown);
    check_refused("listener=http://:1", ConfigCode::Unknown);
    let errors = read("").unwrap_err();
    assert_eq!((errors.0.len(), errors.0[0].code), (1, ConfigCode::Missing));
}

#[test]
fn a_converter_that_no_connector_uses_may_be_any() {
    good("value.converter=com.example.Own\nvalue.converter.schemas.enable=true\n");
}

#[test]
fn secrets_are_never_printed() {
    let config = good(
        "sasl.jaas.config=x password\\=\"hush\";\nconsumer.ssl.key.password=hush\nproducer.ssl.keystore.key=hush\n",
    );
    let shown = format!("{config:?} {:?}", config.masked());
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(config.masked()["sasl.jaas.config"], MASK);
}
