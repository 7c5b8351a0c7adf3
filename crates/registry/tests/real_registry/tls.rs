//! HTTPS in front of the registry: a server that passes bytes on, with and without asking for a
//! client's certificate.
use std::sync::Arc;

use pumphouse_registry::{PemSource, Registry, RegistryError, RegistrySettings, Secret, TlsSettings};
use pumphouse_types::SchemaId;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::{fetch, registry_url};

/// An authority, and who it signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        roots
    }
}

/// Starts a server in front of the shared registry; answers its address. It ends with the process.
fn front(authority: &Authority, ask_for_certificate: bool) -> String {
    let (certificate, key) = authority.sign("localhost");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if ask_for_certificate {
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config =
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let url = registry_url();
    let behind = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await.ok()?;
                    let mut inside = tokio::net::TcpStream::connect(behind).await.ok()?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
                });
            }
        });
    });
    format!("https://localhost:{port}/apis/ccompat/v7")
}

fn text(pem: &str) -> Option<PemSource> {
    Some(PemSource::Text(Secret::new(pem)))
}

fn ask(url: &str, tls: TlsSettings) -> RegistryError {
    let settings = RegistrySettings { tls, retries_max: 0, ..RegistrySettings::new(vec![url.to_owned()]) };
    fetch(&Registry::new(settings).unwrap(), SchemaId(1_000_000)).unwrap_err()
}

fn let_in(error: &RegistryError) -> bool {
    matches!(error, RegistryError::NoSuchSchema { .. })
}

#[test]
fn a_registry_is_believed_only_with_a_certificate_that_is_trusted() {
    let (ours, others) = (Authority::new(), Authority::new());
    let url = front(&ours, false);
    let trusting =
        |authority: &Authority| TlsSettings { authorities: text(&authority.pem), ..Default::default() };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &ours.pem).unwrap();
    let from_file =
        TlsSettings { authorities: Some(PemSource::File(file.path().to_owned())), ..Default::default() };
    for good in [ask(&url, trusting(&ours)), ask(&url, from_file)] {
        assert!(let_in(&good), "{good}");
    }
    for bad in [ask(&url, trusting(&others)), ask(&url, TlsSettings::default())] {
        assert!(matches!(bad, RegistryError::NoAnswer { .. }), "{bad}");
    }
    let other_name = ask(&url.replace("localhost", "127.0.0.1"), trusting(&ours));
    assert!(matches!(other_name, RegistryError::NoAnswer { .. }), "{other_name}");
}

#[test]
fn a_registry_that_asks_for_our_certificate_gets_it() {
    let (ours, others) = (Authority::new(), Authority::new());
    let url = front(&ours, true);
    let showing = |authority: &Authority| {
        let (certificate, key) = authority.sign("client");
        TlsSettings { authorities: text(&ours.pem), certificates: text(&certificate), key: text(&key) }
    };
    let good = ask(&url, showing(&ours));
    assert!(let_in(&good), "{good}");
    let none = TlsSettings { authorities: text(&ours.pem), ..Default::default() };
    for bad in [ask(&url, showing(&others)), ask(&url, none)] {
        assert!(matches!(bad, RegistryError::NoAnswer { .. }), "{bad}");
    }
}
