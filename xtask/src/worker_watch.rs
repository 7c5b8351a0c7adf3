//! The connector of the quickstart, its worker, and what the worker says about itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{ConnectorFile, Testbed, WorkerProcess, WorkerSetup};
use serde_json::Value;

/// The connector, in the official sink's own words.
const CONNECTOR: &str = include_str!("../data/connector.json");

/// One question to the worker's REST address.
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The connector of the quickstart with the testbed's host name and port; nothing else is changed.
pub fn connector(bed: &Testbed) -> Result<ConnectorFile> {
    let json: Value = serde_json::from_str(CONNECTOR).context("data/connector.json")?;
    let text = |value: &Value| value.as_str().map(str::to_owned).context("an option is no text");
    let options = json["config"].as_object().context("data/connector.json has no config")?;
    let mut config = BTreeMap::new();
    for (name, value) in options {
        config.insert(name.clone(), text(value)?);
    }
    let (host, port) = bed.clickhouse_host_and_port();
    config.insert("hostname".to_owned(), host);
    config.insert("port".to_owned(), port.to_string());
    Ok(ConnectorFile { name: text(&json["name"])?, config })
}

/// How the worker is started; its REST address is chosen here.
pub fn setup(bed: &Testbed, binary: PathBuf, directory: &Path) -> Result<WorkerSetup> {
    let [port] = free_ports()?;
    let worker = [
        ("bootstrap.servers", bed.bootstrap()),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "false"),
        ("offset.storage.file.filename", "/tmp/connect.offsets"),
        ("listeners", &format!("http://127.0.0.1:{port}")),
        // A worker that died without a last word is replaced after this time.
        ("consumer.session.timeout.ms", "6000"),
    ];
    Ok(WorkerSetup {
        binary,
        directory: directory.to_owned(),
        worker: worker.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        connectors: vec![connector(bed)?],
        environment: BTreeMap::new(),
    })
}

/// The worker binary: the given one, or `pumphouse` beside this program.
pub fn binary(given: Option<PathBuf>) -> Result<PathBuf> {
    let beside = || Ok::<_, anyhow::Error>(std::env::current_exe()?.with_file_name("pumphouse"));
    let binary = given.map_or_else(beside, Ok)?;
    if !binary.is_file() {
        bail!(
            "there is no worker at {}; `cargo build --release -p pumphouse -p xtask` builds it",
            binary.display()
        );
    }
    binary.canonicalize().with_context(|| format!("cannot resolve {}", binary.display()))
}

/// A worker with the address of its REST server.
pub struct Watched {
    /// The process.
    pub process: WorkerProcess,
    /// `http://host:port`.
    pub rest: String,
    connector: String,
}

impl Watched {
    /// Starts a worker.
    pub fn start(setup: &WorkerSetup) -> Result<Watched> {
        Ok(Watched {
            process: WorkerProcess::start(setup)?,
            rest: setup.worker["listeners"].clone(),
            connector: setup.connectors[0].name.clone(),
        })
    }

    /// Errors: the process ended, or one of its tasks is FAILED; with its words. A worker whose REST
    /// server does not answer yet is fine.
    pub fn check(&mut self) -> Result<()> {
        self.process.check_running()?;
        let Some(status) = self.status() else { return Ok(()) };
        let tasks = status["tasks"].as_array().map(Vec::as_slice).unwrap_or_default();
        match std::iter::once(&status["connector"]).chain(tasks).find(|part| part["state"] == "FAILED") {
            None => Ok(()),
            Some(part) => Err(anyhow!(
                "the connector failed: {}\nThe end of the worker's log:\n{}",
                part["trace"].as_str().unwrap_or("it gives no reason"),
                self.process.log_tail()
            )),
        }
    }

    /// `GET /connectors/<name>/status`, if it answers.
    fn status(&self) -> Option<Value> {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(ASK_LIMIT)).proxy(None).build().into();
        let url = format!("{}/connectors/{}/status", self.rest, self.connector);
        let text = agent.get(url).call().ok()?.body_mut().read_to_string().ok()?;
        serde_json::from_str(&text).ok()
    }
}
