//! A connector's file, understood.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use pumphouse_types::QuestionId;

use crate::bad_records::{self, BadRecordLog, BadRecords, InsertRetry};
use crate::clickhouse_settings;
use crate::converter::{self, ValueConverter};
use crate::endpoint::{self, Endpoint};
use crate::error::{ConfigCode, ConfigErrors, Note};
use crate::exactly_once::{self, ExactlyOnce};
use crate::kafka_options::{self, KafkaOptions};
use crate::keeper_table::{self, KeeperTable};
use crate::lineage::{self, LineageColumns};
use crate::masked;
use crate::open_batch_decisions::{self, BatchDecision};
use crate::option::Scope;
use crate::raw::RawConfig;
use crate::reading::Reading;
use crate::row_rules::{self, RowRules};
use crate::start_at::StartAt;
use crate::table_creation::{self, TableCreation};
use crate::topic_pattern::TopicPattern;
use crate::value::{list, pairs};
use crate::worker_config::WorkerConfig;

/// The longest name that Kafka takes for a topic.
const TOPIC_CHARS_MAX: usize = 249;

/// What `tasks.max` may be: more tasks than partitions have nothing to do.
pub const TASKS_MAX: u32 = 1024;

/// When a batch is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Rows.
    pub rows_max: u64,
    /// Bytes of column data.
    pub bytes_max: u64,
    /// Age of the first record in it.
    pub linger_ms: u64,
}

/// How the block of an insert is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertCompression {
    /// Not at all.
    None,
    /// LZ4.
    Lz4,
    /// ZSTD.
    Zstd,
}

/// Where the ledger lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerStore {
    /// In the metadata of the consumer group's offsets.
    Kafka,
    /// In a KeeperMap table of ClickHouse.
    KeeperMap,
    /// In this process; promises nothing.
    Memory,
}

/// What happens to a field that the table has no column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownFields {
    /// It is left out of the row.
    Ignore,
    /// The record is refused.
    Refuse,
}

/// A connector's configuration, defaults and the worker's options filled in.
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// Its name.
    pub name: String,
    /// How many tasks; at least one.
    pub tasks_max: u32,
    /// The topics, each once, in the order given; at least one, or none where there is a pattern.
    pub topics: Vec<String>,
    /// Which topics of the cluster are read, where they are not named.
    pub topic_pattern: Option<TopicPattern>,
    /// For each of the topics, the table in `endpoint.database`.
    pub tables: BTreeMap<String, String>,
    /// ClickHouse.
    pub endpoint: Endpoint,
    /// The operator's settings for inserts; none of
    /// [`FORCED_CLICKHOUSE_SETTINGS`](crate::FORCED_CLICKHOUSE_SETTINGS).
    pub clickhouse_settings: BTreeMap<String, String>,
    /// When a batch is sent.
    pub batch: BatchLimits,
    /// What the process may take altogether while it moves this connector's records.
    pub memory_bytes_max: u64,
    /// How far ahead the insert's deadline lies.
    pub insert_deadline_ms: u64,
    /// How long the server may work on an insert.
    pub insert_execution_ms_max: u64,
    /// How its block is compressed.
    pub insert_compression: InsertCompression,
    /// Where the ledger lives.
    pub ledger_store: LedgerStore,
    /// Its table, if it is in KeeperMap.
    pub keeper_table: KeeperTable,
    /// How values are read.
    pub value_converter: ValueConverter,
    /// Fields without a column.
    pub unknown_fields: UnknownFields,
    /// Tombstones, nulls, fields of other names.
    pub row_rules: RowRules,
    /// What is promised.
    pub exactly_once: ExactlyOnce,
    /// Records that cannot become rows.
    pub bad_records: BadRecords,
    /// What is logged about them where they are tolerated.
    pub bad_record_log: BadRecordLog,
    /// How long an insert is tried.
    pub insert_retry: InsertRetry,
    /// Columns that take where a record came from.
    pub lineage: LineageColumns,
    /// How a missing table is created; `None`: it stops the connector.
    pub table_creation: Option<TableCreation>,
    /// What a person decided about batches whose fate cannot be proven.
    pub open_batch_decisions: BTreeMap<QuestionId, BatchDecision>,
    /// The consumer group.
    pub group_id: String,
    /// Partitions without an entry.
    pub start_at: StartAt,
    /// For consumers: the worker's top level, its `consumer.*`, then `consumer.override.*`. Java names,
    /// without `group.id` and `auto.offset.reset`; with `bootstrap.servers`.
    pub consumer_options: KafkaOptions,
    /// For the connection of the ledger's producer and of admin requests: `consumer_options`, and what
    /// `producer.*` and `producer.override.*` say about security.
    pub ledger_options: KafkaOptions,
    /// Options without effect, to be logged once.
    pub notes: Vec<Note>,
    /// What the options do that an operator may not want, to be logged once as a warning.
    pub warnings: Vec<Note>,
    topic_to_table: BTreeMap<String, String>,
    raw: RawConfig,
}

