//! `bench --profile`: where the worker's CPU time goes, by thread and by function, as `perf` samples it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::Options;
use super::pages::{self, aligned, machine_text};
use super::pumphouse;
use super::stage::Stage;

/// Samples per second and thread; no multiple of any timer in the worker.
const SAMPLES_PER_S: &str = "997";

/// Functions that are shown.
const FUNCTIONS: usize = 15;

/// A program that runs `worker` under `perf record`, which samples every thread from its first moment: attached to
/// a process that runs, it would not see the threads that come later.
/// Errors: it cannot be written to `directory`.
pub fn recorded(worker: &Path, file: &Path, directory: &Path) -> Result<PathBuf> {
    let program = directory.join("recorded-worker");
    let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
    let text = format!(
        "#!/bin/sh\nexec perf record -q -F {SAMPLES_PER_S} -o {} -- {} \"$@\"\n",
        quoted(file),
        quoted(worker)
    );
    fs::write(&program, text).with_context(|| format!("cannot write {}", program.display()))?;
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    Ok(program)
}

/// Shares in per cent, largest first.
pub type Shares = Vec<(f64, String)>;

/// What one run came to.
pub struct Profile {
    threads: Shares,
    functions: Shares,
}

/// Profiles the worker on the main workload.
pub fn measure(stage: &Stage, options: &Options) -> Result<Profile> {
    let file = tempfile::Builder::new().prefix("pumphouse-profile-").tempdir()?;
    let file = file.path().join("perf.data");
    pumphouse::record_profile(stage, options, &file)?;
    Ok(Profile { threads: report(&file, "comm")?, functions: report(&file, "symbol")? })
}

fn report(file: &Path, sort: &str) -> Result<Shares> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "-q", "--no-children", "-g", "none", "--sort", sort, "-i"])
        .arg(file)
        .output()
        .context("cannot start `perf report`")?;
    if !output.status.success() {
        bail!("perf report failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(shares(&String::from_utf8_lossy(&output.stdout)))
}

/// Lines `  12.34%  [.] name`; `[k]` is the kernel.
fn shares(text: &str) -> Shares {
    let line = |line: &str| {
        let (share, name) = line.trim().split_once('%')?;
        // Behind the name, some versions have further columns.
        let name = name.trim().split("  ").next()?;
        let name = name.strip_prefix("[.] ").map_or_else(
            || name.strip_prefix("[k] ").map_or_else(|| name.to_owned(), |name| format!("kernel: {name}")),
            str::to_owned,
        );
        Some((share.parse().ok()?, name))
    };
    text.lines().filter_map(line).collect()
}

/// The tables in Markdown.
pub fn text(options: &Options, profile: &Profile) -> String {
    let table = |head: &str, shares: &[(f64, String)]| {
        let mut rows = vec![vec![head.to_owned(), "share".to_owned()]];
        rows.extend(shares.iter().map(|(share, name)| vec![format!("`{name}`"), format!("{share:.1}%")]));
        aligned(rows).join("\n")
    };
    let most = FUNCTIONS.min(profile.functions.len());
    let shown: f64 = profile.functions[..most].iter().map(|(share, _)| share).sum();
    let threads = profile.threads.iter().filter(|(share, _)| *share >= 0.5).cloned().collect::<Vec<_>>();
    format!(
        "    {}\n\n{}. Shares of the worker's CPU time, from its start to its end; the {most} functions make {shown:.0}%.\n\n{}\n\n{}",
        options.command(),
        machine_text(),
        table("thread", &threads),
        table("function", &profile.functions[..most]),
    )
}

/// Writes the tables into docs/performance.md.
pub fn keep(options: &Options, profile: &Profile) -> Result<()> {
    pages::replace("profile", &text(options, profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_perf_are_read() {
        let text = "    33.10%  [.] pumphouse_decode::json::run\n\n     2.05%  [k] clear_page_erms      -      -\n    90.00%  task-0\n";
        let read = shares(text);
        assert_eq!(read[0], (33.1, "pumphouse_decode::json::run".to_owned()));
        assert_eq!(read[1], (2.05, "kernel: clear_page_erms".to_owned()));
        assert_eq!(read[2].1, "task-0");
    }
}
