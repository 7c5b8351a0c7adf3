//! What a connector is, in the worker's words: its configuration with the names that Kafka's and
//! ClickHouse's clients know in place of the files' texts.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use pumphouse_clickhouse::{
    Certificates, Client, Endpoint, KeeperLedger, LineageNames, Password, StateTable, TableName,
};
use pumphouse_columns::Compression;
use pumphouse_config::{
    BadRecords, BareValue, BatchDecision, ConnectorConfig, ExactlyOnce, InsertCompression, LedgerStore,
    TableCreation, ValueConverter, WorkerConfig,
};
use pumphouse_decode::{
    Decoder, Delimited, FixedSchema, Format, PlanOptions, UnknownFields, ValueColumn, WholeValue,
};
use pumphouse_delivery::{Decision, TaskOptions};
use pumphouse_kafka::{Settings, StartAt, WantedLetters, client_settings};
use pumphouse_types::TopicName;
use tracing::warn;

use crate::registry::schema_source;
use crate::task::{Ends, LetterRules, Memory, MemoryLedger, RecipeSource, SchemaSource};
use crate::topics::TopicChoice;

/// How much of a pause between attempts is drawn.
const RETRY_JITTER_PERCENT: u64 = 20;

/// The schema stands in the state topic with each configuration version, and a record there may have 1 MB.
const SCHEMA_FILE_BYTES_MAX: usize = 256 << 10;

/// Fixed for the life of a connector.
#[derive(Clone)]
pub(crate) struct ConnectorSpec {
    pub name: String,
    pub tasks: usize,
    pub group: String,
    pub tables: BTreeMap<TopicName, TableName>,
    /// Which topics of the cluster it reads, where they are not named; `tables` is empty until they are found.
    pub topic_choice: Option<TopicChoice>,
    pub consumer_settings: Settings,
    pub producer_settings: Settings,
    /// Where each partition of its only topic ends; `None`: nowhere.
    pub ends: Option<Ends>,
    pub start_at: Option<StartAt>,
    pub exactly_once: ExactlyOnce,
    pub state_topic: TopicName,
    pub limits: TaskOptions,
    pub max_execution_ms: u64,
    /// How blocks travel.
    pub compression: Compression,
    pub recipe_source: RecipeSource,
    pub schemas: Option<SchemaSource>,
    /// The dead letter topic that is asked for.
    pub wanted_letters: Option<WantedLetters>,
    /// What becomes of bad records where they are tolerated; the topic is filled in at the start.
    pub letters: Option<LetterRules>,
    /// How missing tables are created.
    pub table_creation: Option<TableCreation>,
    pub client: Client,
    pub memory_ledger: Option<MemoryLedger>,
    /// The group's entries in KeeperMap; `None`: the ledger is elsewhere.
    pub keeper_ledger: Option<KeeperLedger>,
    /// What its records may take in this process.
    pub memory: Arc<Memory>,
}

