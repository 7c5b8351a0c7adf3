//! PROTOCOL.md has a heading or an entry for each of the rules R1 to R17, and for each that code cites.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::files::{below, named, read};

/// The design has rules 1 to 17; a number is never reused.
const RULES: std::ops::RangeInclusive<u32> = 1..=17;

/// Rules without an entry, and rules that code cites although they do not exist.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let path = root.join("PROTOCOL.md");
    if !path.is_file() {
        return Ok(vec!["there is no PROTOCOL.md".to_owned()]);
    }
    let entries = entries_in(&read(&path)?);
    let mut findings: Vec<String> = RULES
        .filter(|rule| !entries.contains(rule))
        .map(|rule| format!("PROTOCOL.md has no entry for R{rule}"))
        .collect();
    let mut cited = BTreeMap::new();
    for path in below(&root.join("crates"), ".rs")? {
        for rule in citations_in(&read(&path)?) {
            cited.entry(rule).or_insert_with(|| named(root, &path));
        }
    }
    for (rule, place) in cited.iter().filter(|(rule, _)| !entries.contains(rule)) {
        findings.push(format!("{place} cites R{rule}, which PROTOCOL.md does not have"));
    }
    Ok(findings)
}

/// An entry is a line that begins with the rule, whatever marks are around it: `## R7 ..`, `**R7**`.
fn entries_in(text: &str) -> Vec<u32> {
    text.lines().filter_map(|line| rule_at(line.trim_start_matches(['#', '*', '-', '|', ' ', '`']))).collect()
}

/// `PROTOCOL R7` anywhere, and what follows it: `PROTOCOL R5 and R6`, `PROTOCOL R1, R3`.
fn citations_in(text: &str) -> Vec<u32> {
    let mut rules = Vec::new();
    for (place, mark) in text.match_indices("PROTOCOL R") {
        let rest =
            text[place + mark.len() - 1..].split(['.', '\n', ':', ';', ')']).next().unwrap_or_default();
        rules.extend(
            rest.split([' ', ','])
                .map_while(|word| match word {
                    "" | "and" | "to" => Some(None),
                    word => rule_at(word).map(Some),
                })
                .flatten(),
        );
    }
    rules
}

fn rule_at(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('R')?;
    let end = digits.bytes().take_while(u8::is_ascii_digit).count();
    digits[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_and_citations_are_found() {
        assert_eq!(entries_in("# Rules\n## R1: x\n**R2** y\n| R3 | z |\nSee R9.\n"), [1, 2, 3]);
        let code = "//! Carries PROTOCOL R5 and R6.\n// PROTOCOL R2: an insert\n// PROTOCOL R1, R3 say\n// R11 alone\n";
        assert_eq!(citations_in(code), [5, 6, 2, 1, 3]);
    }
}
