//! TLS: Java's stores become files and texts that librdkafka reads.
use std::collections::BTreeMap;
use std::path::Path;

use super::{ClientOptions, unsupported};
use crate::error::KafkaError;
use crate::java_stores;

/// Why an option of `ssl.*` does nothing for a client.
pub(super) const NOT_SPOKEN: &str = "security.protocol speaks no TLS: Kafka's clients do not use it";

/// Whether `security.protocol` speaks TLS. Java takes it in any case.
pub(super) fn is_spoken(all: &BTreeMap<String, String>) -> bool {
    let protocol = all.get("security.protocol").map_or("", |protocol| protocol.trim());
    ["SSL", "SASL_SSL"].iter().any(|tls| protocol.eq_ignore_ascii_case(tls))
}

/// An option of `ssl.*` that is carried out by itself. Errors: it cannot be honoured.
pub(super) fn own(
    done: &mut ClientOptions,
    name: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), KafkaError> {
    let store_type = |side: &str| all.get(&format!("ssl.{side}.type")).map_or("JKS", String::as_str);
    let refused = |advice: &str| Err(unsupported(name, advice));
    match name {
        "ssl.endpoint.identification.algorithm" => {
            done.connect(name, if value.trim().is_empty() { "none" } else { value });
        }
        "ssl.truststore.type" if value == "PEM" => {}
        "ssl.truststore.location" if store_type("truststore") == "PEM" => {
            done.connect("ssl.ca.location", value);
        }
        // Type and password are used with the location.
        "ssl.truststore.type" | "ssl.truststore.password" if java_store(all).is_some() => {}
        "ssl.truststore.location" => match java_store(all) {
            Some(Ok(pem)) => done.connect("ssl.ca.pem", &pem),
            Some(Err(why)) => return refused(&format!("{value}: {why}. {}", trust_store_advice(all))),
            None => return refused(&trust_store_advice(all)),
        },
        "ssl.truststore.type" | "ssl.truststore.password" => return refused(&trust_store_advice(all)),
        "ssl.keystore.type" if matches!(value, "PEM" | "PKCS12") => {}
        "ssl.keystore.location" if store_type("keystore") == "PKCS12" => done.connect(name, value),
        "ssl.keystore.password" if store_type("keystore") == "PKCS12" => done.connect(name, value),
        // A PEM key store is one file with key and certificates; librdkafka reads it for both.
        "ssl.keystore.location" if store_type("keystore") == "PEM" => {
            done.connect("ssl.certificate.location", value);
            done.connect("ssl.key.location", value);
        }
        "ssl.keystore.type" | "ssl.keystore.location" | "ssl.keystore.password" => {
            return refused(&key_store_advice(all));
        }
        other => unreachable!("{other} has a rule of its own but no translation"),
    }
    Ok(())
}

/// The certificates of the trust store, where it is PKCS12; what the file is counts more than what it is called.
fn java_store(all: &BTreeMap<String, String>) -> Option<Result<String, String>> {
    let path = all.get("ssl.truststore.location")?;
    let password = all.get("ssl.truststore.password").map_or("", String::as_str);
    java_stores::trust_store_pem(Path::new(path), password)
}

/// How the certificates of a Java trust store become a file that can be read. The password is not named:
/// keytool asks for it.
fn trust_store_advice(all: &BTreeMap<String, String>) -> String {
    let store = all.get("ssl.truststore.location").map_or("truststore.jks", String::as_str);
    format!(
        "A Java trust store in JKS cannot be read; PEM and PKCS12 can. Convert it with `keytool -list -rfc -keystore {store} > ca.pem`, then set ssl.truststore.type=PEM and ssl.truststore.location to the new file, and remove ssl.truststore.password"
    )
}

/// The same for a key store; PKCS12 can be read as it is.
fn key_store_advice(all: &BTreeMap<String, String>) -> String {
    let store = all.get("ssl.keystore.location").map_or("keystore.jks", String::as_str);
    format!(
        "Java key stores (JKS) cannot be read. Convert it with `keytool -importkeystore -srckeystore {store} -destkeystore keystore.p12 -deststoretype PKCS12`, then set ssl.keystore.type=PKCS12 and ssl.keystore.location to the new file; PEM can be read as well (ssl.keystore.type=PEM)"
    )
}