impl ConnectorConfig {
    /// Understands a connector's file under a worker.
    /// Errors: everything that is wrong with it, each with a code and a remedy.
    pub fn from_raw(raw: &RawConfig, worker: &WorkerConfig) -> Result<ConnectorConfig, ConfigErrors> {
        let filled = worker.providers.fill(raw);
        let mut reading = Reading::new(&filled.raw, Scope::Connector);
        let value_converter = converter::read(&mut reading, &worker.resolved);
        let has_fields = value_converter.has_fields();
        let name = name(&mut reading);
        let (topics, topic_pattern) = (topics(&mut reading), pattern(&mut reading));
        one_of_both(&mut reading);
        let topic_to_table = topic_to_table(&mut reading);
        let tables = tables(&topics, &topic_to_table);
        if topic_pattern.is_none() {
            note_strangers(&mut reading, &topics, &topic_to_table);
        }
        let endpoint = endpoint::read(&mut reading);
        let bad_records = bad_records::read(&mut reading, &topics, topic_pattern.as_ref());
        let clickhouse_settings = clickhouse_settings::read(&mut reading);
        let clients = kafka_options::read_connector(&worker.clients, &mut reading);
        worker.override_policy.check(&mut reading);
        check_consumer(&mut reading, &clients.consumer, worker);
        let batch = BatchLimits {
            rows_max: either(&mut reading, "pumphouse.batch.rows.max", "bufferCount"),
            bytes_max: reading.integer("pumphouse.batch.bytes.max"),
            linger_ms: either(&mut reading, "pumphouse.batch.linger.ms", "bufferFlushTime"),
        };
        let config = ConnectorConfig {
            tasks_max: u32::try_from(reading.integer("tasks.max")).unwrap_or(1),
            topics,
            topic_pattern,
            tables,
            endpoint,
            clickhouse_settings,
            batch,
            memory_bytes_max: reading.integer("pumphouse.memory.bytes.max"),
            insert_deadline_ms: reading.integer("pumphouse.insert.deadline.ms"),
            insert_execution_ms_max: reading.integer("pumphouse.insert.max.execution.ms"),
            insert_compression: match reading
                .text("pumphouse.insert.compression")
                .to_ascii_lowercase()
                .as_str()
            {
                "none" => InsertCompression::None,
                "zstd" => InsertCompression::Zstd,
                _ => InsertCompression::Lz4,
            },
            ledger_store: match reading.text("pumphouse.ledger.store").to_ascii_lowercase().as_str() {
                "memory" => LedgerStore::Memory,
                "keepermap" => LedgerStore::KeeperMap,
                _ => LedgerStore::Kafka,
            },
            keeper_table: keeper_table::read(&mut reading),
            value_converter,
            unknown_fields: match reading.text("pumphouse.unknown.fields").to_ascii_lowercase().as_str() {
                "refuse" => UnknownFields::Refuse,
                _ => UnknownFields::Ignore,
            },
            row_rules: row_rules::read(&mut reading, has_fields),
            exactly_once: exactly_once::read(&reading),
            bad_records,
            bad_record_log: bad_records::read_log(&mut reading),
            insert_retry: bad_records::read_retry(&reading),
            lineage: lineage::read(&mut reading),
            table_creation: table_creation::read(&mut reading),
            open_batch_decisions: open_batch_decisions::read(&mut reading),
            group_id: reading
                .given("consumer.override.group.id")
                .map_or_else(|| format!("connect-{name}"), str::to_owned),
            start_at: reading
                .given("consumer.override.auto.offset.reset")
                .map_or(worker.start_at, StartAt::parse),
            consumer_options: clients.consumer,
            ledger_options: clients.ledger,
            notes: Vec::new(),
            warnings: std::mem::take(&mut reading.warnings),
            name,
            topic_to_table,
            raw: raw.clone(),
        };
        let warnings = filled.scrubbed_notes(config.warnings);
        Ok(ConnectorConfig { notes: reading.finish(&filled)?, warnings, ..config })
    }

