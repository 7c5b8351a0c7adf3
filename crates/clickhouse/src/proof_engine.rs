//! Tables that are not of the MergeTree family: what each one does to a token, and where to insert instead.
use std::collections::BTreeSet;

use crate::definition::{Token, tokens};
use crate::inspect::{Column, Engine, Inspection};
use crate::proof_failure::ProofFailure;
use crate::proof_key::made_up_in_key;
use crate::table_name::TableName;

/// Refuses engines that deduplicate nothing. Null with views never comes here: its inspection is that of
/// the tables behind its views.
pub(crate) fn check_engine(
    table: &TableName,
    found: &Inspection,
    columns: &[Column],
    failed: &mut Vec<ProofFailure>,
) {
    let Engine::Other(engine) = &found.engine else { return };
    let name = table.to_string();
    let arguments = arguments(&found.engine_full);
    let argument = |at: usize| arguments.get(at).cloned().unwrap_or_default();
    failed.push(match engine.as_str() {
        "Buffer" => ProofFailure::Buffer { table: name, behind: format!("{}.{}", argument(0), argument(1)) },
        "Null" => ProofFailure::Null { table: name },
        "Distributed" => {
            let key = argument(3);
            match made_up_in_key(&key, columns, &BTreeSet::new()) {
                Some(key) => ProofFailure::Sharding { table: name, key },
                None => ProofFailure::Distributed {
                    table: name,
                    local: format!("{}.{}", argument(1), argument(2)),
                    cluster: argument(0),
                },
            }
        }
        engine => ProofFailure::Engine { table: name, engine: engine.to_owned() },
    });
}

/// The arguments of an engine: texts without their quotes, expressions as they are written.
fn arguments(engine_full: &str) -> Vec<String> {
    let Some((_, inside)) = engine_full.split_once('(') else { return Vec::new() };
    let mut arguments = Vec::new();
    let (mut depth, mut quoted, mut escaped, mut one) = (0, false, false, String::new());
    for c in inside.chars() {
        match c {
            c if escaped => {
                escaped = false;
                one.push(c);
            }
            '\\' if quoted => escaped = true,
            '\'' => quoted = !quoted,
            ')' if !quoted && depth == 0 => break,
            ',' if !quoted && depth == 0 => arguments.push(std::mem::take(&mut one).trim().to_owned()),
            c => {
                depth += i32::from(c == '(' && !quoted) - i32::from(c == ')' && !quoted);
                one.push(c);
            }
        }
    }
    arguments.push(one.trim().to_owned());
    arguments
}

/// The first made up function that a text calls.
pub(crate) fn made_up_in_text(text: &str) -> Option<String> {
    let tokens = tokens(text);
    tokens.windows(2).find_map(|pair| match pair {
        [Token::Word(word), Token::Mark('(')] if crate::made_up::is_made_up(word) => {
            Some(format!("{word}()"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_split_outside_of_quotes_and_brackets() {
        let full = "Distributed('c, (l', 'd\\'b', 't', cityHash64(a, b), 'policy') SETTINGS x = 1";
        assert_eq!(arguments(full), ["c, (l", "d'b", "t", "cityHash64(a, b)", "policy"]);
        assert_eq!(arguments("Null"), [""; 0]);
    }
}
