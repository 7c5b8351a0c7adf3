//! `cargo xtask bench`: Pumphouse next to ClickHouse's own Kafka engine, and next to the two limits
//! (consuming only, inserting finished blocks only), on one filled topic, in one run.
//!
//! Every contender fills a table of its own, alone on the machine as far as this program is concerned;
//! the table is checked, and what is not right is no result. docs/performance.md shows the kept figures.

mod chart;
mod child;
mod contender;
mod figures;
mod hall;
mod kafka_engine;
mod landing;
mod latency;
mod limits;
pub mod load;
mod matrix;
mod meter;
mod pages;
pub mod part;
mod profile;
mod pumphouse;
mod report;
mod stage;

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Result, bail};
use clap::Args;

use crate::interrupt;
use crate::tool::{cargo, succeed};
use crate::worker_watch::binary;
use contender::Contender;
use figures::Figures;
use hall::Hall;
use load::{Format, Shape, Workload};
use stage::Stage;

/// Options of `bench`.
#[derive(Args, Clone)]
pub struct Options {
    /// Records in the topic; the last ones may be a fraction less than given, so that every partition
    /// holds the same number.
    #[arg(long, default_value_t = 2_000_000)]
    records: u64,
    /// Partitions of the topic.
    #[arg(long, default_value_t = 4)]
    partitions: u32,
    /// Into ReplicatedMergeTree tables (one replica, through ZooKeeper) in place of MergeTree.
    #[arg(long)]
    replicated: bool,
    /// How often everything is measured; the figures are medians.
    #[arg(long, default_value_t = 1)]
    runs: u32,
    /// Only these contenders, with commas between; by default all.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// How the records look.
    #[arg(long, default_value = "narrow")]
    shape: Shape,
    /// How they are written.
    #[arg(long, default_value = "json")]
    format: Format,
    /// Topics, each with its own table; `--records` is about all of them.
    #[arg(long, default_value_t = 1)]
    topics: u32,
    /// The connector's `tasks.max`.
    #[arg(long, default_value_t = 1)]
    tasks: u32,
    /// Besides, the worker alone on a bounded set of workloads, and its latency.
    #[arg(long)]
    matrix: bool,
    /// Only these workloads of the matrix, with commas between, and no contenders.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// How often each workload of the matrix is measured; the figures are medians.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
    /// Only the latency from producing to seeing a row, at a fixed offered load.
    #[arg(long)]
    latency: bool,
    /// Rows per second that are offered for the latency.
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
    /// For so many seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Only where the worker's CPU time goes, by thread and function; needs `perf`.
    #[arg(long)]
    profile: bool,
    /// Only tries whether everything runs and every table is right; measures nothing. Any build will do.
    #[arg(long)]
    trial: bool,
    /// Measures nothing: draws docs/performance.svg again from what is kept in benchmarks/.
    #[arg(long)]
    chart: bool,
    /// Writes benchmarks/*.json, the tables and the chart in docs/.
    #[arg(long)]
    keep: bool,
    /// The worker; by default a release build of this source.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// `name=value` for the connector's configuration, for experiments.
    #[arg(long = "connector-option", value_parser = name_and_value)]
    connector_options: Vec<(String, String)>,
    /// `name=value` for the worker's environment, for experiments.
    #[arg(long = "worker-environment", value_parser = name_and_value)]
    worker_environment: Vec<(String, String)>,
    /// `name=value` for the tuned Kafka engine's settings, for experiments.
    #[arg(long = "engine-setting", value_parser = name_and_value)]
    engine_settings: Vec<(String, String)>,
    /// Prints the worker's log after its run.
    #[arg(long)]
    show_log: bool,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("`{text}` is not name=value"))?;
    Ok((name.to_owned(), value.to_owned()))
}

impl Options {
    /// Whether the kept figures may come from a run with these options.
    fn is_plain(&self) -> bool {
        self.only.is_empty()
            && self.workloads.is_empty()
            && !self.trial
            && self.main_workload_is_usual()
            && self.binary.is_none()
            && self.connector_options.is_empty()
            && self.worker_environment.is_empty()
            && self.engine_settings.is_empty()
    }

    /// The command that gives the figures again.
    fn command(&self) -> String {
        let mut command = format!(
            "cargo run --release -p xtask -- bench --records {} --partitions {} --runs {}",
            self.records, self.partitions, self.runs
        );
        let usual = |is: bool, text: String| if is { String::new() } else { text };
        command += &usual(self.shape == Shape::Narrow, format!(" --shape {}", name_of(self.shape)));
        command += &usual(self.format == Format::Json, format!(" --format {}", name_of(self.format)));
        command += &usual(self.topics == 1, format!(" --topics {}", self.topics));
        command += &usual(self.tasks == 1, format!(" --tasks {}", self.tasks));
        if self.matrix || !self.workloads.is_empty() {
            command += &format!(" --matrix --rounds {}", self.rounds);
        }
        if !self.workloads.is_empty() {
            command += &format!(" --workloads {}", self.workloads.join(","));
        }
        if self.latency {
            command += " --latency";
        }
        if self.profile {
            command += " --profile";
        }
        if self.latency || self.matrix {
            command += &format!(" --rate {} --seconds {}", self.rate, self.seconds);
        }
        if self.replicated {
            command.push_str(" --replicated");
        }
        if !self.only.is_empty() {
            let only: Vec<String> = self.only.iter().map(|contender| contender.option()).collect();
            command.push_str(&format!(" --only {}", only.join(",")));
        }
        for (option, pairs) in [
            ("connector-option", &self.connector_options),
            ("worker-environment", &self.worker_environment),
            ("engine-setting", &self.engine_settings),
        ] {
            command.extend(pairs.iter().map(|(name, value)| format!(" --{option} {name}={value}")));
        }
        command
    }

