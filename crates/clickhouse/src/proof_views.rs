//! Materialized views behind a table: each of their targets has to deduplicate as the table does, or
//! a retry doubles rows there (measured: a view's target without a window doubles).
use std::collections::BTreeSet;

use crate::client::Client;
use crate::error::ClickHouseError;
use crate::inspect::Engine;
use crate::proof::ProofLimits;
use crate::proof_engine::made_up_in_text;
use crate::proof_failure::ProofFailure;
use crate::proof_window::check_window;
use crate::table_name::TableName;

/// Views behind views behind views: more than this is a loop or a mistake.
const VIEWS_MAX: usize = 100;

/// A view and the table that it fills.
struct ViewAndTarget {
    view: TableName,
    create_query: String,
    target: TableName,
}

impl Client {
    /// Looks at the targets of the views that `table` feeds, and of the views behind those.
    /// Errors: those of a question.
    pub(crate) async fn prove_views(
        &self,
        table: &TableName,
        limits: ProofLimits,
        failed: &mut Vec<ProofFailure>,
    ) -> Result<(), ClickHouseError> {
        let (behind, unclear) = self.behind(table).await?;
        failed.extend(unclear);
        for ViewAndTarget { view, create_query, target } in behind {
            let found = match self.inspect_one(&target).await {
                Ok(found) => found,
                Err(ClickHouseError::NoTable { .. }) => {
                    failed.push(unclear_view(&view, "its target is not to be seen"));
                    continue;
                }
                Err(error) => return Err(error),
            };
            match &found.engine {
                // Nothing stays in it to be doubled; what it feeds is looked at by itself.
                Engine::Other(engine) if engine == "Null" => continue,
                Engine::Other(_) => {
                    failed.push(ProofFailure::ViewTarget {
                        view: view.to_string(),
                        target: target.to_string(),
                    });
                    continue;
                }
                Engine::Plain | Engine::Replicated if found.window_blocks == 0 => {
                    failed.push(ProofFailure::ViewTarget {
                        view: view.to_string(),
                        target: target.to_string(),
                    });
                }
                Engine::Plain | Engine::Replicated => check_window(&target, &found, limits, failed),
            }
            if let Some(what) = made_up_in_text(&create_query)
                && !found.partition_key.is_empty()
            {
                failed.push(ProofFailure::ViewPartition {
                    view: view.to_string(),
                    what,
                    target: target.to_string(),
                    key: found.partition_key,
                });
            }
        }
        Ok(())
    }

    /// The tables behind the views of `table`, through views of views: each once, and in an order that does not depend on
    /// the server's.
    pub(crate) async fn targets_behind(
        &self,
        table: &TableName,
    ) -> Result<BTreeSet<TableName>, ClickHouseError> {
        Ok(self.behind(table).await?.0.into_iter().map(|behind| behind.target).collect())
    }

    async fn behind(
        &self,
        table: &TableName,
    ) -> Result<(Vec<ViewAndTarget>, Vec<ProofFailure>), ClickHouseError> {
        let (mut behind, mut unclear) = (Vec::new(), Vec::new());
        let mut open = self.views_of(table).await?;
        let mut seen = BTreeSet::new();
        while let Some(view) = open.pop() {
            if !seen.insert(view.clone()) {
                continue;
            }
            if seen.len() > VIEWS_MAX {
                unclear.push(unclear_view(&view, "there are too many views"));
                break;
            }
            let Some((create_query, target)) = self.target_of(&view).await? else {
                unclear
                    .push(unclear_view(&view, "it is no materialized view, or its target is not to be seen"));
                continue;
            };
            open.extend(self.views_of(&target).await?);
            behind.push(ViewAndTarget { view, create_query, target });
        }
        Ok((behind, unclear))
    }

    async fn views_of(&self, table: &TableName) -> Result<Vec<TableName>, ClickHouseError> {
        let asked = "which views a table feeds";
        let sql = format!(
            "SELECT arrayJoin(arrayZip(dependencies_database, dependencies_table)) AS view, view.1, view.2 \
             FROM system.tables WHERE {}",
            table.condition()
        );
        let rows = self.ask_json(asked, &sql).await?;
        rows.iter()
            .map(|row| match (row[1].as_str(), row[2].as_str()) {
                (Some(database), Some(table)) => {
                    Ok(TableName { database: database.to_owned(), table: table.to_owned() })
                }
                _ => Err(ClickHouseError::Strange { asked, what: row.to_string() }),
            })
            .collect()
    }

