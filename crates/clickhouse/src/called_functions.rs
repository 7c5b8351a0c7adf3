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

/// Keywords that stand before a bracket in a CREATE text, as the server prints it. One that is missing here is asked for each
/// time.
const KEYWORDS: &str = "BY KEY IN AND OR NOT AS CHECK ASSUME CODEC DEFAULT MATERIALIZED ALIAS EPHEMERAL TTL WHERE WHEN THEN ELSE SETTINGS STATISTICS";

fn is_keyword(word: &str) -> bool {
    KEYWORDS.split(' ').any(|keyword| keyword == word)
}

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

/// Names before a bracket, behind the one that opens the columns, which may be functions: not those of columns' types and
/// codecs, by where they stand.
fn called(create_query: &str) -> BTreeSet<String> {
    let tokens = tokens(create_query);
    let mut called = BTreeSet::new();
    let Some(columns) = tokens.iter().position(|token| *token == Token::Mark('(')) else { return called };
    let (mut at, mut depth) = (columns, 0_usize);
    while at < tokens.len() {
        let begins_item = depth == 1 && matches!(tokens[at - 1], Token::Mark('(' | ','));
        match &tokens[at..] {
            [Token::Name(_), Token::Word(kind), Token::Mark('('), ..] if begins_item && !is_keyword(kind) => {
                at = past_brackets(&tokens, at + 2);
                continue;
            }
            [Token::Word("CODEC"), Token::Mark('('), ..] => {
                at = past_brackets(&tokens, at + 1);
                continue;
            }
            [Token::Word(word), Token::Mark('('), ..]
                if !is_keyword(word) && !word.ends_with("MergeTree") =>
            {
                called.insert((*word).to_owned());
            }
            [Token::Name(name), Token::Mark('('), ..] => {
                called.insert(name.clone());
            }
            [Token::Mark('('), ..] => depth += 1,
            [Token::Mark(')'), ..] => depth = depth.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    called
}

/// Where the brackets that open at `at` are closed, and one further.
fn past_brackets(tokens: &[Token<'_>], at: usize) -> usize {
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') if depth == 1 => return index + 1,
            Token::Mark(')') => depth -= 1,
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
    }
    tokens.len()
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

    /// In an expression, the name of a type or a codec may be somebody's function.
    #[test]
    fn types_and_codecs_are_known_by_where_they_stand() {
        let text = "CREATE TABLE d.t (`a` Array(Decimal(18, 2)) DEFAULT Array(1), `b` Map(String, UInt8) CODEC(T64(1)) TTL \
                    T64(a), CONSTRAINT c CHECK JSON(a) = 1, INDEX i set(a) TYPE minmax) ENGINE = MergeTree ORDER BY Tuple(a, (b))";
        assert_eq!(texts(&called(text)), ["Array", "JSON", "T64", "Tuple", "set"]);
        assert!(called("CREATE TABLE d.t").is_empty());
        assert_eq!(texts(&called("CREATE TABLE d.t (`a` Array(b DEFAULT x(")), Vec::<&str>::new());
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
