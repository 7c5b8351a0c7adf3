//! A browser for the page: Debian's Chromium, installed by apt where there is none and apt may be called.

use std::path::PathBuf;
use std::process::Command;

use super::tools::{CHROMIUM, find, run};
use super::{cache_directory, locked};
use crate::error::Result;

/// Seconds that apt-get waits for another one: an update of the system takes some minutes.
const WAIT_FOR_APT: &str = "DPkg::Lock::Timeout=300";

/// Path of Chromium: `PUMPHOUSE_CHROMIUM`, else the one on the PATH, else one that is installed now.
/// Of several callers at once one installs and the others wait for it.
/// Errors: `ToolMissing` where there is none and it cannot be installed.
pub fn chromium() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("PUMPHOUSE_CHROMIUM") {
        return Ok(given.into());
    }
    find(CHROMIUM).or_else(|missing| {
        let cache = cache_directory()?;
        let _lock = locked(&cache, "chromium")?;
        find(CHROMIUM).or_else(|_| {
            by_apt().map_err(|error| {
                eprintln!("testkit: {error}");
                missing
            })
        })
    })
}

fn by_apt() -> Result<PathBuf> {
    eprintln!("testkit: installing {} by apt-get (once)", CHROMIUM.package);
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        run(command.args(["-o", WAIT_FOR_APT]).args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = || {
        apt(&[
            "install",
            "--yes",
            "--quiet",
            "--no-install-recommends",
            CHROMIUM.package,
            "fonts-dejavu-core",
        ])
    };
    // The list of packages may be older than the packages.
    install().or_else(|_| apt(&["update", "--quiet"]).and_then(|_| install()))?;
    find(CHROMIUM)
}
