//! Compares downloaded files with the pinned SHA-256 list.
//!
//! A list has the form of `sha256sum`: digest, two spaces, file name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Result, TestkitError, io};

/// Read at once: large enough that hashing, not reading, sets the pace.
const READ_BYTES: usize = 1 << 20;

/// A pinned list: its name for messages, and its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pins {
    pub(crate) list: &'static str,
    pub(crate) text: &'static str,
}

impl Pins {
    fn digests(self) -> BTreeMap<&'static str, &'static str> {
        self.text
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(digest, file)| (file, digest))
            .collect()
    }

    /// Checks one file of the list.
    /// Errors: `UnexpectedFile` when the list does not name it, `ChecksumMismatch`.
    pub(crate) fn verify_file(self, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(pinned) = self.digests().get(name.as_str()).copied() else {
            return Err(self.unexpected(&name, "not pinned"));
        };
        let found = digest_of_file(path)?;
        if found == pinned {
            return Ok(());
        }
        Err(TestkitError::ChecksumMismatch { file: name, pinned: pinned.to_owned(), found })
    }

    /// Checks that a directory holds exactly the files of the list, each with its digest.
    pub(crate) fn verify_directory(self, directory: &Path) -> Result<()> {
        let reading = || io(format!("list {}", directory.display()));
        for entry in fs::read_dir(directory).map_err(reading())? {
            self.verify_file(&entry.map_err(reading())?.path())?;
        }
        for file in self.digests().keys() {
            if !directory.join(file).is_file() {
                return Err(self.unexpected(file, "missing"));
            }
        }
        Ok(())
    }

    fn unexpected(self, file: &str, problem: &'static str) -> TestkitError {
        TestkitError::UnexpectedFile { file: file.to_owned(), problem, list: self.list }
    }
}

/// The first 12 hex digits of the SHA-256 over several texts, to name a directory by its contents.
pub(crate) fn short_digest(texts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        // The length separates the texts: ("ab", "c") is not ("a", "bc").
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    let mut hex = hex_of(&hasher.finalize());
    hex.truncate(12);
    hex
}

fn digest_of_file(path: &Path) -> Result<String> {
    let reading = || io(format!("read {}", path.display()));
    let mut file = File::open(path).map_err(reading())?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let len = file.read(&mut buffer).map_err(reading())?;
        if len == 0 {
            return Ok(hex_of(&hasher.finalize()));
        }
        hasher.update(&buffer[..len]);
    }
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SHA-256 of the empty text and of "abc", from FIPS 180-2.
    const PINS: Pins = Pins {
        list: "test list",
        text: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  empty\n\
               ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n",
    };

    fn directory_with(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    fn problem(files: &[(&str, &str)]) -> String {
        let directory = directory_with(files);
        PINS.verify_directory(directory.path()).unwrap_err().to_string()
    }

    #[test]
    fn exactly_the_pinned_files_pass() {
        let directory = directory_with(&[("empty", ""), ("abc", "abc")]);
        PINS.verify_directory(directory.path()).unwrap();
    }

    #[test]
    fn a_changed_a_missing_and_an_additional_file_are_refused() {
        assert!(problem(&[("empty", ""), ("abc", "abd")]).contains("TESTKIT-003: abc"));
        assert!(problem(&[("abc", "abc")]).contains("empty is missing"));
        assert!(problem(&[("empty", ""), ("abc", "abc"), ("new", "")]).contains("new is not pinned"));
    }
}
