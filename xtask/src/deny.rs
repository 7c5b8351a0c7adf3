//! `cargo xtask deny`: licences and advisories, by cargo-deny and `deny.toml`.

use anyhow::{Result, bail};

use crate::tool::{cargo, succeed};

/// Runs cargo-deny.
/// Errors: it is not installed (the message says how to install it), or it found something.
pub fn run() -> Result<()> {
    let installed = cargo().args(["deny", "--version"]).output().is_ok_and(|output| output.status.success());
    if !installed {
        bail!("cargo-deny is not installed; `cargo install --locked cargo-deny` does it in some minutes");
    }
    succeed(cargo().args(["deny", "check"]))
}
