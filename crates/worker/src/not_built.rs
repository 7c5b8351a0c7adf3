//! Options that the configuration understands and the worker does not carry out yet. Each is refused, so
//! that none is ignored in silence; who builds one removes its line.
use pumphouse_config::{ConfigCode, ConfigError, ConnectorConfig};

/// Errors: the first of them, with its code and what to do.
pub(crate) fn check(config: &ConnectorConfig) -> Result<(), String> {
    let refused = [(config.table_creation.is_some(), "pumphouse.table.create", "Create the table yourself.")];
    let first = refused.into_iter().find(|(asked, ..)| *asked);
    first.map_or(Ok(()), |(_, option, remedy)| {
        Err(ConfigError::new(ConfigCode::NotYet, option, "it is not built yet", remedy).to_string())
    })
}
