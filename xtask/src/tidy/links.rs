//! Relative links of the project's Markdown files lead somewhere.

use std::path::Path;

use anyhow::Result;

use super::files::{below, named, read};

/// Links to files that do not exist.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for path in below(root, ".md")? {
        let directory = path.parent().unwrap_or(root);
        for (line, target) in links_in(&read(&path)?) {
            let base = if target.starts_with('/') { root } else { directory };
            if !base.join(target.trim_start_matches('/')).exists() {
                findings.push(format!("{}:{line}: {target} does not exist", named(root, &path)));
            }
        }
    }
    Ok(findings)
}

/// `](target)` outside of code blocks, without web addresses, anchors and titles.
fn links_in(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for (place, mark) in line.match_indices("](") {
            let Some((target, _)) = line[place + mark.len()..].split_once(')') else { continue };
            let file = target.split(['#', ' ']).next().unwrap_or_default();
            if !file.is_empty() && !file.contains("://") && !file.starts_with("mailto:") {
                found.push((index + 1, file));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_relative_links_outside_of_code_count() {
        let text =
            "[a](docs/a.md#part) [b](https://x/y) [c](#here)\n```\n[d](no.md)\n```\n[e](e.md \"title\")\n";
        assert_eq!(links_in(text), [(1, "docs/a.md"), (5, "e.md")]);
    }
}
