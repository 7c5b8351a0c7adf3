//! `cargo xtask sim`: the seeded simulator of the protocol.

use anyhow::Result;

use crate::tool::{cargo, succeed};

/// Runs the simulator, over its usual number of seeds, over one, or as its own words say (`--without R7`, `--needed`).
pub fn run(words: &[String]) -> Result<()> {
    let mut command = cargo();
    // Optimised: a million steps a second instead of some thousand.
    command.args(["run", "--release", "--quiet", "-p", "pumphouse-sim", "--"]).args(words);
    succeed(&mut command)
}
