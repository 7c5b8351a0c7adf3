//! Logins with tokens, with the options that a Java client has: tokens are got from an endpoint, renewed, and a
//! refusal of the endpoint is told as one.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pumphouse_kafka::{
    Admin, ClientOptions, KafkaError, LedgerProducer, OutgoingRecord, RecordOutcome, client_settings,
};
use pumphouse_testkit::Kafka;
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_types::{Partition, TopicName};
use support::broker_with;

const PATIENCE: Duration = Duration::from_secs(60);

/// A token is renewed after four fifths of it.
const TOKEN_SECONDS: u64 = 10;

fn broker(port: u16) -> Kafka {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    let options = [
        ("sasl.enabled.mechanisms", "OAUTHBEARER".to_owned()),
        // The broker's own validator of tokens that nobody has signed.
        ("oauthbearer.sasl.jaas.config", format!("{module} unsecuredLoginStringClaim_sub=\"broker\";")),
    ];
    broker_with("TOKENS", "SASL_PLAINTEXT", port, &options)
}

fn encoded(json: &str) -> String {
    openssl::base64::encode_block(json.as_bytes())
        .replace('+', "-")
        .replace('/', "_")
        .replace(['=', '\n'], "")
}

fn token() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = format!(r#"{{"sub": "pumphouse", "iat": {now}, "exp": {}}}"#, now + TOKEN_SECONDS);
    format!("{}.{}.", encoded(r#"{"alg": "none"}"#), encoded(&claims))
}

/// An endpoint that knows one client, and counts the tokens that it has given.
fn endpoint() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, given) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&given);
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || answer(socket, &counted));
        }
    });
    (address, given)
}

fn answer(mut socket: TcpStream, given: &AtomicUsize) {
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    // me:hush
    let known = head.contains("Basic bWU6aHVzaA==") && body == b"grant_type=client_credentials&scope=ledger";
    let (status, text) = if known {
        given.fetch_add(1, Ordering::SeqCst);
        ("200 OK", format!(r#"{{"access_token": "{}", "token_type": "Bearer"}}"#, token()))
    } else {
        ("401 Unauthorized", r#"{"error": "invalid_client"}"#.to_owned())
    };
    let length = text.len();
    let _ = write!(
        socket,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
    );
}

fn options(port: u16, endpoint: SocketAddr, secret: &str) -> ClientOptions {
    let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    let options = [
        ("bootstrap.servers", format!("127.0.0.1:{port}")),
        ("security.protocol", "SASL_PLAINTEXT".to_owned()),
        ("sasl.mechanism", "OAUTHBEARER".to_owned()),
        ("sasl.jaas.config", format!("{module} clientId=\"me\" clientSecret=\"{secret}\" scope=\"ledger\";")),
        (
            "sasl.login.callback.handler.class",
            "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler".to_owned(),
        ),
        ("sasl.oauthbearer.token.endpoint.url", format!("http://{endpoint}/token")),
    ];
    let options: BTreeMap<_, _> = options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    client_settings(&options).unwrap()
}

#[test]
fn a_java_clients_options_get_tokens_and_renew_them() {
    let [port] = free_ports().unwrap();
    let _kafka = broker(port);
    let (endpoint, given) = endpoint();
    let good = options(port, endpoint, "hush");
    let topic = TopicName::new("with-tokens");
    let admin = Admin::open(&good.connection).unwrap();
    admin.create_topic_if_missing(&topic, 1, Some(1), &BTreeMap::new(), PATIENCE).unwrap();
    drop(admin);
    let mut ledger = LedgerProducer::open(&good.connection, "connect-t-0", PATIENCE).unwrap();
    let record = || OutgoingRecord {
        topic: topic.clone(),
        partition: Some(Partition(0)),
        key: None,
        value: Some(b"v".to_vec()),
        headers: Vec::new(),
        timestamp_ms: None,
    };
    assert_eq!(ledger.produce_in_transaction(&[record()]), RecordOutcome::Recorded);
    // The one handle that is left asks again, before its token ends.
    let before = given.load(Ordering::SeqCst);
    wait_until("a renewed token", PATIENCE, || match given.load(Ordering::SeqCst) {
        now if now > before => Ok(()),
        now => Err(format!("{now} tokens given")),
    })
    .unwrap();
    assert_eq!(ledger.produce_in_transaction(&[record()]), RecordOutcome::Recorded);

    let wrong = options(port, endpoint, "wrong");
    let open = || LedgerProducer::open(&wrong.connection, "connect-t-1", Duration::from_secs(5)).map(drop);
    let refused = wait_until("the endpoint's refusal", PATIENCE, || match open().unwrap_err() {
        error @ KafkaError::Login { .. } => Ok(error.to_string()),
        other => Err(other.to_string()),
    });
    let text = refused.unwrap();
    assert!(text.contains("invalid_client") && !text.contains("wrong"), "{text}");
}
