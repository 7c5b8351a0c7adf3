//! What the server says of a table: identity, engine, deduplication, columns; and of itself: version,
//! start, clock. One statement for the facts that are read every few seconds, one for the columns.
use std::time::{Duration, Instant};

use pumphouse_types::{ServerMillis, TableUuid};
use serde_json::Value;

use crate::client::Client;
use crate::definition::read_definition;
use crate::error::ClickHouseError;
use crate::lineage::{LineageColumns, lineage_among};
use crate::quote;
use crate::table_name::TableName;
use crate::table_settings::setting_in_engine;

const PLAIN_BLOCKS: &str = "non_replicated_deduplication_window";
const REPLICATED_BLOCKS: &str = "replicated_deduplication_window";
const REPLICATED_SECONDS: &str = "replicated_deduplication_window_seconds";

const ASKED: &str = "what the table is";

/// Columns of the answer that are looked at before the rest of it.
const VERSION: usize = 6;
const CREATE_QUERY: usize = 14;

/// Engines that keep every row as it was inserted; Replacing, Summing, Collapsing .. fold rows.
const KEEPING_ENGINES: &[&str] = &["MergeTree", "ReplicatedMergeTree", "SharedMergeTree"];

/// ACCESS_DENIED.
pub(crate) const ACCESS_DENIED: i32 = 497;

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

impl Engine {
    fn of(name: &str) -> Engine {
        match name {
            name if !name.ends_with("MergeTree") => Engine::Other(name.to_owned()),
            name if name.starts_with("Replicated") || name.starts_with("Shared") => Engine::Replicated,
            _ => Engine::Plain,
        }
    }
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
    /// Its lineage columns, if all are there, stored, and wide enough.
    pub lineage: Option<LineageColumns>,
    /// Every row that was inserted is still there: a MergeTree proper, no row TTL, no DELETE that the
    /// server remembers. Dropped partitions leave no trace: who drops them while a batch is open
    /// makes the batch's rows missing.
    pub keeps_rows: bool,
    /// Why it may have lost rows, with the right to give where that is why; `None` if it keeps them.
    pub may_lose_rows: Option<String>,
    /// Something is fed by it, so that an insert may have failed behind the table.
    pub has_views: bool,
    /// Constraints, indexes, defaults, TTL and keys give the same answer at every insert. A refusal of a
    /// block for its data then says, as long as `definition` stays, that every earlier attempt at it was
    /// refused as well. Settings of the user's profile are not part of the table.
    pub pure_checks: bool,
    /// Changes with every change of the table's definition, of comments and settings too, also where nothing of it is
    /// left: the upper half is a hash of its text, without its settings, which come last; the lower one the time of its
    /// last change on this server, in seconds since 1970. With the definitions of tables behind it.
    pub definition: u64,
}

impl Client {
    /// Reads the facts. A Null table with views has the deduplication of the tables behind them.
    /// Errors: `NoTable`, and those of a question.
    pub async fn inspect(&self, table: &TableName) -> Result<Inspection, ClickHouseError> {
        let found = self.inspect_one(table).await?;
        match &found.engine {
            Engine::Other(name) if name == "Null" && found.has_views => self.through_null(table, found).await,
            Engine::Other(_) | Engine::Plain | Engine::Replicated => Ok(found),
        }
    }

    pub(crate) async fn inspect_one(&self, table: &TableName) -> Result<Inspection, ClickHouseError> {
        let sql = facts_sql(table, &self.lineage.texts());
        let (facts, deletes) = tokio::join!(self.timed(&sql), self.deletes(table));
        let (rows, received, round_trip) = facts?;
        let Some(row) = rows.first() else {
            return Err(ClickHouseError::NoTable { table: table.to_string() });
        };
        let foreign = self.foreign_functions(&text(row, CREATE_QUERY), &text(row, VERSION)).await?;
        let mut found = self
            .read(row, &foreign, received, round_trip)
            .ok_or_else(|| ClickHouseError::Strange { asked: ASKED, what: "a column".to_owned() })?;
        found.may_lose_rows = found.may_lose_rows.or(deletes?);
        found.keeps_rows = found.may_lose_rows.is_none();
        found.uuid = self.hosts.identity(found.uuid);
        self.version_seen(&found.server_version);
        Ok(found)
    }

    async fn timed(&self, sql: &str) -> Result<(Vec<Value>, Instant, Duration), ClickHouseError> {
        let began = Instant::now();
        let rows = self.ask_json(ASKED, sql).await?;
        Ok((rows, Instant::now(), began.elapsed()))
    }

