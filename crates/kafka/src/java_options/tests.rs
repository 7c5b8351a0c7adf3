use super::sasl::jaas;
use super::*;
use crate::oauth;

fn translate(options: &[(&str, &str)]) -> Result<ClientOptions, KafkaError> {
    let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    client_settings(&options.collect())
}

/// Over a connection that speaks TLS.
fn translate_tls(options: &[(&str, &str)]) -> Result<ClientOptions, KafkaError> {
    translate(&[&[("security.protocol", "SSL")], options].concat())
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
        let _ = translate_tls(&[(name, "1")]);
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
        let refused = translate_tls(&[(name, value)]).unwrap_err();
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
    let setting =
        |options: &[(&str, &str)], name: &str| translate_tls(options).unwrap().consumer[name].clone();
    let trust = [("ssl.truststore.type", "PEM"), ("ssl.truststore.location", "/ca.pem")];
    assert_eq!(setting(&trust, "ssl.ca.location"), "/ca.pem");
    let key = [("ssl.keystore.type", "PEM"), ("ssl.keystore.location", "/both.pem")];
    assert_eq!(setting(&key, "ssl.key.location"), "/both.pem");
    let name = "ssl.endpoint.identification.algorithm";
    assert_eq!(setting(&[(name, "")], name), "none");
}

#[test]
fn tls_options_for_the_workers_own_listeners_stop_no_client_that_speaks_none() {
    let listeners = [
        ("ssl.enabled.protocols", "TLSv1.3"),
        ("ssl.keystore.location", "/rest.jks"),
        ("ssl.keystore.password", "geheim"),
        ("ssl.provider", "x.Y"),
        ("ssl.some.extension", "1"),
    ];
    for protocol in [None, Some("PLAINTEXT"), Some("SASL_PLAINTEXT")] {
        let protocol = protocol.map(|protocol| ("security.protocol", protocol));
        let done = translate(&[protocol.as_slice(), &listeners].concat()).unwrap();
        let ignored: Vec<_> = done.ignored.iter().map(|(name, why)| (name.as_str(), *why)).collect();
        assert_eq!(ignored, listeners.map(|(name, _)| (name, tls::NOT_SPOKEN)));
        assert!(!done.consumer.keys().chain(done.connection.keys()).any(|name| name.starts_with("ssl.")));
    }
    for protocol in ["SSL", "SASL_SSL", "ssl"] {
        for option in listeners {
            assert!(translate(&[("security.protocol", protocol), option]).is_err(), "{protocol} {option:?}");
        }
    }
}

#[test]
fn stores_that_cannot_be_read_come_with_the_command_that_converts_them() {
    let advice = |options: &[(&str, &str)]| match translate_tls(options).unwrap_err() {
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
