//! Some workers of one group, each with its REST address.
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{WorkerProcess, WorkerSetup, unique_name};
use pumphouse_tests::client::{Answer, send};
use pumphouse_tests::{Corner, bed, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

/// From an order to the state that it leads to; many times what it takes.
pub const LIMIT: Duration = Duration::from_secs(150);

/// The shortest that a broker allows.
const SESSION_MS: &str = "6000";

pub struct Cluster {
    pub workers: Vec<Member>,
    _directory: TempDir,
}

pub struct Member {
    process: WorkerProcess,
    setup: WorkerSetup,
    pub address: String,
}

/// How a worker of a group is started: with a file like connect-distributed's.
pub fn setup(group: &str, address: &str, directory: &Path) -> WorkerSetup {
    let options = [
        ("bootstrap.servers", bed().bootstrap().to_owned()),
        ("group.id", group.to_owned()),
        ("config.storage.topic", format!("{group}-configs")),
        ("status.storage.topic", format!("{group}-status")),
        ("offset.storage.topic", format!("{group}-offsets")),
        ("config.storage.replication.factor", "1".to_owned()),
        ("status.storage.replication.factor", "1".to_owned()),
        ("offset.storage.replication.factor", "1".to_owned()),
        ("key.converter", "org.apache.kafka.connect.json.JsonConverter".to_owned()),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter".to_owned()),
        ("session.timeout.ms", SESSION_MS.to_owned()),
        ("heartbeat.interval.ms", "1000".to_owned()),
        ("listeners", format!("http://{address}")),
    ];
    WorkerSetup {
        binary: binary(),
        directory: directory.to_owned(),
        worker: options.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        connectors: Vec::new(),
        environment: BTreeMap::new(),
    }
}

impl Cluster {
    pub fn start(count: usize) -> Cluster {
        let group = unique_name("workers");
        let directory = match std::env::var_os("PUMPHOUSE_TEST_LOGS") {
            Some(kept) => {
                tempfile::Builder::new().prefix(&group).disable_cleanup(true).tempdir_in(kept).unwrap()
            }
            None => tempfile::Builder::new().prefix("pumphouse-tests-").tempdir().unwrap(),
        };
        let member = |number: usize| {
            let [port] = free_ports().unwrap();
            let address = format!("127.0.0.1:{port}");
            let setup = setup(&group, &address, &directory.path().join(number.to_string()));
            Member { process: WorkerProcess::start_distributed(&setup).unwrap(), setup, address }
        };
        let workers = (0..count).map(member).collect();
        let mut cluster = Cluster { workers, _directory: directory };
        cluster.wait_up();
        cluster
    }

    /// Waits until every worker answers and has got places.
    fn wait_up(&mut self) {
        for number in 0..self.workers.len() {
            self.workers[number].wait_answers();
        }
        wait_until("every worker to have places", LIMIT, || {
            let has = |worker: &Member| worker.log().contains("places of tasks come to this worker");
            if self.workers.iter().all(has) { Ok(()) } else { Err(String::new()) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
    }

    pub fn logs(&self) -> String {
        self.workers
            .iter()
            .map(|worker| format!("--- {}\n{}", worker.address, worker.process.log_tail()))
            .collect()
    }

    /// POST /connectors over one worker; asked again while the workers rebalance.
    pub fn create(&self, over: usize, corner: &Corner<'_>) {
        self.create_so(over, corner, "RUNNING");
    }

    pub fn create_so(&self, over: usize, corner: &Corner<'_>, initial_state: &str) {
        let mut body = create_body(corner);
        body["initial_state"] = json!(initial_state);
        wait_until("the connector to be created", LIMIT, || {
            let answer = self.workers[over].tell("POST", "/connectors", &body)?;
            match answer.status {
                201 => Ok(()),
                // An earlier try was carried out, and answered otherwise.
                409 if answer.text.contains("already exists") => Ok(()),
                _ => Err(format!("{answer:?}")),
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
    }

    /// An order (`PUT pause`) over one worker; given again while the workers rebalance.
    pub fn order(&self, over: usize, corner: &Corner<'_>, order: &str) {
        let (method, what) = order.split_once(' ').unwrap();
        let path = format!("/connectors/{}/{what}", corner.connector);
        wait_until(order, LIMIT, || {
            let answer = self.workers[over].ask(method, &path)?;
            match answer.status {
                200..=299 => Ok(()),
                404 if order == "DELETE " => Ok(()),
                _ => Err(format!("{answer:?}")),
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()));
    }

    /// Waits until this worker shows the connector and all its tasks in this state. Answers the status.
    pub fn wait(&self, over: usize, corner: &Corner<'_>, state: &str, tasks: usize) -> Value {
        let awaited = format!("{state} with {tasks} tasks");
        let path = format!("/connectors/{}/status", corner.connector);
        wait_until(&awaited, LIMIT, || {
            let status = self.workers[over].ask("GET", &path)?.json();
            let states: Vec<&str> = parts(&status).iter().filter_map(|part| part["state"].as_str()).collect();
            let all = states.len() == tasks + 1 && states.iter().all(|shown| *shown == state);
            if all { Ok(status) } else { Err(status.to_string()) }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// Waits until every worker shows it so, and all show the same.
    pub fn wait_everywhere(&self, corner: &Corner<'_>, state: &str, tasks: usize) -> Value {
        let path = format!("/connectors/{}/status", corner.connector);
        wait_until("all workers to show the same", LIMIT, || {
            let statuses: Vec<Value> =
                (0..self.workers.len()).map(|over| self.wait(over, corner, state, tasks)).collect();
            let again: Result<Vec<Value>, String> =
                self.workers.iter().map(|worker| Ok(worker.ask("GET", &path)?.json())).collect();
            if statuses.iter().chain(&again?).all(|status| *status == statuses[0]) {
                Ok(statuses[0].clone())
            } else {
                Err(format!("{statuses:?}"))
            }
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.logs()))
    }

    /// The worker of this id.
    pub fn number_of(&self, worker_id: &str) -> usize {
        self.workers.iter().position(|worker| worker.address == worker_id).unwrap()
    }
}

/// The body of POST /connectors.
pub fn create_body(corner: &Corner<'_>) -> Value {
    json!({"name": corner.connector, "config": corner.config()})
}

/// The connector's part of a status, and its tasks'.
pub fn parts(status: &Value) -> Vec<&Value> {
    std::iter::once(&status["connector"]).chain(status["tasks"].as_array().into_iter().flatten()).collect()
}

/// Which workers the tasks are on.
pub fn workers_of(status: &Value) -> Vec<String> {
    let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
    tasks.iter().map(|task| task["worker_id"].as_str().unwrap().to_owned()).collect()
}

impl Member {
    pub fn ask(&self, method: &str, path: &str) -> Result<Answer, String> {
        send(&self.address, method, path, &[], None)
    }

    pub fn tell(&self, method: &str, path: &str, body: &Value) -> Result<Answer, String> {
        let headers = [("content-type".to_owned(), "application/json".to_owned())];
        send(&self.address, method, path, &headers, Some(&body.to_string()))
    }

    fn wait_answers(&mut self) {
        wait_until("the worker's REST API", LIMIT, || {
            self.process.check_running().map_err(|error| error.to_string())?;
            self.ask("GET", "/connectors").map(drop)
        })
        .unwrap_or_else(|error| panic!("{error}\n{}", self.log()));
    }

    pub fn log(&self) -> String {
        self.process.log_text()
    }

    /// How often the log says this about a connector.
    pub fn said(&self, text: &str, connector: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text) && line.contains(connector)).count()
    }

    pub fn kill(&mut self) {
        self.process.kill9().unwrap();
    }

    pub fn pause(&mut self) {
        self.process.pause().unwrap();
    }

    pub fn resume(&mut self) {
        self.process.resume().unwrap();
    }

    pub fn start_again(&mut self) {
        self.process = WorkerProcess::start_distributed(&self.setup).unwrap();
        self.wait_answers();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        self.process.terminate().unwrap();
        let status = self.process.wait_exit(Duration::from_secs(60)).unwrap();
        assert!(status.success(), "{}", self.log());
        begun.elapsed()
    }
}
