//! kafka-connect-py: an ordinary client of Kafka Connect's REST API, with a command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::installed_once;
use super::tools::{PYTHON, find, run};
use crate::error::{Result, io};

const REQUIREMENTS: &str = include_str!("../../pins/connect-client.txt");

/// Where the client was installed.
#[derive(Clone, Debug)]
pub struct ConnectClient {
    python: PathBuf,
    packages: PathBuf,
}

impl ConnectClient {
    /// `kc --url <url>`; the subcommand is to be added.
    pub fn command(&self, url: &str) -> Command {
        let mut command = Command::new(&self.python);
        command
            .args(["-c", "from kafka_connect.cli import cli; cli()", "--url", url])
            .env("PYTHONPATH", &self.packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("NO_PROXY", "*");
        command
    }
}

/// kafka-connect-py 1.0.0; installs it at the first call on this machine.
/// Errors: `ToolMissing` (python3), `ToolFailed`.
pub fn connect_client() -> Result<ConnectClient> {
    let python = find(PYTHON)?;
    let installed = installed_once("connect-client", &[REQUIREMENTS], |scratch| install(&python, scratch))?;
    Ok(ConnectClient { python, packages: installed.join("packages") })
}

fn install(python: &Path, scratch: &Path) -> Result<()> {
    let requirements = scratch.join("requirements.txt");
    fs::write(&requirements, REQUIREMENTS).map_err(io("write requirements.txt"))?;
    run(Command::new(python)
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"])
        .args(["--only-binary", ":all:", "--disable-pip-version-check", "--target"])
        .arg(scratch.join("packages"))
        .arg("--requirement")
        .arg(&requirements))?;
    Ok(())
}
