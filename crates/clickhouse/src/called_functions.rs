//! Functions that a table's CREATE text calls and that are not the server's own: nobody knows what they do. A server has
//! some two thousand functions and takes ten milliseconds to list them, whatever is asked of the list; so it is asked only
//! for names that are not known to be its own, or to be no functions at all.
use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use crate::client::Client;
use crate::definition::{Token, tokens};
use crate::error::ClickHouseError;
use crate::quote;

const ASKED: &str = "which functions are the server's own";

/// What stands before a bracket in a CREATE text without being a function, as the server prints it: keywords, types and codecs.
/// A name that is missing here is asked for each time. A function of somebody's own that is named like one of these is not seen.
const NO_FUNCTIONS: &str = "BY KEY IN AND OR NOT AS CHECK ASSUME CODEC DEFAULT MATERIALIZED ALIAS TTL WHERE WHEN THEN ELSE TYPE \
    SETTINGS Array Tuple Map Nested Nullable LowCardinality Variant Dynamic JSON FixedString DateTime DateTime64 Time64 Decimal \
    Decimal32 Decimal64 Decimal128 Decimal256 Enum8 Enum16 AggregateFunction SimpleAggregateFunction NONE LZ4 LZ4HC ZSTD Delta \
    DoubleDelta Gorilla FPC T64";

/// Functions that a version of the server brings itself; nobody can make another one of the same name.
#[derive(Debug, Default)]
pub(crate) struct ServersOwn {
    of: RwLock<(String, BTreeSet<String>)>,
}

impl ServersOwn {
    fn unknown(&self, server_version: &str, called: BTreeSet<String>) -> BTreeSet<String> {
        let of = self.of.read().unwrap_or_else(PoisonError::into_inner);
        called.into_iter().filter(|name| of.0 != server_version || !of.1.contains(name)).collect()
    }

    fn learn(&self, server_version: &str, names: impl IntoIterator<Item = String>) {
        let mut of = self.of.write().unwrap_or_else(PoisonError::into_inner);
        if of.0 != server_version {
            *of = (server_version.to_owned(), BTreeSet::new());
        }
        of.1.extend(names);
    }
}

/// Names before a bracket, behind the one that opens the columns, which may be functions.
fn called(create_query: &str) -> BTreeSet<String> {
    let tokens = tokens(create_query);
    let columns = tokens.iter().position(|token| *token == Token::Mark('(')).unwrap_or(tokens.len());
    tokens[columns..]
        .windows(2)
        .filter_map(|pair| match pair {
            [Token::Word(word), Token::Mark('(')]
                if !NO_FUNCTIONS.split(' ').any(|known| known == *word) && !word.ends_with("MergeTree") =>
            {
                Some((*word).to_owned())
            }
            [Token::Name(name), Token::Mark('(')] => Some(name.clone()),
            _ => None,
        })
        .collect()
}

impl Client {
    /// Of the functions that `create_query` calls, those that a server of this version does not bring itself.
    /// Errors: those of a question.
    pub(crate) async fn foreign_functions(
        &self,
        create_query: &str,
        server_version: &str,
    ) -> Result<Vec<String>, ClickHouseError> {
        let unknown = self.servers_own.unknown(server_version, called(create_query));
        if unknown.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = unknown.iter().map(|name| quote::string(name)).collect();
        let sql = format!(
            "SELECT name, origin = 'System' ? '1' : '0', version() FROM system.functions WHERE name IN ({})",
            names.join(", ")
        );
        let (mut own, mut foreign) = (Vec::new(), Vec::new());
        for row in self.ask_json(ASKED, &sql).await? {
            let [Some(name), Some(is_own), Some(version)] = [0, 1, 2].map(|at| row[at].as_str()) else {
                return Err(ClickHouseError::Strange { asked: ASKED, what: "a column".to_owned() });
            };
            // A host that has been upgraded meanwhile has no say in what the other version brings.
            match is_own == "1" {
                true if version == server_version => own.push(name.to_owned()),
                true => {}
                false => foreign.push(name.to_owned()),
            }
        }
        self.servers_own.learn(server_version, own);
        Ok(foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(names: &BTreeSet<String>) -> Vec<&str> {
        names.iter().map(String::as_str).collect()
    }

    #[test]
    fn an_ordinary_table_calls_nothing_that_has_to_be_asked_for() {
        let usual = "CREATE TABLE analytics.events (`id` UInt64 CODEC(Delta(8), ZSTD(1)), `t` DateTime64(3, 'UTC'), \
                     `c` LowCardinality(Nullable(String)), `a` Array(Decimal(18, 2)), INDEX i c TYPE minmax, CONSTRAINT k \
                     CHECK (id > 0) AND (c IN ('x', 'y'))) ENGINE = ReplicatedMergeTree('/t', 'r') ORDER BY (id, t) \
                     SETTINGS index_granularity = 8192";
        assert!(called(usual).is_empty(), "{:?}", called(usual));
    }

    #[test]
    fn a_function_is_asked_for_until_it_is_known_to_be_the_servers_own() {
        let text = "CREATE TABLE d.t (`a` DateTime, `b` String DEFAULT `odd name`(a)) ENGINE = MergeTree PARTITION BY \
                    toYYYYMM(a) ORDER BY mine(a)";
        let own = ServersOwn::default();
        assert_eq!(texts(&own.unknown("26.7", called(text))), ["mine", "odd name", "toYYYYMM"]);
        own.learn("26.7", ["toYYYYMM".to_owned()]);
        assert_eq!(texts(&own.unknown("26.7", called(text))), ["mine", "odd name"]);
        assert_eq!(own.unknown("26.8", called(text)).len(), 3, "of another version nothing is known");
        own.learn("26.8", []);
        assert_eq!(own.unknown("26.7", called(text)).len(), 3);
    }
}