impl ConnectorSpec {
    /// Errors: an option that a client refuses, with its code.
    pub(crate) fn new(config: &ConnectorConfig, worker: &WorkerConfig) -> Result<ConnectorSpec, String> {
        let consumer =
            client_settings(config.consumer_options.reveal()).map_err(|error| error.to_string())?;
        let ledger = client_settings(config.ledger_options.reveal()).map_err(|error| error.to_string())?;
        for (option, why) in &consumer.ignored {
            warn!(of = config.name, option, why, "an option is accepted without effect");
        }
        let endpoint = &config.endpoint;
        let files = endpoint.certificates.clone();
        let certificates = Certificates {
            authorities: files.authorities,
            certificate: files.certificate,
            key: files.key,
            instead_of_password: files.instead_of_password,
        };
        let host = |host: &String| Endpoint {
            host: host.clone(),
            port: endpoint.port,
            ssl: endpoint.tls,
            username: endpoint.username.clone(),
            password: Password::new(endpoint.password.reveal()),
        };
        let lineage = &config.lineage;
        let client = Client::with_certificates(endpoint.hostnames.iter().map(host).collect(), &certificates)
            .map_err(|error| error.to_string())?
            .with_lineage_names(LineageNames {
                topic: lineage.topic.clone(),
                partition: lineage.partition.clone(),
                offset: lineage.offset.clone(),
            });
        Ok(ConnectorSpec {
            name: config.name.clone(),
            tasks: config.tasks_max as usize,
            group: config.group_id.clone(),
            tables: tables(config),
            topic_choice: TopicChoice::of(config, &worker.state_topic),
            consumer_settings: consumer.consumer,
            producer_settings: ledger.connection,
            ends: None,
            start_at: match config.start_at {
                pumphouse_config::StartAt::Earliest => Some(StartAt::Earliest),
                pumphouse_config::StartAt::Latest => Some(StartAt::Latest),
                pumphouse_config::StartAt::None => None,
            },
            exactly_once: config.exactly_once,
            state_topic: TopicName::new(&worker.state_topic),
            limits: TaskOptions {
                batch_rows_max: config.batch.rows_max,
                batch_bytes_max: config.batch.bytes_max,
                batch_linger_ms: config.batch.linger_ms,
                deadline_ms: config.insert_deadline_ms,
                commit_ms_max: config.insert_execution_ms_max,
                // Settled by the start-up proof.
                exactly_once: true,
                leaves_out: config.bad_records != BadRecords::Stop,
                retry_timeout_ms: config.insert_retry.timeout_ms,
                retry_delay_ms_max: config.insert_retry.delay_ms_max,
                retry_jitter_percent: RETRY_JITTER_PERCENT,
                decisions: config
                    .open_batch_decisions
                    .iter()
                    .map(|(id, said)| (*id, decision(*said)))
                    .collect(),
                // Drawn when a task starts.
                seed: 0,
            },
            max_execution_ms: config.insert_execution_ms_max,
            compression: compression(config.insert_compression),
            recipe_source: RecipeSource {
                format: format(&config.value_converter),
                plan_options: PlanOptions {
                    unknown_fields: match config.unknown_fields {
                        pumphouse_config::UnknownFields::Ignore => UnknownFields::Ignore,
                        pumphouse_config::UnknownFields::Refuse => UnknownFields::Refuse,
                    },
                    lineage: pumphouse_decode::LineageNames {
                        topic: lineage.topic.clone(),
                        partition: lineage.partition.clone(),
                        offset: lineage.offset.clone(),
                        timestamp: lineage.timestamp.clone(),
                        key: lineage.key.clone(),
                        headers: lineage.headers.clone(),
                    },
                    value_column: value_column(&config.value_converter),
                    renamed: config.row_rules.renamed.clone().into_iter().collect(),
                    refuse_nulls: config.row_rules.refuse_nulls,
                    date_formats: config.row_rules.date_formats.clone().into_iter().collect(),
                    all_columns_here: config.tables.values().collect::<BTreeSet<_>>().len() == 1,
                },
                skip_tombstones: config.row_rules.skip_tombstones,
                schema: fixed_schema(&config.value_converter)?,
                config_text: config.delivery_relevant_text(),
                settings: config.clickhouse_settings.clone().into_iter().collect(),
                replayed: None,
            },
            schemas: config.value_converter.registry().map(schema_source).transpose()?,
            wanted_letters: wanted_letters(config),
            letters: (config.bad_records != BadRecords::Stop).then_some(LetterRules {
                topic: None,
                log: config.bad_record_log,
                converter_class: config.value_converter.class(),
            }),
            table_creation: config.table_creation.clone(),
            keeper_ledger: keeper_ledger(config, &client),
            client,
            memory: Memory::new(config.memory_bytes_max, config.tasks_max as usize),
            memory_ledger: match config.ledger_store {
                LedgerStore::Kafka | LedgerStore::KeeperMap => None,
                LedgerStore::Memory => Some(MemoryLedger::default()),
            },
        })
    }
}

fn keeper_ledger(config: &ConnectorConfig, client: &Client) -> Option<KeeperLedger> {
    match config.ledger_store {
        LedgerStore::Kafka | LedgerStore::Memory => None,
        LedgerStore::KeeperMap => {
            let database = config.endpoint.database.clone();
            let name = TableName { database, table: config.keeper_table.table.clone() };
            let table = StateTable { name, path: config.keeper_table.path.clone() };
            Some(KeeperLedger::new(client.clone(), table, &config.group_id))
        }
    }
}

/// The table of each topic.
pub(crate) fn tables(config: &ConnectorConfig) -> BTreeMap<TopicName, TableName> {
    let database = &config.endpoint.database;
    let table = |name: &String| TableName { database: database.clone(), table: name.clone() };
    config.tables.iter().map(|(topic, name)| (TopicName::new(topic), table(name))).collect()
}

impl ConnectorSpec {
    /// The name of a task's producer, and of its member in the group. `scope`: as of `Shared::task_scope`.
    pub(crate) fn transactional_id(&self, scope: &str, task: usize) -> String {
        format!("connect-{}-{scope}-{task}", self.name)
    }
}

fn compression(config: InsertCompression) -> Compression {
    match config {
        InsertCompression::None => Compression::None,
        InsertCompression::Lz4 => Compression::Lz4,
        InsertCompression::Zstd => Compression::Zstd,
    }
}

