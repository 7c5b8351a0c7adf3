//! One child process with a log file, in its own process group, that cannot outlive us.
//!
//! Shared by the servers and by the workers under test. Knows nothing about either.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::error::{Result, TestkitError, io};
use crate::sys::{Signal, lead_group_and_die_with_parent, signal_group};
use crate::wait::wait_until;

/// How much of the end of a log an error shows: a stack trace fits, a terminal is not flooded.
pub const LOG_TAIL_BYTES: u64 = 4_096;

/// SIGKILL needs no co-operation; a process that is still there after this hangs in the kernel.
const KILL_LIMIT: Duration = Duration::from_secs(10);

/// A running, paused or ended child process. Dropping it kills the whole process group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    status: Option<ExitStatus>,
    log_path: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error appended to `log_path` and no input.
    /// The child leads its own process group and is killed when this process ends, however it
    /// ends.
    pub fn start(name: &str, mut command: Command, log_path: &Path) -> Result<Process> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log_path)
            .map_err(io(format!("open the log {}", log_path.display())))?;
        let log_again = log.try_clone().map_err(io("share the log file"))?;
        command.stdin(Stdio::null()).stdout(log).stderr(log_again);
        lead_group_and_die_with_parent(&mut command);
        let child = spawn_from_lasting_thread(command).map_err(io(format!("start {name}")))?;
        Ok(Process { name: name.to_owned(), child, status: None, log_path: log_path.to_owned() })
    }

    /// Process id, which is also the id of its process group.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process exists and has not ended; a paused process is running.
    pub fn is_running(&mut self) -> bool {
        self.ended().is_none()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// `Ok` while it runs.
    /// Errors: `Ended` with the status and the end of the log.
    pub fn check_running(&mut self) -> Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => Err(TestkitError::Ended {
                server: self.name.clone(),
                status: status.to_string(),
                log_tail: self.log_tail(),
            }),
        }
    }

    /// SIGKILL to the group, and waits until the process is gone. Does nothing if it has ended.
    pub fn kill(&mut self) -> Result<()> {
        self.signal(Signal::Kill)?;
        self.wait_exit(KILL_LIMIT).map(drop)
    }

    /// SIGSTOP to the group: the process freezes, its connections stay open.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::Pause)
    }

    /// SIGCONT to the group.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::Resume)
    }

    /// SIGTERM to the group; returns at once. A paused process gets it after `resume`.
    pub fn terminate(&mut self) -> Result<()> {
        self.signal(Signal::Terminate)
    }

    /// SIGTERM, then up to `limit` for the process to end, then SIGKILL.
    pub fn stop(&mut self, limit: Duration) -> Result<()> {
        self.signal(Signal::Terminate)?;
        self.signal(Signal::Resume)?;
        match self.wait_exit(limit) {
            Ok(_) => Ok(()),
            Err(_) => self.kill(),
        }
    }

    /// Waits for the process to end by itself.
    /// Errors: `TooLate` after `limit`, with the end of the log.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let awaited = format!("the end of {}", self.name);
        wait_until(&awaited, limit, || self.ended().ok_or_else(|| self.log_tail()))
    }

    /// Where standard output and error go.
    pub fn log_path(&self) -> &Path {
        &self.log_path
    }

    /// The last `LOG_TAIL_BYTES` of the log, from the beginning of a line.
    pub fn log_tail(&self) -> String {
        tail_of(&self.log_path)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // After the child has been waited for, its id may belong to somebody else.
        if self.ended().is_some() {
            return Ok(());
        }
        match signal_group(self.pid(), signal) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(io(format!("signal {}", self.name))),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing can be reported from here; PR_SET_PDEATHSIG remains as the second net.
        let _ = self.kill();
    }
}

/// Whether a process group still has a member; for tests that nothing was left running.
pub fn group_exists(group_id: u32) -> bool {
    signal_group(group_id, Signal::Probe).is_ok()
}

/// The last `LOG_TAIL_BYTES` of a file, from the beginning of a line; empty if it cannot be read.
pub(crate) fn tail_of(path: &Path) -> String {
    let Ok(mut file) = File::open(path) else {
        return String::new();
    };
    let len = file.metadata().map(|meta| meta.len()).unwrap_or(0);
    let first = len.saturating_sub(LOG_TAIL_BYTES);
    let mut bytes = Vec::new();
    if file.seek(SeekFrom::Start(first)).is_err() || file.read_to_end(&mut bytes).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.find('\n') {
        Some(end_of_cut_line) if first > 0 => text[end_of_cut_line + 1..].to_owned(),
        _ => text.into_owned(),
    }
}

struct SpawnOrder {
    command: Command,
    answer: Sender<io::Result<Child>>,
}

/// PR_SET_PDEATHSIG fires when the *thread* that forked ends, not the process. A test function
/// runs in a thread of its own, and a server that several tests share would die with the first.
/// So one thread that lives as long as the process starts all children.
fn spawn_from_lasting_thread(command: Command) -> io::Result<Child> {
    static SPAWNER: OnceLock<Sender<SpawnOrder>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, inbox): (Sender<SpawnOrder>, Receiver<SpawnOrder>) = channel();
        std::thread::Builder::new()
            .name("testkit-spawner".to_owned())
            .spawn(move || {
                for mut order in inbox {
                    // The asker may be gone, by a panic; then the child is not wanted either.
                    if let Err(unwanted) = order.answer.send(order.command.spawn())
                        && let Ok(mut child) = unwanted.0
                    {
                        let _ = child.kill();
                        let _ = child.wait();
                    }
                }
            })
            .expect("a process that cannot start a thread cannot test anything");
        orders
    });
    let (answer, child) = channel();
    spawner.send(SpawnOrder { command, answer }).expect("the spawner thread ends only with the process");
    child.recv().expect("the spawner thread answers every order")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, directory: &Path) -> Process {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        Process::start("a shell", command, &directory.join("log")).unwrap()
    }

    #[test]
    fn a_child_outlives_the_thread_that_started_it_and_dies_with_its_handle() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().to_owned();
        let mut process = std::thread::spawn(move || shell("exec sleep 100", &path)).join().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert!(process.is_running());
        let pid = process.pid();
        drop(process);
        assert!(!group_exists(pid));
    }

    #[test]
    fn the_whole_group_is_killed_even_while_paused() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell("sleep 100 & sleep 100", directory.path());
        process.pause().unwrap();
        process.kill().unwrap();
        assert!(!process.is_running());
        wait_until("the end of the group", Duration::from_secs(5), || {
            if group_exists(process.pid()) { Err("a member lives".to_owned()) } else { Ok(()) }
        })
        .unwrap();
    }

    #[test]
    fn an_early_end_is_reported_with_the_log() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell("echo no such valve >&2; exit 3", directory.path());
        assert_eq!(process.wait_exit(Duration::from_secs(5)).unwrap().code(), Some(3));
        let message = process.check_running().unwrap_err().to_string();
        assert!(message.contains("no such valve"), "{message}");
    }

    #[test]
    fn a_stop_is_polite_first() {
        let directory = tempfile::tempdir().unwrap();
        let mut process = shell(
            "trap 'echo drained; exit 0' TERM; echo up; while :; do sleep 0.02; done",
            directory.path(),
        );
        wait_until("the trap", Duration::from_secs(5), || {
            if process.log_tail().contains("up") { Ok(()) } else { Err(process.log_tail()) }
        })
        .unwrap();
        process.stop(Duration::from_secs(5)).unwrap();
        assert!(process.log_tail().contains("drained"));
    }
}
