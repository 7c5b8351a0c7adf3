//! A worker of a test, with its REST address. When a test panics, the end of its log is shown.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::wait::{LOOK_EVERY, wait_until};
use pumphouse_testkit::{TestkitError, Usage, WorkerProcess, WorkerSetup};
use serde_json::Value;

use crate::corner::Corner;
use crate::rest::{Answer, get};

/// From the start to RUNNING, or to the reason why not.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How a worker of a corner is started.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// `pumphouse.worker.id`; two workers of one id are one member that came twice.
    pub id: String,
    /// The moment to die at, `name:n`; for a build with fail points.
    pub failpoint: Option<String>,
    /// Worker properties that are added to, or replace, the corner's own.
    pub properties: BTreeMap<String, String>,
}

impl WorkerOptions {
    /// A worker called `id`.
    pub fn called(id: &str) -> WorkerOptions {
        WorkerOptions { id: id.to_owned(), ..WorkerOptions::default() }
    }

    /// The same, and it dies at a moment.
    pub fn dying_at(self, failpoint: &str) -> WorkerOptions {
        WorkerOptions { failpoint: Some(failpoint.to_owned()), ..self }
    }

    /// The same with one more worker property.
    pub fn with(mut self, name: &str, value: &str) -> WorkerOptions {
        self.properties.insert(name.to_owned(), value.to_owned());
        self
    }
}

/// A worker process. Dropping it kills it.
pub struct Worker {
    process: WorkerProcess,
    rest: String,
    connector: String,
    begun: Instant,
}

impl Worker {
    /// Starts one for the connectors of these corners; `status` is about the first of them.
    pub fn of(corners: &[&Corner<'_>], options: &WorkerOptions) -> Worker {
        Worker::start(Corner::setup(corners, options))
    }

    fn start(mut setup: WorkerSetup) -> Worker {
        let [port] = free_ports().unwrap();
        let own = || format!("http://127.0.0.1:{port}");
        let rest = setup.worker.entry("listeners".to_owned()).or_insert_with(own).clone();
        let connector = setup.connectors[0].name.clone();
        let process = WorkerProcess::start(&setup).unwrap();
        Worker { process, rest, connector, begun: Instant::now() }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill9().unwrap();
    }

    /// SIGSTOP.
    pub fn pause(&mut self) {
        self.process.pause().unwrap();
    }

    /// SIGCONT.
    pub fn resume(&mut self) {
        self.process.resume().unwrap();
    }

    /// SIGTERM, and waits for the end; answers how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.process.terminate().unwrap();
        self.process.wait_exit(Duration::from_secs(30)).unwrap()
    }

    /// Waits until it ends by itself.
    pub fn wait_exit(&mut self, limit: Duration) -> ExitStatus {
        self.process.wait_exit(limit).unwrap()
    }

    /// Whether it lives.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What the process has used so far.
    pub fn usage(&self) -> Usage {
        self.process.usage().unwrap()
    }

    /// How long it has lived.
    pub fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// All it and its predecessors in the same directory have logged.
    pub fn log(&self) -> String {
        self.process.log_text()
    }

    /// `GET <path>`.
    pub fn get(&self, path: &str) -> Result<Answer, String> {
        get(&format!("{}{path}", self.rest))
    }

    /// `GET /connectors/<connector>/status`.
    pub fn status(&self) -> Result<Value, String> {
        self.status_of(&self.connector)
    }

    /// Why this connector or one of its tasks is FAILED, if it is.
    pub fn failure_of(&self, connector: &str) -> Option<String> {
        failure(&self.status_of(connector).ok()?)
    }

    fn status_of(&self, connector: &str) -> Result<Value, String> {
        let answer = self.get(&format!("/connectors/{connector}/status"))?;
        if answer.status == 200 { Ok(answer.json()) } else { Err(format!("{answer:?}")) }
    }

    /// Fails the test if the process ended or a task is FAILED.
    pub fn check(&mut self) {
        self.process.check_running().unwrap();
        if let Ok(status) = self.status()
            && let Some(trace) = failure(&status)
        {
            panic!("the connector failed: {trace}\n{}", self.process.log_tail());
        }
    }

    /// Waits until the connector and all its tasks are RUNNING.
    pub fn wait_running(&mut self) -> Value {
        let process = &mut self.process;
        let (rest, connector) = (&self.rest, &self.connector);
        let url = format!("{rest}/connectors/{connector}/status");
        wait_until("RUNNING", START_LIMIT, || {
            process.check_running().map_err(|error| error.to_string())?;
            let status = get(&url)?.json();
            let states = states(&status);
            if !states.is_empty() && states.iter().all(|state| state == "RUNNING") {
                Ok(status)
            } else {
                Err(status.to_string())
            }
        })
        .unwrap()
    }

    /// Waits until it refuses: a task or the connector is FAILED, and answers the `trace`; or the
    /// process ends with an error, and the answer is its log.
    pub fn wait_refused(&mut self) -> String {
        let begun = Instant::now();
        loop {
            if !self.process.is_running() {
                let status = self.process.wait_exit(Duration::ZERO).unwrap();
                assert!(!status.success(), "it ended as if all were well\n{}", self.process.log_tail());
                return self.log();
            }
            let status = self.status();
            if let Ok(status) = &status
                && let Some(trace) = failure(status)
            {
                return trace;
            }
            assert!(
                begun.elapsed() < START_LIMIT,
                "it neither fails nor ends; last seen {status:?}\n{}",
                self.process.log_tail()
            );
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// The value of a metric's only sample, or of the one with these labels (`name="value"`).
    pub fn metric(&self, name: &str, label: &str) -> Option<f64> {
        let text = self.get("/metrics").ok()?.text;
        let line = text.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- worker of {}\n{}---", self.connector, self.process.log_tail());
        }
    }
}

fn states(status: &Value) -> Vec<String> {
    let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
    let parts = std::iter::once(&status["connector"]).chain(&tasks);
    parts.map(|part| part["state"].as_str().unwrap_or("?").to_owned()).collect()
}

/// The trace of the first part that is FAILED; tasks first, for theirs say more.
fn failure(status: &Value) -> Option<String> {
    let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
    let parts = tasks.iter().chain(std::iter::once(&status["connector"]));
    let failed = parts.into_iter().find(|part| part["state"] == "FAILED")?;
    Some(failed["trace"].as_str().unwrap_or("(no trace)").to_owned())
}

/// The testkit's waiting, for closures that answer `Result<T, String>`, as a test wants it.
pub(crate) fn await_or_panic<T>(
    awaited: &str,
    limit: Duration,
    look: impl FnMut() -> Result<T, String>,
) -> T {
    wait_until(awaited, limit, look).unwrap_or_else(|error: TestkitError| panic!("{error}"))
}
