//! Keys and certificates of the https listeners, and towards those of other workers, from the stores that Kafka
//! Connect's options name.
use std::io::Read as _;
use std::sync::Arc;

use hyper_rustls::ConfigBuilderExt;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::x509::X509;
use pumphouse_config::{ClientAuth, Place, RestTls, Store};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::server::ServeError;

/// A store with thousands of authorities is smaller.
const STORE_BYTES_MAX: u64 = 16 << 20;

/// What a JKS store begins with.
const JKS_BEGINNING: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// What the https listeners speak.
/// Errors: [`ServeError::Tls`], which names the option and never a password.
pub(crate) fn server_config(tls: &RestTls) -> Result<Arc<ServerConfig>, ServeError> {
    let failed = |what: String| ServeError::Tls { option: tls.own.option.clone(), what };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions(tls))
        .map_err(|error| failed(error.to_string()))?;
    let builder = match (tls.client_auth, &tls.clients) {
        (ClientAuth::Requested | ClientAuth::Required, Some(store)) => {
            let untrusted = |what: String| ServeError::Tls { option: store.option.clone(), what };
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(store)?), provider());
            let verifier = match tls.client_auth {
                ClientAuth::Requested => verifier.allow_unauthenticated(),
                ClientAuth::None | ClientAuth::Required => verifier,
            };
            builder.with_client_cert_verifier(verifier.build().map_err(|error| untrusted(error.to_string()))?)
        }
        (ClientAuth::Requested | ClientAuth::Required, None) => {
            return Err(failed("there is nobody who vouches for clients".to_owned()));
        }
        (ClientAuth::None, _) => builder.with_no_client_auth(),
    };
    let (chain, key) = own_chain(tls)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|error| failed(error.to_string()))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What is spoken to other workers; `None`: TLS to none.
/// Errors: as above.
pub(crate) fn client_config(tls: Option<&RestTls>) -> Result<ClientConfig, ServeError> {
    let builder = ClientConfig::builder_with_provider(provider());
    let Some(tls) = tls else {
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| ServeError::Tls { option: "ssl".to_owned(), what: error.to_string() })?;
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    };
    let failed = |what: String| ServeError::Tls { option: tls.own.option.clone(), what };
    let builder =
        builder.with_protocol_versions(&versions(tls)).map_err(|error| failed(error.to_string()))?;
    let builder = match &tls.clients {
        Some(store) => builder.with_root_certificates(roots(store)?),
        // A machine without any trusts nobody.
        None => match builder.clone().with_native_roots() {
            Ok(builder) => builder,
            Err(_) => builder.with_root_certificates(RootCertStore::empty()),
        },
    };
    let (chain, key) = own_chain(tls)?;
    builder.with_client_auth_cert(chain, key).map_err(|error| failed(error.to_string()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn versions(tls: &RestTls) -> Vec<&'static SupportedProtocolVersion> {
    [(tls.tls12, &rustls::version::TLS12), (tls.tls13, &rustls::version::TLS13)]
        .into_iter()
        .filter_map(|(wanted, version)| wanted.then_some(version))
        .collect()
}

fn roots(store: &Store) -> Result<RootCertStore, ServeError> {
    let mut roots = RootCertStore::empty();
    for certificate in open(store)?.certificates {
        roots
            .add(der(&certificate)?)
            .map_err(|error| ServeError::Tls { option: store.option.clone(), what: error.to_string() })?;
    }
    Ok(roots)
}

/// This worker's certificate, those of who issued it, and its key.
fn own_chain(tls: &RestTls) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ServeError> {
    let failed = |what: String| ServeError::Tls { option: tls.own.option.clone(), what };
    let Opened { key, certificates } = open(&tls.own)?;
    let key = key.ok_or_else(|| failed("it holds no private key".to_owned()))?;
    let chain = in_order(certificates, &key)
        .ok_or_else(|| failed("no certificate in it is of its key".to_owned()))?;
    let chain = chain.iter().map(der).collect::<Result<_, _>>()?;
    let key = key.private_key_to_pkcs8().map_err(|error| failed(error.to_string()))?;
    Ok((chain, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key))))
}

struct Opened {
    key: Option<PKey<Private>>,
    certificates: Vec<X509>,
}

