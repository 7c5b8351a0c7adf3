//! Options that the configuration understands and the worker does not carry out yet. Each is refused, so
//! that none is ignored in silence; who builds one removes its line.
use pumphouse_config::{BadRecords, ConfigCode, ConfigError, ConnectorConfig, ExactlyOnce, LineageColumns};

/// Errors: the first of them, with its code and what to do.
pub(crate) fn check(config: &ConnectorConfig) -> Result<(), String> {
    let usual = LineageColumns::default();
    let (retry, lineage) = (&config.insert_retry, &config.lineage);
    let refused = [
        (config.endpoint.hostnames.len() > 1, "hostname", "Name one server."),
        (config.exactly_once == ExactlyOnce::Off, "exactlyOnce", "Set it to true."),
        (config.bad_records != BadRecords::Stop, "errors.tolerance", "Set it to none."),
        (retry.timeout_ms.is_some(), "errors.retry.timeout", "Remove it: inserts are tried until they work."),
        (retry.delay_ms_max != 10_000, "errors.retry.delay.max.ms", "Remove it."),
        (*lineage != usual, "pumphouse.lineage.*.column", "Call the columns by their default names."),
        (config.table_creation.is_some(), "pumphouse.table.create", "Create the table yourself."),
        (!config.open_batch_decisions.is_empty(), "pumphouse.open.batch.decisions", "Remove it."),
    ];
    let first = refused.into_iter().find(|(asked, ..)| *asked);
    first.map_or(Ok(()), |(_, option, remedy)| {
        Err(ConfigError::new(ConfigCode::NotYet, option, "it is not built yet", remedy).to_string())
    })
}
