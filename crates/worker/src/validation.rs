//! A connector's configuration, checked as its start would: the config room's rules, and what Kafka's client
//! refuses, and the files that it names. Nothing is connected.
use pumphouse_config::{
    ConfigCode, ConfigError, ConfigInfos, ConnectorConfig, KafkaOptions, RawConfig, WorkerConfig, validate,
};
use pumphouse_kafka::{KafkaError, client_settings};

use crate::spec::ConnectorSpec;

/// `further`: mistakes that the request itself has.
pub(crate) fn validate_connector(
    given: &RawConfig,
    worker: &WorkerConfig,
    mut further: Vec<ConfigError>,
) -> ConfigInfos {
    if let Ok(config) = ConnectorConfig::from_raw(given, worker) {
        further.extend(client_refusals(&config, given));
        further.extend(spec_of(&config, given, worker).err());
    }
    validate(given, worker, further)
}

/// What the files that it names make of a configuration. Errors: one cannot be used.
pub(crate) fn spec_of(
    config: &ConnectorConfig,
    given: &RawConfig,
    worker: &WorkerConfig,
) -> Result<ConnectorSpec, ConfigError> {
    ConnectorSpec::new(config, worker).map_err(|why| {
        let named = given.iter().map(|(name, _)| name).find(|name| why.starts_with(&format!("{name}:")));
        let message = match given.iter().any(|(_, value)| value.contains("${")) {
            false => named
                .and_then(|name| why.strip_prefix(name))
                .map_or(&*why, |why| why.trim_start_matches([':', ' '])),
            // It quotes paths and texts of files, which a placeholder may have filled in.
            true => "a file or a schema that the configuration names cannot be used",
        };
        let option = named.unwrap_or("connector.class");
        ConfigError::new(ConfigCode::Value, option, message, "Correct it, or give the worker what it names.")
    })
}

/// What Kafka's client cannot honour, under the names that the connector's file has.
pub(crate) fn client_refusals(config: &ConnectorConfig, given: &RawConfig) -> Vec<ConfigError> {
    let mut refusals: Vec<ConfigError> = Vec::new();
    for (options, prefix) in
        [(&config.consumer_options, "consumer.override."), (&config.ledger_options, "producer.override.")]
    {
        let Some(error) = refusal(options, prefix, given) else { continue };
        // The ledger's options hold the consumer's, too.
        if !refusals.iter().any(|known| known.message == error.message) {
            refusals.push(error);
        }
    }
    refusals
}

fn refusal(options: &KafkaOptions, prefix: &str, given: &RawConfig) -> Option<ConfigError> {
    let KafkaError::OptionUnsupported { name, advice } = client_settings(options.reveal()).err()? else {
        return None;
    };
    let own = ["consumer.override.", prefix]
        .into_iter()
        .map(|prefix| format!("{prefix}{name}"))
        .find(|option| given.get(option).is_some());
    Some(match own {
        // The advice quotes the value.
        Some(option) if given.get(&option).is_some_and(|value| value.contains("${")) => ConfigError::new(
            ConfigCode::NotYet,
            option,
            "KAFKA-003: Kafka's client refuses what the placeholder stands for",
            "Change it, or remove it.",
        ),
        Some(option) => ConfigError::new(
            ConfigCode::NotYet,
            option,
            format!("KAFKA-003: {advice}"),
            "Change it, or remove it.",
        ),
        None => ConfigError::new(
            ConfigCode::NotYet,
            "connector.class",
            format!("KAFKA-003: {name}, in the worker's file: {advice}"),
            "Change the worker's file.",
        ),
    })
}
