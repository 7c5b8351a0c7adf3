//! A worker under test: the real binary with real files, started, broken and watched.
//!
//! Knows only the command line of connect-standalone, so another sink's worker fits as well.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use crate::error::{Result, TestkitError, io};
use crate::process::Process;
use crate::usage::Usage;

/// A connector's file: its name, and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorFile {
    /// Name of the connector.
    pub name: String,
    /// Its configuration; `name` is added.
    pub config: BTreeMap<String, String>,
}

/// How a worker is started.
#[derive(Clone, Debug)]
pub struct WorkerSetup {
    /// The program.
    pub binary: PathBuf,
    /// Where its files and its log go; made if missing. Two workers have two directories.
    pub directory: PathBuf,
    /// Contents of `worker.properties`.
    pub worker: BTreeMap<String, String>,
    /// The connectors.
    pub connectors: Vec<ConnectorFile>,
    /// Environment variables beside those of this process.
    pub environment: BTreeMap<String, String>,
}

/// A worker process. Dropping it kills it.
#[derive(Debug)]
pub struct WorkerProcess {
    process: Process,
}

impl WorkerProcess {
    /// Writes the files and runs `<binary> standalone worker.properties <connector>.json...`.
    /// The log `worker.log` is appended to, so that it tells all lives of a restarted worker.
    /// Returns when the process is started; whether it works is for the test to see.
    pub fn start(setup: &WorkerSetup) -> Result<WorkerProcess> {
        WorkerProcess::start_as("standalone", setup)
    }

    /// The same with `distributed worker.properties`: connectors come over REST, and `setup` has none.
    pub fn start_distributed(setup: &WorkerSetup) -> Result<WorkerProcess> {
        assert!(setup.connectors.is_empty(), "a distributed worker takes no connector files");
        WorkerProcess::start_as("distributed", setup)
    }

    fn start_as(mode: &str, setup: &WorkerSetup) -> Result<WorkerProcess> {
        let directory = &setup.directory;
        fs::create_dir_all(directory).map_err(io(format!("create {}", directory.display())))?;
        let worker = directory.join("worker.properties");
        write_properties(&worker, &setup.worker)?;
        let mut command = Command::new(&setup.binary);
        command.arg(mode).arg(&worker).current_dir(directory).envs(&setup.environment);
        for connector in &setup.connectors {
            let path = directory.join(format!("{}.json", connector.name));
            write_connector(&path, connector)?;
            command.arg(path);
        }
        let process = Process::start("worker", command, &directory.join("worker.log"))?;
        Ok(WorkerProcess { process })
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// SIGSTOP: a worker that hangs, and may come back later as a zombie of the protocol.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// SIGCONT.
    pub fn resume(&mut self) -> Result<()> {
        self.process.resume()
    }

    /// SIGTERM; returns at once.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.terminate()
    }

    /// Waits for it to end by itself.
    /// Errors: `TooLate` with the end of its log.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.process.wait_exit(limit)
    }

    /// Whether it runs; a paused worker does.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// `Ok` while it runs.
    /// Errors: `Ended` with the end of its log.
    pub fn check_running(&mut self) -> Result<()> {
        self.process.check_running()
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// CPU time and peak memory so far.
    pub fn usage(&self) -> Result<Usage> {
        Usage::of(self.pid())
    }

    /// All it has logged, by this life and earlier ones in the same directory.
    pub fn log_text(&self) -> String {
        fs::read(self.process.log_path())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// Writes a Java properties file, one `name=value` per line.
pub fn write_properties(path: &Path, properties: &BTreeMap<String, String>) -> Result<()> {
    let text: String = properties
        .iter()
        .map(|(name, value)| format!("{}={}\n", escaped_name(name), escaped_value(value)))
        .collect();
    fs::write(path, text).map_err(io(format!("write {}", path.display())))
}

/// Writes a connector as `{"name": .., "config": {..}}`.
pub fn write_connector(path: &Path, connector: &ConnectorFile) -> Result<()> {
    let mut config = connector.config.clone();
    config.insert("name".to_owned(), connector.name.clone());
    let json = serde_json::json!({ "name": connector.name, "config": config });
    let text = serde_json::to_string_pretty(&json).map_err(|error| TestkitError::Malformed {
        what: format!("connector {}", connector.name),
        problem: error.to_string(),
    })?;
    fs::write(path, text).map_err(io(format!("write {}", path.display())))
}

/// Escapes of java.util.Properties in a value.
fn escaped_value(value: &str) -> String {
    let mut text = value.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    // Blanks at the beginning would be taken for the separator.
    if text.starts_with(' ') {
        text.insert(0, '\\');
    }
    text
}

/// The same for a name, which a separator or a comment sign would cut.
fn escaped_name(name: &str) -> String {
    let mut text = escaped_value(name);
    for sign in ['=', ':', '#', '!'] {
        text = text.replace(sign, &format!("\\{sign}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    fn setup(directory: &Path, script: &str) -> WorkerSetup {
        let binary = directory.join("sink");
        fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&binary, rights).unwrap();
        WorkerSetup {
            binary,
            directory: directory.join("w"),
            worker: map(&[("bootstrap.servers", "h:1"), ("path", r"a\b"), ("text", " x\ny")]),
            connectors: vec![ConnectorFile { name: "c".into(), config: map(&[("topics", "t")]) }],
            environment: map(&[("GREETING", "hello")]),
        }
    }

    #[test]
    fn the_worker_gets_its_arguments_files_and_environment() {
        let scratch = tempfile::tempdir().unwrap();
        let setup = setup(scratch.path(), r#"echo "$GREETING $1"; cat "$2" "$3"; exit 4"#);
        let mut worker = WorkerProcess::start(&setup).unwrap();
        assert_eq!(worker.wait_exit(Duration::from_secs(5)).unwrap().code(), Some(4));
        let log = worker.log_text();
        let (properties, json) = log.split_once('{').unwrap();
        assert_eq!(properties, "hello standalone\nbootstrap.servers=h:1\npath=a\\\\b\ntext=\\ x\\ny\n");
        let json: serde_json::Value = serde_json::from_str(&format!("{{{json}")).unwrap();
        let expected = serde_json::json!({"name": "c", "config": {"name": "c", "topics": "t"}});
        assert_eq!(json, expected);
    }

    #[test]
    fn a_killed_worker_is_gone_and_its_log_stays_for_the_next_life() {
        let scratch = tempfile::tempdir().unwrap();
        let setup = setup(scratch.path(), "echo life; exec sleep 100");
        for lives in 1..=2 {
            let mut worker = WorkerProcess::start(&setup).unwrap();
            crate::wait::wait_until("the greeting", Duration::from_secs(5), || {
                let log = worker.log_text();
                if log.matches("life").count() == lives { Ok(()) } else { Err(log) }
            })
            .unwrap();
            assert!(worker.is_running() && worker.usage().unwrap().rss_peak_bytes > 0);
            worker.kill9().unwrap();
            assert!(!worker.is_running());
        }
    }
}
