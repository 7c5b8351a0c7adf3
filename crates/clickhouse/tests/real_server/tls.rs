//! HTTPS in front of the real server: a front that passes bytes on, with and without asking for a client's
//! certificate.
use std::path::PathBuf;

use pumphouse_clickhouse::{Certificates, ClickHouseError, Client, Endpoint};
use pumphouse_testkit::tls_front::{self, Authority};

use crate::server::{RUNTIME, server};

/// A front before the shared server; answers its port.
fn front(authority: &Authority, ask_for_certificate: bool) -> u16 {
    let inside = server().endpoint("default", "");
    tls_front::start(authority, ask_for_certificate, &format!("{}:{}", inside.host, inside.port)).unwrap()
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
