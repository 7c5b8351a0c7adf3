//! The start-up proof (PROTOCOL R12, first checks): whether a table can deduplicate, for long enough,
//! and whether we may do what we must. Every failure names its remedy.
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use pumphouse_types::DedupToken;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::insert::{Answer, InsertRequest, InsertStatement};
use crate::inspect::{ACCESS_DENIED, Column, Engine, Inspection};
use crate::proof_key::made_up_in_key;
use crate::quote;
use crate::table_name::TableName;

/// The insert without rows is answered at once; this is for a server in trouble.
const PROBE_MS: u64 = 10_000;

/// Settings without which a server does not deduplicate by token.
const NEEDED_SETTINGS: &[&str] = &["insert_deduplicate", "insert_deduplication_token"];

/// SYNTAX_ERROR, the answer of servers that do not have CHECK GRANT.
const SYNTAX_ERROR: i32 = 62;

/// A batch may be sent again for half the window, and its last attempt may need as long as the first:
/// a window of four times that leaves a margin of two.
const WINDOW_FACTOR: u64 = 4;

/// What the window is measured against.
#[derive(Debug, Clone, Copy)]
pub struct ProofLimits {
    /// How far ahead deadlines are set, in ms.
    pub deadline_ms: u64,
    /// The longest commit: `max_execution_time`, in ms.
    pub max_execution_ms: u64,
    /// One block per lane comes about this often, in ms.
    pub linger_ms: u64,
    /// Lanes that insert into the table.
    pub lanes: u64,
}

/// Why exactly-once is refused, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFailure {
    /// The database is not there.
    #[error("PROOF-001: database {database} does not exist, or {user} may not see it; create it")]
    NoDatabase {
        /// The database.
        database: String,
        /// Who asked.
        user: String,
    },
    /// The table is not there.
    #[error(
        "PROOF-002: table {table} does not exist, or {user} may not see it; create it, or set topic2TableMap"
    )]
    NoTable {
        /// The table.
        table: String,
        /// Who asked.
        user: String,
    },
    /// Not a MergeTree.
    #[error(
        "PROOF-003: {table} has engine {engine}, which cannot deduplicate; use a table of the MergeTree family"
    )]
    Engine {
        /// The table.
        table: String,
        /// Its engine.
        engine: String,
    },
    /// Plain MergeTree ignores tokens by default.
    #[error(
        "PROOF-004: {table} keeps no deduplication window; \
         ALTER TABLE {table} MODIFY SETTING {setting} = {needed_blocks}"
    )]
    NoWindow {
        /// The table.
        table: String,
        /// The setting that makes one.
        setting: &'static str,
        /// What would do.
        needed_blocks: u64,
    },
    /// The window forgets blocks sooner than a batch may be sent again.
    #[error(
        "PROOF-005: {table} remembers {window_blocks} blocks, {needed_blocks} are needed; \
         ALTER TABLE {table} MODIFY SETTING {setting} = {needed_blocks}"
    )]
    FewBlocks {
        /// The table.
        table: String,
        /// Its setting.
        setting: &'static str,
        /// What it says.
        window_blocks: u64,
        /// What would do.
        needed_blocks: u64,
    },
    /// The window forgets blocks by time sooner than a batch may be sent again.
    #[error(
        "PROOF-006: {table} remembers blocks for {window_ms} ms, {needed_ms} are needed; ALTER TABLE {table} \
         MODIFY SETTING replicated_deduplication_window_seconds = {}", needed_ms.div_ceil(1000)
    )]
    ShortWindow {
        /// The table.
        table: String,
        /// What it says.
        window_ms: u64,
        /// What would do.
        needed_ms: u64,
    },
    /// A right is missing.
    #[error("PROOF-007: {user} lacks a right ({message}); {grant}")]
    Right {
        /// Who asked.
        user: String,
        /// The statement that gives it.
        grant: String,
        /// The server's words, or ours.
        message: String,
    },
    /// An insert without rows was refused, so every insert would be.
    #[error("PROOF-008: the server refuses the insert into {table} (code {code}): {message}")]
    InsertRefused {
        /// The table.
        table: String,
        /// ClickHouse's code.
        code: i32,
        /// ClickHouse's words.
        message: String,
    },
    /// The server's version cannot do it.
    #[error(
        "PROOF-009: the server has no setting {setting}, so it does not deduplicate by token; upgrade it"
    )]
    OldServer {
        /// What it lacks.
        setting: &'static str,
    },
    /// A retry may fall into another table partition than the first attempt, where its token is unknown.
    #[error(
        "PROOF-010: the partition key of {table} depends on {what}, which the server makes up on insert; \
         partition by values that come with the record"
    )]
    PartitionKey {
        /// The table.
        table: String,
        /// Function and column.
        what: String,
    },
    /// A view's rows would double with a retry.
    #[error(
        "PROOF-011: the materialized view {view} writes into {target}, which keeps no deduplication window; \
         give it one (non_replicated_deduplication_window), or detach the view"
    )]
    ViewTarget {
        /// The view.
        view: String,
        /// Its target.
        target: String,
    },
    /// What is fed by the table cannot be looked at.
    #[error("PROOF-012: {view} is fed by the table and cannot be checked: {what}; let the user see it")]
    ViewUnclear {
        /// The view.
        view: String,
        /// The reason.
        what: String,
    },
}

