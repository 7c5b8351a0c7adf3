//! The schema registry's client, of what a value converter's options say.
use pumphouse_config::{Pem, RegistryLogin, SchemaRegistry};
use pumphouse_registry::{
    Authentication, PemSource, Registry, RegistrySettings, Secret, SubjectNames, TlsSettings,
};

use crate::task::SchemaSource;

/// Errors: an address, certificate or key that the client refuses, with its code.
pub(crate) fn schema_source(options: &SchemaRegistry) -> Result<SchemaSource, String> {
    let urls = options.urls.iter().map(|url| url.reveal().to_owned()).collect();
    let settings = RegistrySettings {
        authentication: match &options.login {
            RegistryLogin::FromUrl => Authentication::FromUrl,
            RegistryLogin::Basic { user, password } => {
                Authentication::Basic { user: user.clone(), password: Secret::new(password.reveal()) }
            }
            RegistryLogin::Bearer(token) => Authentication::Bearer(Secret::new(token.reveal())),
        },
        tls: TlsSettings {
            authorities: options.authorities.as_ref().map(pem),
            certificates: options.certificates.as_ref().map(pem),
            key: options.key.as_ref().map(pem),
        },
        // Each round without an answer is to show in the status; whoever asks goes on asking.
        retries_max: 0,
        ..RegistrySettings::new(urls)
    };
    let subjects = SubjectNames::from_class(&options.subject_name_strategy)
        .expect("the option's table names these classes alone");
    let registry = Registry::new(settings).map_err(|error| error.to_string())?;
    Ok(SchemaSource { registry, subjects })
}

fn pem(pem: &Pem) -> PemSource {
    match pem {
        Pem::File(path) => PemSource::File(path.clone()),
        Pem::Text(text) => PemSource::Text(Secret::new(text.reveal())),
    }
}
