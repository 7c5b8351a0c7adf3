//! The table, and the kept figures.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Options;
use super::contender::Contender;
use super::figures::{self, Figures, median_of, ratio_of};
use super::pages::{self, aligned, grouped, machine, machine_text};
use crate::tool::root;

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

/// Says how much of the machine somebody else used meanwhile.
pub(super) fn others_text(runs: &[Vec<Figures>]) -> String {
    let cores = runs.iter().flatten().filter_map(|figures| figures.get(figures::OTHERS_CORES));
    let (sum, count, most) =
        cores.fold((0.0, 0, 0.0_f64), |(sum, count, most), value| (sum + value, count + 1, most.max(value)));
    let mean = if count > 0 { sum / f64::from(count) } else { 0.0 };
    format!("programs that are no part of it used {mean:.2} cores meanwhile, at most {most:.2}")
}

/// Writes benchmarks/latest.json and the figures in docs/performance.md.
pub fn keep(options: &Options, source: &str, runs: &[Vec<Figures>]) -> Result<()> {
    let folder = root().join("benchmarks");
    fs::create_dir_all(&folder).context("cannot create benchmarks/")?;
    let json = serde_json::to_string_pretty(&kept(options, source, runs))? + "\n";
    fs::write(folder.join("latest.json"), json).context("cannot write benchmarks/latest.json")?;
    pages::replace("figures", &text(options, runs))?;
    Ok(())
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
