//! Real servers on the loopback address, each with its own ports and data directory.
//!
//! All share one life: `start` answers when the server is healthy, `kill`, `pause`, `resume`,
//! `restart` (same ports, same data) and `stop` do what they say, and dropping the handle kills
//! the server and removes its data. A server dies with the process that started it.

mod clickhouse;
mod kafka;
mod registry;
mod zookeeper;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::error::{Result, TestkitError, io};
use crate::process::Process;
use crate::wait::LOOK_EVERY;

pub use clickhouse::{ClickHouse, ClickHouseOptions, DATABASE};
pub use kafka::{Kafka, KafkaOptions};
pub use registry::{SchemaRegistry, SchemaRegistryOptions};
pub use zookeeper::{ZooKeeper, ZooKeeperOptions};

/// A Java server takes 4 s on an idle machine of two cores, and several times that while tests
/// of other crates compile beside it.
pub const START_LIMIT: Duration = Duration::from_secs(60);

/// A clean stop flushes and closes; after this the server is killed.
pub const STOP_LIMIT: Duration = Duration::from_secs(20);

/// Data directories are called `<prefix><our process id>-<server>-<random>`.
const DIRECTORY_PREFIX: &str = "pumphouse-testkit-";

/// Logging of the Java servers: everything from INFO on to standard output, which is the log file.
const LOG4J_PROPERTIES: &str = "\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %c{1} %m%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
";

/// Data directory and process of one server.
#[derive(Debug)]
struct Housing {
    name: &'static str,
    // Before `directory`, so that the process is gone when its data is removed.
    process: Option<Process>,
    directory: TempDir,
}

impl Housing {
    fn new(name: &'static str) -> Result<Housing> {
        remove_orphaned_directories();
        let directory = tempfile::Builder::new()
            .prefix(&format!("{DIRECTORY_PREFIX}{}-{}-", std::process::id(), name.to_lowercase()))
            .tempdir()
            .map_err(io(format!("create a data directory for {name}")))?;
        Ok(Housing { name, process: None, directory })
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn log_path(&self) -> PathBuf {
        self.path().join("server.log")
    }

    /// Starts the process and waits until `healthy` says so.
    fn launch(
        &mut self,
        command: Command,
        healthy: impl FnMut() -> std::result::Result<(), String>,
    ) -> Result<()> {
        let mut process = Process::start(self.name, command, &self.log_path())?;
        let outcome = wait_healthy(self.name, &mut process, healthy);
        // Kept in either case: `log_tail` is of use after a failed restart, too.
        self.process = Some(process);
        outcome
    }

    /// The process, if it was not killed or stopped.
    fn process(&mut self) -> Result<&mut Process> {
        let name = self.name;
        self.process.as_mut().ok_or_else(|| TestkitError::Ended {
            server: name.to_owned(),
            status: "stopped or killed by the test".to_owned(),
            log_tail: String::new(),
        })
    }

    fn kill(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.kill(),
            None => Ok(()),
        }
    }

    fn stop(&mut self) -> Result<()> {
        match self.process.take() {
            Some(mut process) => process.stop(STOP_LIMIT),
            None => Ok(()),
        }
    }

    fn log_tail(&self) -> String {
        crate::process::tail_of(&self.log_path())
    }
}

/// Waits for a health check to pass, and gives up at once when the process ends.
fn wait_healthy(
    name: &str,
    process: &mut Process,
    mut healthy: impl FnMut() -> std::result::Result<(), String>,
) -> Result<()> {
    let begun = Instant::now();
    loop {
        process.check_running()?;
        let Err(last_problem) = healthy() else {
            return Ok(());
        };
        if begun.elapsed() >= START_LIMIT {
            return Err(TestkitError::NotReady {
                server: name.to_owned(),
                waited_ms: begun.elapsed().as_millis() as u64,
                last_problem,
                log_tail: process.log_tail(),
            });
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// The part of a server's life that is the same for all of them.
macro_rules! common_life {
    ($server:ident) => {
        impl $server {
            /// SIGKILL, as a crash or the kernel's out-of-memory killer would; data stays.
            pub fn kill(&mut self) -> $crate::error::Result<()> {
                self.housing.kill()
            }

            /// SIGSTOP: the server freezes, its connections stay open.
            pub fn pause(&mut self) -> $crate::error::Result<()> {
                self.housing.process()?.pause()
            }

            /// SIGCONT: goes on where `pause` froze it.
            pub fn resume(&mut self) -> $crate::error::Result<()> {
                self.housing.process()?.resume()
            }

            /// Clean stop (SIGTERM, and SIGKILL after `STOP_LIMIT`); data stays.
            pub fn stop(&mut self) -> $crate::error::Result<()> {
                self.housing.stop()
            }

            /// Kills it if it runs, then starts it on the same ports with the same data.
            pub fn restart(&mut self) -> $crate::error::Result<()> {
                self.housing.kill()?;
                self.launch()
            }

            /// Process id.
            /// Errors: `Ended` after `kill` or `stop`.
            pub fn pid(&mut self) -> $crate::error::Result<u32> {
                Ok(self.housing.process()?.pid())
            }

            /// The end of what the server logged.
            pub fn log_tail(&self) -> String {
                self.housing.log_tail()
            }

            /// Directory with the server's configuration, data and log; removed on drop.
            pub fn directory(&self) -> &std::path::Path {
                self.housing.path()
            }
        }
    };
}
use common_life;

/// Removes data directories of processes that are gone. A server that lives in a `static`, as one
/// that many tests share, is never dropped, and neither is one of a test run that was killed: the
/// kernel ends the server, but nobody removes its data. Best effort.
fn remove_orphaned_directories() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner_of_directory);
        if owner.is_some_and(|owner| !Path::new(&format!("/proc/{owner}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn owner_of_directory(name: &str) -> Option<u32> {
    name.strip_prefix(DIRECTORY_PREFIX)?.split_once('-')?.0.parse().ok()
}

/// Copies a directory with everything in it.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let copying = || io(format!("copy {} to {}", from.display(), to.display()));
    std::fs::create_dir_all(to).map_err(copying())?;
    for entry in std::fs::read_dir(from).map_err(copying())? {
        let entry = entry.map_err(copying())?;
        let target = to.join(entry.file_name());
        if entry.file_type().map_err(copying())?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            std::fs::copy(entry.path(), &target).map_err(copying())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_of_a_dead_process_is_removed_and_ours_stays() {
        // Above the largest process id that Linux gives.
        let orphan = std::env::temp_dir().join(format!("{DIRECTORY_PREFIX}4194999-kafka-test"));
        std::fs::create_dir_all(orphan.join("data")).unwrap();
        let first = Housing::new("First").unwrap();
        assert!(!orphan.exists());
        let _second = Housing::new("Second").unwrap();
        assert!(first.path().exists());
        assert_eq!(owner_of_directory("pumphouse-testkit-12-kafka-x"), Some(12));
        assert_eq!(owner_of_directory("somebody-elses"), None);
    }
}