fn open(store: &Store) -> Result<Opened, ServeError> {
    let failed = |what: String| ServeError::Tls { option: store.option.clone(), what };
    let opened = match &store.place {
        Place::Texts { key, certificates } => pem(store, certificates.as_bytes(), key.reveal().as_bytes()),
        Place::File(path) => {
            let mut bytes = Vec::new();
            let file = std::fs::File::open(path).map_err(|error| failed(format!("{path}: {error}")))?;
            file.take(STORE_BYTES_MAX)
                .read_to_end(&mut bytes)
                .map_err(|error| failed(format!("{path}: {error}")))?;
            match &bytes {
                bytes if bytes.starts_with(&JKS_BEGINNING) => Err(jks_advice(store, path)),
                bytes if bytes.windows(11).any(|window| window == b"-----BEGIN ") => pem(store, bytes, bytes),
                bytes => pkcs12(store, bytes),
            }
            .map_err(|what| format!("{path}: {what}"))
        }
    };
    let opened = opened.map_err(failed)?;
    if opened.certificates.is_empty() {
        return Err(failed("it holds no certificate".to_owned()));
    }
    Ok(opened)
}

fn pem(store: &Store, certificates: &[u8], key: &[u8]) -> Result<Opened, String> {
    let certificates =
        X509::stack_from_pem(certificates).map_err(|_| "its certificates are not PEM".to_owned())?;
    let has_key = key.windows(12).any(|window| window == b"PRIVATE KEY-");
    let key = if has_key { Some(private_key(store, key)?) } else { None };
    Ok(Opened { key, certificates })
}

fn private_key(store: &Store, text: &[u8]) -> Result<PKey<Private>, String> {
    let password = if store.key_password.is_empty() { &store.password } else { &store.key_password };
    // With a password at hand, even an empty one, OpenSSL asks nobody on the terminal.
    PKey::private_key_from_pem_passphrase(text, password.reveal().as_bytes())
        .map_err(|_| "its private key cannot be read: it is not PEM, or ssl.key.password is wrong".to_owned())
}

fn pkcs12(store: &Store, bytes: &[u8]) -> Result<Opened, String> {
    let parsed = Pkcs12::from_der(bytes)
        .map_err(|_| "it is neither PEM nor PKCS12".to_owned())?
        .parse2(store.password.reveal())
        .map_err(|_| {
            "it cannot be opened: its password is wrong, or it uses an old cipher that OpenSSL refuses"
                .to_owned()
        })?;
    let certificates = parsed.cert.into_iter().chain(parsed.ca.into_iter().flatten()).collect();
    Ok(Opened { key: parsed.pkey, certificates })
}

/// keytool asks for the passwords itself.
fn jks_advice(store: &Store, path: &str) -> String {
    if store.option.contains("truststore") {
        return format!(
            "JKS cannot be read; PEM and PKCS12 can. Convert it with `keytool -list -rfc -keystore {path} > ca.pem`, and name the new file"
        );
    }
    format!(
        "JKS cannot be read; PEM and PKCS12 can. Convert it with `keytool -importkeystore -srckeystore {path} -destkeystore keystore.p12 -deststoretype PKCS12`, and name the new file"
    )
}

/// The key's certificate, then who issued it, and so on; what belongs to another chain is left out.
fn in_order(mut all: Vec<X509>, key: &PKey<Private>) -> Option<Vec<X509>> {
    let own = all
        .iter()
        .position(|certificate| certificate.public_key().is_ok_and(|public| public.public_eq(key)))?;
    let mut chain = vec![all.swap_remove(own)];
    loop {
        let last = chain.last().expect("it begins with one");
        let issuer = all.iter().position(|other| other.issued(last) == openssl::x509::X509VerifyResult::OK);
        match issuer {
            Some(issuer) => chain.push(all.swap_remove(issuer)),
            None => return Some(chain),
        }
    }
}

fn der(certificate: &X509) -> Result<CertificateDer<'static>, ServeError> {
    certificate
        .to_der()
        .map(CertificateDer::from)
        .map_err(|error| ServeError::Tls { option: "ssl".to_owned(), what: error.to_string() })
}
