//! `fuzz [target] [--seconds N] [--seed S] [--keep]`: `cargo xtask fuzz` calls it.
use std::process::ExitCode;
use std::time::Duration;

use pumphouse_fuzz::{Budget, TARGETS, Target, inputs, keep, run};

/// Per target.
const SECONDS: u64 = 10;

/// What `--keep` adds at most, so that the tree stays small.
const KEPT_PER_RUN_MAX: usize = 24;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut chosen, mut seconds, mut seed, mut keeps) = (None, SECONDS, 1, false);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
        match argument.as_str() {
            "--seconds" => match number() {
                Some(number) => seconds = number,
                None => return usage(),
            },
            "--seed" => match number() {
                Some(number) => seed = number,
                None => return usage(),
            },
            "--keep" => keeps = true,
            name if TARGETS.iter().any(|target| target.name == name) => chosen = Some(name.to_owned()),
            _ => return usage(),
        }
    }
    let budget = Budget { executions: u64::MAX, time: Duration::from_secs(seconds) };
    let mut found = false;
    for target in TARGETS.iter().filter(|target| chosen.as_ref().is_none_or(|name| *name == target.name)) {
        match fuzz(target, seed, budget, keeps) {
            Ok(fine) => found |= !fine,
            Err(error) => {
                eprintln!("corpus of {}: {error}", target.name);
                return ExitCode::FAILURE;
            }
        }
    }
    if found { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn usage() -> ExitCode {
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    eprintln!("fuzz [target] [--seconds N] [--seed S] [--keep]; targets: {}", names.join(", "));
    ExitCode::FAILURE
}

/// Whether nothing was found. A failing input is kept in the corpus, so that the next run begins with it.
fn fuzz(target: &Target, seed: u64, budget: Budget, keeps: bool) -> std::io::Result<bool> {
    let corpus = inputs(target)?;
    let report = run(target, &corpus, seed, budget);
    println!(
        "{:20} {:>9} executions, {:>4} outcomes, at most {} KiB held (by {} bytes)",
        target.name,
        report.executions,
        report.outcomes,
        report.peak.0 >> 10,
        report.peak.1
    );
    if keeps {
        let fresh = report.interesting.iter().filter(|input| !corpus.contains(input));
        for input in fresh.take(KEPT_PER_RUN_MAX) {
            keep(target, "", input)?;
        }
    }
    let Some(finding) = report.finding else { return Ok(true) };
    let place = keep(target, "found-", &finding.input)?;
    println!("    {:?}\n    input {}\n    kept as {place:?}", finding.failure, finding.input.escape_ascii());
    Ok(false)
}
