//! `cargo xtask fuzz`: hostile bytes against every parser, for as long as one likes.

use anyhow::Result;
use clap::Args;

use crate::tool::{cargo, succeed};

/// What to run.
#[derive(Args)]
pub struct Options {
    /// One target; all without. `crates/decode/fuzz/src/targets.rs` has their names.
    target: Option<String>,
    /// Seconds per target.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// The same seed makes the same inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Adds inputs with an outcome of their own to the corpus.
    #[arg(long)]
    keep: bool,
}

/// Errors: an input fails; it is printed, and kept in the corpus.
pub fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--release", "--quiet", "-p", "pumphouse-fuzz", "--"]).args(&options.target);
    command.args(["--seconds", &options.seconds.to_string(), "--seed", &options.seed.to_string()]);
    if options.keep {
        command.arg("--keep");
    }
    succeed(&mut command)
}
