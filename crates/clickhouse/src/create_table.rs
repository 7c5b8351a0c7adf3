//! Creates a table that Pumphouse was asked to create: with lineage columns and a wide window, so that it
//! passes the start-up proof and no fault needs a person (PROTOCOL R7, R12).
use crate::client::Client;
use crate::definition::{Token, tokens};
use crate::error::ClickHouseError;
use crate::proof::ProofLimits;
use crate::proof_window::{needed_blocks, needed_ms};
use crate::quote;
use crate::table_name::TableName;

/// Blocks that a created table remembers at least; an entry is some hundred bytes.
const WINDOW_BLOCKS_MIN: u64 = 10_000;

/// Seconds that it remembers them at least: a week, so that an outage over a weekend needs no evidence.
const WINDOW_SECONDS_MIN: u64 = 604_800;

/// Room above what the proof asks for: a faster linger later must not refuse the table.
const WINDOW_ROOM: u64 = 4;

/// The index over partition and offset; finding a range costs 22 ms with it and 143 without (20 M rows).
const LINEAGE_INDEX: &str = "pumphouse_lineage";

/// A table to create.
#[derive(Debug, Clone)]
pub struct CreateTable {
    /// Its name.
    pub table: TableName,
    /// Its columns, as inside the brackets of CREATE TABLE.
    pub columns: String,
    /// Its ORDER BY expression; empty = `tuple()`.
    pub order_by: String,
    /// Its engine with its arguments, of the MergeTree family.
    pub engine: String,
    /// What its window has to suffice for.
    pub limits: ProofLimits,
}

impl Client {
    /// Creates the table on every host where it is missing; one that exists is left as it is.
    /// Errors: `CreateTable` if the texts are no column list, expression or engine; those of a question.
    pub async fn create_table(&self, create: &CreateTable) -> Result<(), ClickHouseError> {
        let sql = self
            .create_sql(create)
            .map_err(|why| ClickHouseError::CreateTable { table: create.table.to_string(), why })?;
        let exists = format!("EXISTS TABLE {}", create.table.sql());
        for host in self.each_host() {
            // Asked first: IF NOT EXISTS alone wants the right to create what is there already.
            if host.ask("looking for the table", &exists).await?.trim() == "0" {
                host.ask("creating the table", &sql).await?;
            }
        }
        Ok(())
    }

    fn create_sql(&self, create: &CreateTable) -> Result<String, String> {
        let columns = create.columns.trim().trim_end_matches(',');
        let order_by = match create.order_by.trim() {
            "" => "tuple()",
            order_by => order_by,
        };
        let engine = create.engine.trim();
        for (what, text) in [("columns", columns), ("order by", order_by), ("engine", engine)] {
            stays_inside(text).map_err(|why| format!("the {what}: {why}"))?;
        }
        is_engine(engine)?;
        let seconds = (WINDOW_ROOM * needed_ms(create.limits)).div_ceil(1_000).max(WINDOW_SECONDS_MIN);
        let blocks = (WINDOW_ROOM * needed_blocks(create.limits)).max(WINDOW_BLOCKS_MIN);
        // A server may make another engine of the one that is named (cloud services do), so the
        // windows of both kinds are set.
        Ok(format!(
            "CREATE TABLE IF NOT EXISTS {} ({columns}{}) ENGINE = {engine} ORDER BY {order_by} SETTINGS \
             non_replicated_deduplication_window = {blocks}, replicated_deduplication_window = {blocks}, \
             replicated_deduplication_window_seconds = {seconds}",
            create.table.sql(),
            self.lineage_columns(columns)
        ))
    }

    /// The lineage columns that `columns` has not, and their index; nothing where they are not wanted.
    fn lineage_columns(&self, columns: &str) -> String {
        let names = &self.lineage;
        if names.all().iter().any(|name| name.is_empty()) {
            return String::new();
        }
        let given = column_names(columns);
        let types = ["LowCardinality(String)", "UInt32 CODEC(T64, LZ4)", "UInt64 CODEC(Delta, LZ4)"];
        let mut added: String = names
            .all()
            .iter()
            .zip(types)
            .filter(|(name, _)| !given.iter().any(|given| given == *name))
            .map(|(name, type_text)| format!(", {} {type_text}", quote::identifier(name)))
            .collect();
        if !given.iter().any(|given| given == LINEAGE_INDEX) {
            let [partition, offset] = [&names.partition, &names.offset].map(|name| quote::identifier(name));
            added += &format!(", INDEX {LINEAGE_INDEX} ({partition}, {offset}) TYPE minmax GRANULARITY 1");
        }
        added
    }
}

