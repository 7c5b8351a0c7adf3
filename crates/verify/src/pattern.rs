//! `topics.regex`: the topics that a connector reads now.
use std::time::Duration;

use pumphouse_config::ConnectorConfig;
use pumphouse_kafka::{Admin, client_settings};

use crate::error::VerifyError;

const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// The configuration with the cluster's topics that match its pattern; as it is where it names its topics.
/// Errors: the cluster cannot be asked.
pub fn with_matching_topics(
    config: ConnectorConfig,
    state_topic: &str,
) -> Result<ConnectorConfig, VerifyError> {
    let Some(pattern) = &config.topic_pattern else { return Ok(config) };
    let admin = Admin::open(&client_settings(config.ledger_options.reveal())?.connection)?;
    let meant = |topic: &String| topic != state_topic && pattern.matches(topic);
    let found = admin.topics(ASK_TIMEOUT)?.iter().map(ToString::to_string).filter(meant).collect();
    Ok(config.with_topics(found))
}
