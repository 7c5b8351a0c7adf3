//! The state table of the ledger store `keepermap`: a KeeperMap table of our own. Whether the server has
//! KeeperMap, and whether a table of that name, or another one on that path, is somebody else's.
use std::time::Duration;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::quote;
use crate::table_name::TableName;

/// Its columns, in order. `position` is the offset that the entry stands at, or -1 without an entry.
const COLUMNS: [(&str, &str); 6] = [
    ("key", "String"),
    ("epoch", "UInt64"),
    ("claim", "String"),
    ("position", "Int64"),
    ("metadata", "String"),
    ("written", "String"),
];

/// A column that only the official sink's state table has.
const OFFICIAL_COLUMN: &str = "minOffset";

/// Making a table waits for Keeper.
const CREATE_PATIENCE: Duration = Duration::from_secs(15);

const NOT_CONFIGURED: &str = "keeper_map_path_prefix";

/// ClickHouse's codes that such a table may meet.
mod codes {
    pub const BAD_ARGUMENTS: i32 = 36;
    pub const UNKNOWN_STORAGE: i32 = 56;
    pub const NO_ZOOKEEPER: i32 = 225;
    pub const ACCESS_DENIED: i32 = 497;
    pub const NO_ELEMENTS_IN_CONFIG: i32 = 139;
}

/// Which table it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTable {
    /// Database and name (`zkDatabase`).
    pub name: TableName,
    /// Where Keeper has its rows, below the server's `keeper_map_path_prefix` (`zkPath`).
    pub path: String,
}

impl Client {
    /// Makes the state table on each host that answers, if it is not there, and looks whether it is ours.
    /// Errors: `NoKeeperMap` where the server has none, `StateTable` for a table or a path of somebody
    /// else's or a missing right, and those of any question.
    pub async fn ensure_state_table(&self, table: &StateTable) -> Result<(), ClickHouseError> {
        let (mut answered, mut silent) = (false, None);
        for host in self.each_host() {
            match host.ensure_on_host(table).await {
                Ok(()) => answered = true,
                Err(error @ ClickHouseError::NoAnswer { .. }) => silent = Some(error),
                Err(error) => return Err(error),
            }
        }
        silent.filter(|_| !answered).map_or(Ok(()), Err)
    }

    async fn ensure_on_host(&self, table: &StateTable) -> Result<(), ClickHouseError> {
        if self.is_ours(table).await? {
            return self.rehearse(table).await;
        }
        let columns: Vec<String> = COLUMNS.iter().map(|(name, kind)| format!("{name} {kind}")).collect();
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {} ({}) ENGINE = KeeperMap({}) PRIMARY KEY key",
            table.name.sql(),
            columns.join(", "),
            quote::string(&table.path),
        );
        let made = self.ask_within("making the ledger's state table", &create, CREATE_PATIENCE, &[]).await;
        made.map_err(|error| self.explained(error, table))?;
        if self.is_ours(table).await? { self.rehearse(table).await } else { Err(hidden(table)) }
    }

    /// False: there is no such table.
    async fn is_ours(&self, table: &StateTable) -> Result<bool, ClickHouseError> {
        let condition = table.name.condition();
        let sql = format!("SELECT name, type FROM system.columns WHERE {condition} ORDER BY position");
        let rows = self.ask_json("the ledger's state table", &sql).await?;
        let found: Vec<(&str, &str)> =
            rows.iter().map(|row| (row[0].as_str().unwrap_or(""), row[1].as_str().unwrap_or(""))).collect();
        if found.is_empty() {
            return Ok(false);
        }
        let engine = format!(
            "SELECT engine FROM system.tables WHERE database = {} AND name = {}",
            quote::string(&table.name.database),
            quote::string(&table.name.table)
        );
        let engine = self.ask("the ledger's state table", &engine).await?;
        if found == COLUMNS && engine.trim() == "KeeperMap" {
            return Ok(true);
        }
        let official = found.iter().any(|(name, _)| *name == OFFICIAL_COLUMN);
        let whose = if official { "the official sink's" } else { "not the ledger's" };
        Err(ClickHouseError::StateTable {
            table: table.name.to_string(),
            why: format!(
                "it exists and is {whose}; set zkDatabase to a name and zkPath to a path of their own"
            ),
        })
    }

    /// The statement that claims, of a key that nobody has: it needs the same rights, and Keeper.
    async fn rehearse(&self, table: &StateTable) -> Result<(), ClickHouseError> {
        let sql = format!("ALTER TABLE {} UPDATE epoch = epoch + 1 WHERE key = ''", table.name.sql());
        let strict = [("keeper_map_strict_mode", "1")];
        let answer = self.ask_within("a trial of the ledger's state table", &sql, CREATE_PATIENCE, &strict);
        answer.await.map(drop).map_err(|error| self.explained(error, table))
    }

    /// What the server's refusal means for somebody who wants this store.
    fn explained(&self, error: ClickHouseError, table: &StateTable) -> ClickHouseError {
        let ClickHouseError::Server { code, message, .. } = &error else { return error };
        let name = table.name.to_string();
        match *code {
            codes::BAD_ARGUMENTS if message.contains(NOT_CONFIGURED) => {
                ClickHouseError::NoKeeperMap { why: message.clone() }
            }
            codes::UNKNOWN_STORAGE | codes::NO_ELEMENTS_IN_CONFIG => {
                ClickHouseError::NoKeeperMap { why: message.clone() }
            }
            codes::NO_ZOOKEEPER if message.to_ascii_lowercase().contains("config") => {
                ClickHouseError::NoKeeperMap { why: message.clone() }
            }
            codes::BAD_ARGUMENTS => ClickHouseError::StateTable {
                table: name,
                why: format!(
                    "the path {} belongs to another table; set zkPath to a path of its own ({message})",
                    table.path
                ),
            },
            codes::ACCESS_DENIED => ClickHouseError::StateTable {
                table: name,
                why: format!(
                    "GRANT SELECT, INSERT, ALTER UPDATE, CREATE TABLE ON {} TO {} ({message})",
                    table.name.sql(),
                    self.username()
                ),
            },
            _ => error,
        }
    }
}

fn hidden(table: &StateTable) -> ClickHouseError {
    ClickHouseError::StateTable {
        table: table.name.to_string(),
        why: format!("it was made, but cannot be seen; GRANT SELECT ON {} TO this user", table.name.sql()),
    }
}
