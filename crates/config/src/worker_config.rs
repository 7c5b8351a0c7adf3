//! The worker's file, understood.
use std::collections::BTreeMap;

use crate::distributed::Distributed;
use crate::error::{ConfigCode, ConfigErrors, Note};
use crate::kafka_options::{self, KafkaOptions, WorkerClients};
use crate::listener::Listeners;
use crate::masked;
use crate::option::Scope;
use crate::override_policy::OverridePolicy;
use crate::providers::Providers;
use crate::raw::RawConfig;
use crate::reading::Reading;
use crate::rest_security::{self, PageAccess, RestTls};
use crate::start_at::StartAt;

/// A worker's configuration, defaults filled in.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Brokers, `host:port` with commas between.
    pub bootstrap_servers: String,
    /// Where the REST API listens.
    pub listeners: Listeners,
    /// TLS of its https listeners.
    pub rest_tls: Option<RestTls>,
    /// The file with those who may use it, `user=password`; `None`: everybody may.
    pub rest_users_file: Option<String>,
    /// What its page shows.
    pub page: PageAccess,
    /// `rest.advertised.host.name`.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`.
    pub advertised_port: Option<u16>,
    /// `pumphouse.state.topic`.
    pub state_topic: String,
    /// For its creation; `None` = the broker's default.
    pub state_topic_replication: Option<u32>,
    /// How long a stop waits for tasks, in milliseconds.
    pub shutdown_timeout_ms: u64,
    /// Options without effect, to be logged once.
    pub notes: Vec<Note>,
    explicit_worker_id: Option<String>,
    pub(crate) clients: WorkerClients,
    pub(crate) start_at: StartAt,
    pub(crate) override_policy: OverridePolicy,
    pub(crate) providers: Providers,
    /// With its placeholders filled in.
    pub(crate) resolved: RawConfig,
    raw: RawConfig,
}

impl WorkerConfig {
    /// Understands the file of a worker that is alone.
    /// Errors: everything that is wrong with it, each with a code and a remedy.
    pub fn from_raw(raw: &RawConfig) -> Result<WorkerConfig, ConfigErrors> {
        WorkerConfig::read(raw, Distributed::note_options)
    }

    /// Understands the file of a worker that is one of a group.
    /// Errors: as above.
    pub fn distributed_from_raw(raw: &RawConfig) -> Result<(WorkerConfig, Distributed), ConfigErrors> {
        let mut distributed = None;
        let config = WorkerConfig::read(raw, |reading| distributed = Some(Distributed::read(reading)))?;
        Ok((config, distributed.expect("it was read with the rest")))
    }

    /// `mode` reads what concerns the mode that it runs in.
    fn read(raw: &RawConfig, mode: impl FnOnce(&mut Reading<'_>)) -> Result<WorkerConfig, ConfigErrors> {
        let (providers, provider_errors) = Providers::read(raw);
        let filled = providers.fill(raw);
        let mut reading = Reading::new(&filled.raw, Scope::Worker);
        reading.errors.extend(provider_errors);
        mode(&mut reading);
        let listeners = Listeners::read(&mut reading);
        let rest_tls = RestTls::read(&mut reading, &listeners);
        let rest_users_file = rest_security::read_users_file(&mut reading);
        let clients = kafka_options::read_worker(&mut reading);
        let state_topic_replication = match reading.text("pumphouse.state.topic.replication.factor") {
            "0" => {
                reading.error(
                    ConfigCode::Value,
                    "pumphouse.state.topic.replication.factor",
                    "a topic cannot have 0 replicas",
                    "Give 1 or more, or -1 for the broker's default.",
                );
                None
            }
            // -1 does not parse, and means the broker's default.
            text => text.parse().ok(),
        };
        let owned = |name: &str| reading.given(name).map(str::to_owned);
        let config = WorkerConfig {
            bootstrap_servers: reading.text("bootstrap.servers").to_owned(),
            listeners,
            rest_tls,
            rest_users_file,
            page: PageAccess::read(&reading),
            advertised_host: owned("rest.advertised.host.name"),
            advertised_port: reading.given("rest.advertised.port").and_then(|port| port.parse().ok()),
            state_topic: reading.text("pumphouse.state.topic").to_owned(),
            state_topic_replication,
            shutdown_timeout_ms: reading.integer("task.shutdown.graceful.timeout.ms"),
            notes: Vec::new(),
            explicit_worker_id: owned("pumphouse.worker.id"),
            clients,
            start_at: StartAt::parse(reading.text("consumer.auto.offset.reset")),
            override_policy: OverridePolicy::read(&mut reading),
            providers,
            resolved: filled.raw.clone(),
            raw: raw.clone(),
        };
        Ok(WorkerConfig { notes: reading.finish(&filled)?, ..config })
    }

    /// The worker's id: `pumphouse.worker.id`, else its advertised `host:port`. `local_host` is this
    /// machine's name or address, for a listener on every address; `bound_port` the port that the REST
    /// API got, for one on port 0.
    pub fn worker_id(&self, local_host: &str, bound_port: u16) -> String {
        match &self.explicit_worker_id {
            Some(id) => id.clone(),
            None => self.advertised_address(local_host, bound_port),
        }
    }

    fn advertised_address(&self, local_host: &str, bound_port: u16) -> String {
        let host = match &self.advertised_host {
            Some(host) => host,
            None if self.listeners.advertised.is_wildcard() => local_host,
            None => &self.listeners.advertised.host,
        };
        format!("{host}:{}", self.advertised_port.unwrap_or(bound_port))
    }

    /// Where other workers and people reach the REST API: `https://host:port`, of `rest.advertised.*` and the
    /// listener. The arguments are those of [`WorkerConfig::worker_id`].
    pub fn advertised_url(&self, local_host: &str, bound_port: u16) -> String {
        let protocol = self.listeners.advertised.protocol.as_str();
        format!("{protocol}://{}", self.advertised_address(local_host, bound_port))
    }

    /// What every client of Kafka's is told, under Java's names: for questions that belong to no connector.
    pub fn client_options(&self) -> &KafkaOptions {
        self.clients.for_all()
    }

    /// The options as they were given, secrets masked.
    pub fn masked(&self) -> BTreeMap<String, String> {
        masked::masked(&self.raw, Scope::Worker)
    }
}
