//! Java's stores, converted as the refusals say, are read: librdkafka loads certificates and keys when a
//! client is made, so that no broker is needed to see it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use pumphouse_kafka::{Consumer, KafkaError, client_settings};
use pumphouse_testkit::unique_name;

const PASSWORD: &str = "changeit";

/// Runs a command line of the JDK; the password is given where a person would type it.
fn keytool(place: &Path, line: &str) {
    let status = Command::new("sh").arg("-c").arg(line).current_dir(place).status().unwrap();
    assert!(status.success(), "{line}");
}

/// The command between the backticks of a refusal.
fn advised(options: &[(&str, &str)]) -> String {
    match client_settings(&map(options)).unwrap_err() {
        KafkaError::OptionUnsupported { advice, .. } => advice.split('`').nth(1).unwrap().to_owned(),
        other => panic!("{other}"),
    }
}

fn map(options: &[(&str, &str)]) -> BTreeMap<String, String> {
    let common = [("bootstrap.servers", "127.0.0.1:1"), ("security.protocol", "SSL")];
    common.iter().chain(options).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn open(options: &[(&str, &str)]) -> Result<Consumer, KafkaError> {
    Consumer::open(&client_settings(&map(options))?.consumer, "connect-c", None)
}

#[test]
fn stores_are_read_after_the_advised_conversion() {
    let place = std::env::temp_dir().join(unique_name("pumphouse-stores"));
    std::fs::create_dir(&place).unwrap();
    let path = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let store = path("store.jks");
    keytool(
        &place,
        &format!(
            "keytool -genkeypair -alias a -keyalg RSA -keysize 2048 -dname CN=broker -storetype JKS \\
             -keystore {store} -storepass {PASSWORD} -keypass {PASSWORD} 2>err"
        ),
    );
    let trust = advised(&[("ssl.truststore.location", &store)]);
    keytool(&place, &format!("echo {PASSWORD} | {trust} 2>err"));
    open(&[("ssl.truststore.type", "PEM"), ("ssl.truststore.location", &path("ca.pem"))]).map(drop).unwrap();

    // The same certificate in a PKCS12 store, as keytool has made them since Java 9.
    let trusted = path("trust.p12");
    keytool(
        &place,
        &format!(
            "keytool -importcert -noprompt -alias ca -file ca.pem -storetype PKCS12 -keystore {trusted} \\
             -storepass {PASSWORD} 2>err"
        ),
    );
    for store_type in ["PKCS12", "JKS"] {
        // Java, too, goes by what the file is.
        let options = [
            ("ssl.truststore.type", store_type),
            ("ssl.truststore.location", trusted.as_str()),
            ("ssl.truststore.password", PASSWORD),
        ];
        open(&options).map(drop).unwrap();
        let found = client_settings(&map(&options)).unwrap().consumer["ssl.ca.pem"].clone();
        assert!(found.contains("-----BEGIN CERTIFICATE-----"), "{found}");
        let wrong = [options[0], options[1], ("ssl.truststore.password", "hunter2")];
        let refused = client_settings(&map(&wrong)).unwrap_err().to_string();
        assert!(
            refused.contains("ssl.truststore.password is wrong") && !refused.contains("hunter2"),
            "{refused}"
        );
    }

    let key = advised(&[("ssl.keystore.location", &store)]);
    keytool(&place, &format!("{key} -srcstorepass {PASSWORD} -deststorepass {PASSWORD} 2>err"));
    let key_store = path("keystore.p12");
    let options = [
        ("ssl.keystore.type", "PKCS12"),
        ("ssl.keystore.location", key_store.as_str()),
        ("ssl.keystore.password", PASSWORD),
    ];
    open(&options).map(drop).unwrap();
    // And it is read: another password does not open it.
    let wrong = [options[0], options[1], ("ssl.keystore.password", "another")];
    assert!(matches!(open(&wrong).map(drop), Err(KafkaError::Client { .. })));
    let not_pem = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", store.as_str())];
    assert!(matches!(open(&not_pem).map(drop), Err(KafkaError::Client { .. })));
    std::fs::remove_dir_all(&place).unwrap();
}
