//! HTTPS in front of the real server: a front that passes bytes on, with and without asking for a client's
//! certificate.
use std::path::PathBuf;
use std::sync::Arc;

use pumphouse_clickhouse::{Certificates, ClickHouseError, Client, Endpoint};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{RUNTIME, server};

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
}

/// Starts a front before the shared server; answers its port. It ends with the process.
fn front(authority: &Authority, ask_for_certificate: bool) -> u16 {
    let (certificate, key) = authority.sign("localhost");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if ask_for_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().unwrap())
    } else {
        builder.with_no_client_auth()
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let config =
        builder.with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap()).unwrap();
    let inside = server().endpoint("default", "");
    let behind = format!("{}:{}", inside.host, inside.port);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    RUNTIME.spawn(async move {
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
    port
}

/// Whether the server's databases can be asked for.
fn ask(port: u16, certificates: &Certificates) -> Result<bool, ClickHouseError> {
    let endpoint =
        Endpoint { host: "localhost".to_owned(), port, ssl: true, ..server().endpoint("default", "") };
    let client = Client::with_certificates(vec![endpoint], certificates)?;
    RUNTIME.block_on(client.database_exists(pumphouse_testkit::DATABASE))
}

#[test]
fn a_server_is_believed_by_its_authority_and_shown_our_certificate() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| -> Option<PathBuf> {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (certificate, key) = authority.sign("pumphouse");
    let (strange_certificate, strange_key) = stranger.sign("pumphouse");
    let believing = Certificates { authorities: file("ca.pem", &authority.pem), ..Certificates::default() };
    let ours = Certificates {
        certificate: file("our.pem", &certificate),
        key: file("our.key", &key),
        ..believing.clone()
    };

    let open = front(&authority, false);
    assert!(ask(open, &believing).unwrap());
    // The system does not know the authority, nor does who believes another one.
    assert!(matches!(
        ask(open, &Certificates::default()),
        Err(ClickHouseError::NoAnswer { .. } | ClickHouseError::Client { .. })
    ));
    let other = Certificates { authorities: file("other.pem", &stranger.pem), ..Certificates::default() };
    let refused = ask(open, &other).unwrap_err();
    assert!(
        matches!(&refused, ClickHouseError::NoAnswer { why, .. } if why.contains("certificate")),
        "{refused}"
    );

    let closed = front(&authority, true);
    assert!(ask(closed, &ours).unwrap());
    assert!(matches!(ask(closed, &believing), Err(ClickHouseError::NoAnswer { .. })));
    let strange = Certificates {
        certificate: file("strange.pem", &strange_certificate),
        key: file("strange.key", &strange_key),
        ..believing.clone()
    };
    assert!(matches!(ask(closed, &strange), Err(ClickHouseError::NoAnswer { .. })));

    // What cannot be used is told when the client is made, and not quoted.
    for broken in [
        Certificates { authorities: file("broken.pem", "hunter2"), ..ours.clone() },
        Certificates { authorities: Some(directory.path().join("missing")), ..ours.clone() },
        Certificates { key: file("broken.key", "hunter2"), ..ours.clone() },
        Certificates { key: None, ..ours.clone() },
        Certificates { key: file("another.key", &strange_key), ..ours },
    ] {
        let refused = ask(closed, &broken).unwrap_err();
        assert!(matches!(&refused, ClickHouseError::Client { why } if !why.contains("hunter2")), "{refused}");
    }
}
