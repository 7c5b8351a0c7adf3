//! ClickHouse: the server that is inside the chdb library, and the launcher that runs it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::checksums::Pins;
use super::installed_once;
use super::tools::{C_COMPILER, NPM, TAR, find, run};
use crate::error::{Result, io};

const PACKAGE: &str = "@chdb/lib-linux-x64-gnu@26.7.3-stable.1";
const ARCHIVE: &str = "chdb-lib-linux-x64-gnu-26.7.3-stable.1.tgz";
const PINS: Pins =
    Pins { list: "pins/clickhouse.sha256", text: include_str!("../../pins/clickhouse.sha256") };
const LAUNCHER_SOURCE: &str = include_str!("../../native/clickhouse_launcher.c");

/// Where ClickHouse was installed.
#[derive(Clone, Debug)]
pub struct ClickHouseFiles {
    /// The program that loads the library and runs it as a server.
    pub launcher: PathBuf,
    /// The library; the launcher finds it through `LIBCHDB`.
    pub library: PathBuf,
}

/// ClickHouse 26.7; installs it at the first call on this machine (178 MB to download).
/// Errors: `ToolMissing` (npm, cc, tar), `ToolFailed`, `ChecksumMismatch`.
pub fn clickhouse() -> Result<ClickHouseFiles> {
    let directory = installed_once("clickhouse", &[PINS.text, LAUNCHER_SOURCE], |scratch| {
        let compiler = find(C_COMPILER)?;
        download(scratch)?;
        compile_launcher(&compiler, scratch)
    })?;
    Ok(ClickHouseFiles { launcher: directory.join("launcher"), library: directory.join("libchdb.so") })
}

fn download(scratch: &Path) -> Result<()> {
    let (npm, tar) = (find(NPM)?, find(TAR)?);
    run(Command::new(npm)
        .args(["pack", "--silent", PACKAGE, "--pack-destination"])
        .arg(scratch)
        .current_dir(scratch))?;
    let archive = scratch.join(ARCHIVE);
    PINS.verify_file(&archive)?;
    run(Command::new(tar)
        .arg("xzf")
        .arg(&archive)
        .args(["--strip-components=1", "package/libchdb.so"])
        .current_dir(scratch))?;
    fs::remove_file(&archive).map_err(io("remove the unpacked archive"))?;
    PINS.verify_file(&scratch.join("libchdb.so"))
}

fn compile_launcher(compiler: &Path, scratch: &Path) -> Result<()> {
    let source = scratch.join("clickhouse_launcher.c");
    fs::write(&source, LAUNCHER_SOURCE).map_err(io("write the launcher's source"))?;
    run(Command::new(compiler)
        .args(["-O1", "-Wall", "-Werror", "-o"])
        .arg(scratch.join("launcher"))
        .arg(&source)
        .arg("-ldl"))?;
    Ok(())
}
