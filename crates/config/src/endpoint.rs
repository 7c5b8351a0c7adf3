//! Where ClickHouse is and who we are there.
use std::path::PathBuf;

use crate::error::ConfigCode;
use crate::reading::Reading;
use crate::secret::Secret;
use crate::value::list;

/// ClickHouse, as the connector's file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Names or addresses, each once, in the order given; at least one. More than one are replicas of
    /// the same tables.
    pub hostnames: Vec<String>,
    /// HTTP port, the same on all hosts.
    pub port: u16,
    /// Whether to speak HTTPS.
    pub tls: bool,
    /// The database of the tables.
    pub database: String,
    /// The user.
    pub username: String,
    /// The password; empty: none.
    pub password: Secret,
    /// For HTTPS.
    pub certificates: CertificateFiles,
}

/// PEM files for HTTPS; all without: the system's authorities, and no certificate of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CertificateFiles {
    /// Those who may sign the server's certificate.
    pub authorities: Option<PathBuf>,
    /// Our certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Whether the certificate stands in place of the password.
    pub instead_of_password: bool,
}

pub(crate) fn read(reading: &mut Reading<'_>) -> Endpoint {
    Endpoint {
        hostnames: hostnames(reading),
        port: u16::try_from(reading.integer("port")).unwrap_or_default(),
        tls: reading.boolean("ssl"),
        database: reading.text("database").to_owned(),
        username: reading.text("username").to_owned(),
        // The official sink trims it as well.
        password: Secret::new(reading.exact("password").trim()),
        certificates: certificates(reading),
    }
}

const CERTIFICATE: &str = "pumphouse.clickhouse.ssl.certificate.location";
const KEY: &str = "pumphouse.clickhouse.ssl.key.location";
const AUTHENTICATES: &str = "pumphouse.clickhouse.ssl.certificate.auth";

fn certificates(reading: &mut Reading<'_>) -> CertificateFiles {
    const AUTHORITIES: &str = "pumphouse.clickhouse.ssl.ca.location";
    let file = |name: &str| reading.given(name).map(PathBuf::from);
    let files = CertificateFiles {
        authorities: file(AUTHORITIES),
        certificate: file(CERTIFICATE),
        key: file(KEY),
        instead_of_password: reading.boolean(AUTHENTICATES),
    };
    for (option, lacks) in [
        (CERTIFICATE, files.certificate.is_some() && files.key.is_none()),
        (KEY, files.key.is_some() && files.certificate.is_none()),
        (AUTHENTICATES, files.instead_of_password && files.certificate.is_none()),
    ] {
        if lacks {
            let remedy = "Give the certificate and its key, or neither.";
            reading.error(
                ConfigCode::Conflict,
                option,
                "certificate and key are only of use together",
                remedy,
            );
        }
    }
    if files != CertificateFiles::default() && !reading.boolean("ssl") {
        for option in [AUTHORITIES, CERTIFICATE, KEY, AUTHENTICATES] {
            if reading.given(option).is_some() {
                reading.note(option, "It counts only beside ssl=true.");
            }
        }
    }
    files
}

fn hostnames(reading: &mut Reading<'_>) -> Vec<String> {
    const OPTION: &str = "hostname";
    let mut hosts: Vec<String> = Vec::new();
    for host in list(reading.text(OPTION)) {
        let bracketed = host.starts_with('[') && host.ends_with(']');
        if host.contains(['/', '@', ' ']) || (host.contains(':') && !bracketed) {
            let remedy = "Give the name alone; the port goes to port, https to ssl=true, IPv6 into brackets.";
            reading.error(ConfigCode::Value, OPTION, format!("{host:?} is not a host name"), remedy);
        } else if !hosts.iter().any(|known| known == host) {
            hosts.push(host.to_owned());
        }
    }
    if hosts.is_empty() && reading.given(OPTION).is_some_and(|text| list(text).is_empty()) {
        reading.error(ConfigCode::Missing, OPTION, "it names no host", "Name at least one.");
    }
    hosts
}
