//! HTTPS in front of the registry: a server that passes bytes on, with and without asking for a
//! client's certificate.
use pumphouse_registry::{PemSource, Registry, RegistryError, RegistrySettings, Secret, TlsSettings};
use pumphouse_testkit::tls_front::{self, Authority};
use pumphouse_types::SchemaId;

use crate::support::{fetch, registry_url};

/// A front before the shared registry; answers its address.
fn front(authority: &Authority, ask_for_certificate: bool) -> String {
    let url = registry_url();
    let behind = url.strip_prefix("http://").unwrap().split('/').next().unwrap();
    let port = tls_front::start(authority, ask_for_certificate, behind).unwrap();
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
