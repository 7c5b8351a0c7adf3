//! `cargo xtask tidy`: what no compiler checks. Each check answers its findings, one line each.

mod error_pages;
mod files;
mod links;
mod manifest;
mod purity;
mod rooms;
mod rules;
mod tried_pages;

use anyhow::{Result, bail};

use crate::tool::root;

/// Runs all checks. Errors: one of them found something.
pub fn run() -> Result<()> {
    let mut found = 0;
    for (check, findings) in all()? {
        println!("tidy {check}: {}", if findings.is_empty() { "ok" } else { "NOT OK" });
        for finding in &findings {
            println!("    {finding}");
        }
        found += findings.len();
    }
    if found > 0 {
        bail!("{found} things to tidy up");
    }
    Ok(())
}

/// All checks with what each one found.
pub fn all() -> Result<Vec<(&'static str, Vec<String>)>> {
    let root = root();
    Ok(vec![
        ("rooms: manifests keep to the room table", rooms::check(&root)?),
        ("purity: the pure rooms touch nothing outside", purity::check(&root)?),
        ("errors: each code has its page", error_pages::check(&root)?),
        ("tried: each page says how it was tried", tried_pages::check(&root)?),
        ("rules: PROTOCOL.md has what the code cites", rules::check(&root)?),
        ("links: none is dead", links::check(&root)?),
    ])
}
