//! The rights that delivery needs, and those without which a fault may need a person (PROTOCOL R7, R12).
//! Each missing one is named with its GRANT.
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

    pub(crate) async fn check_rights(
        &self,
        table: &TableName,
        proof: &mut Proof,
    ) -> Result<(), ClickHouseError> {
        let user = self.username().to_owned();
        let insert = format!("INSERT ON {}", table.sql());
        if self.may(&insert).await? == Some(false) {
            let (grant, message) = (self.grant(&insert), format!("INSERT on {table}"));
            proof.failed.push(ProofFailure::Right { grant, user: user.clone(), message });
        }
        for (asked, sql) in [
            ("whether we may kill queries", "KILL QUERY WHERE query_id = 'pumphouse-probe' SYNC"),
            ("whether we may see processes", "SELECT count() FROM system.processes WHERE query_id = ''"),
        ] {
            match self.ask(asked, sql).await {
                Ok(_) => {}
                Err(ClickHouseError::Server { code: ACCESS_DENIED, message, .. }) => {
                    let grants = ["KILL QUERY ON *.*", "SELECT ON system.processes"];
                    let grant = grants.map(|right| self.grant(right)).join("; ");
                    proof.failed.push(ProofFailure::Right { user: user.clone(), grant, message });
                }
                Err(error) => return Err(error),
            }
        }
        // Our own attempts we may kill without the right; those that another user sent, before the
        // configuration changed, KILL then skips silently, and they are waited for.
        if self.may("KILL QUERY ON *.*").await? == Some(false) {
            proof.warnings.push(format!(
                "attempts of another user name cannot be ended, only waited for; {}",
                self.grant("KILL QUERY ON *.*")
            ));
        }
        Ok(())
    }

    /// Warns of rights without which a batch whose token may be forgotten needs a person.
    pub(crate) async fn warn_of_rights(
        &self,
        table: &TableName,
        found: &Inspection,
        warnings: &mut Vec<String>,
    ) -> Result<(), ClickHouseError> {
        let mut rights = vec!["SELECT ON system.query_log".to_owned(), "SYSTEM FLUSH LOGS ON *.*".to_owned()];
        if found.lineage.is_some() {
            rights.push(format!("SELECT({}) ON {}", self.lineage.identifiers(), table.sql()));
            rights.push("SELECT ON system.mutations".to_owned());
            if found.engine == Engine::Replicated {
                rights.push(format!("SYSTEM SYNC REPLICA ON {}", table.sql()));
            }
        }
        let mut grants = Vec::new();
        for right in rights {
            if self.may(&right).await? == Some(false) {
                grants.push(self.grant(&right));
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
