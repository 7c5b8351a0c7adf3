//! What the server says of a table: identity, engine, deduplication, columns; and of itself: version,
//! start, clock. One statement for the facts that are read every few seconds, one for the columns.
use std::time::{Duration, Instant};

use pumphouse_types::{ServerMillis, TableUuid};
use serde_json::Value;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::quote;
use crate::table_name::TableName;
use crate::table_settings::setting_in_engine;

const PLAIN_BLOCKS: &str = "non_replicated_deduplication_window";
const REPLICATED_BLOCKS: &str = "replicated_deduplication_window";
const REPLICATED_SECONDS: &str = "replicated_deduplication_window_seconds";

const ASKED: &str = "what the table is";

/// How a table's engine stores and deduplicates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// MergeTree family without replication.
    Plain,
    /// Replicated or shared MergeTree family.
    Replicated,
    /// Anything else, by its name.
    Other(String),
}

/// A row of `system.columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// `name`.
    pub name: String,
    /// `type`.
    pub type_text: String,
    /// `default_kind`: empty, DEFAULT, MATERIALIZED, ALIAS or EPHEMERAL.
    pub default_kind: String,
    /// `default_expression`.
    pub default_expression: String,
}

/// A table and its server at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Identity of the table.
    pub uuid: TableUuid,
    /// How it deduplicates.
    pub engine: Engine,
    /// The engine with its settings, as `engine_full` prints it.
    pub engine_full: String,
    /// Its partition key; empty without one.
    pub partition_key: String,
    /// Changes when the table is altered.
    pub schema_hash: String,
    /// Materialized views and other tables that are fed by it.
    pub dependants: u64,
    /// The server's version text.
    pub server_version: String,
    /// Start of the server process: its clock less its uptime, whole seconds.
    pub server_started: ServerMillis,
    /// The server's clock, half the round trip added.
    pub server_now: ServerMillis,
    /// When that was received.
    pub received: Instant,
    /// Blocks that its window holds; 0 = it does not deduplicate.
    pub window_blocks: u64,
    /// Time that its window holds; `None` where only blocks count.
    pub window_ms: Option<u64>,
    /// A count of inserted blocks that only grows while parts stay; `None` if it could not be read.
    pub blocks: Option<u64>,
}

impl Client {
    /// Reads the facts.
    /// Errors: `NoTable`, and those of a question.
    pub async fn inspect(&self, table: &TableName) -> Result<Inspection, ClickHouseError> {
        let sql = facts_sql(table);
        let began = Instant::now();
        let rows = self.ask_json(ASKED, &sql).await?;
        let (received, round_trip) = (Instant::now(), began.elapsed());
        let Some(row) = rows.first() else {
            return Err(ClickHouseError::NoTable { table: table.to_string() });
        };
        let found = read(row, received, round_trip)
            .ok_or_else(|| ClickHouseError::Strange { asked: ASKED, what: "a column".to_owned() })?;
        self.version_seen(&found.server_version);
        Ok(found)
    }

    /// Reads the columns in their order.
    pub async fn columns(&self, table: &TableName) -> Result<Vec<Column>, ClickHouseError> {
        let sql = format!(
            "SELECT name, type, default_kind, default_expression FROM system.columns WHERE {} ORDER BY position",
            table.condition()
        );
        let rows = self.ask_json("the table's columns", &sql).await?;
        let column = |row: &Value| Column {
            name: text(row, 0),
            type_text: text(row, 1),
            default_kind: text(row, 2),
            default_expression: text(row, 3),
        };
        Ok(rows.iter().map(column).collect())
    }

    /// Whether the database is there.
    pub async fn database_exists(&self, database: &str) -> Result<bool, ClickHouseError> {
        let sql = format!("SELECT count() FROM system.databases WHERE name = {}", quote::string(database));
        Ok(self.ask("whether the database exists", &sql).await?.trim() != "0")
    }
}

fn facts_sql(table: &TableName) -> String {
    let condition = table.condition();
    let default =
        |name: &str, among: &str| format!("(SELECT any(value) FROM system.{among} WHERE name = '{name}')");
    format!(
        "SELECT toString(uuid), engine, engine_full, partition_key, toString(cityHash64(create_table_query)), \
         toString(length(dependencies_table)), version(), toString(toUnixTimestamp64Milli(now64(3, 'UTC'))), \
         toString(uptime()), {}, {}, {}, \
         toString((SELECT max(max_block_number) FROM system.parts WHERE {condition})), \
         toString((SELECT maxOrNull(log_max_index) FROM system.replicas WHERE {condition} \
         AND NOT is_session_expired AND zookeeper_exception = '')) \
         FROM system.tables WHERE {condition}",
        default(PLAIN_BLOCKS, "merge_tree_settings"),
        default(REPLICATED_BLOCKS, "replicated_merge_tree_settings"),
        default(REPLICATED_SECONDS, "replicated_merge_tree_settings"),
    )
}

fn read(row: &Value, received: Instant, round_trip: Duration) -> Option<Inspection> {
    let engine_name = text(row, 1);
    let engine = match engine_name.as_str() {
        name if !name.ends_with("MergeTree") => Engine::Other(engine_name.clone()),
        name if name.starts_with("Replicated") || name.starts_with("Shared") => Engine::Replicated,
        _ => Engine::Plain,
    };
    let now: u64 = number(row, 7)?;
    let uptime_seconds: u64 = number(row, 8)?;
    let replicated = engine == Engine::Replicated;
    let engine_full = text(row, 2);
    // The table's own setting, else the server's default for tables of its kind.
    let setting = |name: &str, default_at: usize| match setting_in_engine(&engine_full, name) {
        Some(own) => own.parse().ok(),
        None => number(row, default_at),
    };
    let window_blocks = if replicated { setting(REPLICATED_BLOCKS, 10) } else { setting(PLAIN_BLOCKS, 9) };
    let window_ms =
        if replicated { Some(setting(REPLICATED_SECONDS, 11)?.saturating_mul(1_000)) } else { None };
    let half_round_trip_ms = u64::try_from(round_trip.as_millis() / 2).ok()?;
    Some(Inspection {
        uuid: text(row, 0).replace('-', "").parse().ok()?,
        engine_full: engine_full.clone(),
        partition_key: text(row, 3),
        schema_hash: text(row, 4),
        dependants: number(row, 5)?,
        server_version: text(row, 6),
        server_started: ServerMillis(now.saturating_sub(uptime_seconds * 1_000)),
        server_now: ServerMillis(now + half_round_trip_ms),
        received,
        // A server without the setting does not deduplicate.
        window_blocks: window_blocks.unwrap_or(0),
        window_ms,
        // Plain: `max` over no parts is 0, an empty table has counted nothing. Replicated: without a row or
        // a session there is no count, and 0 would look like one.
        blocks: if replicated { number(row, 13) } else { Some(number(row, 12).unwrap_or(0)) },
        engine,
    })
}

fn text(row: &Value, index: usize) -> String {
    row[index].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, index: usize) -> Option<u64> {
    row[index].as_str()?.parse().ok()
}
