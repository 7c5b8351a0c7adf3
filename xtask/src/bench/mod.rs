//! `cargo xtask bench`: Pumphouse next to ClickHouse's own Kafka engine, and next to the two limits
//! (consuming only, inserting finished blocks only), on one filled topic, in one run.
//!
//! Every contender fills a table of its own, alone on the machine as far as this program is concerned;
//! the table is checked, and what is not right is no result. docs/performance.md shows the kept figures.

mod child;
mod contender;
mod figures;
mod kafka_engine;
mod landing;
mod limits;
mod meter;
pub mod part;
mod pumphouse;
mod report;
mod stage;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use crate::interrupt;
use crate::tool::{cargo, succeed};
use crate::worker_watch::binary;
use contender::Contender;
use figures::Figures;
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
    /// Writes benchmarks/latest.json and the table in docs/performance.md.
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
        if self.only.is_empty() { Contender::ALL.to_vec() } else { self.only.clone() }
    }
}

/// Measures, prints, and keeps the figures if asked to.
/// Errors: something did not start or end in time, or a table was not right.
pub fn run(options: &Options) -> Result<()> {
    interrupt::catch()?;
    if options.keep && !options.is_plain() {
        bail!("--keep goes with --records, --partitions, --replicated and --runs only");
    }
    if cfg!(debug_assertions) {
        bail!("a benchmark of a development build says nothing: {}", options.command());
    }
    if options.binary.is_none() {
        succeed(cargo().args(["build", "--release", "--package", "pumphouse"]))?;
    }
    let source = report::source();
    let binary = binary(options.binary.clone())?;
    let mut stage = Stage::set_up(options, binary)?;
    warm_up(&stage, options)?;
    let mut runs = Vec::new();
    for number in 0..options.runs {
        runs.push(run_once(&mut stage, options, number)?);
    }
    drop(stage);
    let text = report::text(options, &runs);
    println!("\n{text}");
    if options.keep {
        report::keep(options, &source, &runs)?;
    }
    Ok(())
}

/// The worker moves the topic once, which is no result: a broker that has just been started compiles its
/// code while it runs, and the contender that comes first would pay for it.
fn warm_up(stage: &Stage, options: &Options) -> Result<()> {
    println!("Warming up: the worker moves the topic once ...");
    limits::warm_up(stage)?;
    pumphouse::measure(stage, Contender::Pumphouse, options).map(drop)
}

/// All contenders once. Every other run goes through them backwards, so that none of them always has
/// the same neighbour.
fn run_once(stage: &mut Stage, options: &Options, number: u32) -> Result<Vec<Figures>> {
    let mut contenders = options.contenders();
    if !number.is_multiple_of(2) {
        contenders.reverse();
    }
    println!("Run {} of {}: reading the topic once to warm up ...", number + 1, options.runs);
    limits::warm_up(stage)?;
    let mut run = Vec::new();
    for contender in contenders {
        interrupt::check()?;
        let figures = contender.measure(stage, options)?;
        println!("  {}", figures.line());
        run.push(figures);
    }
    stage::same_rows(&run)?;
    run.sort_by_key(|figures| figures.contender);
    Ok(run)
}
