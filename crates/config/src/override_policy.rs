//! `connector.client.config.override.policy`: which client options a connector may override. Whether an
//! override can be honoured at all is asked afterwards, option by option.
use crate::error::ConfigCode;
use crate::reading::Reading;

/// As Kafka Connect's policies of these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OverridePolicy {
    All,
    Principal,
    None,
}

/// What a connector may say about who it is.
const OF_PRINCIPAL: [&str; 3] = ["security.protocol", "sasl.jaas.config", "sasl.mechanism"];

const PREFIXES: [&str; 3] = ["consumer.override.", "producer.override.", "admin.override."];

impl OverridePolicy {
    pub(crate) fn read(reading: &mut Reading<'_>) -> OverridePolicy {
        match reading.text("connector.client.config.override.policy").to_ascii_lowercase().as_str() {
            "none" => OverridePolicy::None,
            "principal" => OverridePolicy::Principal,
            _ => OverridePolicy::All,
        }
    }

    /// Refuses the connector's overrides that the worker does not allow.
    pub(crate) fn check(self, reading: &mut Reading<'_>) {
        for prefix in PREFIXES {
            let given: Vec<_> = reading.family(prefix).map(|(name, _)| name).collect();
            for name in given {
                let message = match self {
                    OverridePolicy::All => continue,
                    OverridePolicy::Principal if OF_PRINCIPAL.contains(&name) => continue,
                    OverridePolicy::Principal => "the worker's policy is Principal",
                    OverridePolicy::None => "the worker's policy is None",
                };
                let remedy =
                    "Remove it, or change connector.client.config.override.policy in the worker's file.";
                reading.error(ConfigCode::Conflict, &format!("{prefix}{name}"), message, remedy);
            }
        }
    }
}
