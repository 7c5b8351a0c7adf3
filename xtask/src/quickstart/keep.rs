//! `--keep`: servers die with the process that started them, so a second process runs the quickstart
//! in the background and stays, while the first shows its output and ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Options;
use crate::interrupt;
use crate::tool::root;
use crate::worker_watch::Watched;

/// The line with which the background process says that the rest is silence.
const STAYS: &str = "Left running:";

fn directory() -> PathBuf {
    root().join("target/quickstart")
}

/// Runs the quickstart in a background process and shows its output until it stays or ends.
/// Errors: those of the background process; its text has been shown.
pub fn run_in_background(options: &Options) -> Result<()> {
    interrupt::catch()?;
    let directory = directory();
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    if let Some(pid) = running(&directory) {
        bail!("an earlier quickstart is still running (process {pid}); `./quickstart --stop` ends it");
    }
    let log_path = directory.join("log");
    let log = File::create(&log_path).with_context(|| format!("cannot create {}", log_path.display()))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["quickstart", "--keep", "--stay", "--kills", &options.kills.to_string()]);
    for (flag, value) in [("--kafka", &options.kafka), ("--clickhouse", &options.clickhouse)] {
        command.args(value.iter().flat_map(|value| [flag, value]));
    }
    if let Some(binary) = &options.binary {
        command.arg("--binary").arg(binary);
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Its own group: the Ctrl-C of this terminal is not meant for it later.
        .process_group(0)
        .spawn()
        .context("cannot start the background process")?;
    fs::write(directory.join("pid"), child.id().to_string())?;
    show_until_it_stays(&mut child, &log_path)
}

fn show_until_it_stays(child: &mut Child, log_path: &Path) -> Result<()> {
    let mut log = File::open(log_path)?;
    let mut text = String::new();
    loop {
        // Asked before the log is read, so that nothing is missed at the end.
        let ended = child.try_wait()?;
        let shown = text.len();
        log.read_to_string(&mut text)?;
        print!("{}", &text[shown..]);
        std::io::stdout().flush()?;
        if text.contains(STAYS) && text.ends_with("stops it.\n") {
            return if text.contains("SOMETHING IS OFF") {
                bail!("the report is not what was promised")
            } else {
                Ok(())
            };
        }
        if let Some(status) = ended {
            bail!("the quickstart ended ({status})");
        }
        if interrupt::came() {
            signal(child.id())?;
            child.wait()?;
            bail!("interrupted");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// In the background process: says what is running, and waits until it is told to end.
pub fn stay(addresses: &str, worker: &mut Watched) -> Result<()> {
    println!("\n{STAYS}\n{addresses}\n`./quickstart --stop` stops it.");
    interrupt::wait();
    worker.process.terminate()?;
    worker.process.wait_exit(Duration::from_secs(30))?;
    Ok(())
}

/// Ends what `--keep` left running, and waits until it is gone.
pub fn stop() -> Result<()> {
    let directory = directory();
    let Some(pid) = running(&directory) else {
        println!("Nothing is running.");
        return Ok(());
    };
    signal(pid)?;
    for _ in 0..600 {
        if running(&directory).is_none() {
            println!("Stopped.");
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("process {pid} does not end")
}

/// The background process of an earlier call, if it lives and is one.
fn running(directory: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(directory.join("pid")).ok()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let is_ours = command_line.split(|&byte| byte == 0).any(|word| word == b"--stay");
    is_ours.then_some(pid)
}

fn signal(pid: u32) -> Result<()> {
    let status = Command::new("kill").arg(pid.to_string()).status().context("cannot run kill")?;
    if !status.success() {
        bail!("process {pid} could not be told to end");
    }
    Ok(())
}