/// The proof's outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// Reasons to refuse; empty = exactly-once holds.
    pub failed: Vec<ProofFailure>,
    /// What weakens what "landed" means, or costs.
    pub warnings: Vec<String>,
}

impl Client {
    /// Tries to prove that `table` can take batches exactly once.
    /// Errors: the server does not answer, or denies a right without which nothing can be asked.
    pub async fn prove(&self, table: &TableName, limits: ProofLimits) -> Result<Proof, ClickHouseError> {
        let mut proof = Proof::default();
        let user = self.username().to_owned();
        if !self.database_exists(&table.database).await? {
            proof.failed.push(ProofFailure::NoDatabase { database: table.database.clone(), user });
            return Ok(proof);
        }
        let found = match self.inspect(table).await {
            Ok(found) => found,
            Err(ClickHouseError::NoTable { table }) => {
                proof.failed.push(ProofFailure::NoTable { table, user });
                return Ok(proof);
            }
            Err(ClickHouseError::Server { code: ACCESS_DENIED, message, .. }) => {
                proof.failed.push(self.system_rights(message));
                return Ok(proof);
            }
            Err(error) => return Err(error),
        };
        check_window(table, &found, limits, &mut proof.failed);
        if matches!(found.engine, Engine::Other(_)) {
            return Ok(proof);
        }
        let columns = self.columns(table).await?;
        // Which columns come with the records is not known here: a column with a default may be filled
        // by the server, so a default that is made up on insert counts.
        if let Some(what) = made_up_in_key(&found.partition_key, &columns, &BTreeSet::new()) {
            proof.failed.push(ProofFailure::PartitionKey { table: table.to_string(), what });
        }
        self.prove_views(table, &mut proof.failed).await?;
        self.check_rights(table, &mut proof).await?;
        if proof.failed.iter().all(|failure| !matches!(failure, ProofFailure::Right { .. })) {
            self.probe_insert(table, &found, &columns, &mut proof.failed).await?;
        }
        Ok(proof)
    }

    /// An insert without rows: the server looks at the statement, its functions, its settings and the
    /// rights, and writes nothing.
    async fn probe_insert(
        &self,
        table: &TableName,
        found: &Inspection,
        columns: &[Column],
        failed: &mut Vec<ProofFailure>,
    ) -> Result<(), ClickHouseError> {
        let known = self.known_settings().await?;
        if let Some(setting) = NEEDED_SETTINGS.iter().find(|name| !known.contains(**name)) {
            failed.push(ProofFailure::OldServer { setting });
            return Ok(());
        }
        let filled = |column: &&Column| matches!(column.default_kind.as_str(), "" | "DEFAULT");
        let Some(column) = columns.iter().find(filled) else { return Ok(()) };
        let name = quote::identifier(&column.name);
        let statement = InsertStatement {
            table: table.clone(),
            column_list: name.clone(),
            select_list: name.clone(),
            input_structure: format!("{name} {}", column.type_text),
        };
        let request = InsertRequest {
            statement,
            pieces: Arc::new(vec![Bytes::from(block_without_rows(column))]),
            // Nothing is written under it.
            token: DedupToken(0),
            deadline: found.server_now.plus(PROBE_MS),
            query_id: probe_query_id(found.server_now.0),
            log_comment: "pumphouse: start-up proof".to_owned(),
            max_execution_ms: PROBE_MS,
            until_deadline_ms: PROBE_MS,
            extra_settings: Vec::new(),
            on_piece: None,
        };
        match self.insert(request).await? {
            Answer::Accepted => Ok(()),
            Answer::Refused { code, message, .. } => {
                failed.push(ProofFailure::InsertRefused { table: table.to_string(), code, message });
                Ok(())
            }
            Answer::Unknown { why } => {
                Err(ClickHouseError::NoAnswer { asked: "an insert without rows", why })
            }
        }
    }

