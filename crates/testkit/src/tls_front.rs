//! TLS for servers that have none here: an authority that signs certificates, and a front that takes TLS and
//! passes the bytes on.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// An authority, made for one test. Panics where a certificate cannot be made: no test goes on without.
pub struct Authority {
    /// Its own certificate.
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// One that nobody knows yet.
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no names are right names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate of its own").pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// Certificate and key (PKCS#8), both PEM, for this name: a host's, or a client's.
    pub fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name for a certificate");
        let signed = params.signed_by(&key, &self.issuer).expect("a signed certificate");
        (signed.pem(), key.serialize_pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.pem)).expect("the authority's own certificate");
        roots
    }

    fn server_config(&self, ask_for_certificate: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3");
        let builder = if ask_for_certificate {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(self.roots()), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier with one root"))
        } else {
            builder.with_no_client_auth()
        };
        let (chain, key) = self.sign("localhost");
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("the key that was written");
        builder.with_single_cert(vec![certificate(&chain)], key).expect("a certificate and its key")
    }
}

fn certificate(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).expect("the certificate that was written")
}

/// Takes TLS as `localhost` before the server at `behind` (`host:port`), and answers the port. With
/// `ask_for_certificate` only who shows one of this authority's is let in. It ends with the process.
/// Errors: no port or no thread can be had.
pub fn start(authority: &Authority, ask_for_certificate: bool, behind: &str) -> std::io::Result<u16> {
    let config = Arc::new(authority.server_config(ask_for_certificate));
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let behind = behind.to_owned();
    let serve = async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let acceptor = TlsAcceptor::from(config);
        loop {
            let (stream, _) = listener.accept().await?;
            let (acceptor, behind) = (acceptor.clone(), behind.clone());
            tokio::spawn(async move {
                let mut outside = acceptor.accept(stream).await.ok()?;
                let mut inside = tokio::net::TcpStream::connect(behind).await.ok()?;
                tokio::io::copy_bidirectional(&mut outside, &mut inside).await.ok()
            });
        }
    };
    std::thread::Builder::new().name("tls-front".to_owned()).spawn(move || {
        // Whoever is behind it sees that it has ended.
        let _: std::io::Result<()> = runtime.block_on(serve);
    })?;
    Ok(port)
}
