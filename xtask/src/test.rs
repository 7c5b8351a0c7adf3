//! `cargo xtask test`: everything is built once, all tests run, and one line says how many passed.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::closings::Counts;
use crate::interrupt;
use crate::tidy;
use crate::tool::{cargo, root, shown, succeed};

/// The worker that the black-box suites run: with fail points. Passed to every cargo call, since
/// another set of features would be another build of half the workspace.
const FEATURES: [&str; 2] = ["--features", "pumphouse/failpoints"];

/// The suites' variable with the path of the worker under test.
pub const BINARY_VARIABLE: &str = "PUMPHOUSE_TEST_BINARY";

/// Longer than any test takes on a slow machine, and than a test program takes to build: what is silent for
/// so long hangs.
const SILENCE: Duration = Duration::from_secs(12 * 60);

/// All tests, or those of one room: a folder of `crates/`, or `tests`.
/// Errors: a test failed, or a build; the last line on standard output has the numbers.
pub fn run(room: Option<&str>) -> Result<()> {
    let begun = Instant::now();
    let mut counts = Counts::default();
    if room.is_none() {
        for (check, findings) in tidy::all()? {
            report(check, &findings);
            counts.add_step(findings.is_empty());
        }
    }
    let packages = packages(room)?;
    let binary = build()?;
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(&packages).env(BINARY_VARIABLE, binary);
    if room.is_none() {
        command.args(FEATURES);
    }
    run_counted(&mut command, &mut counts)?;
    close(counts, begun)
}

/// The black-box suites, or one of them.
pub fn run_suites(suite: Option<&str>) -> Result<()> {
    let begun = Instant::now();
    let mut counts = Counts::default();
    let binary = build()?;
    let mut command = cargo();
    command.args(["test", "--no-fail-fast", "-p", "pumphouse-tests"]).env(BINARY_VARIABLE, binary);
    if let Some(suite) = suite {
        command.args(["--test", suite]);
    }
    run_counted(&mut command, &mut counts)?;
    close(counts, begun)
}

fn packages(room: Option<&str>) -> Result<Vec<String>> {
    let Some(room) = room else { return Ok(vec!["--workspace".to_owned()]) };
    let name = match room {
        "tests" => "pumphouse-tests".to_owned(),
        "xtask" | "pumphouse" => room.to_owned(),
        room if root().join("crates").join(room).is_dir() => format!("pumphouse-{room}"),
        room => bail!("there is no room crates/{room}"),
    };
    Ok(vec!["-p".to_owned(), name])
}

/// Builds the worker and all tests in one go and answers the worker's path.
pub fn build() -> Result<PathBuf> {
    succeed(cargo().args(["build", "--workspace", "--bins", "--tests"]).args(FEATURES))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let built = root().join(target).join("debug/pumphouse");
    // A copy: the same path is written again by every build, with fail points or without.
    let copy = built.with_file_name("pumphouse-under-test");
    // Not over a file that a worker may still run from.
    let _ = std::fs::remove_file(&copy);
    std::fs::copy(&built, &copy).with_context(|| format!("cannot copy {}", built.display()))?;
    Ok(copy)
}

/// Runs `cargo test` with its output on this terminal, and counts its closings. A test that hangs is ended
/// with the whole run: it must not cost the time of the machine that runs it.
fn run_counted(command: &mut Command, counts: &mut Counts) -> Result<()> {
    let text = shown(command);
    eprintln!("$ {text}");
    let before = counts.failed;
    // A group of its own, so that cargo and the test program can be ended together; Ctrl-C does not reach it.
    interrupt::catch()?;
    let mut child = command
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start `{text}`"))?;
    let output = child.stdout.take().expect("standard output is piped");
    let (told, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines() {
            if told.send(line).is_err() {
                return;
            }
        }
    });
    let mut heard = Instant::now();
    loop {
        let line = match lines.recv_timeout(Duration::from_millis(500)) {
            Ok(line) => line.context("cannot read the output of the tests")?,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) if interrupt::came() => {
                end_group(child.id())?;
                interrupt::check()?;
                break;
            }
            Err(RecvTimeoutError::Timeout) if heard.elapsed() > SILENCE => {
                println!("nothing was heard of the tests for {} minutes: ended", SILENCE.as_secs() / 60);
                end_group(child.id())?;
                break;
            }
            Err(RecvTimeoutError::Timeout) => continue,
        };
        heard = Instant::now();
        counts.add_line(&line);
        println!("{line}");
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{text}`"))?;
    // A test program that was killed, or one that did not compile, has no closing line.
    if !status.success() && counts.failed == before {
        counts.add_step(false);
    }
    Ok(())
}

/// Ends cargo and the test program it runs. The servers of a test end with it: they were started so.
fn end_group(leader: u32) -> Result<()> {
    succeed(Command::new("kill").args(["-s", "KILL", "--"]).arg(format!("-{leader}")))
}

fn report(check: &str, findings: &[String]) {
    println!("tidy {check} ... {}", if findings.is_empty() { "ok" } else { "FAILED" });
    for finding in findings {
        println!("    {finding}");
    }
}

fn close(counts: Counts, begun: Instant) -> Result<()> {
    let seconds = begun.elapsed().as_secs();
    eprintln!("in {} min {} s", seconds / 60, seconds % 60);
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed > 0 {
        // Not an error with a text of its own: the numbers are to be the last line.
        std::process::exit(1);
    }
    Ok(())
}