    /// The same for these topics of the cluster, which match [`ConnectorConfig::topic_pattern`].
    #[must_use]
    pub fn with_topics(&self, topics: Vec<String>) -> ConnectorConfig {
        ConnectorConfig { tables: tables(&topics, &self.topic_to_table), topics, ..self.clone() }
    }

    /// What decides how a record of any topic becomes a row, as text: the same for configurations that
    /// build the same blocks from the same records, whatever order or spelling their files have. A topic's
    /// table and its columns are not in it: whoever versions a lane's configuration adds them, so that
    /// adding a topic changes nothing for the others.
    pub fn delivery_relevant_text(&self) -> String {
        let mut text = String::from("pumphouse configuration 1\n");
        let _ = writeln!(text, "value.converter={}", self.value_converter.delivery_relevant());
        let unknown = match self.unknown_fields {
            UnknownFields::Ignore => "ignore",
            UnknownFields::Refuse => "refuse",
        };
        let _ = writeln!(text, "unknown.fields={unknown}");
        if let ValueConverter::Whole { column: Some(column), .. } = &self.value_converter {
            let _ = writeln!(text, "value.column={column:?}");
        }
        self.row_rules.describe(&mut text);
        // Only where they differ, so that versions of before they could be chosen stay the same.
        let usual = LineageColumns::default();
        for ((fact, column), (_, usual)) in self.lineage.by_fact().into_iter().zip(usual.by_fact()) {
            if column != usual {
                let _ = writeln!(text, "lineage {fact}={column:?}");
            }
        }
        // Names are quoted, so that none of them can pretend to be another line.
        for (name, value) in &self.clickhouse_settings {
            let _ = writeln!(text, "setting {name:?}={value:?}");
        }
        text
    }

    /// The options as they were given, secrets masked.
    pub fn masked(&self) -> BTreeMap<String, String> {
        masked::masked(&self.raw, Scope::Connector)
    }
}

fn name(reading: &mut Reading<'_>) -> String {
    let name = reading.text("name").to_owned();
    if name.chars().any(char::is_control) {
        reading.error(ConfigCode::Value, "name", "it holds control characters", "Use visible characters.");
    }
    name
}

