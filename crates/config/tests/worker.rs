//! A worker's file: what it means, what is noted, what is refused.
#![allow(clippy::unwrap_used)]
use pumphouse_config::{
    ClientAuth, ConfigCode, ConfigErrors, MASK, PageAccess, Place, WorkerConfig, parse_properties,
};

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
    assert_eq!(config.listeners.advertised.address(), "0.0.0.0:8083");
    assert_eq!((config.state_topic.as_str(), config.state_topic_replication), ("pumphouse-state", None));
    assert_eq!(config.shutdown_timeout_ms, 5000);
    assert!(config.notes.is_empty());
}

#[test]
fn listeners() {
    let addresses = |text: &str| {
        let listeners = good(&format!("listeners={text}\n")).listeners.all;
        listeners.iter().map(|one| format!("{} {}", one.protocol.as_str(), one.address())).collect::<Vec<_>>()
    };
    assert_eq!(addresses("http://127.0.0.1:0"), ["http 127.0.0.1:0"]);
    assert_eq!(addresses("HTTP://[::1]:8084/, http://a:1"), ["http [::1]:8084", "http a:1"]);
    check_refused("listeners=http://a", ConfigCode::Value);
    check_refused("listeners=a:8083", ConfigCode::Value);
    check_refused("listeners=http://::1:8083", ConfigCode::Value);
    check_refused("listeners=http://a:99999", ConfigCode::Value);
    check_refused("listeners=http://a:1,HTTP://A:1", ConfigCode::Value);
    check_refused("listeners=,", ConfigCode::Missing);
    assert_eq!(good("").listeners.admin, None);
    assert_eq!(good("admin.listeners=\n").listeners.admin, Some(vec![]));
    assert_eq!(good("admin.listeners=http://a:1\n").listeners.admin.unwrap()[0].address(), "a:1");
    check_refused("admin.listeners=http://:8083", ConfigCode::Conflict);
}

const HTTPS: &str = "listeners=http://:8083,https://w:8443\n";

#[test]
fn the_advertised_listener_is_one_of_them() {
    let key = "ssl.keystore.location=/k.pem\n";
    let url = |extra: &str| good(&format!("{HTTPS}{key}{extra}")).advertised_url("h", 8443);
    assert_eq!(url(""), "http://h:8443");
    assert_eq!(url("rest.advertised.listener=HTTPS\n"), "https://w:8443");
    assert_eq!(
        url("rest.advertised.listener=https\nrest.advertised.host.name=x\nrest.advertised.port=1\n"),
        "https://x:1"
    );
    check_refused("rest.advertised.listener=https", ConfigCode::Conflict);
}

#[test]
fn tls_of_the_listeners() {
    let tls = |lines: &str| good(&format!("{HTTPS}{lines}")).rest_tls.unwrap();
    let plain = tls(
        "ssl.keystore.location=/k.p12\nssl.keystore.password=geheim\nssl.client.auth=required\nssl.truststore.location=/t.pem\n",
    );
    assert_eq!(plain.own.place, Place::File("/k.p12".to_owned()));
    assert_eq!((plain.own.password.reveal(), plain.client_auth), ("geheim", ClientAuth::Required));
    assert_eq!(plain.clients.as_ref().unwrap().place, Place::File("/t.pem".to_owned()));
    assert!(plain.tls12 && plain.tls13 && !format!("{plain:?}").contains("geheim"));
    // One option with the prefix, and none without it counts.
    let own = tls(
        "listeners.https.ssl.keystore.location=/own.pem\nlisteners.https.ssl.enabled.protocols=TLSv1.3\nssl.client.auth=required\n",
    );
    assert_eq!(
        (own.own.option.as_str(), own.client_auth),
        ("listeners.https.ssl.keystore.location", ClientAuth::None)
    );
    assert!(!own.tls12 && own.tls13 && own.clients.is_none());
    let texts = tls("ssl.keystore.certificate.chain=CERT\nssl.keystore.key=KEY\n");
    assert!(matches!(texts.own.place, Place::Texts { .. }) && !format!("{texts:?}").contains("KEY"));
    let refused = |lines: &str, code: ConfigCode, option: &str| {
        let errors = read(&format!("bootstrap.servers=k:1\n{HTTPS}{lines}")).unwrap_err();
        assert!(errors.0.iter().any(|e| (e.code, e.option.as_str()) == (code, option)), "{errors}");
    };
    let key = "listeners.https.ssl.keystore.location=/k\n";
    refused("", ConfigCode::Missing, "ssl.keystore.location");
    refused(
        "listeners.https.ssl.client.auth=required\n",
        ConfigCode::Missing,
        "listeners.https.ssl.keystore.location",
    );
    refused(
        &format!("{key}listeners.https.ssl.client.auth=required\n"),
        ConfigCode::Missing,
        "listeners.https.ssl.truststore.location",
    );
    refused(
        &format!("{key}listeners.https.ssl.client.auth=maybe\n"),
        ConfigCode::Value,
        "listeners.https.ssl.client.auth",
    );
    refused(
        &format!("{key}listeners.https.ssl.enabled.protocols=TLSv1\n"),
        ConfigCode::Value,
        "listeners.https.ssl.enabled.protocols",
    );
    refused(
        &format!("{key}listeners.https.ssl.cipher.suites=x\n"),
        ConfigCode::NotYet,
        "listeners.https.ssl.cipher.suites",
    );
    assert!(good("ssl.keystore.location=/k\n").rest_tls.is_none());
}

const EXTENSION: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

#[test]
fn passwords_of_the_rest_api() {
    let file = "pumphouse.rest.basic.auth.file=/users\n";
    assert_eq!(good("").rest_users_file, None);
    for lines in [file.to_owned(), format!("rest.extension.classes={EXTENSION}\n{file}")] {
        assert_eq!(good(&lines).rest_users_file.as_deref(), Some("/users"));
    }
    check_refused("rest.extension.classes=x.Y", ConfigCode::NotYet);
    let errors = read(&format!("bootstrap.servers=k:1\nrest.extension.classes={EXTENSION}\n")).unwrap_err();
    assert!(errors.to_string().contains("java.security.auth.login.config"), "{errors}");
}

#[test]
fn the_page_can_be_left_out() {
    assert_eq!(good("").page, PageAccess::Full);
    assert_eq!(good("pumphouse.page=off\n").page, PageAccess::Off);
    assert_eq!(good("pumphouse.page=without-records\n").page, PageAccess::WithoutRecords);
    check_refused("pumphouse.page=pretty", ConfigCode::Value);
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
