//! Java's trust stores in PKCS12, which librdkafka does not read: their certificates as PEM text.
use std::io::Read as _;
use std::path::Path;

use openssl::pkcs12::Pkcs12;

/// What a JKS store begins with; Java calls such a store, and since version 9 a PKCS12 one, too, `JKS`.
const JKS_BEGINNING: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// Some thousand authorities.
const STORE_BYTES_MAX: u64 = 16 << 20;

/// The certificates of a trust store. `None`: the file is a JKS store, or cannot be read at all.
/// Errors: why a PKCS12 store gives none; the password is not quoted.
pub(crate) fn trust_store_pem(path: &Path, password: &str) -> Option<Result<String, String>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(STORE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    if bytes.is_empty() || bytes.starts_with(&JKS_BEGINNING) {
        return None;
    }
    Some(certificates(&bytes, password))
}

fn certificates(bytes: &[u8], password: &str) -> Result<String, String> {
    let store = Pkcs12::from_der(bytes).map_err(|_| "it is neither a JKS nor a PKCS12 store".to_owned())?;
    let parsed = store.parse2(password).map_err(|_| {
        "it cannot be opened: ssl.truststore.password is wrong, or the store uses an old cipher that OpenSSL refuses"
            .to_owned()
    })?;
    let mut pem = String::new();
    for certificate in parsed.cert.iter().map(AsRef::as_ref).chain(parsed.ca.iter().flatten()) {
        let text = certificate.to_pem().map_err(|error| error.to_string())?;
        pem.push_str(&String::from_utf8_lossy(&text));
    }
    if pem.is_empty() { Err("it holds no certificates".to_owned()) } else { Ok(pem) }
}
