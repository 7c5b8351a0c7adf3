//! One Kafka 4.1 node, broker and controller in one process (KRaft), without TLS.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::{Housing, common_life, copy_tree};
use crate::error::{Result, io};
use crate::install::{JavaServerFiles, java_servers, text_of};
use crate::ports::free_ports;

/// How a broker is started.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// Java heap in MiB.
    pub heap_mib: u32,
    /// Broker properties that are added to, or replace, the testkit's own. `{port}` and
    /// `{controller_port}` stand for the ports that the broker gets.
    pub properties: BTreeMap<String, String>,
}

impl Default for KafkaOptions {
    fn default() -> Self {
        KafkaOptions { heap_mib: 512, properties: BTreeMap::new() }
    }
}

/// A running broker.
#[derive(Debug)]
pub struct Kafka {
    housing: Housing,
    files: JavaServerFiles,
    options: KafkaOptions,
    port: u16,
    controller_port: u16,
}

common_life!(Kafka);

impl Kafka {
    /// Starts a broker without topics; installs Kafka first if this machine has none.
    /// Errors: those of the installation; `Ended`, `NotReady` with the end of the broker's log.
    pub fn start(options: KafkaOptions) -> Result<Kafka> {
        let files = java_servers()?;
        let housing = Housing::new("Kafka")?;
        copy_tree(&files.formatted_kafka, &housing.path().join("data"))?;
        let [port, controller_port] = free_ports()?;
        let mut kafka = Kafka { housing, files, options, port, controller_port };
        kafka.write_configuration()?;
        kafka.launch()?;
        Ok(kafka)
    }

    /// `host:port` for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn write_configuration(&self) -> Result<()> {
        let directory = self.housing.path();
        let text: String =
            self.properties()?.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        fs::write(directory.join("server.properties"), text).map_err(io("write server.properties"))?;
        fs::write(directory.join("log4j2.properties"), super::LOG4J_PROPERTIES)
            .map_err(io("write log4j2.properties"))
    }

    fn properties(&self) -> Result<BTreeMap<String, String>> {
        let (port, controller_port) = (self.port, self.controller_port);
        let data = self.housing.path().join("data");
        let mut properties: BTreeMap<String, String> = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.listener.names", "CONTROLLER"),
            ("listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"),
            ("inter.broker.listener.name", "PLAINTEXT"),
            // One node holds everything, and few partitions make it start and recover fast.
            ("offsets.topic.replication.factor", "1"),
            ("offsets.topic.num.partitions", "4"),
            ("transaction.state.log.replication.factor", "1"),
            ("transaction.state.log.min.isr", "1"),
            ("transaction.state.log.num.partitions", "4"),
            ("share.coordinator.state.topic.replication.factor", "1"),
            ("share.coordinator.state.topic.min.isr", "1"),
            ("min.insync.replicas", "1"),
            // The first member of a group need not wait for others.
            ("group.initial.rebalance.delay.ms", "0"),
            // A misspelt topic must be an error, not a new topic.
            ("auto.create.topics.enable", "false"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        properties.insert("log.dirs".to_owned(), text_of(&data)?.to_owned());
        properties.insert("controller.quorum.voters".to_owned(), format!("1@127.0.0.1:{controller_port}"));
        properties.insert(
            "listeners".to_owned(),
            format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}"),
        );
        properties.insert("advertised.listeners".to_owned(), format!("PLAINTEXT://127.0.0.1:{port}"));
        let numbers = [("{port}", port.to_string()), ("{controller_port}", controller_port.to_string())];
        for (name, value) in &self.options.properties {
            let with_numbers = |text: String, (place, number): &(&str, String)| text.replace(place, number);
            properties.insert(name.clone(), numbers.iter().fold(value.clone(), with_numbers));
        }
        Ok(properties)
    }

    fn launch(&mut self) -> Result<()> {
        let directory = self.housing.path().to_owned();
        let mut command = self.files.command();
        command
            .arg(format!("-Xmx{}m", self.options.heap_mib))
            .arg("-XX:+UseSerialGC")
            .arg(format!("-Dlog4j2.configurationFile={}/log4j2.properties", text_of(&directory)?))
            .arg("kafka.Kafka")
            .arg(directory.join("server.properties"))
            .current_dir(&directory);
        let bootstrap = self.bootstrap();
        self.housing.launch(command, move || broker_answers(&bootstrap))
    }
}

/// Healthy means that the broker lists itself: before that it answers, but leads no partition.
fn broker_answers(bootstrap: &str) -> std::result::Result<(), String> {
    // A fresh client each time: one that saw a refused connection waits longer and longer.
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("log_level", "0")
        .create()
        .map_err(|error| error.to_string())?;
    let metadata =
        consumer.fetch_metadata(None, Duration::from_millis(500)).map_err(|error| error.to_string())?;
    let leaderless = metadata
        .topics()
        .iter()
        .flat_map(|topic| topic.partitions())
        .filter(|partition| partition.leader() < 0)
        .count();
    if metadata.brokers().is_empty() || leaderless > 0 {
        return Err(format!(
            "{} brokers listed, {leaderless} partitions without a leader",
            metadata.brokers().len()
        ));
    }
    Ok(())
}
