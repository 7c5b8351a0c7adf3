//! `pumphouse.table.*`: tables that Pumphouse creates where they are missing.
use crate::error::ConfigCode;
use crate::reading::Reading;

const COLUMNS: &str = "pumphouse.table.create";
const ORDER_BY: &str = "pumphouse.table.order.by";
const ENGINE: &str = "pumphouse.table.engine";

/// How a missing table is created. The texts are ClickHouse's grammar; nothing but their brackets and
/// quotes was checked, so that none of them can reach beyond its place in the statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableCreation {
    /// What stands inside the parentheses of CREATE TABLE.
    pub columns: String,
    /// The ORDER BY expression.
    pub order_by: String,
    /// The engine with its arguments.
    pub engine: String,
}

pub(crate) fn read(reading: &mut Reading<'_>) -> Option<TableCreation> {
    for option in [COLUMNS, ORDER_BY, ENGINE] {
        if let Err(what) = check_piece(reading.text(option)) {
            reading.error(
                ConfigCode::Value,
                option,
                what,
                "Write it as in CREATE TABLE, without a semicolon.",
            );
        }
    }
    if !is_merge_tree(reading.text(ENGINE)) {
        let message = "it is not an engine of the MergeTree family";
        reading.error(ConfigCode::Value, ENGINE, message, "Create other tables yourself.");
    }
    if let Some(columns) = reading.given(COLUMNS) {
        return Some(TableCreation {
            columns: columns.to_owned(),
            order_by: reading.text(ORDER_BY).to_owned(),
            engine: reading.text(ENGINE).to_owned(),
        });
    }
    for option in [ORDER_BY, ENGINE] {
        if reading.given(option).is_some() {
            reading.note(option, "It counts only beside pumphouse.table.create.");
        }
    }
    None
}

fn is_merge_tree(engine: &str) -> bool {
    let name = engine.split('(').next().unwrap_or_default().trim();
    name.ends_with("MergeTree") && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Brackets close in order, quotes close, and no statement ends.
fn check_piece(text: &str) -> Result<(), String> {
    let mut open = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' | '`' => skip_quoted(&mut characters, character)?,
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' if open.pop() != Some(character) => {
                return Err(format!("{character} closes nothing"));
            }
            ';' => return Err("it holds a semicolon".to_owned()),
            '-' if characters.peek() == Some(&'-') => return Err("it holds a comment".to_owned()),
            '/' if characters.peek() == Some(&'*') => return Err("it holds a comment".to_owned()),
            '#' => return Err("it holds a comment".to_owned()),
            _ => {}
        }
    }
    open.last().map_or(Ok(()), |missing| Err(format!("{missing} is missing")))
}

/// Passes over a quoted text; `\` escapes the next character, and a doubled quote opens the text again.
fn skip_quoted(characters: &mut impl Iterator<Item = char>, quote: char) -> Result<(), String> {
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if character == quote {
            return Ok(());
        }
    }
    Err(format!("{quote} is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_stay_in_their_place() {
        for good in [
            "id UInt64, m Map(String, Array(UInt8)) DEFAULT map('a)', [1])",
            "`odd (name` String COMMENT 'it''s; \\' --'",
            "tuple()",
            "",
        ] {
            assert_eq!(check_piece(good), Ok(()), "{good}");
        }
        for bad in [
            "id UInt64) ENGINE = Null --",
            "a Array(UInt8",
            "a [)",
            "a UInt8; DROP TABLE t",
            "a UInt8 -- x",
            "a UInt8 /* x",
            "a UInt8 # x",
            "a String DEFAULT 'x",
            "a String DEFAULT 'x\\'",
        ] {
            assert!(check_piece(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn engines_of_the_family() {
        let family = ["MergeTree", "ReplacingMergeTree(v)", "ReplicatedMergeTree('/a', '{replica}')"];
        assert_eq!(family.map(is_merge_tree), [true; 3]);
        assert_eq!(["Memory", "Log()", "Buffer(MergeTree"].map(is_merge_tree), [false; 3]);
    }
}
