//! The statement for what is read every few seconds: facts of tables, and of the server itself. Its rows are a word for
//! what they are about, and texts.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::together::{Found, Tables};

pub(crate) const PLAIN_BLOCKS: &str = "non_replicated_deduplication_window";
pub(crate) const REPLICATED_BLOCKS: &str = "replicated_deduplication_window";
pub(crate) const REPLICATED_SECONDS: &str = "replicated_deduplication_window_seconds";

pub(crate) const ASKED: &str = "what the table is";

/// What the server says of itself.
#[derive(Debug)]
pub(crate) struct ServerFacts {
    pub(crate) version: String,
    /// Its clock, in ms since 1970.
    pub(crate) now_ms: u64,
    pub(crate) uptime_seconds: u64,
    /// Name and value: its defaults for plain tables' settings, and for replicated ones'.
    pub(crate) plain_defaults: Vec<[String; 2]>,
    pub(crate) replicated_defaults: Vec<[String; 2]>,
    /// When the answer was there, and how long that took.
    pub(crate) received: Instant,
    pub(crate) round_trip: Duration,
}

/// A table's row of `system.tables`.
#[derive(Debug, Clone)]
pub(crate) struct TableRow {
    pub(crate) uuid: String,
    pub(crate) engine: String,
    pub(crate) engine_full: String,
    pub(crate) partition_key: String,
    /// Of the whole CREATE text.
    pub(crate) schema_hash: String,
    pub(crate) dependants: u64,
    pub(crate) create_query: String,
    /// Seconds since 1970.
    pub(crate) changed: u64,
    /// Of the CREATE text up to its settings, which come last.
    pub(crate) definition_hash: u64,
}

/// A table and its server at one moment, as the server words it.
#[derive(Debug, Clone)]
pub(crate) struct Facts {
    pub(crate) server: Arc<ServerFacts>,
    pub(crate) table: TableRow,
    /// The highest block number of its parts; `None` without parts.
    pub(crate) blocks: Option<u64>,
    /// The highest entry of its log in Keeper; `None` if it has none, or cannot read it now.
    pub(crate) log_index: Option<u64>,
    /// Name, type and default kind of its columns that have lineage columns' names.
    pub(crate) lineage: Vec<[String; 3]>,
}

fn facts_sql(tables: &Tables, lineage_names: &str) -> String {
    let condition = tables.condition();
    // Rows of several lists are cheaper than a subquery for each.
    let defaults = |word: &str, names: &[&str], among: &str| {
        let names = names.join("', '");
        format!("SELECT '{word}', [name, value] FROM system.{among} WHERE name IN ('{names}')")
    };
    [
        "SELECT 'server' AS about, [version(), toString(toUnixTimestamp64Milli(now64(3, 'UTC'))), toString(uptime())] AS texts"
            .to_owned(),
        defaults("plain", &[PLAIN_BLOCKS], "merge_tree_settings"),
        defaults("replicated", &[REPLICATED_BLOCKS, REPLICATED_SECONDS], "replicated_merge_tree_settings"),
        format!("SELECT 'blocks', [table, toString(max(max_block_number))] FROM system.parts WHERE {condition} GROUP BY table"),
        format!(
            "SELECT 'log', [table, toString(log_max_index)] FROM system.replicas WHERE {condition} \
             AND NOT is_session_expired AND zookeeper_exception = ''"
        ),
        format!(
            "SELECT 'column', [table, name, type, default_kind] FROM system.columns WHERE {condition} \
             AND name IN ({lineage_names})"
        ),
        format!(
            "SELECT 'table', [name, toString(uuid), engine, engine_full, partition_key, \
             toString(cityHash64(create_table_query)), toString(length(dependencies_table)), create_table_query, \
             toString(toUnixTimestamp(metadata_modification_time)), \
             toString(cityHash64(replaceRegexpOne(create_table_query, '(?s) SETTINGS .*', '')))] \
             FROM system.tables WHERE {condition}"
        ),
    ]
    .join(" UNION ALL ")
}

impl Client {
    /// Facts of those tables that are there.
    /// Errors: those of a question.
    pub(crate) async fn facts(&self, tables: Tables) -> Found<Facts> {
        let began = Instant::now();
        let rows = self.ask_json(ASKED, &facts_sql(&tables, &self.lineage.texts())).await?;
        read(&rows, Instant::now(), began.elapsed())
            .ok_or_else(|| ClickHouseError::Strange { asked: ASKED, what: "a column".to_owned() })
    }
}

fn read(rows: &[Value], received: Instant, round_trip: Duration) -> Option<BTreeMap<String, Facts>> {
    let (mut server, mut found) = (None, BTreeMap::new());
    let (mut plain_defaults, mut replicated_defaults) = (Vec::new(), Vec::new());
    let (mut blocks, mut logs) = (BTreeMap::new(), BTreeMap::new());
    let mut lineage: BTreeMap<String, Vec<[String; 3]>> = BTreeMap::new();
    let mut tables = Vec::new();
    for row in rows {
        match row[0].as_str()? {
            "server" => server = Some(texts::<3>(row)?),
            "plain" => plain_defaults.push(texts(row)?),
            "replicated" => replicated_defaults.push(texts(row)?),
            "blocks" => {
                let [table, number] = texts(row)?;
                blocks.insert(table, number.parse().ok()?);
            }
            "log" => {
                let [table, number] = texts(row)?;
                logs.insert(table, number.parse().ok()?);
            }
            "column" => {
                let [table, name, type_text, default_kind] = texts(row)?;
                lineage.entry(table).or_default().push([name, type_text, default_kind]);
            }
            "table" => tables.push(texts::<10>(row)?),
            _ => return None,
        }
    }
    let [version, now, uptime] = server?;
    let server = Arc::new(ServerFacts {
        version,
        now_ms: now.parse().ok()?,
        uptime_seconds: uptime.parse().ok()?,
        plain_defaults,
        replicated_defaults,
        received,
        round_trip,
    });
    for table in tables {
        let [
            name,
            uuid,
            engine,
            engine_full,
            partition_key,
            schema_hash,
            dependants,
            create_query,
            changed,
            definition_hash,
        ] = table;
        let facts = Facts {
            server: Arc::clone(&server),
            blocks: blocks.remove(&name),
            log_index: logs.remove(&name),
            lineage: lineage.remove(&name).unwrap_or_default(),
            table: TableRow {
                uuid,
                engine,
                engine_full,
                partition_key,
                schema_hash,
                dependants: dependants.parse().ok()?,
                create_query,
                changed: changed.parse().ok()?,
                definition_hash: definition_hash.parse().ok()?,
            },
        };
        found.insert(name, facts);
    }
    Some(found)
}

/// The texts of a row, which are so many.
fn texts<const TEXTS: usize>(row: &Value) -> Option<[String; TEXTS]> {
    let texts: Option<Vec<String>> =
        row[1].as_array()?.iter().map(|text| text.as_str().map(str::to_owned)).collect();
    texts?.try_into().ok()
}
