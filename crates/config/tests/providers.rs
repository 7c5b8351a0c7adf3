//! Config providers: what a placeholder becomes, and that nothing shows it.
#![allow(clippy::unwrap_used)]
use std::path::PathBuf;

use pumphouse_config::{
    ConfigCode, ConfigErrors, ConnectorConfig, RawConfig, WorkerConfig, parse_properties,
};

/// A directory that is removed at the end.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Place {
        let place = std::env::temp_dir().join(format!("pumphouse-providers-{name}-{}", std::process::id()));
        std::fs::create_dir_all(place.join("allowed")).unwrap();
        std::fs::write(
            place.join("allowed/secrets.properties"),
            "password=hunter2-file\nport=hunter2-port\nshort=x9\n",
        )
        .unwrap();
        std::fs::write(place.join("allowed/user"), "hunter2-dir").unwrap();
        std::fs::write(place.join("outside.properties"), "password=hunter2-out\n").unwrap();
        Place(place)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn worker(&self, extra: &str) -> Result<WorkerConfig, ConfigErrors> {
        let file = format!(
            "bootstrap.servers=k:9092\nconfig.providers=file,env,dir\n\
             config.providers.file.class=org.apache.kafka.common.config.provider.FileConfigProvider\n\
             config.providers.file.param.allowed.paths={}\n\
             config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider\n\
             config.providers.env.param.allowlist.pattern=CARGO_.*\n\
             config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider\n{extra}",
            self.path("allowed")
        );
        WorkerConfig::from_raw(&parse_properties(file.as_bytes()).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn connector(changes: &[(&str, &str)]) -> RawConfig {
    let base = [
        ("name", "c"),
        ("connector.class", "ClickHouseSink"),
        ("topics", "t"),
        ("hostname", "h"),
        ("value.converter", "JsonConverter"),
        ("value.converter.schemas.enable", "false"),
    ];
    base.iter().chain(changes).map(|(name, value)| (*name, *value)).collect()
}

#[test]
fn placeholders_become_what_the_providers_have() {
    let place = Place::new("fill");
    let worker = place.worker("").unwrap();
    let file = format!("${{file:{}:password}}", place.path("allowed/secrets.properties"));
    let user = format!("u-${{dir:{}:user}}", place.path("allowed"));
    let raw = connector(&[("password", &file), ("username", &user), ("database", "${env:CARGO_PKG_NAME}")]);
    let config = ConnectorConfig::from_raw(&raw, &worker).unwrap();
    assert_eq!(config.endpoint.password.reveal(), "hunter2-file");
    assert_eq!(config.endpoint.username, "u-hunter2-dir");
    assert_eq!(config.endpoint.database, "pumphouse-config");
    let shown = config.masked();
    assert_eq!((shown["password"].as_str(), shown["username"].as_str()), (file.as_str(), user.as_str()));
}

#[test]
fn the_workers_own_values_are_filled_and_inherited() {
    let place = Place::new("worker");
    let secrets = place.path("allowed/secrets.properties");
    let extra = format!("security.protocol=SASL_PLAINTEXT\nsasl.password=${{file:{secrets}:password}}\n");
    let worker = place.worker(&extra).unwrap();
    let config = ConnectorConfig::from_raw(&connector(&[]), &worker).unwrap();
    assert_eq!(config.consumer_options.get("sasl.password"), Some("hunter2-file"));
    assert!(!format!("{worker:?} {config:?}").contains("hunter2"));
    assert_eq!(worker.masked()["sasl.password"], format!("${{file:{secrets}:password}}"));
}

fn refused(place: &Place, option: &str, value: &str) -> ConfigErrors {
    let raw = connector(&[(option, value)]);
    ConnectorConfig::from_raw(&raw, &place.worker("").unwrap()).expect_err(value)
}

#[test]
fn what_cannot_be_filled_is_refused_once_by_its_placeholder() {
    let place = Place::new("refuse");
    let allowed = place.path("allowed/secrets.properties");
    for value in [
        format!("${{file:{allowed}:nothing}}"),
        format!("${{file:{}:password}}", place.path("outside.properties")),
        format!("${{file:{}/../outside.properties:password}}", place.path("allowed")),
        "${file:/no/such/file:password}".to_owned(),
        format!("${{dir:{}:../outside.properties}}", place.path("allowed")),
        format!("${{dir:{}:nothing}}", place.path("allowed")),
        "${env:HOME}".to_owned(),
        "${env:CARGO_NO_SUCH_VARIABLE}".to_owned(),
        "${directory:/x:y}".to_owned(),
    ] {
        let errors = refused(&place, "port", &value);
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert_eq!((errors.0[0].code, errors.0[0].option.as_str()), (ConfigCode::Placeholder, "port"));
        assert!(errors.to_string().contains(&value) && !errors.to_string().contains("hunter2"), "{errors}");
    }
}

#[test]
fn a_message_does_not_quote_what_was_filled_in() {
    let place = Place::new("scrub");
    let secrets = place.path("allowed/secrets.properties");
    for option in ["port", "hostname", "topics", "exactlyOnce", "topics.regex", "clickhouseSettings"] {
        for (key, before) in [("port", ""), ("port", "a b,"), ("short", "(")] {
            let raw = connector(&[(option, &format!("{before}${{file:{secrets}:{key}}}"))]);
            let Err(errors) = ConnectorConfig::from_raw(&raw, &place.worker("").unwrap()) else { continue };
            let text = errors.to_string();
            assert!(!text.contains("hunter2") && !text.contains("x9"), "{option}: {text}");
        }
    }
}

#[test]
fn providers_are_checked_where_they_are_named() {
    let worker = |text: &str| {
        let errors = WorkerConfig::from_raw(
            &parse_properties(format!("bootstrap.servers=k:1\n{text}").as_bytes()).unwrap(),
        );
        errors.expect_err(text).0.into_iter().map(|error| (error.code, error.option)).collect::<Vec<_>>()
    };
    assert_eq!(
        worker("config.providers=a\n"),
        [(ConfigCode::Missing, "config.providers.a.class".to_owned())]
    );
    assert_eq!(
        worker("config.providers=a\nconfig.providers.a.class=x.VaultConfigProvider\n"),
        [(ConfigCode::NotYet, "config.providers.a.class".to_owned())]
    );
    assert_eq!(
        worker("config.providers.a.class=FileConfigProvider\n"),
        [(ConfigCode::Conflict, "config.providers.a.class".to_owned())]
    );
}

#[test]
fn text_that_means_no_provider_stays() {
    let place = Place::new("stay");
    let config =
        ConnectorConfig::from_raw(&connector(&[("password", "a${b:c}${d}")]), &place.worker("").unwrap());
    assert_eq!(config.unwrap().endpoint.password.reveal(), "a${b:c}${d}");
}

#[test]
fn a_limit_that_its_provider_does_not_have_is_refused() {
    let place = Place::new("limits");
    for extra in
        ["config.providers.file.param.allowlist.pattern=x", "config.providers.env.param.allowed.paths=/etc"]
    {
        let refused = place.worker(extra).unwrap_err().to_string();
        assert!(refused.contains("CONFIG-006") && refused.contains("has no param."), "{refused}");
    }
}
