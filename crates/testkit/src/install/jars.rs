//! Kafka and ZooKeeper: their jars from Maven, and a formatted Kafka data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::checksums::Pins;
use super::tools::{JAVA, MAVEN, find, run};
use super::{installed_once, text_of};
use crate::error::{Result, io};

/// What is downloaded. Two jars are not among the servers' own dependencies: without the logging
/// bridge both are silent, and without Dropwizard's metrics ZooKeeper does not start.
const POM: &str = include_str!("../../pins/jars.pom.xml");
const PINS: Pins = Pins { list: "pins/jars.sha256", text: include_str!("../../pins/jars.sha256") };

/// Any cluster id does: no two clusters of the testkit ever talk to each other.
const CLUSTER_ID: &str = "cHVtcGhvdXNlLXRlc3RraQ";

/// Where the Java servers were installed.
#[derive(Clone, Debug)]
pub struct JavaServerFiles {
    /// The `java` program.
    pub java: PathBuf,
    /// Directory with all jars.
    pub jars: PathBuf,
    /// A Kafka data directory as `StorageTool format` leaves it. Copied for each new broker: a
    /// format by Java takes as long as the start itself.
    pub formatted_kafka: PathBuf,
}

impl JavaServerFiles {
    /// `java` with all jars on its class path.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.java);
        command.arg("-cp").arg(self.jars.join("*"));
        command
    }
}

/// Kafka 4.1.0 and ZooKeeper 3.9.4; installs them at the first call on this machine.
/// Errors: `ToolMissing` (java, mvn), `ToolFailed`, `ChecksumMismatch`, `UnexpectedFile`.
pub fn java_servers() -> Result<JavaServerFiles> {
    let java = find(JAVA)?;
    let directory = installed_once("java-servers", &[POM, PINS.text, CLUSTER_ID], |scratch| {
        download(scratch)?;
        PINS.verify_directory(&scratch.join("jars"))?;
        format_kafka(&java, scratch)
    })?;
    Ok(JavaServerFiles {
        java,
        jars: directory.join("jars"),
        formatted_kafka: directory.join("formatted-kafka"),
    })
}

fn download(scratch: &Path) -> Result<()> {
    let maven = find(MAVEN)?;
    let pom = scratch.join("pom.xml");
    fs::write(&pom, POM).map_err(io("write pom.xml"))?;
    run(Command::new(maven)
        .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg("-f")
        .arg(&pom)
        .arg(format!("-DoutputDirectory={}", text_of(&scratch.join("jars"))?)))?;
    Ok(())
}

fn format_kafka(java: &Path, scratch: &Path) -> Result<()> {
    // Only node id and roles end up in what is formatted; ports are given at start.
    let data = scratch.join("formatted-kafka");
    let config = scratch.join("format.properties");
    let text = format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:9093\n\
         listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
         controller.listener.names=CONTROLLER\n\
         listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
         log.dirs={}\n",
        text_of(&data)?
    );
    fs::write(&config, text).map_err(io("write format.properties"))?;
    run(Command::new(java)
        .arg("-cp")
        .arg(scratch.join("jars/*"))
        .args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"])
        .arg(&config))?;
    Ok(())
}
