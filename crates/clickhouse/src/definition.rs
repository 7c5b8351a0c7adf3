//! What a table's CREATE text says beyond its columns: whether rows or values expire, and whether what is
//! checked on insert is the same at every insert. Reads `create_table_query` as the server prints it:
//! functions unquoted, odd names in backticks.
use crate::made_up::{Calls, made_up_call};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// An unquoted word or number.
    Word(&'a str),
    /// A name in backticks or double quotes, unescaped.
    Name(String),
    /// A text in single quotes.
    Text,
    /// Anything else.
    Mark(char),
}

impl Token<'_> {
    fn is_word(&self, wanted: &str) -> bool {
        matches!(self, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
    }
}

/// What was read from a CREATE text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The table's TTL removes or folds rows; moving them to another disk or recompressing does not.
    pub rows_expire: bool,
    /// Columns whose values a TTL takes away.
    pub expiring_columns: Vec<String>,
    /// What differs between two inserts of the same block, if anything.
    pub impure: Option<String>,
}

/// Reads a CREATE text. `own_functions` are functions that are not the server's own: nobody knows what
/// they do.
pub(crate) fn read_definition(create_query: &str, own_functions: &[String]) -> Definition {
    let tokens = tokens(create_query);
    let (columns, after) = split_at_columns(&tokens);
    Definition {
        rows_expire: rows_expire(after),
        expiring_columns: expiring_columns(columns),
        impure: impure(create_query, &tokens, own_functions),
    }
}

/// The tokens inside the column list, and those behind it.
fn split_at_columns<'t, 'a>(tokens: &'t [Token<'a>]) -> (&'t [Token<'a>], &'t [Token<'a>]) {
    let Some(open) = tokens.iter().position(|token| *token == Token::Mark('(')) else {
        return (&[], tokens);
    };
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token {
            Token::Mark('(') => depth += 1,
            Token::Mark(')') if depth == 1 => return (&tokens[open + 1..at], &tokens[at + 1..]),
            Token::Mark(')') => depth -= 1,
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
    }
    (&tokens[open + 1..], &[])
}

/// Pieces between commas that are in no brackets, each with only its tokens in no brackets.
fn items<'t, 'a>(tokens: &'t [Token<'a>]) -> Vec<Vec<&'t Token<'a>>> {
    let mut items = vec![Vec::new()];
    let mut depth = 0;
    for token in tokens {
        match token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => depth -= 1,
            Token::Mark(',') if depth == 0 => items.push(Vec::new()),
            token if depth == 0 => items.last_mut().expect("it begins with one").push(token),
            Token::Word(_) | Token::Name(_) | Token::Text | Token::Mark(_) => {}
        }
    }
    items
}

