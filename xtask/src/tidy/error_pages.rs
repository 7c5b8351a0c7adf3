//! Every error code of the product has a page in docs/errors/, and every page a code.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::files::{below, code_lines, named, read, rooms};

/// Rooms that are no part of a release: their errors reach a developer, in full sentences.
const WITHOUT_PAGES: [&str; 3] = ["testkit", "sim", "model"];

/// Codes without a page, pages without a code, pages whose first line is not about their code.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut codes = BTreeMap::new();
    for room in rooms(root)?.iter().filter(|room| !WITHOUT_PAGES.contains(&room.as_str())) {
        for path in below(&root.join("crates").join(room).join("src"), ".rs")? {
            for (line, code) in codes_in(&read(&path)?) {
                codes.entry(code).or_insert_with(|| format!("{}:{line}", named(root, &path)));
            }
        }
    }
    let mut pages = BTreeMap::new();
    for path in below(&root.join("docs/errors"), ".md")? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if code_at(&name).is_some_and(|code| code == name) {
            pages.insert(name, read(&path)?);
        }
    }
    let mut findings = Vec::new();
    for (code, place) in &codes {
        match pages.get(code) {
            None => findings.push(format!("{code} ({place}) has no page docs/errors/{code}.md")),
            Some(page) if !page.starts_with(&format!("# {code}: ")) => {
                findings.push(format!("docs/errors/{code}.md does not begin with `# {code}: `"));
            }
            Some(_) => {}
        }
    }
    for page in pages.keys().filter(|page| !codes.contains_key(*page)) {
        findings.push(format!("docs/errors/{page}.md is about a code that no source has"));
    }
    Ok(findings)
}

/// Codes are texts that begin so: `"KAFKA-001: ..`, or are nothing else: `"KAFKA-001"`.
fn codes_in(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code_lines(text) {
        for (quote, _) in line.match_indices('"') {
            let rest = &line[quote + 1..];
            if let Some(code) = code_at(rest)
                && rest[code.len()..].starts_with([':', '"', ' '])
            {
                found.push((number, code.to_owned()));
            }
        }
    }
    found
}

/// The code at the beginning of a text: capitals, a hyphen, three digits.
fn code_at(text: &str) -> Option<&str> {
    let capitals = text.bytes().take_while(u8::is_ascii_uppercase).count();
    let digits = text.get(capitals..)?.strip_prefix('-')?.bytes().take_while(u8::is_ascii_digit).count();
    // Names of standards look the same.
    let standard = matches!(&text[..capitals], "SHA" | "KIP" | "RFC" | "ISO");
    (capitals >= 3 && digits == 3 && !standard).then(|| &text[..capitals + 4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_what_looks_like_them() {
        let text = "#[error(\"KAFKA-001: setting {name}\")]\nlet a = \"SCRAM-SHA-256\"; let b = \"SHA-512\";\n\
                    // \"KAFKA-002: in a comment\"\nSelf::A => \"INSERT-014\",\nfoo(\"UTF-8\", \"KIP-848: x\");\n";
        let found: Vec<_> = codes_in(text);
        assert_eq!(found, [(1, "KAFKA-001".to_owned()), (4, "INSERT-014".to_owned())]);
    }
}