    async fn target_of(&self, view: &TableName) -> Result<Option<(String, TableName)>, ClickHouseError> {
        let sql = format!(
            "SELECT create_table_query, toString(uuid) FROM system.tables WHERE {}",
            view.condition()
        );
        let rows = self.ask_json("what a view is", &sql).await?;
        let texts = rows.first().and_then(|row| Some((row[0].as_str()?, row[1].as_str()?)));
        Ok(texts.and_then(|(create_query, uuid)| {
            Some((create_query.to_owned(), target_in(view, create_query, uuid)?))
        }))
    }
}

fn unclear_view(view: &TableName, what: &str) -> ProofFailure {
    ProofFailure::ViewUnclear { view: view.to_string(), what: what.to_owned() }
}

/// `CREATE MATERIALIZED VIEW db.v TO db2.t ..`, else the inner table that the server keeps for it.
fn target_in(view: &TableName, create_query: &str, uuid: &str) -> Option<TableName> {
    let rest = create_query.strip_prefix("CREATE MATERIALIZED VIEW ")?;
    let (_, rest) = read_name(rest)?;
    let mut rest = rest;
    if let Some(after) = rest.strip_prefix(" UUID '") {
        rest = after.split_once('\'')?.1;
    }
    if let Some(after) = rest.strip_prefix(" TO ") {
        let (name, _) = read_name(after)?;
        return match <[String; 2]>::try_from(name) {
            Ok([database, table]) => Some(TableName { database, table }),
            Err(mut one) => Some(TableName { database: view.database.clone(), table: one.pop()? }),
        };
    }
    let table = if uuid.bytes().all(|byte| matches!(byte, b'0' | b'-')) {
        format!(".inner.{}", view.table)
    } else {
        format!(".inner_id.{uuid}")
    };
    Some(TableName { database: view.database.clone(), table })
}

/// The parts of `a.b` or `` `a`.b `` at the head of `text`, and what follows.
fn read_name(text: &str) -> Option<(Vec<String>, &str)> {
    let (first, rest) = read_identifier(text)?;
    match rest.strip_prefix('.') {
        None => Some((vec![first], rest)),
        Some(after) => {
            let (second, rest) = read_identifier(after)?;
            Some((vec![first, second], rest))
        }
    }
}

fn read_identifier(text: &str) -> Option<(String, &str)> {
    let Some(inside) = text.strip_prefix('`') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        return (end > 0).then(|| (text[..end].to_owned(), &text[end..]));
    };
    let mut name = String::new();
    let mut chars = inside.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '`' => return Some((name, &inside[at + 1..])),
            '\\' => name.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                'b' => '\x08',
                'f' => '\x0c',
                '0' => '\0',
                other => other,
            }),
            other => name.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "2d11715d-18a7-4d6d-93ca-f63d30dedf64";

    fn target(create_query: &str, uuid: &str) -> Option<String> {
        let view = TableName { database: "d".to_owned(), table: "v".to_owned() };
        target_in(&view, create_query, uuid).map(|name| name.sql())
    }

    #[test]
    fn targets_are_read_from_the_definition() {
        let cases = [
            ("CREATE MATERIALIZED VIEW d.v TO e.t (`a` UInt8) AS SELECT 1", "`e`.`t`"),
            ("CREATE MATERIALIZED VIEW d.`v TO x` TO `e\\`.f`.`t` AS SELECT 1", "`e\\`.f`.`t`"),
            ("CREATE MATERIALIZED VIEW d.v TO t AS SELECT 1", "`d`.`t`"),
            (
                "CREATE MATERIALIZED VIEW d.v (`a` UInt8) ENGINE = MergeTree AS SELECT ' TO e.t '",
                "`d`.`.inner_id.2d11715d-18a7-4d6d-93ca-f63d30dedf64`",
            ),
        ];
        for (create_query, expected) in cases {
            assert_eq!(target(create_query, UUID).as_deref(), Some(expected), "{create_query}");
        }
        let inner = "CREATE MATERIALIZED VIEW d.v ENGINE = MergeTree AS SELECT 1";
        assert_eq!(target(inner, "00000000-0000-0000-0000-000000000000").as_deref(), Some("`d`.`.inner.v`"));
        assert_eq!(target("CREATE VIEW d.v AS SELECT 1", UUID), None);
    }
}
