//! A configuration that came over REST: checked before anything is changed, and what it leaves as it was
//! shown is taken for what it is.
use std::collections::BTreeMap;

use pumphouse_config::{
    ConnectorConfig, MASK, RawConfig, SINK_CLASSES, Scope, WorkerConfig, is_class, is_secret,
};
use pumphouse_rest::Refusal;
use tracing::warn;

use crate::spec::ConnectorSpec;
use crate::validation::{spec_of, validate_connector};

const CLASS: &str = "connector.class";

/// A configuration that can be run.
pub(crate) struct Checked {
    pub raw: RawConfig,
    pub config: ConnectorConfig,
    pub spec: ConnectorSpec,
}

impl Checked {
    /// Errors: 400, with everything that is wrong.
    pub(crate) fn new(raw: RawConfig, worker: &WorkerConfig) -> Result<Checked, Refusal> {
        check_class(&raw)?;
        check_masks(&raw)?;
        let infos = validate_connector(&raw, worker, Vec::new());
        let messages: Vec<String> = infos.errors().map(str::to_owned).collect();
        if !messages.is_empty() {
            return Err(invalid(&messages));
        }
        let config =
            ConnectorConfig::from_raw(&raw, worker).map_err(|errors| invalid(&[errors.to_string()]))?;
        let spec = spec_of(&config, &raw, worker).map_err(|why| invalid(&[why.to_string()]))?;
        log_notes(&config);
        Ok(Checked { raw, config, spec })
    }
}

/// What an option has no effect on, and what it costs, is said once per configuration.
pub(crate) fn log_notes(config: &ConnectorConfig) {
    for note in &config.notes {
        warn!(
            of = config.name,
            option = note.option,
            why = note.message,
            "an option is accepted without effect"
        );
    }
    for warning in &config.warnings {
        warn!(of = config.name, option = warning.option, what = warning.message, "an option has its price");
    }
}

/// As Kafka Connect says it.
fn invalid(messages: &[String]) -> Refusal {
    Refusal::new(
        400,
        format!(
            "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the \
             above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
            messages.len(),
            messages.join("\n")
        ),
    )
}

/// Kafka Connect looks for the connector's class before it looks at anything else.
fn check_class(raw: &RawConfig) -> Result<(), Refusal> {
    let Some(class) = raw.get(CLASS).filter(|class| !class.trim().is_empty()) else {
        // Without a class nothing says which options are secret.
        let names: Vec<&str> = raw.iter().map(|(name, _)| name).collect();
        let name = raw.get("name").unwrap_or_default();
        return Err(Refusal::new(
            400,
            format!("Connector config of {name} ({}) contains no connector type", names.join(", ")),
        ));
    };
    if SINK_CLASSES.iter().any(|known| is_class(class, known, "Connector")) {
        return Ok(());
    }
    let version = env!("CARGO_PKG_VERSION");
    let plugins = SINK_CLASSES.map(|class| {
        format!(
            "PluginDesc{{klass=class {class}, name='{class}', version='{version}', encodedVersion={version}, \
             type=sink, typeName='sink', location='classpath'}}"
        )
    });
    Err(Refusal::new(
        400,
        format!(
            "Failed to find any class that implements Connector and which name matches {class}, available \
             connectors are: {}",
            plugins.join(", ")
        ),
    ))
}

/// A mask that stands for no secret of this connector would become the secret.
fn check_masks(raw: &RawConfig) -> Result<(), Refusal> {
    let in_url = format!("://{MASK}@");
    let masks = |value: &str| value == MASK || value.contains(&in_url);
    match raw
        .iter()
        .find(|(name, value)| masks(value) && (*value != MASK || is_secret(name, Scope::Connector)))
    {
        Some((name, _)) => {
            let why =
                format!("{name} is what stands in place of a secret in answers: give the secret itself");
            Err(invalid(&[why]))
        }
        None => Ok(()),
    }
}