/// The first name of each item of a column list; of an index or a constraint its own name.
fn column_names(columns: &str) -> Vec<String> {
    let (mut names, mut depth, mut first) = (Vec::new(), 0, true);
    for token in tokens(columns) {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth -= 1,
            Token::Mark(',') if depth == 0 => first = true,
            Token::Word("INDEX") if first => {}
            Token::Word(name) if first => {
                names.push(name.to_owned());
                first = false;
            }
            Token::Name(name) if first => {
                names.push(name);
                first = false;
            }
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
    }
    names
}

/// A text of the configuration must not end the place that it is put into.
fn stays_inside(text: &str) -> Result<(), String> {
    let mut depth = 0_i32;
    for token in tokens(text) {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth -= 1,
            Token::Mark(';') => return Err("it has a semicolon".to_owned()),
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
        if depth < 0 {
            return Err("it closes a bracket that it does not open".to_owned());
        }
    }
    if text.is_empty() || depth > 0 || !quotes_close(text) || text.contains("--") || text.contains("/*") {
        return Err("it is empty, or has an open bracket, an open quote or a comment".to_owned());
    }
    Ok(())
}

fn quotes_close(text: &str) -> bool {
    let mut open = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (open, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(quote), c) if c == quote => open = None,
            (None, '\'' | '"' | '`') => open = Some(c),
            (Some(_) | None, _) => {}
        }
    }
    open.is_none()
}

/// A name that ends in MergeTree and its arguments, nothing behind them.
fn is_engine(engine: &str) -> Result<(), String> {
    let tokens = tokens(engine);
    let named = matches!(tokens.first(), Some(Token::Word(word)) if word.ends_with("MergeTree"));
    let mut depth = 0;
    let ends = tokens.iter().skip(1).enumerate().all(|(at, token)| {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') => depth -= 1,
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
        // Nothing may follow the bracket that closes the arguments.
        depth > 0 || at + 2 == tokens.len()
    });
    if named && ends {
        Ok(())
    } else {
        Err(format!("{engine} is no engine of the MergeTree family with its arguments"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Endpoint, Password};

    fn sql(columns: &str, order_by: &str, engine: &str) -> Result<String, String> {
        let endpoint = Endpoint {
            host: "h".to_owned(),
            port: 1,
            ssl: false,
            username: "u".to_owned(),
            password: Password::new(""),
        };
        let limits = ProofLimits { deadline_ms: 1, max_execution_ms: 1, linger_ms: 1, lanes: 1 };
        let [columns, order_by, engine] = [columns, order_by, engine].map(str::to_owned);
        let table = TableName { database: "d`".to_owned(), table: "t".to_owned() };
        let create = CreateTable { table, columns, order_by, engine, limits };
        Client::new(endpoint).unwrap().create_sql(&create)
    }

    #[test]
    fn lineage_and_windows_are_added_once() {
        let made = sql("a UInt64, `_offset` Int64,", "a", "MergeTree").unwrap();
        assert_eq!(
            made,
            "CREATE TABLE IF NOT EXISTS `d\\``.`t` (a UInt64, `_offset` Int64, `_topic` LowCardinality(String), \
             `_partition` UInt32 CODEC(T64, LZ4), INDEX pumphouse_lineage (`_partition`, `_offset`) TYPE minmax \
             GRANULARITY 1) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 10000, \
             replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800"
        );
        assert!(sql("a UInt64", "", "ReplicatedMergeTree('/t', '{replica}')").unwrap().contains("tuple()"));
    }

    #[test]
    fn texts_do_not_leave_their_place() {
        for (columns, order_by, engine) in [
            ("a UInt8) ENGINE = Memory; --", "a", "MergeTree"),
            ("a UInt8", "a) (", "MergeTree"),
            ("a UInt8 DEFAULT 'x", "a", "MergeTree"),
            ("a UInt8", "a", "Memory"),
            ("a UInt8", "a", "MergeTree ORDER BY b"),
            ("a UInt8", "a", "MergeTree() SETTINGS x = 1"),
            ("a UInt8 -- none", "a", "MergeTree"),
            ("", "a", "MergeTree"),
        ] {
            assert!(sql(columns, order_by, engine).is_err(), "{columns} {order_by} {engine}");
        }
    }
}
