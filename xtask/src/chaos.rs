//! `cargo xtask chaos`: faults against real servers, drawn from a seed, longer or narrower than in `cargo xtask test`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::test::{BINARY_VARIABLE, build};
use crate::tool::{cargo, succeed};

/// Options of the chaos suite.
#[derive(Args, Clone)]
pub struct Options {
    /// Rounds over all kinds are begun for so long; one round of three faults of each kind is the least.
    #[arg(long)]
    seconds: Option<u64>,
    /// What everything is drawn from; printed by each run.
    #[arg(long)]
    seed: Option<u64>,
    /// Workers in the group, beside those that come and go.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3))]
    workers: Option<u64>,
    /// `plain`, `replicated` or `both`.
    #[arg(long)]
    engine: Option<String>,
    /// `kafka`, `keepermap`, or `both`: in KeeperMap beside the replicated table only.
    #[arg(long)]
    ledger: Option<String>,
    /// A kind of fault, instead of all; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Faults of each kind in one round.
    #[arg(long)]
    times: Option<u64>,
    /// An option of the connectors, `name=value`; may be given several times.
    #[arg(long)]
    set: Vec<String>,
    /// `disk-full` fills a disk of its own (a tmpfs, which is mounted); else it is a setting's doing.
    #[arg(long)]
    full_disk: bool,
    /// Prints the kinds of faults.
    #[arg(long)]
    kinds: bool,
    /// The worker to be tried; by default a development build of this tree.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Builds the worker and the suite, and runs it; its output says all.
/// Errors: a promise was broken, or the suite could not go on.
pub fn run(options: &Options) -> Result<()> {
    let built = build()?;
    let binary = options.binary.as_ref().map_or(Ok(built), |given| given.canonicalize())?;
    let mut command = cargo();
    command.args(["test", "--quiet", "-p", "pumphouse-tests", "--test", "chaos", "--"]);
    let numbers = [("--seconds", options.seconds), ("--seed", options.seed), ("--workers", options.workers)];
    for (name, value) in numbers.into_iter().chain([("--times", options.times)]) {
        command.args(value.map(|value| format!("{name} {value}")).iter().flat_map(|words| words.split(' ')));
    }
    if let Some(engine) = &options.engine {
        command.args(["--engine", engine]);
    }
    if let Some(ledger) = &options.ledger {
        command.args(["--ledger", ledger]);
    }
    for kind in &options.only {
        command.args(["--only", kind]);
    }
    for option in &options.set {
        command.args(["--set", option]);
    }
    if options.full_disk {
        command.arg("--full-disk");
    }
    if options.kinds {
        command.arg("--kinds");
    }
    succeed(command.env(BINARY_VARIABLE, binary))
}
