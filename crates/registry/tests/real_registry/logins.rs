//! A registry that wants to know who we are.
use pumphouse_registry::{Authentication, Registry, RegistryError, RegistrySettings, Secret};
use pumphouse_testkit::{SchemaRegistry, SchemaRegistryOptions};
use pumphouse_types::SchemaId;

use crate::support::fetch;

fn login(user: &str, password: &str) -> Authentication {
    Authentication::Basic { user: user.to_owned(), password: Secret::new(password) }
}

#[test]
fn user_and_password_open_the_registry() {
    let basic_auth = Some(("alice".to_owned(), "secret".to_owned()));
    let server = SchemaRegistry::start(SchemaRegistryOptions { basic_auth, ..Default::default() }).unwrap();
    let ask = |url: &str, authentication| {
        let settings = RegistrySettings {
            authentication,
            retries_max: 0,
            ..RegistrySettings::new(vec![url.to_owned()])
        };
        fetch(&Registry::new(settings).unwrap(), SchemaId(1_000_000)).unwrap_err()
    };
    let in_url = server.url().replace("http://", "http://alice:secret@");
    // Let in, we hear that there is no such schema.
    for open in [ask(&server.url(), login("alice", "secret")), ask(&in_url, Authentication::FromUrl)] {
        assert!(matches!(open, RegistryError::NoSuchSchema { .. }), "{open}");
    }
    for shut in [ask(&server.url(), login("alice", "wrong")), ask(&server.url(), Authentication::FromUrl)] {
        assert!(matches!(shut, RegistryError::NotAllowed { status: 401, .. }), "{shut}");
    }
}
