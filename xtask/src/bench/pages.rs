//! Tables in Markdown, and the places in docs/performance.md that `--keep` writes.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::tool::root;

/// Replaces what stands between the lines that name `section` in docs/performance.md.
/// Errors: the page has lost them.
pub fn replace(section: &str, text: &str) -> Result<()> {
    let page = root().join("docs/performance.md");
    let old = fs::read_to_string(&page).context("cannot read docs/performance.md")?;
    let new = replaced(&old, section, text)
        .with_context(|| format!("docs/performance.md has lost the lines around its {section}"))?;
    fs::write(&page, new).context("cannot write docs/performance.md")
}

fn replaced(page: &str, section: &str, text: &str) -> Option<String> {
    let (begin, end) =
        (format!("<!-- {section}: written by `bench --keep` -->"), format!("<!-- end of the {section} -->"));
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{text}\n{end}{after}"))
}

/// Cells of one width per column, figures to the right.
pub fn aligned(rows: Vec<Vec<String>>) -> Vec<String> {
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    let mut lines = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).enumerate().map(|(at, (cell, &width))| {
            if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        lines.push(format!("| {} |", cells.collect::<Vec<_>>().join(" | ")));
        if number == 0 {
            let rules = widths.iter().enumerate().map(|(at, &width)| {
                if at == 0 { "-".repeat(width) } else { format!("{}:", "-".repeat(width - 1)) }
            });
            lines.push(format!("| {} |", rules.collect::<Vec<_>>().join(" | ")));
        }
    }
    lines
}

/// A number with commas between thousands.
pub fn grouped(value: f64, digits: usize) -> String {
    let plain = format!("{value:.digits$}");
    let (whole, fraction) = plain.split_at(plain.find('.').unwrap_or(plain.len()));
    let mut text = String::new();
    for (at, sign) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && text != "-" {
            text.push(',');
        }
        text.push(sign);
    }
    text + fraction
}

/// The machine in a sentence.
pub fn machine_text() -> String {
    let machine = machine();
    format!(
        "{} cores ({}), {} GiB",
        machine["cores"],
        machine["cpu"].as_str().unwrap_or("unknown"),
        machine["memory_gib"]
    )
}

/// The machine, for the kept figures.
pub fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (cpus, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let kib: u64 =
        field(&memory, "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0);
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": field(&cpus, "model name").unwrap_or_else(|| "unknown".to_owned()),
        "memory_gib": kib >> 20,
    })
}

/// The commit that is measured; to be asked before it is built.
pub fn source() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).current_dir(root()).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(1_234_567.0, 0), "1,234,567");
        assert_eq!(grouped(-123.456, 1), "-123.5");
        assert_eq!(grouped(999.0, 0), "999");
        assert_eq!(grouped(0.254, 2), "0.25");
    }

    #[test]
    fn only_what_stands_between_the_lines_is_replaced() {
        let lines = |text| {
            format!("# T\n<!-- x: written by `bench --keep` -->\n{text}\n<!-- end of the x -->\nmore\n")
        };
        assert_eq!(replaced(&lines("old"), "x", "new").unwrap(), lines("new"));
        assert_eq!(replaced(&lines("old"), "y", "new"), None);
        assert_eq!(replaced("# Title\n", "x", "new"), None);
    }

    #[test]
    fn the_page_has_all_places() {
        let page = fs::read_to_string(root().join("docs/performance.md")).unwrap();
        for section in ["figures", "matrix", "latency", "profile"] {
            assert!(replaced(&page, section, "").is_some(), "{section}");
        }
    }

    #[test]
    fn a_table_is_aligned() {
        let rows = vec![vec!["who".to_owned(), "n".to_owned()], vec!["a".to_owned(), "1,000".to_owned()]];
        assert_eq!(aligned(rows), ["| who |     n |", "| --- | ----: |", "| a   | 1,000 |"]);
    }
}
