//! Faults against real servers, drawn from a seed, under load; and after each kind every committed record is looked
//! up, in the tables and among the dead letters. `cargo xtask chaos`; a bounded run is part of `cargo xtask test`.
//!
//! The suite starts a broker, a ZooKeeper and a ClickHouse of its own, since it breaks them.
#![forbid(unsafe_code)]
#![allow(missing_docs)]

// What is asked for.
mod kind;
mod options;
mod trouble;

// What is broken.
mod crew;
mod load;
mod rest;
mod sink;
mod small_disk;
mod stage;

// How, and what came of it.
mod faults;
mod report;
mod run;

use std::process::ExitCode;
use std::time::Instant;

use pumphouse_testkit::seeded::Seeded;
use tempfile::TempDir;

use crate::crew::Crew;
use crate::kind::Kind;
use crate::options::{Asked, Ledgers, Options};
use crate::report::Report;
use crate::run::Run;
use crate::stage::Stage;
use crate::trouble::{Result, text};

fn main() -> ExitCode {
    match options::read(std::env::args().skip(1)) {
        Ok(Asked::Nothing) => ExitCode::SUCCESS,
        Ok(Asked::Kinds) => {
            for kind in Kind::ALL {
                println!("{:<20}{}", kind.name(), kind.what());
            }
            ExitCode::SUCCESS
        }
        Ok(Asked::Run(options)) => run_and_report(&options),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn run_and_report(options: &Options) -> ExitCode {
    let begun = Instant::now();
    let engines: Vec<_> = options.engines.iter().map(|&engine| stage::name_of(engine)).collect();
    println!(
        "chaos: seed {}, {} workers, tables {}, ledger in {}, {} faults of each of {} kinds",
        options.seed,
        options.workers,
        engines.join(" and "),
        options.ledgers.name(),
        options.times,
        options.kinds.len()
    );
    let mut report = Report::default();
    let outcome = try_all(options, &mut report);
    println!("\n{}", report.text());
    let (kept, broken) = report.counts();
    let mut failed = broken;
    if let Err(why) = &outcome {
        println!("{why}\nagain: cargo xtask chaos --seed {}{}", options.seed, words(options));
        // A phase that broke the promise is counted already.
        failed = failed.max(1);
    }
    // The form of cargo's own closings, which `cargo xtask test` adds up.
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {verdict}. {kept} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; \
         finished in {:.2}s",
        begun.elapsed().as_secs_f64()
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn try_all(options: &Options, report: &mut Report) -> Result<()> {
    let logs = logs()?;
    let stage = Stage::start(options)?;
    if options.full_disk && stage.small_disk.is_none() {
        println!("no small disk can be mounted here: disk-full is a setting's doing");
    }
    let crew = Crew::start(&stage, options.workers, logs.path())?;
    let mut run = Run { stage, crew, rng: Seeded::new(options.seed) };
    println!("{}", report::HEAD);
    let outcome = run.rounds(options, report);
    let (committed, aborted) = run.stage.load.written();
    println!("the producer knows of {committed} committed records and {aborted} aborted ones");
    if outcome.is_err() {
        // Not removed: somebody will want to read them.
        println!("the workers' logs are in {}", logs.keep().display());
    } else if aborted == 0 {
        return Err("no transaction was aborted: the run proves too little".to_owned());
    }
    outcome
}

/// Where the workers' files and logs go. They stay when `PUMPHOUSE_TEST_LOGS` names a directory for them.
fn logs() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    match std::env::var_os("PUMPHOUSE_TEST_LOGS") {
        Some(kept) => builder.prefix("chaos-").disable_cleanup(true).tempdir_in(kept).map_err(text),
        None => builder.prefix("pumphouse-chaos-").tempdir().map_err(text),
    }
}

/// What else the same run is asked for with.
fn words(options: &Options) -> String {
    let mut words = String::new();
    if options.workers != 2 {
        words += &format!(" --workers {}", options.workers);
    }
    if let [engine] = options.engines.as_slice() {
        words += &format!(" --engine {}", stage::name_of(*engine));
    }
    if options.ledgers != Ledgers::Both {
        words += &format!(" --ledger {}", options.ledgers.name());
    }
    if options.kinds.len() < Kind::ALL.len() - 1 {
        words.extend(options.kinds.iter().map(|kind| format!(" --only {}", kind.name())));
    }
    words.extend(options.connector.iter().map(|(name, value)| format!(" --set {name}={value}")));
    words
}
