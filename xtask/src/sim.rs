//! `cargo xtask sim`: the seeded simulator of the protocol.

use anyhow::Result;

use crate::tool::{cargo, succeed};

/// Runs the simulator, over its usual number of seeds or over one.
pub fn run(seed: Option<&str>) -> Result<()> {
    let mut command = cargo();
    // Optimised: a million steps a second instead of some thousand.
    command.args(["run", "--release", "--quiet", "-p", "pumphouse-sim", "--"]).args(seed);
    succeed(&mut command)
}
