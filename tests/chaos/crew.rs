//! The workers of the group, and what an operator does for them: looks, and restarts what has failed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{WorkerProcess, WorkerSetup};
use pumphouse_tests::binary;
use serde_json::Value;

use crate::rest;
use crate::sink::Sink;
use crate::stage::Stage;
use crate::trouble::{Result, text};

/// The shortest session that a broker allows by default.
pub const SESSION: Duration = Duration::from_millis(6_000);

/// A task that failed is looked at again so much later, and restarted if it is still FAILED. The worker does so by
/// itself, but less and less often, and a run has more faults than a machine has in a year.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// Between two rounds of looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// One worker.
pub struct Member {
    pub id: String,
    setup: WorkerSetup,
    rest: String,
    process: Option<WorkerProcess>,
}

impl Member {
    fn new(id: &str, stage: &Stage, directory: &Path) -> Result<Member> {
        let [port] = free_ports().map_err(text)?;
        let rest = format!("http://127.0.0.1:{port}");
        let worker = [
            ("bootstrap.servers", format!("127.0.0.1:{}", stage.kafka_proxy.port())),
            ("pumphouse.worker.id", id.to_owned()),
            ("listeners", rest.clone()),
            ("consumer.session.timeout.ms", SESSION.as_millis().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let setup = WorkerSetup {
            binary: binary(),
            directory: directory.join(id),
            worker: worker.into(),
            connectors: stage.sinks.iter().chain(&stage.reborn).map(Sink::file).collect(),
            environment: BTreeMap::new(),
        };
        Ok(Member { id: id.to_owned(), setup, rest, process: None })
    }

    /// Starts it, if it does not run.
    pub fn start(&mut self) -> Result<()> {
        if self.process.is_none() {
            self.process = Some(WorkerProcess::start(&self.setup).map_err(text)?);
        }
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill9().map_err(text),
            None => Ok(()),
        }
    }

    /// SIGTERM, and waits for its end.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.terminate().map_err(text)?;
        process.wait_exit(Duration::from_secs(60)).map(drop).map_err(text)
    }

    /// SIGSTOP.
    pub fn pause(&mut self) -> Result<()> {
        self.running()?.pause().map_err(text)
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.running()?.resume().map_err(text)
    }

    /// All that it has logged, in all its lives.
    fn log(&self) -> String {
        let bytes = std::fs::read(self.setup.directory.join("worker.log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The address of a connector.
    pub fn url(&self, sink: &Sink) -> String {
        format!("{}/connectors/{}", self.rest, sink.connector)
    }

    fn running(&mut self) -> Result<&mut WorkerProcess> {
        let id = &self.id;
        self.process.as_mut().ok_or_else(|| format!("worker {id} does not run"))
    }

    /// Why a connector, or a task of it, is FAILED; nothing where it is not, or does not answer.
    fn failure(&self, sink: &Sink) -> Option<String> {
        let status = rest::look(&format!("{}/status", self.url(sink))).ok()?;
        let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
        let parts = tasks.iter().chain(std::iter::once(&status["connector"]));
        let failed = parts.into_iter().find(|part| part["state"] == "FAILED")?;
        Some(failed["trace"].as_str().unwrap_or("no trace").to_owned())
    }

    /// The state of the connector on this worker.
    pub fn state(&self, sink: &Sink) -> Result<String> {
        let status = rest::look(&format!("{}/status", self.url(sink)))?;
        Ok(status["connector"]["state"].as_str().unwrap_or("?").to_owned())
    }
}

/// The workers.
pub struct Crew {
    pub members: Vec<Member>,
    /// One that comes and goes.
    pub guest: Member,
    looked: Instant,
    failed_since: BTreeMap<(String, String), Instant>,
    /// Codes of failures that were restarted by hand since they were last taken.
    restarts: Vec<String>,
}

impl Crew {
    /// Starts the workers; their files and logs go to `directory`.
    pub fn start(stage: &Stage, workers: usize, directory: &Path) -> Result<Crew> {
        let mut members = Vec::new();
        for number in 0..workers {
            let mut member = Member::new(&format!("w{number}"), stage, directory)?;
            member.start()?;
            members.push(member);
        }
        let guest = Member::new("guest", stage, directory)?;
        let (failed_since, restarts) = (BTreeMap::new(), Vec::new());
        Ok(Crew { members, guest, looked: Instant::now(), failed_since, restarts })
    }

    /// Looks after the workers, twice a second at most.
    /// Errors: a process has ended by itself.
    pub fn look_after(&mut self, stage: &Stage) -> Result<()> {
        if self.looked.elapsed() < LOOK_EVERY {
            return Ok(());
        }
        self.looked = Instant::now();
        for member in &mut self.members {
            if let Some(process) = &mut member.process {
                process.check_running().map_err(|error| format!("worker {}: {error}", member.id))?;
            }
            for sink in stage.sinks.iter().chain(&stage.reborn) {
                let place = (member.id.clone(), sink.connector.clone());
                let Some(trace) = member.failure(sink) else {
                    self.failed_since.remove(&place);
                    continue;
                };
                let since = *self.failed_since.entry(place.clone()).or_insert_with(Instant::now);
                if since.elapsed() >= PATIENCE {
                    self.failed_since.remove(&place);
                    self.restarts.push(code_of(&trace));
                    let url = format!("{}/restart?includeTasks=true&onlyFailed=true", member.url(sink));
                    // It may run again by itself, or be busy: the next look tells.
                    let _ = rest::tell("POST", &url, None);
                }
            }
        }
        Ok(())
    }

    /// The codes of what was restarted since this was asked for last.
    pub fn take_restarts(&mut self) -> Vec<String> {
        std::mem::take(&mut self.restarts)
    }

    /// How often this was logged by the workers, in all their lives.
    pub fn logged(&self, what: &str) -> usize {
        self.members.iter().map(|member| member.log().matches(what).count()).sum()
    }

    /// Tells all workers the same about a connector, by `PUT`.
    pub fn tell_all(&self, sink: &Sink, what: &str) -> Result<()> {
        self.members
            .iter()
            .try_for_each(|member| rest::tell("PUT", &format!("{}/{what}", member.url(sink)), None))
    }

    /// Sets offsets of a stopped connector.
    pub fn set_offsets(&self, sink: &Sink, offsets: &BTreeMap<i32, i64>) -> Result<()> {
        let entry = |(partition, offset): (&i32, &i64)| {
            serde_json::json!({
                "partition": { "kafka_topic": sink.topic, "kafka_partition": partition },
                "offset": { "kafka_offset": offset },
            })
        };
        let body = serde_json::json!({ "offsets": offsets.iter().map(entry).collect::<Vec<Value>>() });
        rest::tell("PATCH", &format!("{}/offsets", self.members[0].url(sink)), Some(&body))
    }
}

/// The code that a trace begins with, such as `INSERT-003`.
fn code_of(trace: &str) -> String {
    let is_code = |word: &&str| {
        word.split_once('-').is_some_and(|(room, number)| {
            room.len() > 2
                && room.chars().all(|sign| sign.is_ascii_uppercase())
                && number.len() == 3
                && number.chars().all(|sign| sign.is_ascii_digit())
        })
    };
    let mut words = trace.split(|sign: char| !(sign.is_ascii_alphanumeric() || sign == '-'));
    words.find(is_code).unwrap_or("no code").to_owned()
}
