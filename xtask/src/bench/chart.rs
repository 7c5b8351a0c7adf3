//! The chart of docs/performance.md, drawn from what is kept in benchmarks/.

use std::fmt::Write;
use std::fs;

use anyhow::{Context, Result};
use serde_json::Value;

use super::pages::grouped;
use crate::tool::root;

/// Widths of the chart, of the names, and of the longest bar; the value stands behind its bar.
const WIDTH: f64 = 860.0;
const NAMES: f64 = 300.0;
const BARS: f64 = 430.0;

/// Heights of a line, and of a bar in it.
const LINE: f64 = 24.0;
const BAR: f64 = 15.0;

/// Colours that can be told apart on white and on black; texts follow the reader's choice.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#24292f}.head{font-weight:600;font-size:15px}\
    .us{fill:#0969da}.other{fill:#8c959f}.limit{fill:#bf8700}\
    @media (prefers-color-scheme:dark){text{fill:#e6edf3}.us{fill:#4493f8}.other{fill:#6e7681}.limit{fill:#d29922}}";

/// A bar: its name, its class, its length in rows per second, and what is written behind it.
struct Bar {
    name: String,
    class: &'static str,
    rows_per_s: f64,
    text: String,
}

/// Writes docs/performance.svg from benchmarks/latest.json and benchmarks/matrix.json, if that is there.
/// Errors: the first of them is missing, or no JSON.
pub fn keep() -> Result<()> {
    let read = |name: &str| -> Result<Value> {
        let path = root().join("benchmarks").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))
    };
    let matrix = read("matrix.json").ok();
    let svg = drawn(&read("latest.json")?, matrix.as_ref());
    fs::write(root().join("docs/performance.svg"), svg).context("cannot write docs/performance.svg")
}

fn drawn(latest: &Value, matrix: Option<&Value>) -> String {
    let mut panels =
        vec![("Rows per second, JSON with 12 columns, everything on one machine", contenders(latest))];
    if let Some(matrix) = matrix {
        panels.push(("Rows per second of the worker alone, by workload", workloads(matrix)));
    }
    let lines: usize = panels.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = LINE * lines as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         role=\"img\" aria-label=\"Rows per second\">\n<style>{STYLE}</style>\n"
    );
    let mut top = 0.0;
    for (title, bars) in panels {
        text(&mut svg, 0.0, top + 17.0, "class=\"head\"", title);
        top += LINE;
        let most = bars.iter().map(|bar| bar.rows_per_s).fold(1.0, f64::max);
        for bar in bars {
            let (baseline, length) = (top + 13.0, (BARS * bar.rows_per_s / most).max(1.0));
            text(&mut svg, NAMES - 8.0, baseline, "text-anchor=\"end\"", &bar.name);
            let _ = writeln!(
                svg,
                "<rect class=\"{}\" x=\"{NAMES}\" y=\"{:.1}\" width=\"{length:.1}\" height=\"{BAR}\" rx=\"2\"/>",
                bar.class,
                top + 1.0
            );
            text(&mut svg, NAMES + length + 6.0, baseline, "", &bar.text);
            top += LINE;
        }
        top += LINE;
    }
    svg + "</svg>\n"
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    // Writing to a String cannot fail.
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {attributes}>{words}</text>");
}

fn contenders(latest: &Value) -> Vec<Bar> {
    let medians = latest["medians"].as_object().into_iter().flatten();
    let mut bars: Vec<Bar> = medians
        .filter_map(|(name, medians)| {
            let rows_per_s = medians["rows_per_s"].as_f64()?;
            let class = match name {
                name if name.starts_with("Pumphouse") => "us",
                name if name.starts_with("limit") => "limit",
                _ => "other",
            };
            Some(Bar { name: name.clone(), class, rows_per_s, text: grouped(rows_per_s, 0) })
        })
        .collect();
    bars.sort_by(|a, b| b.rows_per_s.total_cmp(&a.rows_per_s));
    bars
}

fn workloads(matrix: &Value) -> Vec<Bar> {
    let all = matrix["workloads"].as_array().into_iter().flatten();
    all.filter_map(|one| {
        let medians = &one["medians"];
        let rows_per_s = medians["rows_per_s"].as_f64()?;
        let name = one["workload"]["name"].as_str()?.to_owned();
        let text = format!("{} ({} MB/s)", grouped(rows_per_s, 0), grouped(medians["mb_per_s"].as_f64()?, 0));
        Some(Bar { name, class: "us", rows_per_s, text })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_figure_has_its_bar_and_the_longest_is_the_largest() {
        let latest = json!({ "medians": {
            "Pumphouse, exactly-once": { "rows_per_s": 500_000.0 },
            "limit: a < b": { "rows_per_s": 1_000_000.0 },
            "no rate": {},
        } });
        let workload =
            json!({ "workload": { "name": "avro" }, "medians": { "rows_per_s": 7.0, "mb_per_s": 2.0 } });
        let svg = drawn(&latest, Some(&json!({ "workloads": [workload] })));
        assert_eq!(svg.matches("<rect").count(), 3);
        assert!(svg.contains("class=\"limit\" x=\"300\" y=\"25.0\" width=\"430.0\""), "{svg}");
        assert!(svg.contains("class=\"us\" x=\"300\" y=\"49.0\" width=\"215.0\""), "{svg}");
        assert!(svg.contains("limit: a &lt; b") && svg.contains("7 (2 MB/s)"));
        assert!(svg.contains("prefers-color-scheme:dark"));
    }
}