    fn system_rights(&self, message: String) -> ProofFailure {
        let user = self.username().to_owned();
        let tables =
            ["merge_tree_settings", "replicated_merge_tree_settings", "parts", "replicas", "processes"];
        let grants: Vec<String> = tables
            .iter()
            .map(|table| format!("GRANT SELECT ON system.{table} TO {}", quote::identifier(&user)))
            .collect();
        ProofFailure::Right { user, grant: grants.join("; "), message }
    }

    async fn check_rights(&self, table: &TableName, proof: &mut Proof) -> Result<(), ClickHouseError> {
        let user = self.username().to_owned();
        let grantee = quote::identifier(&user);
        let failed = &mut proof.failed;
        let sql = format!("CHECK GRANT INSERT ON {}", table.sql());
        match self.ask("whether we may insert", &sql).await {
            Ok(answer) if answer.trim() == "0" => failed.push(ProofFailure::Right {
                grant: format!("GRANT INSERT ON {} TO {grantee}", table.sql()),
                user: user.clone(),
                message: format!("INSERT on {table}"),
            }),
            // Servers before 24.11 have no CHECK GRANT; the first insert tells.
            Ok(_) | Err(ClickHouseError::Server { code: SYNTAX_ERROR, .. }) => {}
            Err(error) => return Err(error),
        }
        for (asked, sql) in [
            ("whether we may kill queries", "KILL QUERY WHERE query_id = 'pumphouse-probe' SYNC"),
            ("whether we may see processes", "SELECT count() FROM system.processes WHERE query_id = ''"),
        ] {
            match self.ask(asked, sql).await {
                Ok(_) => {}
                Err(ClickHouseError::Server { code: ACCESS_DENIED, message, .. }) => {
                    let grant = format!(
                        "GRANT KILL QUERY ON *.* TO {grantee}; GRANT SELECT ON system.processes TO {grantee}"
                    );
                    failed.push(ProofFailure::Right { user: user.clone(), grant, message });
                }
                Err(error) => return Err(error),
            }
        }
        // Our own attempts we may kill without the right; those that another user sent, before the
        // configuration changed, KILL then skips silently, and they are waited for.
        if let Ok(answer) = self.ask("whether we may kill others", "CHECK GRANT KILL QUERY ON *.*").await
            && answer.trim() == "0"
        {
            proof.warnings.push(format!(
                "attempts of another user name cannot be ended, only waited for; \
                 GRANT KILL QUERY ON *.* TO {grantee}"
            ));
        }
        Ok(())
    }
}

/// Two proofs at one moment need two ids: the same one twice is refused (code 216).
fn probe_query_id(now_ms: u64) -> String {
    static PROBES: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let probe = PROBES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    format!("pumphouse-proof-{now_ms}-{}-{probe}", std::process::id())
}

/// A Native block with one column and no rows, in a frame.
fn block_without_rows(column: &Column) -> Vec<u8> {
    let mut raw = vec![1, 0];
    for text in [&column.name, &column.type_text] {
        put_varuint(text.len(), &mut raw);
        raw.extend_from_slice(text.as_bytes());
    }
    let mut frames = Vec::new();
    pumphouse_columns::compress_lz4(&raw, &mut frames);
    frames
}

fn put_varuint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn check_window(table: &TableName, found: &Inspection, limits: ProofLimits, failed: &mut Vec<ProofFailure>) {
    let setting = match &found.engine {
        Engine::Plain => "non_replicated_deduplication_window",
        Engine::Replicated => "replicated_deduplication_window",
        Engine::Other(engine) => {
            let (table, engine) = (table.to_string(), engine.clone());
            failed.push(ProofFailure::Engine { table, engine });
            return;
        }
    };
    let needed_ms = WINDOW_FACTOR * (limits.deadline_ms + limits.max_execution_ms);
    let needed_blocks = (needed_ms / limits.linger_ms.max(1)).max(1) * limits.lanes;
    let table = table.to_string();
    if found.window_blocks == 0 {
        failed.push(ProofFailure::NoWindow { table, setting, needed_blocks });
        return;
    }
    if found.window_blocks < needed_blocks {
        let window_blocks = found.window_blocks;
        failed.push(ProofFailure::FewBlocks { table: table.clone(), setting, window_blocks, needed_blocks });
    }
    if let Some(window_ms) = found.window_ms
        && window_ms < needed_ms
    {
        failed.push(ProofFailure::ShortWindow { table, window_ms, needed_ms });
    }
}

#[cfg(test)]
mod tests;