/// Whether Kafka takes it as a topic's name.
pub(crate) fn is_topic_name(text: &str) -> bool {
    text.len() <= TOPIC_CHARS_MAX
        && !matches!(text, "" | "." | "..")
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn topics(reading: &mut Reading<'_>) -> Vec<String> {
    let (mut topics, mut known) = (Vec::<String>::new(), BTreeSet::new());
    for topic in list(reading.text("topics")) {
        if !is_topic_name(topic) {
            let remedy = "Topics have up to 249 letters, digits, dots, underscores and hyphens.";
            reading.error(ConfigCode::Value, "topics", format!("{topic:?} cannot be a topic"), remedy);
        } else if known.insert(topic) {
            topics.push(topic.to_owned());
        }
    }
    topics
}

fn pattern(reading: &mut Reading<'_>) -> Option<TopicPattern> {
    const OPTION: &str = "topics.regex";
    let text = reading.given(OPTION)?;
    match TopicPattern::parse(text) {
        Ok(pattern) => Some(pattern),
        Err(why) => {
            let remedy = "Write a regular expression without look-around and references to groups.";
            reading.error(ConfigCode::Value, OPTION, why, remedy);
            None
        }
    }
}

/// Exactly one of `topics` and `topics.regex`.
fn one_of_both(reading: &mut Reading<'_>) {
    let named = reading.given("topics").is_some_and(|text| !list(text).is_empty());
    match (named, reading.given("topics.regex").is_some()) {
        (true, false) | (false, true) => {}
        (true, true) => {
            reading.error(
                ConfigCode::Conflict,
                "topics",
                "topics.regex is given, too",
                "Remove topics, or topics.regex.",
            );
        }
        (false, false) => {
            reading.error(
                ConfigCode::Missing,
                "topics",
                "it names no topic",
                "Name at least one, or set topics.regex.",
            );
        }
    }
}

/// `topic2TableMap`.
fn topic_to_table(reading: &mut Reading<'_>) -> BTreeMap<String, String> {
    const OPTION: &str = "topic2TableMap";
    let mut mapped: BTreeMap<String, String> = BTreeMap::new();
    for (topic, table) in pairs(reading.text(OPTION)).unwrap_or_default() {
        if table.is_empty() {
            reading.error(ConfigCode::Value, OPTION, format!("{topic} has no table"), "Write topic=table.");
        } else if mapped.insert(topic.to_owned(), table.to_owned()).is_some_and(|before| before != table) {
            reading.error(
                ConfigCode::Conflict,
                OPTION,
                format!("{topic} has two tables"),
                "Keep one of them.",
            );
        }
    }
    mapped
}

fn tables(topics: &[String], topic_to_table: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    topics.iter().map(|topic| (topic.clone(), topic_to_table.get(topic).unwrap_or(topic).clone())).collect()
}

fn note_strangers(reading: &mut Reading<'_>, topics: &[String], topic_to_table: &BTreeMap<String, String>) {
    for topic in topic_to_table.keys().filter(|topic| !topics.contains(topic)) {
        reading.note("topic2TableMap", &format!("{topic} is not one of the topics."));
    }
}

/// Our option, or the official sink's where ours is not given.
fn either(reading: &mut Reading<'_>, ours: &str, official: &str) -> u64 {
    let (own, theirs) = (reading.given(ours).map(|_| reading.integer(ours)), reading.integer(official));
    match (own, theirs) {
        (Some(own), 0) => own,
        (None, 0) => reading.integer(ours),
        (None, theirs) => theirs,
        (Some(own), theirs) => {
            if own != theirs {
                let message = format!("{own} contradicts {official}={theirs}");
                reading.error(ConfigCode::Conflict, ours, message, format!("Remove {official}."));
            }
            own
        }
    }
}

/// What Kafka's client would only say when it is made.
fn check_consumer(reading: &mut Reading<'_>, consumer: &KafkaOptions, worker: &WorkerConfig) {
    const SERVERS: &str = "bootstrap.servers";
    if consumer.get(SERVERS) != Some(&worker.bootstrap_servers) {
        let remedy = "Run a worker per cluster: remove it, and set bootstrap.servers in the worker's file.";
        reading.error(
            ConfigCode::NotYet,
            "consumer.override.bootstrap.servers",
            "another cluster is not built yet",
            remedy,
        );
    }
    // librdkafka's defaults, which are Java's. Without a heartbeat of its own, a member has one that fits its session.
    let number =
        |name: &str, default: u64| consumer.get(name).and_then(|t| t.trim().parse().ok()).unwrap_or(default);
    let (session_ms, poll_ms) =
        (number("session.timeout.ms", 45_000), number("max.poll.interval.ms", 300_000));
    let heartbeat_ms = number("heartbeat.interval.ms", session_ms / 3);
    if poll_ms < session_ms {
        let message = format!("{poll_ms} is below session.timeout.ms, {session_ms}");
        let remedy = "Raise it, or lower session.timeout.ms.";
        reading.error(ConfigCode::Conflict, "consumer.override.max.poll.interval.ms", message, remedy);
    }
    if heartbeat_ms >= session_ms {
        let message = format!("{heartbeat_ms} is not below session.timeout.ms, {session_ms}");
        let remedy = "Set it to a third of session.timeout.ms.";
        reading.error(ConfigCode::Conflict, "consumer.override.heartbeat.interval.ms", message, remedy);
    }
}
