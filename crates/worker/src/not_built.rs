//! Options that the configuration understands and the worker does not carry out yet. Each is refused, so
//! that none is ignored in silence; who builds one removes its line.
use pumphouse_config::{ConfigCode, ConfigError, ConnectorConfig, LineageColumns};

/// Errors: the first of them, with its code and what to do.
pub(crate) fn check(config: &ConnectorConfig) -> Result<(), String> {
    let usual = LineageColumns::default();
    let lineage = &config.lineage;
    let other = (&lineage.timestamp, &lineage.key, &lineage.headers)
        != (&usual.timestamp, &usual.key, &usual.headers);
    let refused = [
        (config.endpoint.hostnames.len() > 1, "hostname", "Name one server."),
        (other, "pumphouse.lineage.*.column", "Call the columns by their default names."),
        (config.table_creation.is_some(), "pumphouse.table.create", "Create the table yourself."),
    ];
    let first = refused.into_iter().find(|(asked, ..)| *asked);
    first.map_or(Ok(()), |(_, option, remedy)| {
        Err(ConfigError::new(ConfigCode::NotYet, option, "it is not built yet", remedy).to_string())
    })
}