    fn contenders(&self) -> Vec<Contender> {
        match (&self.only[..], self.main_workload_is_usual()) {
            ([], true) => Contender::ALL.to_vec(),
            // The others take JSON of the narrow shape from one topic.
            ([], false) => vec![Contender::Pumphouse, Contender::AtLeastOnce],
            (only, _) => only.to_vec(),
        }
    }

    fn main_workload_is_usual(&self) -> bool {
        (self.shape, self.format, self.topics) == (Shape::Narrow, Format::Json, 1)
    }

    /// What the contenders are measured with.
    fn main_workload(&self) -> Result<Workload> {
        Workload {
            name: "main",
            shape: self.shape,
            format: self.format,
            records: self.records,
            partitions: self.partitions,
            topics: self.topics,
            tasks: self.tasks,
            replicated: self.replicated,
        }
        .with_records(self.records)
    }

    /// What is to be done, in this order.
    fn plan(&self) -> Plan {
        let part = !self.workloads.is_empty();
        Plan {
            contenders: !self.latency && !self.profile && !part,
            matrix: self.matrix || part,
            latency: self.latency || (self.matrix && !part),
            profile: self.profile || (self.matrix && !part && !self.trial),
        }
    }
}

/// What of the benchmark is run.
struct Plan {
    contenders: bool,
    matrix: bool,
    latency: bool,
    profile: bool,
}

fn name_of(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Measures, prints, and keeps the figures if asked to.
/// Errors: something did not start or end in time, or a table was not right.
pub fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    if options.chart {
        return chart::keep();
    }
    if options.keep && !options.is_plain() {
        bail!(
            "--keep goes with --records, --partitions, --replicated, --runs, --rounds, --matrix and --latency only"
        );
    }
    if !options.main_workload_is_usual()
        && options.only.iter().any(|one| !matches!(one, Contender::Pumphouse | Contender::AtLeastOnce))
    {
        bail!("with --shape, --format or --topics only the worker can be measured");
    }
    if cfg!(debug_assertions) && !options.trial {
        bail!("a benchmark of a development build says nothing: {}", options.command());
    }
    if options.binary.is_none() {
        succeed(cargo().args(["build", "--release", "--package", "pumphouse"]))?;
    }
    let source = pages::source();
    let plan = options.plan();
    let mut loads = Vec::new();
    if plan.contenders || plan.profile {
        loads.push(options.main_workload()?);
    }
    if plan.matrix {
        loads.extend(matrix::workloads(options)?);
    }
    let hall = Rc::new(Hall::open(binary(options.binary.clone())?, &loads)?);
    if plan.contenders {
        let runs = compare(&hall, options)?;
        if options.trial {
            println!("every table of the contenders is right");
        } else {
            println!("\n{}\n", report::text(options, &runs));
        }
        if options.keep {
            report::keep(options, &source, &runs)?;
        }
    }
    if plan.matrix {
        let measured = matrix::measure(&hall, options)?;
        if !options.trial {
            println!("\n{}\n", matrix::text(options, &measured));
        }
        if options.keep {
            matrix::keep(options, &source, &measured)?;
        }
    }
    if plan.latency {
        let latency = latency::measure(&hall, options)?;
        if !options.trial {
            println!("\n{}\n", latency::text(options, &latency));
        }
        if options.keep {
            latency::keep(options, &source, &latency)?;
        }
    }
    if plan.profile {
        let stage = Stage::fill(&hall, options.main_workload()?)?;
        let profile = profile::measure(&stage, options)?;
        println!("\n{}\n", profile::text(options, &profile));
        if options.keep {
            profile::keep(options, &profile)?;
        }
    }
    if options.keep {
        chart::keep()?;
        println!("Kept in benchmarks/, docs/performance.md and docs/performance.svg.");
    }
    Ok(())
}

/// All contenders, on one workload.
fn compare(hall: &Rc<Hall>, options: &Options) -> Result<Vec<Vec<Figures>>> {
    let stage = Stage::fill(hall, options.main_workload()?)?;
    warm_up(&stage, options)?;
    (0..options.runs).map(|number| run_once(&stage, options, number)).collect()
}

/// The worker moves the topic once, which is no result: a broker that has just been started compiles its
/// code while it runs, and the contender that comes first would pay for it.
fn warm_up(stage: &Stage, options: &Options) -> Result<()> {
    println!("Warming up: the worker moves the topic once ...");
    pumphouse::measure(stage, Contender::Pumphouse, options).map(drop)
}

/// All contenders once. Every other run goes through them backwards, so that none of them always has
/// the same neighbour.
fn run_once(stage: &Stage, options: &Options, number: u32) -> Result<Vec<Figures>> {
    let mut contenders = options.contenders();
    if !number.is_multiple_of(2) {
        contenders.reverse();
    }
    println!("Run {} of {}: reading the topics once to warm up ...", number + 1, options.runs);
    limits::warm_up(stage)?;
    let mut run = Vec::new();
    for contender in contenders {
        interrupt::check()?;
        let figures = contender.measure(stage, options)?;
        let shown = if options.trial { "its table is right".to_owned() } else { figures.line() };
        println!("  {}: {shown}", contender.option());
        run.push(figures);
    }
    stage::same_rows(&run)?;
    run.sort_by_key(|figures| figures.contender);
    Ok(run)
}
