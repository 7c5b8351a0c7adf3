//! A schema registry (Apicurio, which speaks Confluent's API), and Confluent's Python serializers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::checksums::Pins;
use super::tools::{JAVA, MAVEN, PYTHON, find, run};
use super::{installed_once, text_of};
use crate::error::{Result, io};

const ARTIFACT: &str = "io.apicurio:apicurio-registry-app:3.0.9:zip:all";
const ARCHIVE: &str = "apicurio-registry-app-3.0.9-all.zip";
const RUNNER: &str = "apicurio-registry-app-3.0.9-runner.jar";
const PINS: Pins = Pins { list: "pins/registry.sha256", text: include_str!("../../pins/registry.sha256") };

/// With hashes, which pip itself compares before it installs.
const PRODUCER_REQUIREMENTS: &str = include_str!("../../pins/schema-producers.txt");

/// Where the registry was installed.
#[derive(Clone, Debug)]
pub struct RegistryFiles {
    /// The `java` program.
    pub java: PathBuf,
    /// The jar to run.
    pub runner: PathBuf,
}

/// Python with the serializers of confluent-kafka on its path.
#[derive(Clone, Debug)]
pub struct SchemaProducers {
    python: PathBuf,
    packages: PathBuf,
}

impl SchemaProducers {
    /// `python3` that finds the packages.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.env("PYTHONPATH", &self.packages).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }
}

/// Apicurio Registry 3.0.9; installs it at the first call on this machine (109 MB to download).
/// Errors: `ToolMissing` (java, mvn, python3), `ToolFailed`, `ChecksumMismatch`.
pub fn registry() -> Result<RegistryFiles> {
    let java = find(JAVA)?;
    let directory = installed_once("registry", &[PINS.text], |scratch| {
        let (maven, python) = (find(MAVEN)?, find(PYTHON)?);
        run(Command::new(maven)
            .args(["-q", "-B", "dependency:copy", "-Dtransitive=false"])
            .arg(format!("-Dartifact={ARTIFACT}"))
            .arg(format!("-DoutputDirectory={}", text_of(scratch)?))
            .current_dir(scratch))?;
        PINS.verify_file(&scratch.join(ARCHIVE))?;
        run(Command::new(python).args(["-m", "zipfile", "-e", ARCHIVE, "."]).current_dir(scratch))?;
        remove(&scratch.join(ARCHIVE))
    })?;
    Ok(RegistryFiles { java, runner: directory.join(RUNNER) })
}

/// confluent-kafka 2.16 with its Avro, Protobuf and JSON Schema serializers, and the Protobuf
/// compiler; installs them at the first call on this machine.
/// Errors: `ToolMissing` (python3), `ToolFailed`.
pub fn schema_producers() -> Result<SchemaProducers> {
    let python = find(PYTHON)?;
    let packages = installed_once("schema-producers", &[PRODUCER_REQUIREMENTS], |scratch| {
        let requirements = scratch.join("requirements.txt");
        fs::write(&requirements, PRODUCER_REQUIREMENTS).map_err(io("write requirements.txt"))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes"])
            .args(["--only-binary", ":all:", "--disable-pip-version-check", "--target"])
            .arg(scratch.join("packages"))
            .arg("--requirement")
            .arg(&requirements))?;
        Ok(())
    })?;
    Ok(SchemaProducers { python, packages: packages.join("packages") })
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(io("remove the unpacked archive"))
}
