//! TLS towards the servers: whose certificates we believe, and the one that we show.
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Far more than a chain of certificates has.
const PEM_BYTES_MAX: u64 = 1 << 20;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::ClickHouseError;

/// PEM files; all without: the system's authorities, and no certificate of ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Certificates {
    /// Those who may sign the server's certificate.
    pub authorities: Option<PathBuf>,
    /// Our certificate, with those between it and its authority.
    pub certificate: Option<PathBuf>,
    /// Its key, not encrypted.
    pub key: Option<PathBuf>,
    /// Whether the certificate stands in place of a password (`IDENTIFIED WITH ssl_certificate`).
    pub instead_of_password: bool,
}

/// Errors: `Client`: a file cannot be read or holds nothing of use, or key and certificate do not match. No
/// message quotes a file.
pub(crate) fn client_config(given: &Certificates) -> Result<ClientConfig, ClickHouseError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error.to_string()))?;
    let builder = match &given.authorities {
        None => builder.with_native_roots().map_err(|error| refused(&error.to_string()))?,
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| refused(&format!("{}: {error}", path.display())))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match (&given.certificate, &given.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => builder
            .with_client_auth_cert(certificates(chain)?, private_key(key)?)
            .map_err(|error| refused(&format!("{}: {error}", chain.display()))),
        _ => Err(refused("our certificate and its key are only of use together")),
    }
}

fn refused(why: &str) -> ClickHouseError {
    ClickHouseError::Client { why: why.to_owned() }
}

/// A pipe or a device would have no end.
fn text_of(path: &Path) -> Result<Vec<u8>, ClickHouseError> {
    let failed = |error| refused(&format!("{} cannot be read: {error}", path.display()));
    let found = std::fs::metadata(path).map_err(failed)?;
    if !found.is_file() || found.len() > PEM_BYTES_MAX {
        return Err(refused(&format!("{} is no file of at most {PEM_BYTES_MAX} bytes", path.display())));
    }
    std::fs::read(path).map_err(failed)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClickHouseError> {
    let text = text_of(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|_| refused(&format!("{} is not PEM", path.display())))?;
    if found.is_empty() {
        return Err(refused(&format!("{} holds no certificate in PEM form", path.display())));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, ClickHouseError> {
    PrivateKeyDer::from_pem_slice(&text_of(path)?)
        .map_err(|_| refused(&format!("{} holds no unencrypted key in PEM form", path.display())))
}
