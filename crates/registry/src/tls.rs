//! TLS: whom we trust, and the certificate that we show.
use std::sync::Arc;

/// Far more than a chain of certificates has.
const PEM_BYTES_MAX: u64 = 1 << 20;

use hyper_rustls::ConfigBuilderExt;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::RegistryError;
use crate::settings::{PemSource, TlsSettings};

/// Errors: `Client`: a file cannot be read, holds nothing of use, or key and certificate do not match.
pub(crate) fn client_config(settings: &TlsSettings) -> Result<ClientConfig, RegistryError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| client(&error.to_string()))?;
    let builder = match &settings.authorities {
        None => builder.with_native_roots().map_err(|error| client(&error.to_string()))?,
        Some(source) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(source, "the authorities' certificates")? {
                roots.add(certificate).map_err(|error| client(&error.to_string()))?;
            }
            builder.with_root_certificates(roots)
        }
    };
    match (&settings.certificates, &settings.key) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(chain), Some(key)) => {
            let chain = certificates(chain, "our certificate")?;
            builder
                .with_client_auth_cert(chain, private_key(key)?)
                .map_err(|error| client(&format!("our certificate: {error}")))
        }
        _ => Err(client("our certificate and our key are only of use together")),
    }
}

fn client(why: &str) -> RegistryError {
    RegistryError::Client { why: why.to_owned() }
}

fn text_of(source: &PemSource, what: &str) -> Result<Vec<u8>, RegistryError> {
    match source {
        PemSource::Text(text) => Ok(text.reveal().as_bytes().to_vec()),
        PemSource::File(path) => {
            let failed = |error| client(&format!("{what}: {} cannot be read: {error}", path.display()));
            let found = std::fs::metadata(path).map_err(failed)?;
            // A pipe or a device would have no end.
            if !found.is_file() || found.len() > PEM_BYTES_MAX {
                let why = format!("{what}: {} is no file of at most {PEM_BYTES_MAX} bytes", path.display());
                return Err(client(&why));
            }
            std::fs::read(path).map_err(failed)
        }
    }
}

fn certificates(source: &PemSource, what: &str) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let text = text_of(source, what)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| client(&format!("{what}: not PEM: {error}")))?;
    if found.is_empty() {
        return Err(client(&format!("{what}: no certificate in PEM form")));
    }
    Ok(found)
}

fn private_key(source: &PemSource) -> Result<PrivateKeyDer<'static>, RegistryError> {
    let text = text_of(source, "our key")?;
    // The error could hold parts of the text.
    PrivateKeyDer::from_pem_slice(&text)
        .map_err(|_| client("our key: no unencrypted key in PEM form (PKCS#8, PKCS#1 or SEC1)"))
}

#[cfg(test)]
mod tests {
    use pumphouse_testkit::tls_front::Authority;

    use super::*;
    use crate::settings::Secret;

    fn text(pem: &str) -> Option<PemSource> {
        Some(PemSource::Text(Secret::new(pem)))
    }

    #[test]
    fn certificate_and_key_are_used_together_and_errors_show_neither() {
        let (certificate, key) = Authority::new().sign("localhost");
        let both = TlsSettings {
            authorities: text(&certificate),
            certificates: text(&certificate),
            key: text(&key),
        };
        assert!(client_config(&both).unwrap().client_auth_cert_resolver.has_certs());

        let half = TlsSettings { key: None, ..both.clone() };
        assert!(client_config(&half).unwrap_err().to_string().starts_with("REGISTRY-005: "));
        for broken in [
            TlsSettings { authorities: text("hunter2"), ..both.clone() },
            TlsSettings { certificates: text("hunter2"), ..both.clone() },
            TlsSettings { key: text("hunter2"), ..both.clone() },
            TlsSettings { key: text(&key.replace("PRIVATE", "ENCRYPTED PRIVATE")), ..both.clone() },
            TlsSettings { authorities: Some(PemSource::File("/no/such/file".into())), ..both },
        ] {
            let error = client_config(&broken).unwrap_err().to_string();
            assert!(error.starts_with("REGISTRY-005: ") && !error.contains("hunter2"), "{error}");
        }
    }
}
