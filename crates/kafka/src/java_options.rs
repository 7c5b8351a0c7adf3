//! The operator's options, named as Kafka's Java client and Kafka Connect name them, as settings of
//! librdkafka. Nothing is dropped in silence: an option is passed on, translated, said to have no
//! effect, or refused.
use std::collections::BTreeMap;
use std::path::Path;

use crate::error::KafkaError;
use crate::java_stores;
use crate::oauth;
use crate::settings::Settings;

/// What the operator's options become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// For [`Consumer`](crate::Consumer) and [`RangeReader`](crate::RangeReader).
    pub consumer: Settings,
    /// For [`LedgerProducer`](crate::LedgerProducer) and [`Admin`](crate::Admin): what concerns the
    /// connection only.
    pub connection: Settings,
    /// Options without an effect here, each with the reason; to be logged once at the start.
    pub ignored: Vec<(String, &'static str)>,
}

/// How an option is carried out.
enum Rule {
    /// The same name and meaning, for every client.
    Connection,
    /// The same name and meaning, for consumers.
    Consumer,
    /// Another name, same meaning, for every client.
    ConnectionAs(&'static str),
    /// Another name, same meaning, for consumers.
    ConsumerAs(&'static str),
    /// It cannot matter here, and this is why.
    Ignored(&'static str),
    /// It cannot be honoured; what to do instead.
    Refused(&'static str),
    /// Only this value agrees with what Pumphouse does.
    Only(&'static str),
    /// Translated by a function of its own.
    Own,
}

use Rule::{Connection, ConnectionAs, Consumer, ConsumerAs, Ignored, Only, Own, Refused};

const PLUGIN: &str = "Java classes cannot be loaded";
const NO_KERBEROS: &str = "this build has no Kerberos library: use SCRAM-SHA-512, or a client certificate with security.protocol=SSL";
const NO_OAUTH: &str = "it needs sasl.oauthbearer.token.endpoint.url (http or https), and clientId=\"..\" and clientSecret=\"..\" of OAuthBearerLoginModule in sasl.jaas.config: tokens are got by client credentials";
const BROKERS: &str = "the broker checks tokens";
const REFRESHED: &str = "a token is renewed when four fifths of its life are over";
const OFFSETS: &str = "the ledger alone commits and chooses offsets";

/// Kafka's consumer options (4.1) and librdkafka's own names for TLS files.
const RULES: &[(&str, Rule)] = &[
    ("bootstrap.servers", Connection),
    ("client.id", Connection),
    ("client.rack", Consumer),
    ("client.dns.lookup", Connection),
    ("security.protocol", Connection),
    ("metadata.max.age.ms", Connection),
    ("connections.max.idle.ms", Connection),
    ("reconnect.backoff.ms", Connection),
    ("reconnect.backoff.max.ms", Connection),
    ("socket.connection.setup.timeout.ms", Connection),
    ("socket.connection.setup.timeout.max.ms", Ignored("librdkafka has one time-out for all tries")),
    ("request.timeout.ms", ConsumerAs("socket.timeout.ms")),
    ("default.api.timeout.ms", Ignored("Pumphouse bounds each call by itself")),
    ("send.buffer.bytes", Own),
    ("receive.buffer.bytes", Own),
    ("retry.backoff.ms", Consumer),
    ("retry.backoff.max.ms", Consumer),
    ("session.timeout.ms", Consumer),
    ("heartbeat.interval.ms", Consumer),
    ("max.poll.interval.ms", Consumer),
    ("max.poll.records", Ignored("records are taken in bulk; pumphouse.batch.rows.max bounds a batch")),
    ("fetch.min.bytes", Consumer),
    ("fetch.max.bytes", Consumer),
    ("fetch.max.wait.ms", ConsumerAs("fetch.wait.max.ms")),
    ("max.partition.fetch.bytes", Consumer),
    ("check.crcs", Consumer),
    ("fetch.queue.backoff.ms", Consumer),
    ("queued.min.messages", Consumer),
    ("queued.max.messages.kbytes", Consumer),
    ("allow.auto.create.topics", Ignored("Pumphouse creates no source topics")),
    ("exclude.internal.topics", Ignored("subscriptions name their topics")),
    ("partition.assignment.strategy", Own),
    ("group.protocol", Own),
    ("group.remote.assignor", Consumer),
    ("group.id", Refused("the group is connect-<name>, as in Kafka Connect")),
    ("group.instance.id", Refused("each task is a static member by its own name")),
    ("isolation.level", Only("read_committed")),
    ("enable.auto.commit", Only("false")),
    ("auto.commit.interval.ms", Ignored(OFFSETS)),
    ("auto.offset.reset", Ignored("carried out when partitions are claimed")),
    ("interceptor.classes", Refused(PLUGIN)),
    ("metric.reporters", Ignored("metrics are served on /metrics")),
    ("metrics.num.samples", Ignored("metrics are served on /metrics")),
    ("metrics.recording.level", Ignored("metrics are served on /metrics")),
    ("metrics.sample.window.ms", Ignored("metrics are served on /metrics")),
    ("enable.metrics.push", Connection),
    ("key.deserializer", Refused("Pumphouse decodes by the connector's converters")),
    ("value.deserializer", Refused("Pumphouse decodes by the connector's converters")),
    ("sasl.mechanism", Own),
    ("sasl.mechanisms", Own),
    ("sasl.username", Connection),
    ("sasl.password", Connection),
    ("sasl.jaas.config", Own),
    ("sasl.kerberos.service.name", Refused(NO_KERBEROS)),
    ("sasl.client.callback.handler.class", Refused(PLUGIN)),
    ("sasl.login.callback.handler.class", Own),
    ("sasl.login.connect.timeout.ms", Ignored("a token is waited for 10 s at a time")),
    ("sasl.login.read.timeout.ms", Ignored("a token is waited for 10 s at a time")),
    ("sasl.login.retry.backoff.ms", Ignored("the pause is 1 s at first")),
    ("sasl.login.retry.backoff.max.ms", Ignored("the longest pause is 15 s")),
    ("sasl.login.refresh.window.factor", Ignored(REFRESHED)),
    ("sasl.login.refresh.window.jitter", Ignored(REFRESHED)),
    ("sasl.login.refresh.min.period.seconds", Ignored(REFRESHED)),
    ("sasl.login.refresh.buffer.seconds", Ignored(REFRESHED)),
    ("sasl.oauthbearer.token.endpoint.url", Own),
    ("sasl.oauthbearer.client.credentials.client.id", ConnectionAs(oauth::CLIENT_ID)),
    ("sasl.oauthbearer.client.credentials.client.secret", ConnectionAs(oauth::CLIENT_SECRET)),
    ("sasl.oauthbearer.scope", ConnectionAs(oauth::SCOPE)),
    ("sasl.oauthbearer.header.urlencode", ConnectionAs(oauth::URL_ENCODE)),
    ("sasl.oauthbearer.sub.claim.name", ConnectionAs(oauth::SUBJECT_CLAIM)),
    ("sasl.oauthbearer.scope.claim.name", Ignored(BROKERS)),
    ("sasl.oauthbearer.clock.skew.seconds", Ignored(BROKERS)),
    ("sasl.oauthbearer.expected.audience", Ignored(BROKERS)),
    ("sasl.oauthbearer.expected.issuer", Ignored(BROKERS)),
    ("sasl.oauthbearer.jwks.endpoint.url", Ignored(BROKERS)),
    ("sasl.oauthbearer.jwks.endpoint.refresh.ms", Ignored(BROKERS)),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.ms", Ignored(BROKERS)),
    ("sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", Ignored(BROKERS)),
    ("sasl.oauthbearer.jwt.retriever.class", Own),
    ("sasl.oauthbearer.jwt.validator.class", Ignored(BROKERS)),
    ("sasl.login.class", Refused(PLUGIN)),
    ("security.providers", Refused(PLUGIN)),
    ("ssl.engine.factory.class", Refused(PLUGIN)),
    ("ssl.ca.location", Connection),
    ("ssl.ca.pem", Connection),
    ("ssl.certificate.location", Connection),
    ("ssl.certificate.pem", Connection),
    ("ssl.key.location", Connection),
    ("ssl.key.pem", Connection),
    ("ssl.key.password", Connection),
    ("ssl.endpoint.identification.algorithm", Own),
    ("ssl.truststore.type", Own),
    ("ssl.truststore.location", Own),
    ("ssl.truststore.certificates", ConnectionAs("ssl.ca.pem")),
    ("ssl.truststore.password", Own),
    ("ssl.keystore.type", Own),
    ("ssl.keystore.location", Own),
    ("ssl.keystore.password", Own),
    ("ssl.keystore.key", ConnectionAs("ssl.key.pem")),
    ("ssl.keystore.certificate.chain", ConnectionAs("ssl.certificate.pem")),
    ("ssl.protocol", Ignored("the newest version that both sides have is used")),
    ("ssl.enabled.protocols", Refused("TLS versions are set in the system's OpenSSL configuration")),
    ("ssl.provider", Refused(PLUGIN)),
    ("ssl.cipher.suites", Connection),
    ("ssl.keymanager.algorithm", Refused(PLUGIN)),
    ("ssl.trustmanager.algorithm", Refused(PLUGIN)),
    ("ssl.secure.random.implementation", Refused(PLUGIN)),
];

/// What a member of the classic protocol chooses by itself.
const BROKERS_OWN: [&str; 3] =
    ["session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"];

/// Translates the options of a consumer: a Kafka Connect worker's `consumer.*` (prefix taken off)
/// over its own connection options, and a connector's `consumer.override.*` over both.
/// Errors: `OptionUnsupported` names the first option that cannot be honoured.
pub fn client_settings(options: &BTreeMap<String, String>) -> Result<ClientOptions, KafkaError> {
    let mut done = ClientOptions::default();
    for (name, value) in options {
        let rule = RULES.iter().find(|(known, _)| known == name).map(|(_, rule)| rule);
        let unsupported = |advice: &str| {
            Err(KafkaError::OptionUnsupported { name: name.clone(), advice: advice.to_owned() })
        };
        match rule {
            None => {
                return unsupported("it is not an option of a Kafka consumer known here: remove it");
            }
            Some(Connection) => done.connect(name, value),
            Some(ConnectionAs(other)) => done.connect(other, value),
            Some(Consumer) => done.consume(name, value),
            Some(ConsumerAs(other)) => done.consume(other, value),
            Some(Ignored(reason)) => done.ignored.push((name.clone(), reason)),
            Some(Refused(advice)) => return unsupported(advice),
            Some(Only(needed)) if value == needed => {}
            Some(Only(needed)) => return unsupported(&format!("only {needed} is possible")),
            Some(Own) => own(&mut done, name, value, options)?,
        }
    }
    if done.consumer.get("group.protocol").is_some_and(|protocol| protocol == "consumer") {
        for name in BROKERS_OWN {
            if done.consumer.remove(name).is_some() {
                done.ignored.push((name.to_owned(), "with group.protocol=consumer the brokers decide it"));
            }
        }
    }
    Ok(done)
}

impl ClientOptions {
    fn connect(&mut self, name: &str, value: &str) {
        self.connection.insert(name.to_owned(), value.to_owned());
        self.consume(name, value);
    }

    fn consume(&mut self, name: &str, value: &str) {
        self.consumer.insert(name.to_owned(), value.to_owned());
    }
}

fn own(
    done: &mut ClientOptions,
    name: &str,
    value: &str,
    all: &BTreeMap<String, String>,
) -> Result<(), KafkaError> {
    let store_type = |side: &str| all.get(&format!("ssl.{side}.type")).map_or("JKS", String::as_str);
    let refused = |advice: &str| {
        Err(KafkaError::OptionUnsupported { name: name.to_owned(), advice: advice.to_owned() })
    };
    match name {
        // -1 is Java's "the system's default", which is 0 here.
        "send.buffer.bytes" | "receive.buffer.bytes" => {
            done.connect(&format!("socket.{name}"), if value == "-1" { "0" } else { value });
        }
        "sasl.mechanism" | "sasl.mechanisms" => match value.trim() {
            "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" => done.connect("sasl.mechanisms", value.trim()),
            "GSSAPI" => return refused(NO_KERBEROS),
            "OAUTHBEARER" if has_credentials(all) => done.connect("sasl.mechanisms", "OAUTHBEARER"),
            "OAUTHBEARER" => return refused(NO_OAUTH),
            _ => return refused("there are PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER"),
        },
        "sasl.login.callback.handler.class" | "sasl.oauthbearer.jwt.retriever.class" => {
            let class = value.trim().rsplit('.').next().unwrap_or_default();
            if !["OAuthBearerLoginCallbackHandler", "ClientCredentialsJwtRetriever", "DefaultJwtRetriever"]
                .contains(&class)
            {
                return refused(
                    "tokens are got by client credentials (OAuthBearerLoginCallbackHandler) only",
                );
            }
        }
        "sasl.oauthbearer.token.endpoint.url" => {
            let url = value.trim();
            if !["http://", "https://"].iter().any(|scheme| url.to_ascii_lowercase().starts_with(scheme)) {
                return refused("only http:// and https:// endpoints are asked");
            }
            done.connect(oauth::URL, url);
        }
        "partition.assignment.strategy" => done.consume(name, &strategies(value)?),
        // Java takes it in any case.
        "group.protocol" => match value.trim().to_ascii_lowercase().as_str() {
            protocol @ ("classic" | "consumer") => done.consume(name, protocol),
            _ => return refused("there are classic and consumer"),
        },
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
        "sasl.jaas.config" if module_of(value).ends_with(".OAuthBearerLoginModule") => {
            let names = [
                ("clientId", oauth::CLIENT_ID),
                ("clientSecret", oauth::CLIENT_SECRET),
                ("scope", oauth::SCOPE),
            ];
            for (name, setting) in names {
                if let Some(text) = jaas_option(value, name) {
                    done.connect(setting, &text);
                }
            }
        }
        "sasl.jaas.config" => {
            let (user, password) = jaas(value)?;
            done.connect("sasl.username", &user);
            done.connect("sasl.password", &password);
        }
        other => unreachable!("{other} has a rule of its own but no translation"),
    }
    Ok(())
}

fn module_of(jaas: &str) -> &str {
    jaas.split_whitespace().next().unwrap_or_default()
}

/// Whether everything that a token is asked for with is given.
fn has_credentials(all: &BTreeMap<String, String>) -> bool {
    let jaas = all.get("sasl.jaas.config").map_or("", String::as_str);
    let own = |name: &str| all.contains_key(&format!("sasl.oauthbearer.client.credentials.client.{name}"));
    all.contains_key("sasl.oauthbearer.token.endpoint.url")
        && (own("id") || jaas_option(jaas, "clientId").is_some())
        && (own("secret") || jaas_option(jaas, "clientSecret").is_some())
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

/// Java's assignor classes, or librdkafka's names.
fn strategies(value: &str) -> Result<String, KafkaError> {
    let translate = |class: &str| match class.rsplit('.').next().unwrap_or(class) {
        "RangeAssignor" | "range" => Ok("range"),
        "RoundRobinAssignor" | "roundrobin" => Ok("roundrobin"),
        // Java's default list is range, then cooperative: range is what a mixed group would use.
        "CooperativeStickyAssignor" if value.contains("RangeAssignor") => Ok("range"),
        "CooperativeStickyAssignor" | "cooperative-sticky" => Ok("cooperative-sticky"),
        other => Err(KafkaError::OptionUnsupported {
            name: "partition.assignment.strategy".to_owned(),
            advice: format!(
                "there is no {other}: use RangeAssignor, RoundRobinAssignor or CooperativeStickyAssignor"
            ),
        }),
    };
    let mut names: Vec<&str> =
        value.split(',').map(|class| translate(class.trim())).collect::<Result<_, _>>()?;
    names.dedup();
    if names.len() > 1 && names.contains(&"cooperative-sticky") {
        return Err(KafkaError::OptionUnsupported {
            name: "partition.assignment.strategy".to_owned(),
            advice: "CooperativeStickyAssignor stands alone: all members of a group change to it at once"
                .to_owned(),
        });
    }
    Ok(names.join(","))
}

/// Takes user name and password out of a JAAS line of the plain or SCRAM module, such as
/// `org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`.
fn jaas(value: &str) -> Result<(String, String), KafkaError> {
    let refused = |advice: &str| KafkaError::OptionUnsupported {
        name: "sasl.jaas.config".to_owned(),
        advice: advice.to_owned(),
    };
    let module = module_of(value);
    if module.ends_with(".Krb5LoginModule") {
        return Err(refused(NO_KERBEROS));
    }
    if !module.ends_with(".PlainLoginModule") && !module.ends_with(".ScramLoginModule") {
        return Err(refused(
            "only PlainLoginModule, ScramLoginModule and OAuthBearerLoginModule are understood",
        ));
    }
    let option = |name: &str| {
        jaas_option(value, name).ok_or_else(|| {
            refused(&format!("it has no {name}=\"...\": or set sasl.username and sasl.password"))
        })
    };
    Ok((option("username")?, option("password")?))
}

/// The value of `name="..."`, with `\` as the escape that JAAS knows.
fn jaas_option(line: &str, name: &str) -> Option<String> {
    let mut rest = line;
    loop {
        let at = rest.find(name)?;
        let starts_word = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(quoted) = rest.trim_start().strip_prefix('=').map(str::trim_start) else {
            continue;
        };
        let Some(quoted) = quoted.strip_prefix('"').filter(|_| starts_word) else {
            continue;
        };
        let mut value = String::new();
        let mut characters = quoted.chars();
        while let Some(character) = characters.next() {
            match character {
                '"' => return Some(value),
                '\\' => value.push(characters.next()?),
                plain => value.push(plain),
            }
        }
        return None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(options: &[(&str, &str)]) -> Result<ClientOptions, KafkaError> {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        client_settings(&options.collect())
    }

    fn consumer_setting(options: &[(&str, &str)], name: &str) -> Option<String> {
        translate(options).unwrap().consumer.get(name).cloned()
    }

    #[test]
    fn each_option_has_one_rule() {
        for (index, (name, _)) in RULES.iter().enumerate() {
            assert!(RULES[index + 1..].iter().all(|(other, _)| other != name), "{name}");
        }
    }

    #[test]
    fn options_with_a_rule_of_their_own_are_translated_or_refused() {
        for (name, _) in RULES.iter().filter(|(_, rule)| matches!(rule, Own)) {
            let _ = translate(&[(name, "1")]);
        }
    }

    #[test]
    fn connection_options_reach_every_client() {
        let done = translate(&[
            ("bootstrap.servers", "a:1"),
            ("session.timeout.ms", "6000"),
            ("fetch.max.wait.ms", "100"),
            ("max.poll.records", "500"),
        ])
        .unwrap();
        assert_eq!(done.connection, Settings::from([("bootstrap.servers".into(), "a:1".into())]));
        assert_eq!(done.consumer["session.timeout.ms"], "6000");
        assert_eq!(done.consumer["fetch.wait.max.ms"], "100");
        assert_eq!(done.ignored.len(), 1);
        assert_eq!(done.ignored[0].0, "max.poll.records");
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        for (name, value) in [
            ("interceptor.classes", "x.Y"),
            ("isolation.level", "read_uncommitted"),
            ("group.protocol", "share"),
            ("no.such.option", "1"),
            ("ssl.truststore.location", "/t.jks"),
            ("partition.assignment.strategy", "org.apache.kafka.clients.consumer.StickyAssignor"),
            ("sasl.jaas.config", "com.sun.security.auth.module.Krb5LoginModule required;"),
            ("sasl.mechanism", "GSSAPI"),
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.mechanism", "DIGEST-MD5"),
        ] {
            let refused = translate(&[(name, value)]).unwrap_err();
            assert!(matches!(refused, KafkaError::OptionUnsupported { name: n, .. } if n == name));
        }
    }

    #[test]
    fn jaas_lines_give_user_and_password() {
        let line = "org.apache.kafka.common.security.scram.ScramLoginModule required \
                    username=\"al ice\"  password = \"a\\\"b=username\";";
        assert_eq!(jaas(line), Ok(("al ice".to_owned(), "a\"b=username".to_owned())));
        let options = [("sasl.jaas.config", line), ("sasl.mechanism", "SCRAM-SHA-512")];
        assert_eq!(consumer_setting(&options, "sasl.username").as_deref(), Some("al ice"));
        assert_eq!(consumer_setting(&options, "sasl.mechanisms").as_deref(), Some("SCRAM-SHA-512"));
    }

    #[test]
    fn client_credentials_become_a_source_of_tokens() {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
        let jaas = format!("{module} clientId=\"me\" clientSecret=\"hush\" scope=\"a b\";");
        let url = ("sasl.oauthbearer.token.endpoint.url", "https://idp/token");
        let handler = "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerLoginCallbackHandler";
        let options = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &jaas),
            ("sasl.login.callback.handler.class", handler),
            url,
        ];
        let done = translate(&options).unwrap();
        for (name, value) in [
            ("sasl.mechanisms", "OAUTHBEARER"),
            (oauth::URL, "https://idp/token"),
            (oauth::CLIENT_ID, "me"),
            (oauth::CLIENT_SECRET, "hush"),
            (oauth::SCOPE, "a b"),
        ] {
            assert_eq!(done.connection.get(name).map(String::as_str), Some(value), "{name}");
        }
        // What Kafka 4.1 has beside the JAAS line counts more.
        let own = [
            ("sasl.mechanism", "OAUTHBEARER"),
            ("sasl.jaas.config", &jaas),
            ("sasl.oauthbearer.client.credentials.client.id", "other"),
            url,
        ];
        assert_eq!(consumer_setting(&own, oauth::CLIENT_ID).as_deref(), Some("other"));
        for lacking in [&options[..3], &[options[0], url]] {
            let refused = translate(lacking).unwrap_err().to_string();
            assert!(refused.contains("sasl.mechanism") && !refused.contains("hush"), "{refused}");
        }
        assert!(translate(&[("sasl.oauthbearer.token.endpoint.url", "file:///t")]).is_err());
        assert!(translate(&[("sasl.login.callback.handler.class", "x.Y")]).is_err());
    }

    #[test]
    fn stores_of_java_become_files() {
        let trust = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", "/ca.pem")];
        assert_eq!(consumer_setting(&trust, "ssl.ca.location").as_deref(), Some("/ca.pem"));
        let key = [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", "/both.pem")];
        assert_eq!(consumer_setting(&key, "ssl.key.location").as_deref(), Some("/both.pem"));
        let none = [("ssl.endpoint.identification.algorithm", "")];
        let name = "ssl.endpoint.identification.algorithm";
        assert_eq!(consumer_setting(&none, name).as_deref(), Some("none"));
    }

    #[test]
    fn stores_that_cannot_be_read_come_with_the_command_that_converts_them() {
        let advice = |options: &[(&str, &str)]| match translate(options).unwrap_err() {
            KafkaError::OptionUnsupported { advice, .. } => advice,
            other => panic!("{other}"),
        };
        let trust = advice(&[("ssl.truststore.location", "/t.jks"), ("ssl.truststore.password", "hidden")]);
        assert!(trust.contains("keytool -list -rfc -keystore /t.jks > ca.pem"), "{trust}");
        let key = advice(&[("ssl.keystore.location", "/k.jks"), ("ssl.keystore.password", "hidden")]);
        assert!(key.contains("-srckeystore /k.jks") && key.contains("-deststoretype PKCS12"), "{key}");
        assert!(!trust.contains("hidden") && !key.contains("hidden"));
        assert!(advice(&[("ssl.truststore.type", "PKCS12")]).contains("keytool -list -rfc"));
    }

    #[test]
    fn group_protocols_have_their_own_options() {
        let cooperative = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        let name = "partition.assignment.strategy";
        assert_eq!(consumer_setting(&[(name, cooperative)], name).as_deref(), Some("cooperative-sticky"));
        let mixed = format!("{cooperative},org.apache.kafka.clients.consumer.RoundRobinAssignor");
        assert!(translate(&[(name, &mixed)]).is_err());
        let done =
            translate(&[("group.protocol", "CONSUMER"), ("session.timeout.ms", "6000"), (name, cooperative)])
                .unwrap();
        assert_eq!(done.consumer, Settings::from([("group.protocol".into(), "consumer".into())]));
        assert_eq!(done.ignored.len(), 2);
    }

    #[test]
    fn javas_default_strategies_become_range() {
        let classes = "org.apache.kafka.clients.consumer.RangeAssignor,\
                       org.apache.kafka.clients.consumer.CooperativeStickyAssignor";
        let options = [("partition.assignment.strategy", classes)];
        let name = "partition.assignment.strategy";
        assert_eq!(consumer_setting(&options, name).as_deref(), Some("range"));
    }
}
