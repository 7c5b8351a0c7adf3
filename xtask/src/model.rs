//! `cargo xtask model`: every order of a few faults, and what happens without a rule.

use anyhow::Result;
use clap::Args;

use crate::tool::{cargo, succeed};

/// Options of the model check.
#[derive(Args, Clone)]
pub struct Options {
    /// One scenario instead of all.
    #[arg(long)]
    scenario: Option<String>,
    /// A rule that is switched off: the check must find what it is there for.
    #[arg(long)]
    without: Option<String>,
    /// Switches each rule that the model covers off, one after the other.
    #[arg(long)]
    mutations: bool,
}

/// Runs the model check.
/// Errors: a promise was broken; with `mutations`, the absence of a rule was not found.
pub fn run(options: &Options) -> Result<()> {
    let mut command = cargo();
    // Optimised: several times as many states a second.
    command.args(["run", "--release", "--quiet", "-p", "pumphouse-model", "--"]);
    for (name, value) in [("--scenario", &options.scenario), ("--without", &options.without)] {
        command.args(value.iter().flat_map(|value| [name, value.as_str()]));
    }
    if options.mutations {
        command.arg("--mutations");
    }
    succeed(&mut command)
}
