//! `cargo xtask check`: minutes at most, before every commit.

use anyhow::Result;

use crate::tidy;
use crate::tool::{cargo, succeed};

/// Format, lint, unit tests, documentation, and `tidy`; stops at the first that fails.
pub fn run() -> Result<()> {
    succeed(cargo().args(["fmt", "--all", "--check"]))?;
    tidy::run()?;
    succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    succeed(cargo().args(["test", "--workspace", "--lib", "--bins"]))?;
    succeed(cargo().env("RUSTDOCFLAGS", "-D warnings").args(["doc", "--workspace", "--no-deps"]))
}