fn expiring_columns(columns: &[Token<'_>]) -> Vec<String> {
    items(columns)
        .into_iter()
        .filter(|item| item.iter().any(|token| token.is_word("TTL")))
        .filter_map(|item| match item.first()? {
            Token::Name(name) => Some(name.clone()),
            Token::Word(word) => Some((*word).to_owned()),
            Token::Text | Token::Mark(_) => None,
        })
        .collect()
}

fn rows_expire(after_columns: &[Token<'_>]) -> bool {
    let Some(ttl) = after_columns.iter().position(|token| token.is_word("TTL")) else { return false };
    let rules = &after_columns[ttl + 1..];
    let end = rules.iter().position(|token| token.is_word("SETTINGS") || token.is_word("COMMENT"));
    items(&rules[..end.unwrap_or(rules.len())]).iter().any(|rule| {
        let moves = rule
            .windows(2)
            .any(|pair| pair[0].is_word("TO") && (pair[1].is_word("DISK") || pair[1].is_word("VOLUME")));
        !moves && !rule.iter().any(|token| token.is_word("RECOMPRESS"))
    })
}

fn impure(create_query: &str, tokens: &[Token<'_>], own_functions: &[String]) -> Option<String> {
    if !create_query.starts_with("CREATE TABLE ") {
        return Some("it is no table".to_owned());
    }
    let calls: Calls<'_> = tokens
        .windows(2)
        .filter_map(|pair| match pair {
            [Token::Word(word), Token::Mark('(')] => Some(*word),
            _ => None,
        })
        .collect();
    if let Some(name) = made_up_call(&calls) {
        return Some(format!("{name}()"));
    }
    let own = |name: &&String| {
        calls.iter().any(|call| call == name)
            || tokens.windows(2).any(|pair| pair == [Token::Name((*name).clone()), Token::Mark('(')])
    };
    if let Some(name) = own_functions.iter().find(own) {
        return Some(format!("{name}(), which is not the server's own"));
    }
    // `a IN (1, 2)` is a list; `a IN t` and a SELECT look at another table. A projection's is its own.
    let looks_elsewhere = tokens.windows(2).any(|pair| pair[0].is_word("IN") && pair[1] != Token::Mark('('));
    let count = |wanted: &str| tokens.iter().filter(|token| token.is_word(wanted)).count();
    (looks_elsewhere || count("SELECT") > count("PROJECTION")).then(|| "a look at another table".to_owned())
}

/// Splits SQL text as the server prints it.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '\'' | '`' | '"' => {
                let mut name = String::new();
                while let Some((_, inside)) = chars.next() {
                    match inside {
                        '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
                        inside if inside == c => break,
                        inside => name.push(inside),
                    }
                }
                tokens.push(if c == '\'' { Token::Text } else { Token::Name(name) });
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut end = at + c.len_utf8();
                while let Some((at, c)) = chars.next_if(|(_, c)| c.is_alphanumeric() || *c == '_') {
                    end = at + c.len_utf8();
                }
                tokens.push(Token::Word(&text[at..end]));
            }
            mark => tokens.push(Token::Mark(mark)),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(columns: &str, after: &str) -> Definition {
        read_definition(
            &format!("CREATE TABLE d.`t (x` ({columns}) ENGINE = MergeTree {after}"),
            &["mine".to_owned()],
        )
    }

    #[test]
    fn rows_expire_by_a_ttl_that_is_not_a_move() {
        let expire = |after| read("`a` DateTime", after).rows_expire;
        assert!(expire("ORDER BY a TTL a + toIntervalDay(1) SETTINGS x = 1"));
        assert!(expire("ORDER BY a TTL a + toIntervalDay(1) TO DISK 'cold', a + toIntervalDay(9) DELETE"));
        assert!(expire("ORDER BY a TTL a GROUP BY a SET b = max(b)"));
        assert!(!expire("ORDER BY a TTL a + toIntervalDay(1) TO DISK 'cold', a TO VOLUME 'x'"));
        assert!(!expire("ORDER BY a TTL a + toIntervalDay(1) RECOMPRESS CODEC(ZSTD(17))"));
        assert!(!expire("ORDER BY a SETTINGS merge_with_ttl_timeout = 1 COMMENT 'TTL a'"));
    }

    #[test]
    fn a_columns_ttl_is_the_columns() {
        let found =
            read("`a` DateTime, `_offset` UInt64 TTL a + toIntervalDay(1), `c` String COMMENT 'TTL'", "");
        assert_eq!((found.rows_expire, found.expiring_columns), (false, vec!["_offset".to_owned()]));
    }

    #[test]
    fn what_two_inserts_may_see_differently_is_named() {
        let impure = |columns| read(columns, "ORDER BY a").impure;
        assert_eq!(impure("`a` UInt64, `now` UInt8, CONSTRAINT c CHECK a < 10, INDEX i a TYPE minmax"), None);
        assert_eq!(impure("`a` String DEFAULT 'now()' COMMENT 'rand()'"), None);
        assert_eq!(impure("`a` UInt8, PROJECTION p (SELECT a ORDER BY a), CHECK a IN (1, 2)"), None);
        for (columns, word) in [
            ("`a` DateTime DEFAULT now()", "now()"),
            ("`a` DateTime, CONSTRAINT c CHECK a < NOW64(3)", "NOW64()"),
            ("`a` UInt8, CONSTRAINT c CHECK dictGetUInt8('d', 'x', a) = 1", "dictGetUInt8()"),
            ("`a` UInt64 MATERIALIZED randConstant()", "randConstant()"),
            ("`a` UInt8, CONSTRAINT c CHECK mine(a)", "mine()"),
            ("`a` UInt8, CONSTRAINT c CHECK a IN other", "another table"),
            ("`a` UInt8, CONSTRAINT c CHECK a IN (SELECT 1)", "another table"),
        ] {
            let found = impure(columns);
            assert!(found.as_ref().is_some_and(|found| found.contains(word)), "{columns}: {found:?}");
        }
        assert!(read_definition("CREATE VIEW d.v AS SELECT 1", &[]).impure.is_some());
    }
}
