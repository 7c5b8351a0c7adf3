//! Gets the real servers and the test data onto this machine, once.
//!
//! Everything is fetched by the package managers' own clients, at pinned versions, and every file
//! is compared with a SHA-256 that stands in `pins/` before it is used. A set of files is made in
//! a scratch directory and renamed into place when it is complete and verified: a directory that
//! exists is good, so later starts only look whether it is there. Its name carries a digest of
//! what was pinned; a changed pin is another directory.

mod browser;
mod checksums;
mod clickhouse;
mod connect_client;
mod flights;
mod jars;
mod registry;
mod tools;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Result, TestkitError, io};

pub use browser::chromium;
pub use clickhouse::{ClickHouseFiles, clickhouse};
pub use connect_client::{ConnectClient, connect_client};
pub use flights::flights_csv;
pub use jars::{JavaServerFiles, java_servers};
pub use registry::{RegistryFiles, SchemaProducers, registry, schema_producers};

/// The directory that keeps what was installed: `PUMPHOUSE_TESTKIT_CACHE`, else
/// `$XDG_CACHE_HOME/pumphouse-testkit`, else `~/.cache/pumphouse-testkit`.
/// Errors: `NoCacheDirectory` when none of the variables is set.
pub fn cache_directory() -> Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(own) = set("PUMPHOUSE_TESTKIT_CACHE") {
        return Ok(own.into());
    }
    if let Some(shared) = set("XDG_CACHE_HOME") {
        return Ok(Path::new(&shared).join("pumphouse-testkit"));
    }
    let home = set("HOME").ok_or(TestkitError::NoCacheDirectory)?;
    Ok(Path::new(&home).join(".cache/pumphouse-testkit"))
}

/// Installs everything, so that later starts need no network.
pub fn everything() -> Result<()> {
    java_servers()?;
    clickhouse()?;
    flights_csv()?;
    registry()?;
    schema_producers()?;
    connect_client()?;
    chromium()?;
    Ok(())
}

/// Waits for the lock `<cache>/<name>.lock`, against other threads and other processes. It is held
/// while the file is open: the kernel drops the lock of a process that dies.
fn locked(cache: &Path, name: &str) -> Result<File> {
    fs::create_dir_all(cache).map_err(io(format!("create {}", cache.display())))?;
    let path = cache.join(format!("{name}.lock"));
    let lock = File::create(&path).map_err(io(format!("open {}", path.display())))?;
    lock.lock().map_err(io(format!("lock {}", path.display())))?;
    Ok(lock)
}

/// Answers the directory `<cache>/<name>-<digest of what is pinned>`; makes it first if needed.
/// `make` fills an empty scratch directory. Of several processes that ask at once one installs and
/// the others wait for it.
fn installed_once(name: &str, pinned: &[&str], make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    installed_once_in(&cache_directory()?, name, pinned, make)
}

fn installed_once_in(
    cache: &Path,
    name: &str,
    pinned: &[&str],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let target = cache.join(format!("{name}-{}", checksums::short_digest(pinned)));
    if target.is_dir() {
        return Ok(target);
    }
    let _lock = locked(cache, name)?;
    if target.is_dir() {
        return Ok(target);
    }
    eprintln!("testkit: installing {name} into {} (once)", target.display());
    let scratch = tempfile::Builder::new()
        .prefix(&format!("{name}-unfinished-"))
        .tempdir_in(cache)
        .map_err(io(format!("create a scratch directory in {}", cache.display())))?;
    make(scratch.path())?;
    // Not removed on drop any more; if the renaming fails, the next try makes its own.
    let finished = scratch.keep();
    fs::rename(&finished, &target).map_err(io(format!("move the installation to {}", target.display())))?;
    Ok(target)
}

/// A path as text, for command lines and configuration files.
pub(crate) fn text_of(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| TestkitError::PathNotText(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(pinned: &str) -> String {
        checksums::short_digest(&[pinned])
    }

    #[test]
    fn a_set_of_files_is_made_once_and_a_failed_try_leaves_nothing_behind() {
        let cache = tempfile::tempdir().unwrap();
        let install = |pinned: &str, ok: bool| {
            installed_once_in(cache.path(), "thing", &[pinned], |scratch| {
                fs::write(scratch.join("file"), pinned).map_err(io("write"))?;
                if ok { Ok(()) } else { Err(TestkitError::NoCacheDirectory) }
            })
        };
        install("one", false).unwrap_err();
        assert!(!cache.path().join(format!("thing-{}", digest("one"))).exists());

        let made = install("one", true).unwrap();
        assert_eq!(fs::read_to_string(made.join("file")).unwrap(), "one");
        // It is there, so it is not made again: this closure would fail.
        assert_eq!(install("one", false).unwrap(), made);
        // Another pin is another directory.
        assert_ne!(install("two", true).unwrap(), made);

        let left: Vec<_> = fs::read_dir(cache.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("unfinished"))
            .collect();
        assert_eq!(left, Vec::<String>::new());
    }
}
