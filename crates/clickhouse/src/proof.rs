//! The start-up proof (PROTOCOL R12): whether a table can deduplicate, for long enough, on every host, and
//! whether we may do what we must. This file asks in order; each question is a `proof_*.rs` of its own, and
//! every failure (`proof_failure.rs`) names its remedy.
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use pumphouse_conduct::Answer;
use pumphouse_types::DedupToken;
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::insert::{InsertRequest, InsertStatement};
use crate::inspect::{ACCESS_DENIED, Column, Engine, Inspection};
use crate::proof_durability::CommonDurability;
use crate::proof_engine::check_engine;
use crate::proof_failure::ProofFailure;
use crate::proof_key::made_up_in_key;
use crate::proof_rights::CommonRights;
use crate::proof_window::{check_fan_out, check_window};
use crate::quote;
use crate::table_name::TableName;

/// The insert without rows is answered at once; this is for a server in trouble.
const PROBE_MS: u64 = 10_000;

/// Settings without which a server does not deduplicate by token.
const NEEDED_SETTINGS: &[&str] = &["insert_deduplicate", "insert_deduplication_token"];

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

/// Tables that are looked at at once, with two questions each at most: a user's profile may bound them.
const AT_ONCE: usize = 4;

/// What is asked for once, whatever the tables.
#[derive(Debug, Default)]
struct Common {
    rights: CommonRights,
    durability: CommonDurability,
    /// Names of the settings that the server knows.
    settings: OnceCell<Arc<BTreeSet<String>>>,
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
        self.prove_one(table.clone(), limits, &Common::default()).await
    }

    /// [`Client::prove`] for each of `tables`, in their order; some at a time, so that what the server says of tables is
    /// asked for together. After an error that says that the server is in trouble no others are asked about: they have that error too.
    pub async fn prove_all(
        &self,
        tables: impl IntoIterator<Item = (TableName, ProofLimits)>,
    ) -> Vec<Result<Proof, ClickHouseError>> {
        let common = Common::default();
        let prove = |(table, limits)| self.prove_one(table, limits, &common);
        let proofs: Vec<_> = tables.into_iter().map(prove).collect();
        let of_all = proofs.len();
        // All in this one task: those at the front ask in the same moment, so as one. As tasks of their own, each may come to ask
        // alone, and of a server that is silent they would wait one after the other.
        let mut proofs = stream::iter(proofs).buffered(AT_ONCE);
        let mut done = Vec::with_capacity(of_all);
        while let Some(proof) = proofs.next().await {
            let trouble = proof.as_ref().err().filter(|error| error.is_transient()).cloned();
            done.push(proof);
            if let Some(error) = trouble {
                done.resize(of_all, Err(error));
                break;
            }
        }
        done
    }

    async fn prove_one(
        &self,
        table: TableName,
        limits: ProofLimits,
        common: &Common,
    ) -> Result<Proof, ClickHouseError> {
        let table = &table;
        let mut proof = Proof::default();
        let user = self.username().to_owned();
        let found = match self.inspect(table).await {
            Ok(found) => found,
            Err(
                why @ (ClickHouseError::NoTable { .. } | ClickHouseError::Server { code: ACCESS_DENIED, .. }),
            ) => {
                proof.failed.push(self.why_not_inspected(table, why, user).await?);
                return Ok(proof);
            }
            Err(error) => return Err(error),
        };
        let columns = self.columns(table).await?;
        check_engine(table, &found, &columns, &mut proof.failed);
        if matches!(found.engine, Engine::Other(_)) {
            return Ok(proof);
        }
        check_window(table, &found, limits, &mut proof.failed);
        check_fan_out(table, &found, limits, &mut proof.warnings);
        // Which columns come with the records is not known here: a column with a default may be filled
        // by the server, so a default that is made up on insert counts.
        if let Some(what) = made_up_in_key(&found.partition_key, &columns, &BTreeSet::new()) {
            proof.failed.push(ProofFailure::PartitionKey { table: table.to_string(), what });
        }
        self.prove_hosts(table, limits, &mut proof.failed, &mut proof.warnings).await?;
        if found.has_views {
            self.prove_views(table, limits, &mut proof.failed).await?;
        }
        self.check_rights(table, &common.rights, &mut proof).await?;
        self.warn_of_rights(table, &found, &common.rights, &mut proof.warnings).await?;
        self.warn_of_durability(table, &found, &common.durability, &mut proof.warnings).await?;
        if proof.failed.iter().all(|failure| !matches!(failure, ProofFailure::Right { .. })) {
            let known = common.settings.get_or_try_init(|| self.known_settings()).await?;
            self.probe_insert(table, &found, &columns, known, &mut proof.failed).await?;
        }
        Ok(proof)
    }

    /// There is no such database, or no such table, or we may not ask.
    async fn why_not_inspected(
        &self,
        table: &TableName,
        why: ClickHouseError,
        user: String,
    ) -> Result<ProofFailure, ClickHouseError> {
        if !self.database_exists(&table.database).await? {
            return Ok(ProofFailure::NoDatabase { database: table.database.clone(), user });
        }
        match why {
            ClickHouseError::Server { message, .. } => self.system_rights(message).await,
            _ => Ok(ProofFailure::NoTable { table: table.to_string(), user }),
        }
    }

    /// An insert without rows: the server looks at the statement, its functions, its settings and the
    /// rights, and writes nothing.
    async fn probe_insert(
        &self,
        table: &TableName,
        found: &Inspection,
        columns: &[Column],
        known: &BTreeSet<String>,
        failed: &mut Vec<ProofFailure>,
    ) -> Result<(), ClickHouseError> {
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
    pumphouse_columns::put_frames(pumphouse_columns::Compression::Lz4, &raw, &mut frames);
    frames
}

fn put_varuint(mut value: usize, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests;
