//! docs/errors/tried.md names for every code the test that provokes it and the test that follows its page.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;

use super::files::{below, read};

const LIST: &str = "docs/errors/tried.md";

/// Pages that the list does not have, lines of pages that are gone, tests that are not there.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut pages = BTreeSet::new();
    for path in below(&root.join("docs/errors"), ".md")? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name != "tried" {
            pages.insert(name);
        }
    }
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for line in read(&root.join(LIST))?.lines() {
        let Some((code, rest)) = line.strip_prefix("| [").and_then(|line| line.split_once(']')) else {
            continue;
        };
        let cells: Vec<&str> = rest.split('|').skip(1).map(str::trim).collect();
        if cells.len() < 2 || cells[..2].contains(&"") {
            findings.push(format!("{LIST}: {code} lacks a test, or the reason why there is none"));
        }
        if !listed.insert(code.to_owned()) || !pages.contains(code) {
            findings.push(format!("{LIST}: {code} stands there twice, or has no page"));
        }
        for (path, test) in rest.split('`').filter_map(|quoted| quoted.split_once("::")) {
            let source = read(&root.join(path)).unwrap_or_default();
            if !source.contains(&format!("fn {test}(")) {
                findings.push(format!("{LIST}: {code}: {path} has no test {test}"));
            }
        }
    }
    findings.extend(
        pages.difference(&listed).map(|code| format!("{LIST} does not say whether {code} was tried")),
    );
    Ok(findings)
}
