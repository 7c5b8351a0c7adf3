//! The table, and the kept figures.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Options;
use super::contender::Contender;
use super::figures::{self, Figures, median_of, ratio_of};
use crate::tool::root;

/// Between these lines docs/performance.md is written by `--keep`.
const BEGIN: &str = "<!-- figures: written by `bench --keep` -->";
const END: &str = "<!-- end of the figures -->";

/// Columns of the table: heading, figure, digits behind the point.
const COLUMNS: [(&str, &str, usize); 9] = [
    ("rows/s", figures::ROWS_PER_S, 0),
    ("with start", figures::ROWS_PER_S_WITH_START, 0),
    ("best average", figures::ROWS_PER_S_BEST_AVERAGE, 0),
    ("worker CPU", figures::WORKER_CPU, 2),
    ("server CPU", figures::SERVER_CPU, 2),
    ("with merges", figures::SERVER_CPU_SETTLED, 2),
    ("broker CPU", figures::BROKER_CPU, 2),
    ("peak MiB", figures::WORKER_PEAK, 0),
    ("parts", figures::PARTS, 0),
];

/// Ratios of Pumphouse: to whom, of which figure, digits, and how it reads.
const RATIOS: [(Contender, &str, &str); 9] = [
    (Contender::AtLeastOnce, figures::ROWS_PER_S, "times the rows/s of itself, at least once"),
    (Contender::AtLeastOnce, figures::WORKER_CPU, "times the worker CPU of itself, at least once"),
    (Contender::EngineDefault, figures::ROWS_PER_S, "times the rows/s of the Kafka engine, default settings"),
    (Contender::EngineTuned, figures::ROWS_PER_S, "times the rows/s of the Kafka engine, tuned"),
    (
        Contender::EngineTuned,
        figures::ROWS_PER_S_BEST_AVERAGE,
        "times the best average of the Kafka engine, tuned",
    ),
    (
        Contender::EngineTuned,
        figures::SUM_CPU,
        "times the CPU (worker and server) of the Kafka engine, tuned",
    ),
    (Contender::Consume, figures::ROWS_PER_S, "times the rows/s of consuming only"),
    (Contender::Insert, figures::ROWS_PER_S, "times the rows/s of inserting only, one at a time"),
    (Contender::InsertTwo, figures::ROWS_PER_S, "times the rows/s of inserting only, two at a time"),
];

/// The table in Markdown, which reads as well on a terminal.
pub fn text(options: &Options, runs: &[Vec<Figures>]) -> String {
    let mut lines = vec![
        format!("    {}", options.command()),
        String::new(),
        format!("Medians of {} run(s); {}; {}.", runs.len(), machine_text(), others_text(runs)),
        String::new(),
    ];
    lines.extend(aligned(table(options, runs)));
    lines.push(String::new());
    for (to, figure, reads) in RATIOS {
        if let Some(ratio) = ratio_of(runs, Contender::Pumphouse, to, figure) {
            lines.push(format!("- Pumphouse has {ratio:.2} {reads}."));
        }
    }
    lines.join("\n")
}

fn table(options: &Options, runs: &[Vec<Figures>]) -> Vec<Vec<String>> {
    let mut rows = vec![
        std::iter::once("contender")
            .chain(COLUMNS.map(|(heading, _, _)| heading))
            .map(str::to_owned)
            .collect(),
    ];
    let mut contenders = options.contenders();
    contenders.sort();
    for contender in contenders {
        let cells = COLUMNS.map(|(_, figure, digits)| match median_of(runs, contender, figure) {
            Some(value) => grouped(value, digits),
            None => String::new(),
        });
        rows.push(std::iter::once(contender.title().to_owned()).chain(cells).collect());
    }
    rows
}

/// Cells of one width per column, figures to the right.
fn aligned(rows: Vec<Vec<String>>) -> Vec<String> {
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
fn grouped(value: f64, digits: usize) -> String {
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

fn machine_text() -> String {
    let machine = machine();
    format!(
        "{} cores ({}), {} GiB",
        machine["cores"],
        machine["cpu"].as_str().unwrap_or("unknown"),
        machine["memory_gib"]
    )
}

/// Says how much of the machine somebody else used meanwhile.
fn others_text(runs: &[Vec<Figures>]) -> String {
    let cores = runs.iter().flatten().filter_map(|figures| figures.get(figures::OTHERS_CORES));
    let (sum, count, most) =
        cores.fold((0.0, 0, 0.0_f64), |(sum, count, most), value| (sum + value, count + 1, most.max(value)));
    let mean = if count > 0 { sum / f64::from(count) } else { 0.0 };
    format!("programs that are no part of it used {mean:.2} cores meanwhile, at most {most:.2}")
}

fn machine() -> Value {
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

/// Writes benchmarks/latest.json and the figures in docs/performance.md.
pub fn keep(options: &Options, source: &str, runs: &[Vec<Figures>]) -> Result<()> {
    let folder = root().join("benchmarks");
    fs::create_dir_all(&folder).context("cannot create benchmarks/")?;
    let json = serde_json::to_string_pretty(&kept(options, source, runs))? + "\n";
    fs::write(folder.join("latest.json"), json).context("cannot write benchmarks/latest.json")?;
    let page = root().join("docs/performance.md");
    let old = fs::read_to_string(&page).context("cannot read docs/performance.md")?;
    let new = replaced(&old, &text(options, runs))
        .context("docs/performance.md has lost the lines around its figures")?;
    fs::write(&page, new).context("cannot write docs/performance.md")?;
    println!("\nKept in benchmarks/latest.json and docs/performance.md.");
    Ok(())
}

fn replaced(page: &str, figures: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{figures}\n{END}{after}"))
}

fn kept(options: &Options, source: &str, runs: &[Vec<Figures>]) -> Value {
    let mut medians = serde_json::Map::new();
    for contender in options.contenders() {
        let names = runs
            .iter()
            .flatten()
            .filter(|figures| figures.contender == contender)
            .flat_map(|f| f.values.keys());
        let names: std::collections::BTreeSet<_> = names.collect();
        let values: serde_json::Map<String, Value> = names
            .into_iter()
            .filter_map(|name| Some(((*name).to_owned(), json!(median_of(runs, contender, name)?))))
            .collect();
        medians.insert(contender.title().to_owned(), values.into());
    }
    let ratios: Vec<Value> = RATIOS
        .iter()
        .filter_map(|(to, figure, reads)| {
            let ratio = ratio_of(runs, Contender::Pumphouse, *to, figure)?;
            Some(json!({ "pumphouse_has": ratio, "of": reads }))
        })
        .collect();
    json!({
        "command": options.command(),
        "source": source,
        "machine": machine(),
        "records": options.records,
        "partitions": options.partitions,
        "medians": medians,
        "ratios": ratios,
        "runs": runs,
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
        let page = format!("# Title\n{BEGIN}\nold\n{END}\nmore\n");
        assert_eq!(replaced(&page, "new").unwrap(), format!("# Title\n{BEGIN}\nnew\n{END}\nmore\n"));
        assert_eq!(replaced("# Title\n", "new"), None);
    }

    #[test]
    fn a_table_is_aligned() {
        let rows = vec![vec!["who".to_owned(), "n".to_owned()], vec!["a".to_owned(), "1,000".to_owned()]];
        assert_eq!(aligned(rows), ["| who |     n |", "| --- | ----: |", "| a   | 1,000 |"]);
    }
}
