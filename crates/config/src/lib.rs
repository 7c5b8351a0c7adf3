//! Kafka Connect configuration: files are parsed, held against one table of options, and understood.
//!
//! Nothing is silently ignored: an option is honoured, or noted as being without effect, or refused with
//! a code and a remedy. Everything wrong with a file is reported at once, and no secret is ever printed.
#![forbid(unsafe_code)]

mod raw;

mod connector_file;
mod properties;

mod error;
mod option;
mod options;
mod secret;
mod value;

mod reading;

mod clickhouse_settings;
mod converter;
mod kafka_options;
mod listener;
mod masked;
mod start_at;

mod connector_config;
mod worker_config;

mod page;

pub use clickhouse_settings::FORCED_CLICKHOUSE_SETTINGS;
pub use connector_config::{BatchLimits, ConnectorConfig, Endpoint, LedgerStore, UnknownFields};
pub use connector_file::parse_connector_file;
pub use error::{ConfigCode, ConfigError, ConfigErrors, Note};
pub use kafka_options::KafkaOptions;
pub use listener::Listener;
pub use option::{Importance, Kind, OptionDef, Scope, Status};
pub use options::all as all_options;
pub use page::configuration_page;
pub use properties::parse_properties;
pub use raw::RawConfig;
pub use secret::{MASK, Secret};
pub use start_at::StartAt;
pub use worker_config::WorkerConfig;
