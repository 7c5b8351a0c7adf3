//! `cargo xtask instructions`: how many instructions the hot paths take, against the kept figures.
//!
//! Instructions are counted by callgrind, so that a busy machine does not matter. They depend on the
//! compiler and on the processor's kind: kept with both, and not compared where one of them differs.
//! Not part of `./test`: it needs valgrind and an optimised build, which takes longer than it does itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::tool::{cargo, root, succeed};

/// A path may take so much more than was kept. What is left over is hash seeds and addresses: two runs of
/// one build differ by less than 0.2%.
const TOLERANCE: f64 = 0.03;

/// What to do with the figures.
#[derive(Args)]
pub struct Options {
    /// Writes them to benchmarks/instructions.json instead of comparing.
    #[arg(long)]
    keep: bool,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    command: String,
    rustc: String,
    machine: String,
    paths: BTreeMap<String, Figure>,
}

#[derive(Serialize, Deserialize)]
struct Figure {
    /// What the instructions are for.
    per: String,
    instructions: f64,
}

/// Errors: a path takes more than the kept figure allows, or valgrind is not there.
pub fn run(options: &Options) -> Result<()> {
    let found = Kept {
        command: "cargo xtask instructions --keep".to_owned(),
        rustc: text_of(Command::new("rustc").current_dir(root()).arg("--version"))?.trim().to_owned(),
        machine: std::env::consts::ARCH.to_owned(),
        paths: measure()?,
    };
    let place = root().join("benchmarks/instructions.json");
    if options.keep {
        print(&found.paths, None);
        let text = serde_json::to_string_pretty(&found)? + "\n";
        return std::fs::write(&place, text).with_context(|| format!("cannot write {}", place.display()));
    }
    let text = std::fs::read(&place).with_context(|| format!("cannot read {}", place.display()))?;
    let kept: Kept = serde_json::from_slice(&text).with_context(|| format!("{}", place.display()))?;
    if (&kept.rustc, &kept.machine) != (&found.rustc, &found.machine) {
        print(&found.paths, None);
        println!(
            "NOT COMPARED: the kept figures are of {} on {}, this is {} on {}. Renew them with --keep.",
            kept.rustc, kept.machine, found.rustc, found.machine
        );
        return Ok(());
    }
    print(&found.paths, Some(&kept.paths));
    let worse = worse(&found.paths, &kept.paths);
    if !worse.is_empty() {
        bail!("{} more than {:.0}% above the kept figures", worse.join(", "), TOLERANCE * 100.0);
    }
    Ok(())
}

fn worse(found: &BTreeMap<String, Figure>, kept: &BTreeMap<String, Figure>) -> Vec<String> {
    let allowed = |name: &String| kept.get(name).map(|figure| figure.instructions * (1.0 + TOLERANCE));
    let above = |name: &String, figure: &Figure| allowed(name).is_some_and(|most| figure.instructions > most);
    found.iter().filter(|(name, figure)| above(name, figure)).map(|(name, _)| name.clone()).collect()
}

fn print(found: &BTreeMap<String, Figure>, kept: Option<&BTreeMap<String, Figure>>) {
    println!("| path | instructions | per | kept | change |\n| --- | ---: | --- | ---: | ---: |");
    for (name, figure) in found {
        let before = kept.and_then(|kept| kept.get(name)).map(|figure| figure.instructions);
        let change = before.map(|before| (figure.instructions / before - 1.0) * 100.0);
        println!(
            "| {name} | {:.1} | {} | {} | {} |",
            figure.instructions,
            figure.per,
            before.map_or(String::new(), |before| format!("{before:.1}")),
            change.map_or(String::new(), |percent| format!("{percent:+.1}%")),
        );
    }
}

/// Each path twice, once for a round more: the difference has no start in it.
fn measure() -> Result<BTreeMap<String, Figure>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        bail!("valgrind is not installed: its callgrind counts the instructions (apt-get install valgrind)");
    }
    succeed(cargo().args(["build", "--release", "-p", "pumphouse-hot-paths", "--bin", "instructions"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let program = root().join(target).join("release/instructions");
    let mut figures = BTreeMap::new();
    for line in text_of(Command::new(&program).arg("list"))?.lines() {
        let [name, units, per] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("{line:?} is no line of the list");
        };
        let units: f64 = units.parse().with_context(|| format!("{line:?}"))?;
        let [without, with] = ["0", "1"].map(|rounds| count(&program, name, rounds));
        let instructions = (with? - without?) / units;
        let figure = Figure { per: per.to_owned(), instructions: (instructions * 10.0).round() / 10.0 };
        figures.insert(name.to_owned(), figure);
    }
    Ok(figures)
}

/// All instructions of one run.
fn count(program: &Path, name: &str, rounds: &str) -> Result<f64> {
    let output = tempfile::NamedTempFile::new()?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]);
    command.arg(format!("--callgrind-out-file={}", output.path().display()));
    succeed(command.arg(program).args([name, rounds]))?;
    let text = std::fs::read_to_string(output.path())?;
    summary(&text).with_context(|| format!("callgrind says nothing of {name}"))
}

fn summary(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("summary: "))?;
    line.trim().parse().ok()
}

fn text_of(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed ({})", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(of: &[(&str, f64)]) -> BTreeMap<String, Figure> {
        let figure = |instructions| Figure { per: "record".to_owned(), instructions };
        of.iter().map(|(name, instructions)| ((*name).to_owned(), figure(*instructions))).collect()
    }

    #[test]
    fn only_what_is_clearly_more_is_worse() {
        let kept = figures(&[("a", 1000.0), ("b", 1000.0), ("c", 1000.0)]);
        let found = figures(&[("a", 1029.0), ("b", 1031.0), ("c", 500.0), ("new", 7.0)]);
        assert_eq!(worse(&found, &kept), ["b"]);
    }

    #[test]
    fn the_summary_is_found_among_the_lines() {
        assert_eq!(
            summary("# callgrind format\nevents: Ir\nsummary: 162293957\n\nfn=(1)\n"),
            Some(162_293_957.0)
        );
        assert_eq!(summary("nothing"), None);
    }
}
