//! What the server says of a table: identity, engine, deduplication, columns; and of itself: version,
//! start, clock.
use std::collections::BTreeMap;
use std::time::Instant;

use pumphouse_types::{ServerMillis, TableUuid};
use serde_json::Value;

use crate::client::Client;
use crate::definition::read_definition;
use crate::error::ClickHouseError;
use crate::facts::{ASKED, Facts, PLAIN_BLOCKS, REPLICATED_BLOCKS, REPLICATED_SECONDS};
use crate::lineage::{LineageColumns, lineage_among};
use crate::quote;
use crate::table_name::TableName;
use crate::table_settings::setting_in_engine;
use crate::together::{Found, Tables};

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
        let (facts, deletes) = tokio::join!(
            self.questions.facts.ask(table, |tables| self.facts(tables)),
            self.questions.deletes.ask(table, |tables| self.deletes(tables)),
        );
        let Some(facts) = facts? else {
            return Err(ClickHouseError::NoTable { table: table.to_string() });
        };
        let foreign = self.foreign_functions(&facts.table.create_query, &facts.server.version).await?;
        let mut found = self
            .read(facts, &foreign)
            .ok_or_else(|| ClickHouseError::Strange { asked: ASKED, what: "a column".to_owned() })?;
        found.may_lose_rows = found.may_lose_rows.or(deletes?);
        found.keeps_rows = found.may_lose_rows.is_none();
        found.uuid = self.hosts.identity(found.uuid);
        self.version_seen(&found.server_version);
        Ok(found)
    }

    /// Why rows may have been deleted, by what the server remembers of mutations and patches.
    async fn deletes(&self, tables: Tables) -> Found<String> {
        let touched: Vec<String> = ["DELETE", "_row_exists"]
            .into_iter()
            .chain(self.lineage.all())
            // A column that the configuration does not want.
            .filter(|word| !word.is_empty())
            .map(|word| format!("position(command, {}) > 0", quote::string(word)))
            .collect();
        let condition = tables.condition();
        let sql = format!(
            "SELECT DISTINCT table FROM system.mutations WHERE {condition} AND ({}) UNION ALL \
             SELECT DISTINCT table FROM system.parts WHERE {condition} AND startsWith(name, 'patch-')",
            touched.join(" OR ")
        );
        match self.ask_json("whether rows were deleted", &sql).await {
            Ok(rows) => {
                let why = "rows were deleted or changed by a mutation";
                Ok(rows.iter().map(|row| (text(row, 0), why.to_owned())).collect())
            }
            Err(ClickHouseError::Server { code: ACCESS_DENIED, .. }) => {
                let why = format!(
                    "whether rows were deleted may not be read; GRANT SELECT ON system.mutations TO {}",
                    quote::identifier(self.username())
                );
                Ok(tables.names().map(|name| (name.to_owned(), why.clone())).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads the columns in their order.
    pub async fn columns(&self, table: &TableName) -> Result<Vec<Column>, ClickHouseError> {
        let found = self.questions.columns.ask(table, |tables| self.columns_of(tables)).await?;
        Ok(found.unwrap_or_default())
    }

    async fn columns_of(&self, tables: Tables) -> Found<Vec<Column>> {
        let sql = format!(
            "SELECT table, name, type, default_kind, default_expression FROM system.columns WHERE {} \
             ORDER BY table, position",
            tables.condition()
        );
        let mut found: BTreeMap<String, Vec<Column>> = BTreeMap::new();
        for row in self.ask_json("the table's columns", &sql).await? {
            found.entry(text(&row, 0)).or_default().push(Column {
                name: text(&row, 1),
                type_text: text(&row, 2),
                default_kind: text(&row, 3),
                default_expression: text(&row, 4),
            });
        }
        Ok(found)
    }

    /// Whether the database is there.
    pub async fn database_exists(&self, database: &str) -> Result<bool, ClickHouseError> {
        let sql = format!("SELECT count() FROM system.databases WHERE name = {}", quote::string(database));
        Ok(self.ask("whether the database exists", &sql).await?.trim() != "0")
    }

    fn read(&self, facts: Facts, foreign_functions: &[String]) -> Option<Inspection> {
        let Facts { server, table, blocks, log_index, lineage } = facts;
        let engine = Engine::of(&table.engine);
        let replicated = engine == Engine::Replicated;
        // The table's own setting, else the server's default for tables of its kind.
        let defaults = if replicated { &server.replicated_defaults } else { &server.plain_defaults };
        let setting = |name: &str| match setting_in_engine(&table.engine_full, name) {
            Some(own) => own.parse().ok(),
            None => defaults.iter().find(|[known, _]| known == name)?[1].parse().ok(),
        };
        let window_blocks: Option<u64> = setting(if replicated { REPLICATED_BLOCKS } else { PLAIN_BLOCKS });
        let window_ms: Option<u64> =
            if replicated { Some(setting(REPLICATED_SECONDS)?.saturating_mul(1_000)) } else { None };
        let definition = read_definition(&table.create_query, foreign_functions);
        let may_lose_rows = if !KEEPING_ENGINES.contains(&table.engine.as_str()) {
            Some(format!("its engine {} merges, hides or does not hold rows", table.engine))
        } else {
            definition.rows_expire.then(|| "its TTL removes rows".to_owned())
        };
        let half_round_trip_ms = u64::try_from(server.round_trip.as_millis() / 2).ok()?;
        Some(Inspection {
            uuid: table.uuid.replace('-', "").parse().ok()?,
            partition_key: table.partition_key,
            schema_hash: table.schema_hash,
            dependants: table.dependants,
            server_version: server.version.clone(),
            server_started: ServerMillis(server.now_ms.saturating_sub(server.uptime_seconds * 1_000)),
            server_now: ServerMillis(server.now_ms + half_round_trip_ms),
            received: server.received,
            // A server without the setting does not deduplicate.
            window_blocks: window_blocks.unwrap_or(0),
            window_ms,
            // Plain: an empty table has counted nothing. Replicated: without a row or a session there is no count, and 0
            // would look like one.
            blocks: if replicated { log_index } else { Some(blocks.unwrap_or(0)) },
            engine,
            lineage: lineage_among(&lineage, &definition.expiring_columns, &self.lineage),
            keeps_rows: may_lose_rows.is_none(),
            may_lose_rows,
            has_views: table.dependants > 0,
            pure_checks: definition.impure.is_none(),
            definition: table.definition_hash << 32 | (table.changed & 0xffff_ffff),
            engine_full: table.engine_full,
        })
    }
}

fn text(row: &Value, index: usize) -> String {
    row[index].as_str().unwrap_or_default().to_owned()
}
