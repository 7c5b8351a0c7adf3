//! One schema registry that keeps everything in memory: Apicurio, which speaks Confluent's API.

use std::process::Command;
use std::time::Duration;

use super::{Housing, common_life};
use crate::error::Result;
use crate::install::{RegistryFiles, registry};
use crate::ports::free_ports;

/// A health check that takes longer counts as failed.
const HEALTH_LIMIT: Duration = Duration::from_secs(2);

/// How a registry is started.
#[derive(Clone, Debug)]
pub struct SchemaRegistryOptions {
    /// Java heap in MiB.
    pub heap_mib: u32,
    /// User and password that every request must then carry.
    pub basic_auth: Option<(String, String)>,
}

impl Default for SchemaRegistryOptions {
    fn default() -> Self {
        SchemaRegistryOptions { heap_mib: 384, basic_auth: None }
    }
}

/// A running registry. Restarting it empties it: ids begin at 1 again.
#[derive(Debug)]
pub struct SchemaRegistry {
    housing: Housing,
    files: RegistryFiles,
    options: SchemaRegistryOptions,
    port: u16,
}

common_life!(SchemaRegistry);

impl SchemaRegistry {
    /// Starts an empty registry; installs it first if this machine has none.
    /// Errors: those of the installation; `Ended`, `NotReady` with the end of its log.
    pub fn start(options: SchemaRegistryOptions) -> Result<SchemaRegistry> {
        let files = registry()?;
        let housing = Housing::new("Registry")?;
        let [port] = free_ports()?;
        let mut registry = SchemaRegistry { housing, files, options, port };
        registry.launch()?;
        Ok(registry)
    }

    /// Port of its HTTP interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What `schema.registry.url` is set to.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(&self.files.java);
        command
            .arg(format!("-Xmx{}m", self.options.heap_mib))
            .arg("-XX:+UseSerialGC")
            .arg("-Dquarkus.http.host=127.0.0.1")
            .arg(format!("-Dquarkus.http.port={}", self.port));
        if let Some((user, password)) = &self.options.basic_auth {
            let users = "-Dquarkus.security.users.embedded";
            command
                .arg("-Dquarkus.http.auth.basic=true")
                .arg(format!("{users}.enabled=true"))
                .arg(format!("{users}.plain-text=true"))
                .arg(format!("{users}.users.{user}={password}"))
                .arg(format!("{users}.roles.{user}=sr-admin"))
                .arg("-Dquarkus.http.auth.permission.all.paths=/apis/*")
                .arg("-Dquarkus.http.auth.permission.all.policy=authenticated");
        }
        command.arg("-jar").arg(&self.files.runner).current_dir(self.housing.path());
        let health = format!("http://127.0.0.1:{}/health/ready", self.port);
        self.housing.launch(command, move || is_ready(&health))
    }
}

fn is_ready(health: &str) -> std::result::Result<(), String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(HEALTH_LIMIT)).build();
    ureq::Agent::new_with_config(config).get(health).call().map(drop).map_err(|error| error.to_string())
}
