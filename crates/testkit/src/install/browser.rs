//! A browser for the page: Debian's Chromium, installed by apt where there is none and apt may be called.

use std::path::PathBuf;
use std::process::Command;

use super::tools::{CHROMIUM, find, run};
use crate::error::Result;

/// Path of Chromium: `PUMPHOUSE_CHROMIUM`, else the one on the PATH, else one that is installed now.
/// Errors: `ToolMissing` where there is none and it cannot be installed.
pub fn chromium() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("PUMPHOUSE_CHROMIUM") {
        return Ok(given.into());
    }
    find(CHROMIUM).or_else(|missing| {
        eprintln!("testkit: installing {} by apt-get (once)", CHROMIUM.package);
        let install = |arguments: &[&str]| {
            run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
        let options =
            ["install", "--yes", "--quiet", "--no-install-recommends", CHROMIUM.package, "fonts-dejavu-core"];
        // The list of packages may be older than the packages.
        let installed =
            install(&options).or_else(|_| install(&["update", "--quiet"]).and_then(|_| install(&options)));
        match installed {
            Ok(_) => find(CHROMIUM),
            Err(error) => {
                eprintln!("testkit: {error}");
                Err(missing)
            }
        }
    })
}
