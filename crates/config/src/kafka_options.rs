//! Options for Kafka's clients, under the names of the Java client. The Kafka room translates them, and
//! refuses those that have no meaning here.
use std::collections::BTreeMap;
use std::fmt;

use crate::error::ConfigCode;
use crate::option::{Scope, Status};
use crate::options;
use crate::reading::Reading;
use crate::secret::MASK;

/// Options by name. Debug output masks secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct KafkaOptions(BTreeMap<String, String>);

impl KafkaOptions {
    /// The options, secrets in the clear, for the client that has to present them.
    pub fn reveal(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    /// The text of one option.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }
}

impl fmt::Debug for KafkaOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&'_ String, &'_ String)| {
            let secret = options::is_secret(name, Scope::Worker);
            (name.clone(), if secret { MASK.to_owned() } else { value.clone() })
        };
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// What the worker's file says about the clients of every connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WorkerClients {
    consumer: KafkaOptions,
    producer_security: KafkaOptions,
}

impl WorkerClients {
    /// The consumer's options reach the brokers, whatever is asked.
    pub(crate) fn for_all(&self) -> &KafkaOptions {
        &self.consumer
    }
}

/// The clients of one connector.
#[derive(Debug, Default)]
pub(crate) struct ConnectorClients {
    pub consumer: KafkaOptions,
    pub ledger: KafkaOptions,
}

/// Carried out by ourselves, not by the client.
const OURS: [&str; 2] = ["group.id", "auto.offset.reset"];

/// Exactly-once rests on these; another value than those that agree is refused, not passed over.
const PRODUCER_FORCED: &[(&str, &[&str])] = &[
    ("acks", &["all", "-1"]),
    ("enable.idempotence", &["true"]),
    ("transactional.id", &[]),
    ("bootstrap.servers", &[]),
];

const PRODUCER_WITHOUT_EFFECT: &str = "The only producer writes the ledger, with settings of its own; security., ssl. and sasl. options reach it.";

fn is_security(name: &str) -> bool {
    ["security.", "ssl.", "sasl."].iter().any(|prefix| name.starts_with(prefix))
}

/// The top level of the worker's file, then `consumer.*`; `producer.*` where it concerns security.
pub(crate) fn read_worker(reading: &mut Reading<'_>) -> WorkerClients {
    let mut clients = WorkerClients::default();
    for (name, value) in reading.family("") {
        let row = options::find(name, Scope::Worker);
        let top_level = row.is_some_and(|row| {
            row.group == options::CLIENT_GROUP && row.status == Status::Honoured && !has_client_prefix(name)
        });
        if name == "bootstrap.servers" || top_level {
            clients.consumer.set(name, value);
        }
    }
    let own: Vec<_> = reading.family("consumer.").filter(|(name, _)| !OURS.contains(name)).collect();
    own.into_iter().for_each(|(name, value)| clients.consumer.set(name, value));
    clients.producer_security = producer(reading, "producer.");
    clients
}

fn has_client_prefix(name: &str) -> bool {
    ["consumer.", "producer.", "admin."].iter().any(|prefix| name.starts_with(prefix))
}

/// The worker's options, with the connector's overrides on top.
pub(crate) fn read_connector(worker: &WorkerClients, reading: &mut Reading<'_>) -> ConnectorClients {
    let mut consumer = worker.consumer.clone();
    for (name, value) in reading.family("consumer.override.").filter(|(name, _)| !OURS.contains(name)) {
        consumer.set(name, value);
    }
    // The ledger writes to the group's coordinator, so it has to reach the consumer's cluster in the
    // consumer's way, unless the producer is told of another.
    let mut ledger = consumer.clone();
    for security in [&worker.producer_security, &producer(reading, "producer.override.")] {
        security.0.iter().for_each(|(name, value)| ledger.set(name, value));
    }
    ConnectorClients { consumer, ledger }
}

fn producer<'a>(reading: &mut Reading<'a>, prefix: &'a str) -> KafkaOptions {
    let mut security = KafkaOptions::default();
    let given: Vec<_> = reading.family(prefix).collect();
    for (name, value) in given {
        let forced = PRODUCER_FORCED.iter().find(|(forced, _)| *forced == name);
        if is_security(name) {
            security.set(name, value);
        } else if let Some((_, possible)) = forced.filter(|(_, possible)| !possible.contains(&value.trim())) {
            let message = match possible {
                [] => "the ledger's producer has a value of its own".to_owned(),
                [only, ..] => format!("the ledger's producer needs {only}"),
            };
            let remedy = format!("Remove {prefix}{name}.");
            reading.error(ConfigCode::Forced, &format!("{prefix}{name}"), message, remedy);
        } else {
            reading.note(&format!("{prefix}{name}"), PRODUCER_WITHOUT_EFFECT);
        }
    }
    security
}
