//! Warnings where "landed" means less than it could: one replica's word, or a page cache's (PROTOCOL R12).
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::{Engine, Inspection};
use crate::quote;
use crate::table_name::TableName;
use crate::table_settings::setting_in_engine;

const FSYNC: &str = "fsync_after_insert";

const ASKED: &str = "how durable an insert is";

/// What is no table's own; asked for once for all tables of a proof.
#[derive(Debug, Default)]
pub(crate) struct CommonDurability(OnceCell<Defaults>);

#[derive(Debug)]
struct Defaults {
    insert_quorum: String,
    fsync: String,
}

impl Client {
    async fn durability_defaults(&self) -> Result<Defaults, ClickHouseError> {
        let sql = format!(
            "SELECT (SELECT any(value) FROM system.settings WHERE name = 'insert_quorum'), \
             (SELECT any(value) FROM system.merge_tree_settings WHERE name = {})",
            quote::string(FSYNC)
        );
        let rows = self.ask_json(ASKED, &sql).await?;
        let text = |at: usize| rows.first().and_then(|row| row[at].as_str()).unwrap_or_default().to_owned();
        Ok(Defaults { insert_quorum: text(0), fsync: text(1) })
    }

    async fn replicas_of(&self, table: &TableName) -> Result<u64, ClickHouseError> {
        let sql =
            format!("SELECT toString(max(total_replicas)) FROM system.replicas WHERE {}", table.condition());
        let rows = self.ask_json(ASKED, &sql).await?;
        Ok(rows.first().and_then(|row| row[0].as_str()?.parse().ok()).unwrap_or(0))
    }

    /// Warns where "landed" means less than it could.
    /// Errors: those of a question.
    pub(crate) async fn warn_of_durability(
        &self,
        table: &TableName,
        found: &Inspection,
        common: &CommonDurability,
        warnings: &mut Vec<String>,
    ) -> Result<(), ClickHouseError> {
        let defaults = common.0.get_or_try_init(|| self.durability_defaults()).await?;
        let replicas = if found.engine == Engine::Replicated { self.replicas_of(table).await? } else { 0 };
        if replicas > 1 && defaults.insert_quorum == "0" {
            warnings.push(format!(
                "{table} has {replicas} replicas and insert_quorum is 0: what one replica has acknowledged is lost \
                 if it is lost before another one has fetched it; set insert_quorum = 'auto'"
            ));
        }
        let own = setting_in_engine(&found.engine_full, FSYNC);
        if own.unwrap_or(&defaults.fsync) == "0" && !found.engine_full.starts_with("Shared") {
            warnings.push(format!(
                "{table} does not fsync: what it has acknowledged is lost if its machine loses power soon \
                 after; ALTER TABLE {} MODIFY SETTING {FSYNC} = 1",
                table.sql()
            ));
        }
        Ok(())
    }
}
