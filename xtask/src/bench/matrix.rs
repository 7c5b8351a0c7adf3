//! `bench --matrix`: the worker alone on a bounded set of workloads, in rounds, and the table of them.

use std::fs;
use std::rc::Rc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::Options;
use super::figures::{self, Figures, median};
use super::hall::Hall;
use super::load::{MATRIX, Workload};
use super::pages::{self, aligned, grouped, machine, machine_text};
use super::pumphouse;
use super::report::others_text;
use super::stage::Stage;
use crate::interrupt;
use crate::tool::root;

/// Columns of the table: heading, figure, digits behind the point.
const COLUMNS: [(&str, &str, usize); 10] = [
    ("rows/s", figures::ROWS_PER_S, 0),
    ("MB/s", figures::MB_PER_S, 0),
    ("worker CPU", figures::WORKER_CPU, 2),
    ("server CPU", figures::SERVER_CPU, 2),
    ("broker CPU", figures::BROKER_CPU, 2),
    ("MB per worker CPU s", figures::MB_PER_WORKER_CPU_S, 0),
    ("peak MiB", figures::WORKER_PEAK, 0),
    ("inserts", figures::INSERTS, 0),
    ("inserts/s", figures::INSERTS_PER_S, 1),
    ("parts", figures::PARTS, 0),
];

/// A workload, and what each round of it came to.
pub struct Measured {
    /// Which.
    pub load: Workload,
    /// Bytes of its keys and values.
    pub bytes: u64,
    /// One per round.
    pub rounds: Vec<Figures>,
}

impl Measured {
    fn median(&self, figure: &str) -> Option<f64> {
        median(self.rounds.iter().filter_map(|round| round.get(figure)))
    }

    /// Rows per second divided by those of `base`, within each round.
    fn ratio(&self, base: &Measured) -> Option<f64> {
        let rate = |round: &Figures| round.get(figures::ROWS_PER_S);
        median(self.rounds.iter().zip(&base.rounds).filter_map(|(own, base)| Some(rate(own)? / rate(base)?)))
    }
}

/// The workloads that were asked for; all of them by default.
/// Errors: a name that none has, or too few records.
pub fn workloads(options: &Options) -> Result<Vec<Workload>> {
    if let Some(unknown) =
        options.workloads.iter().find(|name| MATRIX.iter().all(|workload| workload.name != **name))
    {
        let known: Vec<&str> = MATRIX.iter().map(|workload| workload.name).collect();
        anyhow::bail!("there is no workload {unknown}; there are {}", known.join(", "));
    }
    let asked = |workload: &&Workload| {
        options.workloads.is_empty() || options.workloads.iter().any(|name| name == workload.name)
    };
    MATRIX.iter().filter(asked).map(|workload| workload.scaled(options.records)).collect()
}

/// Fills all topics first, so that each round has all workloads close to one another.
pub fn measure(hall: &Rc<Hall>, options: &Options) -> Result<Vec<Measured>> {
    let mut stages = Vec::new();
    for load in workloads(options)? {
        interrupt::check()?;
        stages.push(Stage::fill(hall, load)?);
    }
    let idle_cores = stages[0].idle_cores_watched(&stages[0].table()?)?;
    // Unmeasured: what has just been started compiles its code while it runs.
    pumphouse::measure_briefly(&stages[0], options, idle_cores)?;
    let empty = |stage: &Stage| Measured { load: stage.load, bytes: stage.bytes, rounds: Vec::new() };
    let mut measured: Vec<Measured> = stages.iter().map(empty).collect();
    for round in 0..options.rounds {
        println!("Round {} of {}:", round + 1, options.rounds);
        for (stage, measured) in stages.iter().zip(&mut measured) {
            interrupt::check()?;
            let name = stage.load.name;
            let figures = pumphouse::measure_briefly(stage, options, idle_cores)
                .with_context(|| format!("workload {name}"))?;
            let shown = if options.trial { "its table is right".to_owned() } else { figures.line() };
            println!("  {name}: {shown}");
            measured.rounds.push(figures);
        }
    }
    Ok(measured)
}

/// The table in Markdown.
pub fn text(options: &Options, measured: &[Measured]) -> String {
    let base = &measured[0];
    let heads = ["workload"].into_iter().chain(COLUMNS.map(|(heading, _, _)| heading));
    let mut rows =
        vec![heads.map(str::to_owned).chain([format!("to {}", base.load.name)]).collect::<Vec<_>>()];
    for one in measured {
        let mut row = vec![format!("{}: {}", one.load.name, one.load.title())];
        row.extend(COLUMNS.map(|(_, figure, digits)| {
            one.median(figure).map_or_else(String::new, |value| grouped(value, digits))
        }));
        row.push(one.ratio(base).map_or_else(String::new, |ratio| format!("{ratio:.2}")));
        rows.push(row);
    }
    let all: Vec<Vec<Figures>> = measured.iter().map(|one| one.rounds.clone()).collect();
    let mut lines = vec![
        format!("    {}", options.command()),
        String::new(),
        format!("Medians of {} round(s); {}; {}.", options.rounds, machine_text(), others_text(&all)),
        String::new(),
    ];
    lines.extend(aligned(rows));
    lines.join("\n")
}

/// All figures.
pub fn kept(options: &Options, source: &str, measured: &[Measured]) -> Value {
    let base = &measured[0];
    let workloads: Vec<Value> = measured
        .iter()
        .map(|one| {
            let medians: serde_json::Map<String, Value> = one
                .rounds
                .first()
                .map(|round| round.values.keys().copied().collect::<Vec<_>>())
                .unwrap_or_default()
                .into_iter()
                .filter_map(|name| Some((name.to_owned(), json!(one.median(name)?))))
                .collect();
            json!({
                "workload": one.load,
                "title": one.load.title(),
                "bytes": one.bytes,
                "medians": medians,
                "rows_per_s_to_first": one.ratio(base),
                "rounds": one.rounds,
            })
        })
        .collect();
    json!({
        "command": options.command(),
        "source": source,
        "machine": machine(),
        "workloads": workloads,
    })
}

/// Writes benchmarks/matrix.json and the table in docs/performance.md.
pub fn keep(options: &Options, source: &str, measured: &[Measured]) -> Result<()> {
    let json = serde_json::to_string_pretty(&kept(options, source, measured))? + "\n";
    fs::write(root().join("benchmarks/matrix.json"), json).context("cannot write benchmarks/matrix.json")?;
    pages::replace("matrix", &text(options, measured))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::contender::Contender;

    fn measured(name: usize, seconds: &[f64]) -> Measured {
        let round = |seconds: &f64| Figures::new(Contender::Pumphouse, 1_000).took(*seconds);
        Measured { load: MATRIX[name], bytes: 1, rounds: seconds.iter().map(round).collect() }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // 1000/2 to 1000/1 is 0.5; 1000/5 to 1000/10 is 2; 1 to 1.
        let (base, other) = (measured(0, &[1.0, 10.0, 4.0]), measured(1, &[2.0, 5.0, 4.0]));
        assert_eq!(other.ratio(&base), Some(1.0));
        assert_eq!(base.median(figures::ROWS_PER_S), Some(250.0));
    }
}
