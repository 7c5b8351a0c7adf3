//! The files of the command line: those of the worker.
use std::path::Path;

use pumphouse_config::{ConfigErrors, ConnectorConfig, WorkerConfig, parse_connector_file, parse_properties};

use crate::error::VerifyError;

/// Reads the worker's file.
pub(crate) fn read_worker(path: &Path) -> Result<WorkerConfig, VerifyError> {
    let raw = parse_properties(&read(path)?).map_err(|error| wrong(path, error.into()))?;
    WorkerConfig::from_raw(&raw).map_err(|errors| wrong(path, errors))
}

/// Reads a connector's file.
pub(crate) fn read_connector(path: &Path, worker: &WorkerConfig) -> Result<ConnectorConfig, VerifyError> {
    let raw = parse_connector_file(&read(path)?).map_err(|error| wrong(path, error.into()))?;
    ConnectorConfig::from_raw(&raw, worker).map_err(|errors| wrong(path, errors))
}

fn read(path: &Path) -> Result<Vec<u8>, VerifyError> {
    std::fs::read(path).map_err(|source| VerifyError::File { path: path.display().to_string(), source })
}

fn wrong(path: &Path, errors: ConfigErrors) -> VerifyError {
    VerifyError::Config { path: path.display().to_string(), errors }
}
