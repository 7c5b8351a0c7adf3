//! A limit is measured in a process of its own, so that CPU time and memory are its alone. The child
//! says `ready` when its preparations are done, begins on the answer `go`, and ends with one line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;

/// What a child says when it may begin.
pub const READY: &str = "ready";

/// Preparations, and the measured part, take no longer: building two million rows takes 10 s.
const STEP_LIMIT: Duration = Duration::from_secs(180);

/// A running child; dropping it kills it.
pub struct Part {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<std::io::Result<String>>,
}

impl Part {
    /// Starts this program again as `bench-part <arguments>` and waits for its preparations.
    pub fn prepare(arguments: &[String]) -> Result<Part> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut child = Command::new(own)
            .arg("bench-part")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start a part of the benchmark")?;
        let stdin = child.stdin.take().context("the child has no stdin")?;
        let stdout = child.stdout.take().context("the child has no stdout")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let part = Part { child, stdin, lines };
        match part.line()?.as_str() {
            READY => Ok(part),
            other => bail!("the child said {other:?} in place of {READY:?}"),
        }
    }

    /// Lets it begin and waits for its result.
    pub fn run(mut self) -> Result<Value> {
        self.stdin.write_all(b"go\n").context("the child has ended")?;
        let result = serde_json::from_str(&self.line()?).context("the child's result is no JSON")?;
        let status = self.child.wait().context("cannot wait for the child")?;
        if !status.success() {
            bail!("a part of the benchmark failed ({status})");
        }
        Ok(result)
    }

    fn line(&self) -> Result<String> {
        let line = self.lines.recv_timeout(STEP_LIMIT);
        Ok(line.map_err(|error| anyhow!("a part of the benchmark ended, or took too long: {error}"))??)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It has ended by itself if all went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The child's side: says that it is ready and waits for the word to begin.
pub fn ready() -> Result<()> {
    println!("{READY}");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).context("cannot read the word to begin")?;
    if line.trim() == "go" { Ok(()) } else { bail!("the benchmark has ended") }
}
