//! A disk of their own for the tables, so small that it can be filled: a tmpfs, where the user may mount one.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::trouble::{Result, text};

/// More than the tables of a long run have.
const SIZE: &str = "1g";

const PREFIX: &str = "pumphouse-small-disk-";

/// The name of the storage policy that has nothing but this disk.
pub const POLICY: &str = "small";

/// Mounted until it is dropped.
pub struct SmallDisk {
    directory: PathBuf,
}

impl SmallDisk {
    /// `None`: this user may not mount.
    pub fn mount() -> Option<SmallDisk> {
        clear_up();
        let directory = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&directory).ok()?;
        let disk = SmallDisk { directory };
        // Dropped, it is removed again.
        is_done(
            Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={SIZE}"), "tmpfs"]),
            &disk.directory,
        )
        .then_some(disk)
    }

    /// What ClickHouse is to know of it.
    pub fn configuration(&self) -> String {
        format!(
            "<storage_configuration><disks><{POLICY}><path>{}/tables/</path></{POLICY}></disks>\
             <policies><{POLICY}><volumes><main><disk>{POLICY}</disk></main></volumes></{POLICY}></policies>\
             </storage_configuration>",
            self.directory.display()
        )
    }

    /// Leaves no space, also none that was given back since.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = OpenOptions::new().create(true).append(true).open(self.ballast()).map_err(text)?;
        for bytes in [1 << 20, 1 << 12] {
            let block = vec![0; bytes];
            while write(&mut ballast, &block)? {}
        }
        Ok(())
    }

    /// There is space again.
    pub fn empty(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(text(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn ballast(&self) -> PathBuf {
        self.directory.join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        give_back(&self.directory);
    }
}

/// False: there is no space.
fn write(file: &mut File, block: &[u8]) -> Result<bool> {
    match file.write_all(block) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::StorageFull => Ok(false),
        Err(error) => Err(text(error)),
    }
}

/// What runs left that were killed.
fn clear_up() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        if process.is_some_and(|process| !Path::new(&format!("/proc/{process}")).exists()) {
            give_back(&entry.path());
        }
    }
}

/// Also where a server has files open still: it is gone with the last of them.
fn give_back(directory: &Path) {
    is_done(Command::new("umount").arg("--lazy"), directory);
    // Not if it is mounted still: then it is not empty, or busy.
    let _ = fs::remove_dir(directory);
}

fn is_done(command: &mut Command, directory: &Path) -> bool {
    command.arg(directory).output().is_ok_and(|output| output.status.success())
}
