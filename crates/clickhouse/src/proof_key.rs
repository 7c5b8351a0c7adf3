//! Whether a partition key depends on what the server makes up on insert. A retry would then fall
//! into another table partition, where its token is not known.
use std::collections::BTreeSet;

use crate::definition::{Token, tokens};
use crate::inspect::Column;
use crate::made_up::is_made_up;

/// The function or column that makes `partition_key` unsure, if any. `given` are the columns that
/// come with the rows. Only names are compared: what a function of
/// the operator's own does is not known here.
pub(crate) fn made_up_in_key(
    partition_key: &str,
    columns: &[Column],
    given: &BTreeSet<&str>,
) -> Option<String> {
    // A default may use other columns with defaults: follow them, each once.
    let mut seen = BTreeSet::new();
    let mut open: Vec<(String, &str)> = vec![(String::new(), partition_key)];
    while let Some((by_column, expression)) = open.pop() {
        let tokens = tokens(expression);
        for (at, token) in tokens.iter().enumerate() {
            let word = match token {
                Token::Word(word) => *word,
                Token::Name(name) => name.as_str(),
                Token::Text | Token::Mark(_) => continue,
            };
            if tokens.get(at + 1) == Some(&Token::Mark('(')) {
                if is_made_up(word) {
                    let by =
                        if by_column.is_empty() { String::new() } else { format!(" (column {by_column})") };
                    return Some(format!("{word}(){by}"));
                }
                continue;
            }
            let column = columns.iter().find(|column| column.name == word);
            if let Some(column) = column
                && !given.contains(word)
                && seen.insert(column.name.as_str())
            {
                open.push((column.name.clone(), &column.default_expression));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, default_expression: &str) -> Column {
        Column {
            name: name.to_owned(),
            type_text: "DateTime".to_owned(),
            default_kind: "DEFAULT".to_owned(),
            default_expression: default_expression.to_owned(),
        }
    }

    #[test]
    fn defaults_are_followed_and_given_columns_are_not() {
        let columns = [column("at", "now()"), column("day", "toDate(at)"), column("id", "")];
        let check = |key, given: &[&str]| made_up_in_key(key, &columns, &given.iter().copied().collect());
        assert_eq!(check("toYYYYMM(day)", &["id"]), Some("now() (column at)".to_owned()));
        assert_eq!(check("toYYYYMM(day)", &["id", "at"]), None);
        assert_eq!(check("id % 8", &[]), None);
        assert_eq!(check("toYYYYMM(NOW())", &["id"]), Some("NOW()".to_owned()));
        assert_eq!(check("known_at", &[]), None);
        assert_eq!(check("now % 8, 'rand()'", &[]), None, "a column's name and a text are no calls");
        assert_eq!(check("`at`", &[]), Some("now() (column at)".to_owned()));
    }
}
