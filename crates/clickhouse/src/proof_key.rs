//! Whether a partition key depends on what the server makes up on insert. A retry would then fall
//! into another table partition, where its token is not known.
use std::collections::BTreeSet;

use crate::inspect::Column;

/// Functions whose value differs from one insert to the next.
const MADE_UP: &[&str] = &[
    "now",
    "now64",
    "nowInBlock",
    "nowInBlock64",
    "today",
    "yesterday",
    "current_timestamp",
    "current_date",
    "rand",
    "rand32",
    "rand64",
    "randConstant",
    "randUniform",
    "generateUUIDv4",
    "generateUUIDv7",
    "generateULID",
    "generateSnowflakeID",
    "hostName",
    "serverUUID",
    "uptime",
    "rowNumberInBlock",
    "rowNumberInAllBlocks",
    "blockNumber",
    "queryID",
    "initialQueryID",
];

/// The function or column that makes `partition_key` unsure, if any. `given` are the columns that
/// come with the rows. Words are compared, not meanings: a literal that holds such a word is taken for
/// one, which errs on the safe side.
pub(crate) fn made_up_in_key(
    partition_key: &str,
    columns: &[Column],
    given: &BTreeSet<&str>,
) -> Option<String> {
    // A default may use other columns with defaults: follow them, each once.
    let mut seen = BTreeSet::new();
    let mut open: Vec<(String, &str)> = vec![(String::new(), partition_key)];
    while let Some((by_column, expression)) = open.pop() {
        for word in words(expression) {
            if MADE_UP.iter().any(|name| name.eq_ignore_ascii_case(word)) {
                let found = format!("{word}()");
                let by = if by_column.is_empty() { String::new() } else { format!(" (column {by_column})") };
                return Some(found + &by);
            }
            let column = columns.iter().find(|column| column.name == word);
            if let Some(column) = column
                && !given.contains(word)
                && seen.insert(word)
            {
                open.push((column.name.clone(), &column.default_expression));
            }
        }
    }
    None
}

fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
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
    }
}
