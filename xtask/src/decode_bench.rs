//! `cargo xtask decode-bench`: what a record costs to decode, in one run with the simplest other way.

use anyhow::Result;
use clap::Args;

use crate::tool::{cargo, succeed};

/// How much to measure.
#[derive(Args)]
pub struct Options {
    /// Records per round.
    #[arg(long, default_value_t = 100_000)]
    records: usize,
    /// Rounds of each; medians are shown.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// Errors: the rivals' columns are not ours, or it cannot be built.
pub fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--release", "--quiet", "-p", "pumphouse-hot-paths", "--features", "rivals"]);
    command.args(["--bin", "decode_bench", "--", &options.records.to_string(), &options.rounds.to_string()]);
    succeed(&mut command)
}
