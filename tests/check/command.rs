//! The command as an operator runs it, with a limit, over files of its own.
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pumphouse_testkit::{DATABASE, Testbed};
use pumphouse_tests::binary;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A command about some hundred records that takes longer than this hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// A worker's and a connector's file that nobody has started yet.
pub struct Files {
    directory: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    #[track_caller]
    pub fn is(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn says(&self, wanted: &[&str]) {
        for text in wanted {
            assert!(self.stdout.contains(text), "no {text:?} in\n{}", self.stdout);
        }
    }
}

impl Files {
    /// A connector `name` for the servers of a bed. Options replace those of the usual configuration; an empty
    /// text removes one.
    pub fn new(bed: &Testbed, name: &str, options: &[(&str, &str)], worker: &str) -> Files {
        let (host, port) = bed.clickhouse_host_and_port();
        let usual = [
            ("connector.class", "com.clickhouse.kafka.connect.ClickHouseSinkConnector"),
            ("hostname", &host),
            ("port", &port.to_string()),
            ("database", DATABASE),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("name", name),
        ];
        let mut config = Map::new();
        for (option, value) in usual.iter().chain(options) {
            config.insert((*option).to_owned(), Value::from(*value));
        }
        config.retain(|_, value| value != "");
        let directory = tempfile::tempdir().unwrap();
        // As `GET /connectors/<name>/config` answers it.
        std::fs::write(directory.path().join("connector.json"), json!(config).to_string()).unwrap();
        let properties = format!("bootstrap.servers={}\n{worker}", bed.bootstrap());
        std::fs::write(directory.path().join("worker.properties"), properties).unwrap();
        Files { directory }
    }

    /// Runs `check` over them, logging as much as there is.
    pub fn check(&self, arguments: &[&str]) -> Answer {
        let mut child = Command::new(binary())
            .arg("check")
            .arg(self.directory.path().join("connector.json"))
            .arg(self.directory.path().join("worker.properties"))
            .args(arguments)
            .env("RUST_LOG", "trace")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let begun = Instant::now();
        std::thread::scope(|scope| {
            // Both are read while it runs: a full pipe would hold it up.
            let stdout = scope.spawn(move || read(&mut out));
            let stderr = scope.spawn(move || read(&mut err));
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if begun.elapsed() > LIMIT {
                    child.kill().unwrap();
                    break child.wait().unwrap();
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            Answer {
                code: status.code().unwrap_or(-1),
                stdout: stdout.join().unwrap(),
                stderr: stderr.join().unwrap(),
            }
        })
    }
}

fn read(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
