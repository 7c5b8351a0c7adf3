//! The rights that delivery needs, and those without which a fault may need a person (PROTOCOL R7, R12).
//! Each missing one is named with its GRANT.
use tokio::sync::OnceCell;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::{ACCESS_DENIED, Engine, Inspection};
use crate::proof::Proof;
use crate::proof_failure::ProofFailure;
use crate::quote;
use crate::table_name::TableName;

/// SYNTAX_ERROR, the answer of servers that do not have CHECK GRANT.
const SYNTAX_ERROR: i32 = 62;

/// System tables that every inspection reads.
const NEEDED_TABLES: &[&str] =
    &["merge_tree_settings", "replicated_merge_tree_settings", "parts", "replicas", "processes"];

/// Rights that are no table's own; asked for once for all tables of a proof.
#[derive(Debug, Default)]
pub(crate) struct CommonRights(OnceCell<Missing>);

/// Of those, what is missing.
#[derive(Debug)]
struct Missing {
    /// Without these nothing can be proven.
    needed: Vec<ProofFailure>,
    /// Without these attempts of another user name run on.
    to_kill_others: Option<String>,
    /// GRANT statements: without these a person may be needed.
    for_evidence: Vec<String>,
    /// The same, for tables with lineage columns.
    for_lineage: Vec<String>,
}

impl Client {
    /// Whether we have a right, as `GRANT` writes it; `None` if the server cannot say.
    async fn may(&self, right: &str) -> Result<Option<bool>, ClickHouseError> {
        match self.ask("whether a right is there", &format!("CHECK GRANT {right}")).await {
            Ok(answer) => Ok(Some(answer.trim() != "0")),
            // Servers before 24.11 have no CHECK GRANT.
            Err(ClickHouseError::Server { code: SYNTAX_ERROR, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn grant(&self, right: &str) -> String {
        format!("GRANT {right} TO {}", quote::identifier(self.username()))
    }

    /// An inspection was denied: the system tables that we may not read, or all where nobody can say.
    pub(crate) async fn system_rights(&self, message: String) -> Result<ProofFailure, ClickHouseError> {
        let mut grants = Vec::new();
        for table in NEEDED_TABLES {
            let right = format!("SELECT ON system.{table}");
            if self.may(&right).await? != Some(true) {
                grants.push(self.grant(&right));
            }
        }
        Ok(ProofFailure::Right { user: self.username().to_owned(), grant: grants.join("; "), message })
    }

    /// GRANT statements for those of `rights` that we do not have.
    async fn missing(&self, rights: &[&str]) -> Result<Vec<String>, ClickHouseError> {
        let mut grants = Vec::new();
        for right in rights {
            if self.may(right).await? == Some(false) {
                grants.push(self.grant(right));
            }
        }
        Ok(grants)
    }

    async fn missing_common(&self) -> Result<Missing, ClickHouseError> {
        let mut needed = Vec::new();
        for (asked, sql) in [
            ("whether we may kill queries", "KILL QUERY WHERE query_id = 'pumphouse-probe' SYNC"),
            ("whether we may see processes", "SELECT count() FROM system.processes WHERE query_id = ''"),
        ] {
            match self.ask(asked, sql).await {
                Ok(_) => {}
                Err(ClickHouseError::Server { code: ACCESS_DENIED, message, .. }) => {
                    let grants = ["KILL QUERY ON *.*", "SELECT ON system.processes"];
                    let grant = grants.map(|right| self.grant(right)).join("; ");
                    needed.push(ProofFailure::Right { user: self.username().to_owned(), grant, message });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Missing {
            needed,
            to_kill_others: self.missing(&["KILL QUERY ON *.*"]).await?.pop(),
            for_evidence: self.missing(&["SELECT ON system.query_log", "SYSTEM FLUSH LOGS ON *.*"]).await?,
            for_lineage: self.missing(&["SELECT ON system.mutations"]).await?,
        })
    }

    pub(crate) async fn check_rights(
        &self,
        table: &TableName,
        common: &CommonRights,
        proof: &mut Proof,
    ) -> Result<(), ClickHouseError> {
        let insert = format!("INSERT ON {}", table.sql());
        if let Some(grant) = self.missing(&[&insert]).await?.pop() {
            let (user, message) = (self.username().to_owned(), format!("INSERT on {table}"));
            proof.failed.push(ProofFailure::Right { grant, user, message });
        }
        let common = common.0.get_or_try_init(|| self.missing_common()).await?;
        proof.failed.extend(common.needed.iter().cloned());
        // Our own attempts we may kill without the right; those that another user sent, before the
        // configuration changed, KILL then skips silently, and they are waited for.
        if let Some(grant) = &common.to_kill_others {
            proof
                .warnings
                .push(format!("attempts of another user name cannot be ended, only waited for; {grant}"));
        }
        Ok(())
    }

    /// Warns of rights without which a batch whose token may be forgotten needs a person.
    pub(crate) async fn warn_of_rights(
        &self,
        table: &TableName,
        found: &Inspection,
        common: &CommonRights,
        warnings: &mut Vec<String>,
    ) -> Result<(), ClickHouseError> {
        let common = common.0.get_or_try_init(|| self.missing_common()).await?;
        let mut grants = common.for_evidence.clone();
        if found.lineage.is_some() {
            grants.extend(common.for_lineage.iter().cloned());
            let lineage = format!("SELECT({}) ON {}", self.lineage.identifiers(), table.sql());
            grants.extend(self.missing(&[&lineage]).await?);
            if found.engine == Engine::Replicated {
                let sync = format!("SYSTEM SYNC REPLICA ON {}", table.sql());
                grants.extend(self.missing(&[&sync]).await?);
            }
        }
        if !grants.is_empty() {
            warnings.push(format!(
                "after a long outage a person would have to say what landed; {}",
                grants.join("; ")
            ));
        }
        if found.lineage.is_none() {
            warnings.push(format!(
                "{table} has no lineage columns {}: after a long outage a person may have to say what landed",
                self.lineage.identifiers()
            ));
        }
        Ok(())
    }
}