/// A client that writes back what it has read means what stands behind the masks.
pub(crate) fn unmasked(
    config: BTreeMap<String, String>,
    known: &RawConfig,
    masked: &BTreeMap<String, String>,
) -> RawConfig {
    config
        .into_iter()
        .map(|(name, value)| match known.get(&name) {
            Some(stored) if masked.get(&name) == Some(&value) => (name, stored.to_owned()),
            Some(_) | None => (name, value),
        })
        .collect()
}

/// The known configuration of the connector `name` with some options set, and those that are null removed.
/// Errors: 400 if it names another connector then.
pub(crate) fn patched(
    name: &str,
    known: &RawConfig,
    masked: &BTreeMap<String, String>,
    patch: BTreeMap<String, Option<String>>,
) -> Result<RawConfig, Refusal> {
    let mut all: BTreeMap<String, String> =
        known.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    for (option, value) in patch {
        match value {
            Some(value) if masked.get(&option) == Some(&value) => {}
            Some(value) => {
                all.insert(option, value);
            }
            None => {
                all.remove(&option);
            }
        }
    }
    match all.get("name") {
        Some(asked) if asked == name => Ok(all.into_iter().collect()),
        asked => {
            let asked = asked.map_or("null", String::as_str);
            let why = format!(
                "Connector name configuration ({asked}) doesn't match connector name in the URL ({name})"
            );
            Err(Refusal::new(400, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_sent_back_as_it_was_shown_stays_what_it_is() {
        let known: RawConfig =
            [("name", "c"), ("password", "hush"), ("url", "http://u:p@h"), ("topics", "a")]
                .into_iter()
                .collect();
        let masked = texts(&[("password", "****"), ("url", "http://****@h"), ("topics", "a")]);
        let sent = texts(&[("password", "****"), ("url", "http://****@h"), ("topics", "b"), ("new", "****")]);
        let now = unmasked(sent, &known, &masked);
        assert_eq!(now.get("password"), Some("hush"));
        assert_eq!(now.get("url"), Some("http://u:p@h"));
        assert_eq!((now.get("topics"), now.get("new")), (Some("b"), Some("****")));
        let patch = [("password", Some("****")), ("topics", None), ("url", Some("http://h"))];
        let patch = patch.map(|(name, value)| (name.to_owned(), value.map(str::to_owned)));
        let now = patched("c", &known, &masked, patch.into_iter().collect()).unwrap();
        assert_eq!((now.get("password"), now.get("topics")), (Some("hush"), None));
        assert_eq!(now.get("url"), Some("http://h"));
        for (name, asked) in [(Some("d"), "d"), (None, "null")] {
            let patch = [("name".to_owned(), name.map(str::to_owned))].into();
            let refused = patched("c", &known, &masked, patch).unwrap_err();
            assert!(refused.status == 400 && refused.message.contains(&format!("({asked})")), "{refused:?}");
        }
    }

    #[test]
    fn a_class_that_is_missing_or_strange_is_said_first_and_shows_no_secret() {
        let refused = |pairs: &[(&str, &str)]| {
            let raw: RawConfig = pairs.iter().copied().collect();
            check_class(&raw).map_err(|refusal| (refusal.status, refusal.message))
        };
        let (status, message) = refused(&[("name", "c"), ("password", "hush")]).unwrap_err();
        assert_eq!(
            (status, message.as_str()),
            (400, "Connector config of c (name, password) contains no connector type")
        );
        let (status, message) = refused(&[(CLASS, "no.such.Class")]).unwrap_err();
        assert_eq!(status, 400);
        assert!(message.starts_with(
            "Failed to find any class that implements Connector and which name matches no.such.Class, "
        ));
        assert!(refused(&[(CLASS, "ClickHouseSink")]).is_ok());
    }

    #[test]
    fn a_mask_does_not_become_the_secret() {
        for (name, value) in [("password", MASK), ("schema.registry.url", "http://********@r:8081")] {
            let refused = check_masks(&[(name, value)].into_iter().collect()).unwrap_err();
            assert!(refused.message.contains(name), "{}", refused.message);
        }
        assert!(check_masks(&[("password", "hush"), ("topics", MASK)].into_iter().collect()).is_ok());
    }
}
