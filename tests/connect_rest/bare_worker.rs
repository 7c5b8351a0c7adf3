//! A worker that is started without connectors: all of them come over REST.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{Testbed, WorkerProcess, WorkerSetup, unique_name};
use pumphouse_tests::client::{Answer, send};
use pumphouse_tests::{Corner, bed, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// From an order to the state that it leads to.
const STATE_LIMIT: Duration = Duration::from_secs(60);

/// How long tasks of these workers may take to land what they have taken.
pub const GRACEFUL: Duration = Duration::from_secs(5);

pub struct BareWorker {
    process: WorkerProcess,
    setup: WorkerSetup,
    _directory: TempDir,
    pub address: String,
}

impl BareWorker {
    pub fn start() -> BareWorker {
        BareWorker::start_on(bed(), None)
    }

    /// The only one of a group of workers.
    pub fn start_distributed() -> BareWorker {
        let group = unique_name("workers");
        let options = [
            ("group.id", group.clone()),
            ("config.storage.topic", format!("{group}-configs")),
            ("status.storage.topic", format!("{group}-status")),
            ("offset.storage.topic", format!("{group}-offsets")),
            ("config.storage.replication.factor", "1".to_owned()),
            ("status.storage.replication.factor", "1".to_owned()),
        ];
        BareWorker::start_with(bed(), None, &options, WorkerProcess::start_distributed)
    }

    /// On servers of one's own, or with a moment to die at.
    pub fn start_on(bed: &Testbed, failpoint: Option<&str>) -> BareWorker {
        BareWorker::start_with(bed, failpoint, &[], WorkerProcess::start)
    }

    fn start_with(
        bed: &Testbed,
        failpoint: Option<&str>,
        options: &[(&str, String)],
        start: fn(&WorkerSetup) -> pumphouse_testkit::Result<WorkerProcess>,
    ) -> BareWorker {
        let directory = tempfile::Builder::new().prefix("pumphouse-tests-").tempdir().unwrap();
        let [port] = free_ports().unwrap();
        let address = format!("127.0.0.1:{port}");
        let worker = [
            ("bootstrap.servers", bed.bootstrap().to_owned()),
            ("listeners", format!("http://{address}")),
            ("pumphouse.worker.id", unique_name("bare")),
            ("consumer.session.timeout.ms", "6000".to_owned()),
            ("task.shutdown.graceful.timeout.ms", GRACEFUL.as_millis().to_string()),
        ];
        let setup = WorkerSetup {
            binary: binary(),
            directory: directory.path().to_owned(),
            worker: worker
                .into_iter()
                .chain(options.iter().cloned())
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            connectors: Vec::new(),
            environment: failpoint
                .map(|moment| ("PUMPHOUSE_FAILPOINT".to_owned(), moment.to_owned()))
                .into_iter()
                .collect(),
        };
        let process = start(&setup).unwrap();
        let mut worker = BareWorker { process, setup, _directory: directory, address };
        worker.wait_up();
        worker
    }

    fn wait_up(&mut self) {
        wait_until("the worker's REST API", STATE_LIMIT, || {
            self.process.check_running().map_err(|error| error.to_string())?;
            let root = send(&self.address, "GET", "/", &[], None)?;
            // It has heard of the brokers.
            if root.json()["kafka_cluster_id"].is_string() { Ok(()) } else { Err(root.text) }
        })
        .unwrap();
    }

    /// Waits until it has died at its moment, and starts it without one.
    pub fn wait_death_and_start_again(&mut self) {
        self.process.wait_exit(STATE_LIMIT).unwrap();
        self.setup.environment = BTreeMap::new();
        self.process = WorkerProcess::start(&self.setup).unwrap();
        self.wait_up();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.process.terminate().unwrap();
        assert!(self.process.wait_exit(STATE_LIMIT).unwrap().success(), "{}", self.log());
        begun.elapsed()
    }

    pub fn log(&self) -> String {
        self.process.log_text()
    }

    pub fn ask(&self, method: &str, path: &str) -> Answer {
        send(&self.address, method, path, &[], None).unwrap()
    }

    pub fn tell(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        send(&self.address, method, path, &headers, Some(&body.to_string())).unwrap()
    }

    /// POST /connectors for the corner's connector.
    pub fn create(&self, corner: &Corner<'_>, initial_state: &str) {
        let config = serde_json::to_value(corner.config()).unwrap();
        let body = json!({"name": corner.connector, "config": config, "initial_state": initial_state});
        let answer = self.tell("POST", "/connectors", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// An order about a connector that is taken: `PUT pause`.
    pub fn order(&self, corner: &Corner<'_>, order: &str) {
        let (method, what) = order.split_once(' ').unwrap();
        let answer = self.ask(method, &format!("/connectors/{}/{what}", corner.connector));
        assert!((200..300).contains(&answer.status), "{order}: {answer:?}");
    }

    pub fn delete(&self, corner: &Corner<'_>) {
        assert_eq!(self.ask("DELETE", &format!("/connectors/{}", corner.connector)).status, 204);
    }

    pub fn status(&self, connector: &str) -> Value {
        self.ask("GET", &format!("/connectors/{connector}/status")).json()
    }

    /// Waits until the connector and so many tasks, all that there are, are in this state.
    pub fn wait(&mut self, connector: &str, state: &str, tasks: usize) {
        wait_until(&format!("{connector} {state} with {tasks} tasks"), STATE_LIMIT, || {
            self.process.check_running().map_err(|error| error.to_string())?;
            let status = self.status(connector);
            let (_, states) = states(&status);
            let all = states.len() == tasks && states.iter().all(|task| task == state);
            if all && status["connector"]["state"] == state { Ok(()) } else { Err(status.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.process.log_tail()));
    }

    /// Waits until the corner's connector is RUNNING with this many tasks.
    pub fn wait_running(&mut self, corner: &Corner<'_>, tasks: usize) {
        self.wait(&corner.connector, "RUNNING", tasks);
    }
}

/// The connector's state, and its tasks'.
pub fn states(status: &Value) -> (String, Vec<String>) {
    let text = |part: &Value| part["state"].as_str().unwrap_or("?").to_owned();
    let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
    (text(&status["connector"]), tasks.iter().map(text).collect())
}
