//! Workers that do nothing: what most tests need of one.
use std::collections::BTreeMap;

use pumphouse_config::{ConfigError, ConfigInfos, RawConfig, WorkerConfig, parse_properties, validate};
use pumphouse_rest::{
    ConnectorState, ConnectorView, Herder, Levels, Loggers, Process, Refusal, TargetState, WorkerView,
};

/// The process of any of them.
pub struct Idle;

impl Process for Idle {
    fn worker_id(&self) -> String {
        "127.0.0.1:8083".to_owned()
    }

    fn kafka_cluster_id(&self) -> Option<String> {
        Some("lkc-1".to_owned())
    }

    fn validate(&self, config: &RawConfig, further: Vec<ConfigError>) -> ConfigInfos {
        validate(config, &config_of("").unwrap(), further)
    }

    fn metrics_text(&self) -> String {
        "# TYPE up gauge\nup 1\n# EOF\n".to_owned()
    }
}

/// One without connectors, that takes every new one.
pub struct Empty;

impl WorkerView for Empty {
    fn process(&self) -> &dyn Process {
        &Idle
    }

    fn connectors(&self) -> Vec<String> {
        Vec::new()
    }

    fn connector(&self, _: &str) -> Option<ConnectorView> {
        None
    }
}

impl Herder for Empty {
    fn create(&self, config: BTreeMap<String, String>, _: TargetState) -> Result<ConnectorView, Refusal> {
        let (name, state) = (config["name"].clone(), ConnectorState::Running);
        Ok(ConnectorView { name, config, state, tasks: Vec::new() })
    }
}

/// A worker's file with these lines.
pub fn config_of(lines: &str) -> Result<WorkerConfig, pumphouse_config::ConfigErrors> {
    WorkerConfig::from_raw(&parse_properties(format!("bootstrap.servers=k:1\n{lines}").as_bytes()).unwrap())
}

pub fn loggers_of(levels: &[(&str, &str)]) -> std::sync::Arc<Loggers> {
    let levels: Levels =
        levels.iter().map(|(name, level)| ((*name).to_owned(), (*level).to_owned())).collect();
    std::sync::Arc::new(Loggers::new(levels, |_| {}))
}