fn format(converter: &ValueConverter) -> Format {
    match converter {
        ValueConverter::Json | ValueConverter::JsonText => Format::Json,
        ValueConverter::JsonWithSchema { null_defaults } => {
            Format::ConnectJson { null_defaults: *null_defaults }
        }
        ValueConverter::Avro(_) | ValueConverter::AvroOfFile(_) => Format::Avro,
        ValueConverter::Protobuf(_) | ValueConverter::ProtobufOfFile(_) => Format::Protobuf,
        ValueConverter::JsonSchema(_) => Format::JsonSchema,
        ValueConverter::Csv => Format::Delimited(Delimited::Csv),
        ValueConverter::Tsv => Format::Delimited(Delimited::Tsv),
        ValueConverter::Whole { value, .. } => Format::Whole(match value {
            BareValue::Bytes => WholeValue::Bytes,
            BareValue::Text => WholeValue::Text,
            BareValue::Short => WholeValue::Short,
            BareValue::Integer => WholeValue::Integer,
            BareValue::Long => WholeValue::Long,
            BareValue::Float => WholeValue::Float,
            BareValue::Double => WholeValue::Double,
            BareValue::Boolean => WholeValue::Boolean,
        }),
    }
}

/// What the schema's files hold now: it goes into the recipe, so that a batch that is open is built again of
/// the same, whatever becomes of the files (R15).
/// Errors: a file that cannot be read, or values cannot be read by.
fn fixed_schema(converter: &ValueConverter) -> Result<Option<FixedSchema>, String> {
    let Some(files) = converter.schema_files() else { return Ok(None) };
    let mut texts = Vec::with_capacity(files.files.len());
    for path in &files.files {
        let failed = |error| format!("pumphouse.value.schema.file: {}: {error}", path.display());
        // A pipe or a device would have no end.
        let found = std::fs::metadata(path).map_err(failed)?;
        if !found.is_file() || found.len() > SCHEMA_FILE_BYTES_MAX as u64 {
            return Err(format!(
                "pumphouse.value.schema.file: {} is no file of at most {SCHEMA_FILE_BYTES_MAX} bytes",
                path.display()
            ));
        }
        texts.push(std::fs::read_to_string(path).map_err(failed)?);
    }
    if texts.iter().map(String::len).sum::<usize>() > SCHEMA_FILE_BYTES_MAX {
        return Err(format!("pumphouse.value.schema.file: more than {SCHEMA_FILE_BYTES_MAX} bytes"));
    }
    let schema = FixedSchema { texts, message: files.message.clone() };
    Decoder::check_schema(format(converter), &schema)
        .map_err(|fault| format!("pumphouse.value.schema.file: {fault}"))?;
    Ok(Some(schema))
}

fn value_column(converter: &ValueConverter) -> ValueColumn {
    match converter {
        ValueConverter::Whole { column: Some(column), .. } => ValueColumn::Named(column.clone()),
        ValueConverter::Whole { column: None, .. } => ValueColumn::Only,
        _ => ValueColumn::None,
    }
}

fn wanted_letters(config: &ConnectorConfig) -> Option<WantedLetters> {
    match &config.bad_records {
        BadRecords::Stop | BadRecords::Drop => None,
        BadRecords::DeadLetter(letters) => Some(WantedLetters {
            topic: TopicName::new(&letters.topic),
            replicas: letters.replication,
            connector: config.name.clone(),
            context_headers: letters.context_headers,
        }),
    }
}

fn decision(said: BatchDecision) -> Decision {
    match said {
        BatchDecision::Landed => Decision::Landed,
        BatchDecision::Again => Decision::Again,
        BatchDecision::Missing => Decision::Missing,
    }
}

#[cfg(test)]
mod tests {
    use pumphouse_clickhouse::{FORCED_SETTINGS, is_reserved_setting};
    use pumphouse_config::FORCED_CLICKHOUSE_SETTINGS;

    /// Follows `pumphouse.unknown.fields`, so the option table treats it apart.
    const BY_OPTION: &str = "input_format_skip_unknown_fields";

    #[test]
    fn what_an_insert_forces_an_operator_cannot_set() {
        for (name, value) in FORCED_SETTINGS.iter().filter(|(name, _)| *name != BY_OPTION) {
            let refused = FORCED_CLICKHOUSE_SETTINGS.iter().find(|(known, _)| known == name);
            assert_eq!(refused.map(|(_, value)| *value), Some(Some(*value)), "{name}");
        }
    }

    #[test]
    fn what_the_option_table_refuses_an_insert_sets_itself() {
        for (name, _) in FORCED_CLICKHOUSE_SETTINGS {
            assert!(is_reserved_setting(name), "{name}");
        }
    }
}
