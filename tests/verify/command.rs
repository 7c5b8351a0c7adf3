//! The command as an operator runs it, with a limit; and the few words that the tests are written in.
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pumphouse_testkit::events;
use pumphouse_tests::{Corner, Engine, Worker, WorkerOptions, binary};
use serde_json::Value;

/// A command about some thousand records that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(120);

pub const RUN_LIMIT: Duration = Duration::from_secs(60);

/// The worker of every corner here.
pub const WORKER: &str = "w";

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    /// -1: it was killed.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The only topic of the only connector.
    pub fn topic(&self) -> Value {
        self.json()["connectors"][0]["topics"][0].clone()
    }

    /// One of its partitions.
    pub fn partition(&self, number: u64) -> Value {
        let topic = self.topic();
        let found = topic["partitions"].as_array().unwrap().iter().find(|p| p["partition"] == number);
        found.unwrap_or_else(|| panic!("no partition {number}: {topic}")).clone()
    }

    /// `[first, end]` of the ranges of a kind in a partition.
    pub fn ranges(&self, partition: u64, kind: &str) -> Value {
        self.partition(partition)[kind]["ranges"].clone()
    }

    /// The sum of a figure over all partitions.
    pub fn total(&self, figure: &str) -> u64 {
        let topic = self.topic();
        topic["partitions"].as_array().unwrap().iter().map(|p| p[figure].as_u64().unwrap()).sum()
    }

    #[track_caller]
    pub fn is(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }
}

/// Runs `verify --json` over a corner's files; a worker must have been started there.
pub fn verify(corner: &Corner<'_>, arguments: &[&str]) -> Answer {
    verify_as(corner, &[&["--json"], arguments].concat())
}

/// The same, with more options in the connector's file than its worker had.
pub fn verify_with(corner: &Corner<'_>, options: &[(&str, &str)]) -> Answer {
    let (worker, connector) = corner.files(WORKER);
    let mut file: Value = serde_json::from_slice(&std::fs::read(&connector).unwrap()).unwrap();
    for (name, value) in options {
        file["config"][name] = Value::from(*value);
    }
    let changed = connector.with_extension("changed.json");
    std::fs::write(&changed, file.to_string()).unwrap();
    run(&["verify"], &[worker, changed], &["--json"], None)
}

/// Runs `verify` over a corner's files.
pub fn verify_as(corner: &Corner<'_>, arguments: &[&str]) -> Answer {
    let (worker, connector) = corner.files(WORKER);
    run(&["verify"], &[worker, connector], arguments, None)
}

/// Runs `dlq replay` over a corner's files; `dying_at`: the fail point that ends it by SIGKILL.
pub fn replay(corner: &Corner<'_>, arguments: &[&str], dying_at: Option<&str>) -> Answer {
    let (worker, connector) = corner.files(WORKER);
    run(&["dlq", "replay"], &[worker, connector], arguments, dying_at)
}

fn run(command: &[&str], files: &[PathBuf], arguments: &[&str], dying_at: Option<&str>) -> Answer {
    let mut child = Command::new(binary())
        .args(command)
        .args(files)
        .args(arguments)
        .env("RUST_LOG", "info")
        .envs(dying_at.map(|moment| ("PUMPHOUSE_FAILPOINT", moment)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Both are read while it runs: a full pipe would hold it up.
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let begun = Instant::now();
    let (status, stdout, stderr) = std::thread::scope(|scope| {
        let stdout = scope.spawn(move || read(&mut out));
        let stderr = scope.spawn(move || read(&mut err));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if begun.elapsed() > LIMIT {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        (status, stdout.join().unwrap(), stderr.join().unwrap())
    });
    let Some(status) = status else { panic!("no end after {LIMIT:?}: {stdout}\n{stderr}") };
    Answer { code: status.code().unwrap_or(-1), stdout, stderr }
}

fn read(from: &mut impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).unwrap();
    text
}

/// A corner whose table has `events` events of a topic without transactions: each partition's offsets are
/// consecutive. Its worker has stopped.
pub fn landed(prefix: &str, partitions: i32, count: u64) -> Corner<'static> {
    let corner = Corner::new(pumphouse_tests::bed(), prefix, partitions).with_small_batches(500, 50);
    corner.create_events_table(Engine::Plain);
    land(&corner, 0, count);
    corner
}

/// Writes events and lets a worker land them.
pub fn land(corner: &Corner<'_>, first_id: u64, count: u64) {
    let partitions = corner.partitions();
    corner.write(events::events(1, first_id).take(count as usize).map(|event| event.into_record(partitions)));
    let mut worker = start(corner);
    corner.wait_caught_up(&mut [&mut worker], RUN_LIMIT);
    assert!(worker.stop().success());
}

pub fn start(corner: &Corner<'_>) -> Worker {
    corner.worker(&WorkerOptions::called(WORKER))
}

/// Rows are added again behind the connector's back, with changed columns.
pub fn insert_again(corner: &Corner<'_>, replaced: &str, which: &str) {
    let table = &corner.table;
    let settings = [("insert_deduplicate", "0"), ("async_insert", "0")];
    let sql = settings.iter().fold(corner.sql(), |sql, (name, value)| sql.with_setting(name, value));
    // The inner query, because an outer condition would see the replaced columns.
    let chosen = format!("SELECT * FROM {table} WHERE {which}");
    sql.run(&format!("INSERT INTO {table} SELECT * {replaced} FROM ({chosen})")).unwrap();
}