    /// Why rows may have been deleted, by what the server remembers of mutations and patches.
    async fn deletes(&self, table: &TableName) -> Result<Option<String>, ClickHouseError> {
        let touched: Vec<String> = ["DELETE", "_row_exists"]
            .into_iter()
            .chain(self.lineage.all())
            // A column that the configuration does not want.
            .filter(|word| !word.is_empty())
            .map(|word| format!("position(command, {}) > 0", quote::string(word)))
            .collect();
        let condition = table.condition();
        let sql = format!(
            "SELECT toString((SELECT count() FROM system.mutations WHERE {condition} AND ({}))), \
             toString((SELECT count() FROM system.parts WHERE {condition} AND startsWith(name, 'patch-')))",
            touched.join(" OR ")
        );
        match self.ask_json("whether rows were deleted", &sql).await {
            Ok(rows) => match rows.first().map(|row| (text(row, 0), text(row, 1))) {
                Some((mutations, patches)) if mutations == "0" && patches == "0" => Ok(None),
                Some(_) => Ok(Some("rows were deleted or changed by a mutation".to_owned())),
                None => Err(ClickHouseError::Strange {
                    asked: "whether rows were deleted",
                    what: "no row".to_owned(),
                }),
            },
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => Ok(Some(format!(
                "whether rows were deleted may not be read; GRANT SELECT ON system.mutations TO {}",
                quote::identifier(self.username())
            ))),
            Err(error) => Err(error),
        }
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

fn facts_sql(table: &TableName, lineage_names: &str) -> String {
    let condition = table.condition();
    // Each look at such a list costs the server a millisecond.
    let defaults = |names: &[&str], among: &str| {
        let names = names.join("', '");
        format!("(SELECT groupArray([name, value]) FROM system.{among} WHERE name IN ('{names}'))")
    };
    format!(
        "SELECT toString(uuid), engine, engine_full, partition_key, toString(cityHash64(create_table_query)), \
         toString(length(dependencies_table)), version(), toString(toUnixTimestamp64Milli(now64(3, 'UTC'))), \
         toString(uptime()), {}, {}, \
         toString((SELECT max(max_block_number) FROM system.parts WHERE {condition})), \
         toString((SELECT maxOrNull(log_max_index) FROM system.replicas WHERE {condition} \
         AND NOT is_session_expired AND zookeeper_exception = '')), \
         (SELECT groupArray([name, type, default_kind]) FROM system.columns WHERE {condition} \
         AND name IN ({lineage_names})), create_table_query, \
         toString(toUnixTimestamp(metadata_modification_time)), \
         toString(cityHash64(replaceRegexpOne(create_table_query, '(?s) SETTINGS .*', ''))) \
         FROM system.tables WHERE {condition}",
        defaults(&[PLAIN_BLOCKS], "merge_tree_settings"),
        defaults(&[REPLICATED_BLOCKS, REPLICATED_SECONDS], "replicated_merge_tree_settings"),
    )
}

impl Client {
    fn read(
        &self,
        row: &Value,
        foreign_functions: &[String],
        received: Instant,
        round_trip: Duration,
    ) -> Option<Inspection> {
        let engine_name = text(row, 1);
        let engine = Engine::of(&engine_name);
        let now: u64 = number(row, 7)?;
        let uptime_seconds: u64 = number(row, 8)?;
        let replicated = engine == Engine::Replicated;
        let engine_full = text(row, 2);
        // The table's own setting, else the server's default for tables of its kind.
        let defaults: Vec<[String; 2]> = rows_of(if replicated { &row[10] } else { &row[9] })?;
        let setting = |name: &str| match setting_in_engine(&engine_full, name) {
            Some(own) => own.parse().ok(),
            None => defaults.iter().find(|[known, _]| known == name)?[1].parse().ok(),
        };
        let window_blocks: Option<u64> = setting(if replicated { REPLICATED_BLOCKS } else { PLAIN_BLOCKS });
        let window_ms: Option<u64> =
            if replicated { Some(setting(REPLICATED_SECONDS)?.saturating_mul(1_000)) } else { None };
        let definition = read_definition(&text(row, CREATE_QUERY), foreign_functions);
        let lineage_columns: Vec<[String; 3]> = rows_of(&row[13])?;
        let lineage = lineage_among(&lineage_columns, &definition.expiring_columns, &self.lineage);
        let may_lose_rows = if !KEEPING_ENGINES.contains(&engine_name.as_str()) {
            Some(format!("its engine {engine_name} merges, hides or does not hold rows"))
        } else {
            definition.rows_expire.then(|| "its TTL removes rows".to_owned())
        };
        let dependants = number(row, 5)?;
        let half_round_trip_ms = u64::try_from(round_trip.as_millis() / 2).ok()?;
        Some(Inspection {
            uuid: text(row, 0).replace('-', "").parse().ok()?,
            engine_full: engine_full.clone(),
            partition_key: text(row, 3),
            schema_hash: text(row, 4),
            dependants,
            server_version: text(row, VERSION),
            server_started: ServerMillis(now.saturating_sub(uptime_seconds * 1_000)),
            server_now: ServerMillis(now + half_round_trip_ms),
            received,
            // A server without the setting does not deduplicate.
            window_blocks: window_blocks.unwrap_or(0),
            window_ms,
            // Plain: `max` over no parts is 0, an empty table has counted nothing. Replicated: without a row or
            // a session there is no count, and 0 would look like one.
            blocks: if replicated { number(row, 12) } else { Some(number(row, 11).unwrap_or(0)) },
            engine,
            lineage,
            keeps_rows: may_lose_rows.is_none(),
            may_lose_rows,
            has_views: dependants > 0,
            pure_checks: definition.impure.is_none(),
            definition: number(row, 16)? << 32 | (number(row, 15)? & 0xffff_ffff),
        })
    }
}

/// An array of arrays of so many texts each.
fn rows_of<const COLUMNS: usize>(value: &Value) -> Option<Vec<[String; COLUMNS]>> {
    let texts = |row: &Value| -> Option<Vec<String>> {
        row.as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect()
    };
    value.as_array()?.iter().map(|row| texts(row)?.try_into().ok()).collect()
}

fn text(row: &Value, index: usize) -> String {
    row[index].as_str().unwrap_or_default().to_owned()
}

fn number(row: &Value, index: usize) -> Option<u64> {
    row[index].as_str()?.parse().ok()
}
