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

mod providers;
mod reading;

mod bad_records;
mod clickhouse_settings;
mod converter;
mod dlq_replay;
mod endpoint;
mod exactly_once;
mod kafka_options;
mod keeper_table;
mod lineage;
mod listener;
mod masked;
mod open_batch_decisions;
mod override_policy;
mod rest_security;
mod row_rules;
mod schema_registry;
mod start_at;
mod table_creation;
mod topic_pattern;

mod connector_config;
mod worker_config;

mod definition;
mod distributed;
mod validation;

mod page;

pub use bad_records::{BadRecordLog, BadRecords, DeadLetters, InsertRetry};
pub use clickhouse_settings::FORCED_CLICKHOUSE_SETTINGS;
pub use connector_config::{
    BatchLimits, ConnectorConfig, InsertCompression, LedgerStore, TASKS_MAX, UnknownFields,
};
pub use connector_file::parse_connector_file;
pub use converter::{BareValue, SchemaFiles, ValueConverter};
pub use definition::Definition;
pub use distributed::{Distributed, TopicCreation};
pub use endpoint::{CertificateFiles, Endpoint};
pub use error::{ConfigCode, ConfigError, ConfigErrors, Note};
pub use exactly_once::ExactlyOnce;
pub use kafka_options::KafkaOptions;
pub use keeper_table::KeeperTable;
pub use lineage::LineageColumns;
pub use listener::{Listener, Listeners, Protocol};
pub use masked::masked_connector;
pub use open_batch_decisions::BatchDecision;
pub use option::{Importance, Kind, OptionDef, Scope, Status};
pub use options::{all as all_options, is_secret};
pub use page::configuration_page;
pub use properties::parse_properties;
pub use raw::RawConfig;
pub use rest_security::{ClientAuth, PageAccess, Place, RestTls, Store};
pub use row_rules::RowRules;
pub use schema_registry::{Pem, RegistryLogin, SchemaRegistry};
pub use secret::{MASK, Secret};
pub use start_at::StartAt;
pub use table_creation::TableCreation;
pub use topic_pattern::TopicPattern;
pub use validation::{
    ConfigInfos, NoSuchPlugin, SINK_CLASSES, check_plugin, converter_classes, converter_definitions,
    is_class, sink_definitions, validate,
};
pub use worker_config::WorkerConfig;
