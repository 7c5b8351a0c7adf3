//! Runs seeds, and prints those that break a promise with the command that replays them.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::process::ExitCode;

use pumphouse_delivery::Rule;
use pumphouse_sim::{NEEDED, RunOptions, run, run_in_keeper};

const RULES: [(&str, Rule); 16] = [
    ("R1", Rule::R1),
    ("R2", Rule::R2),
    ("R3", Rule::R3),
    ("R4", Rule::R4),
    ("R5", Rule::R5),
    ("R6", Rule::R6),
    ("R7", Rule::R7),
    ("R8", Rule::R8),
    ("R9", Rule::R9),
    ("R10", Rule::R10),
    ("R11", Rule::R11),
    ("R12", Rule::R12),
    ("R14", Rule::R14),
    ("R15", Rule::R15),
    ("R16", Rule::R16),
    ("R17", Rule::R17),
];

const USAGE: &str = "sim [SEED] [--seeds N] [--from S] [--seed S] [--trace] [--without R3] [--keep-going] [--needed] [--keeper]";

struct Options {
    first: u64,
    seeds: u64,
    keep_going: bool,
    needed: bool,
    /// The ledger is in KeeperMap.
    keeper: bool,
    without: Option<&'static str>,
    run: RunOptions,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        first: 0,
        seeds: 1_000,
        keep_going: false,
        needed: false,
        keeper: false,
        without: None,
        run: RunOptions::default(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || {
            let text = words.next().ok_or(format!("{word} needs a value"))?;
            text.parse::<u64>().map_err(|error| format!("{word} {text}: {error}"))
        };
        match word.as_str() {
            "--seeds" => options.seeds = number()?,
            "--from" => options.first = number()?,
            "--seed" => (options.first, options.seeds) = (number()?, 1),
            "--trace" => options.run.trace = true,
            "--keep-going" => options.keep_going = true,
            "--needed" => options.needed = true,
            "--keeper" => options.keeper = true,
            "--without" => {
                let text = words.next().ok_or("--without needs a rule")?;
                let known = RULES.iter().find(|(name, _)| *name == text);
                let &(name, rule) = known.ok_or(format!("no rule {text}"))?;
                (options.without, options.run.without) = (Some(name), Some(rule));
            }
            _ => match word.parse() {
                Ok(seed) => (options.first, options.seeds, options.run.trace) = (seed, 1, true),
                Err(_) => return Err(format!("{word}: unknown\n{USAGE}")),
            },
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    // A broken assertion is reported as a violation, with its text.
    std::panic::set_hook(Box::new(|_| {}));
    match options() {
        Ok(options) if options.needed => rules_needed(&options),
        Ok(options) => seeds(&options),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn seeds(options: &Options) -> ExitCode {
    let mut stops: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut failed, mut landed, mut attempts, mut processes) = (0_u64, 0, 0, 0);
    let without = options.without.map_or(String::new(), |rule| format!(" --without {rule}"));
    let without = if options.keeper { format!("{without} --keeper") } else { without };
    for seed in options.first..options.first + options.seeds {
        let outcome = if options.keeper { run_in_keeper(seed, options.run) } else { run(seed, options.run) };
        landed += outcome.landed;
        attempts += outcome.attempts;
        processes += outcome.processes;
        for (situation, many) in outcome.seen {
            *seen.entry(situation).or_insert(0) += many;
        }
        for (code, many) in outcome.stops {
            *stops.entry(code).or_insert(0) += many;
        }
        if let Some(violation) = outcome.violation {
            failed += 1;
            println!("seed {seed} breaks {}: {}", violation.invariant, violation.what);
            println!("  replay: cargo run -p pumphouse-sim --release -- --seed {seed} --trace{without}");
            if !options.keep_going {
                break;
            }
        }
    }
    println!(
        "{failed} seeds failed; {landed} batches landed in {attempts} attempts of {processes} \
         processes; stops for a person: {stops:?}"
    );
    println!("came into: {seen:?}");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints for each rule its witness, and how many of the seeds notice that it is missing.
fn rules_needed(options: &Options) -> ExitCode {
    let mut all = true;
    println!("| rule | seed | what goes wrong without it | broken there | seeds that notice |");
    println!("| --- | --- | --- | --- | --- |");
    for needed in NEEDED {
        let with = run(needed.seed, RunOptions::default()).violation;
        let without = RunOptions { without: Some(needed.rule), trace: false };
        let broken = run(needed.seed, without).violation.map_or("nothing", |v| v.invariant);
        all &= with.is_none() && broken == needed.broken;
        let noticed = (options.first..options.first + options.seeds)
            .filter(|seed| run(*seed, without).violation.is_some())
            .count();
        println!(
            "| {:?} | {} | {} | {broken} | {noticed} of {} |",
            needed.rule, needed.seed, needed.what, options.seeds
        );
    }
    if all { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
