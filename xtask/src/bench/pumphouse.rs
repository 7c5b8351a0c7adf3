//! The worker: the release binary with the connector of the quickstart, exactly-once or not.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pumphouse_testkit::{DATABASE, WorkerSetup, unique_name};
use serde_json::json;

use super::Options;
use super::contender::Contender;
use super::figures::Figures;
use super::landing::Landing;
use super::load::Format;
use super::profile;
use super::stage::{Stage, Table};
use crate::worker_watch::{Watched, setup};

/// The worker's REST server answers, and the task runs, within this time.
const RUNNING_LIMIT: Duration = Duration::from_secs(120);

/// The worker lands what it has and leaves within this time.
const EXIT_LIMIT: Duration = Duration::from_secs(120);

/// Measures the worker once.
pub fn measure(stage: &Stage, contender: Contender, options: &Options) -> Result<Figures> {
    let table = stage.table()?;
    let idle_cores = stage.idle_cores_watched(&table)?;
    measure_into(stage, contender, options, table, idle_cores, true)
}

/// The same without measuring what the server uses while nothing lands, and without waiting for merges.
pub fn measure_briefly(stage: &Stage, options: &Options, idle_cores: f64) -> Result<Figures> {
    let table = stage.table()?;
    measure_into(stage, Contender::Pumphouse, options, table, idle_cores, false)
}

/// The worker under `perf record`, which slows it down: its table is checked, and it has no figures.
pub fn record_profile(stage: &Stage, options: &Options, file: &Path) -> Result<()> {
    let table = stage.table()?;
    let directory = tempfile::Builder::new().prefix("pumphouse-bench-").tempdir()?;
    let mut setup = setup(stage.bed(), stage.hall.binary.clone(), directory.path())?;
    aim(&mut setup, stage, &table, options)?;
    setup.binary = profile::recorded(&stage.hall.binary, file, directory.path())?;
    let mut worker = Watched::start(&setup)?;
    wait_running(&mut worker, &setup)?;
    Landing::watch(&table, stage.records(), || Ok(worker.process.check_running()?))?;
    worker.check()?;
    worker.process.terminate()?;
    worker.process.wait_exit(EXIT_LIMIT).context("the worker does not end after SIGTERM")?;
    stage.check(&table).map(drop)
}

fn measure_into(
    stage: &Stage,
    contender: Contender,
    options: &Options,
    table: Table,
    idle_cores: f64,
    settles: bool,
) -> Result<Figures> {
    let directory = tempfile::Builder::new().prefix("pumphouse-bench-").tempdir()?;
    let mut setup = setup(stage.bed(), stage.hall.binary.clone(), directory.path())?;
    aim(&mut setup, stage, &table, options)?;
    let exactly_once = contender != Contender::AtLeastOnce;
    setup.connectors[0].config.insert("exactlyOnce".to_owned(), exactly_once.to_string());

    let before = stage.reading()?;
    let started = Instant::now();
    let mut worker = Watched::start(&setup)?;
    let running = wait_running(&mut worker, &setup)?;
    let landing = Landing::watch(&table, stage.records(), || Ok(worker.process.check_running()?))?;
    let spent = stage.reading()?.since(&before);
    let usage = worker.process.usage()?;

    worker.check()?;
    let metrics = metrics(&worker)?;
    worker.process.terminate()?;
    worker.process.wait_exit(EXIT_LIMIT).context("the worker does not end after SIGTERM")?;
    if options.show_log {
        println!("{}", worker.process.log_text());
    }
    let settled = settles.then(|| stage.settled_since(&before, &table)).transpose()?;
    let content = stage.check(&table)?;
    let mut figures = Figures::new(contender, stage.records())
        .timed(started, running, &landing)
        .cpu(&spent, idle_cores)
        .worker((usage.user_ms + usage.system_ms) as f64 / 1_000.0, Some(usage.rss_peak_bytes))
        .weighed(stage.bytes)
        .inserts(metrics.get("insert_duration_seconds_count").copied().unwrap_or_default())
        .parts(table.parts_written()?)
        .checked(content)
        .note("metrics", json!(metrics));
    if let Some(settled) = settled {
        figures = figures.settled(&settled, idle_cores);
    }
    Ok(figures)
}

/// Points the connector at this run's topics and tables.
pub(super) fn aim(setup: &mut WorkerSetup, stage: &Stage, table: &Table, options: &Options) -> Result<()> {
    let connector = &mut setup.connectors[0];
    // A fresh name is a fresh group.
    connector.name = unique_name("bench");
    let map: Vec<String> =
        stage.topics.iter().zip(&table.names).map(|(topic, name)| format!("{topic}={name}")).collect();
    let own = [
        ("topics", stage.topics.join(",")),
        ("topic2TableMap", map.join(",")),
        ("database", DATABASE.to_owned()),
        ("tasks.max", stage.load.tasks.to_string()),
        ("value.converter", stage.load.format.converter().to_owned()),
    ];
    connector.config.extend(own.map(|(name, value)| (name.to_owned(), value)));
    if stage.load.format != Format::Json {
        let url = stage.hall.registry_url().context("no registry was started")?;
        connector.config.remove("value.converter.schemas.enable");
        connector.config.insert("value.converter.schema.registry.url".to_owned(), url);
    }
    connector.config.extend(options.connector_options.iter().cloned());
    setup.environment.extend(options.worker_environment.iter().cloned());
    Ok(())
}

/// Answers when the connector's task said RUNNING for the first time.
pub(super) fn wait_running(worker: &mut Watched, setup: &WorkerSetup) -> Result<Instant> {
    let begun = Instant::now();
    let url = format!("{}/connectors/{}/status", worker.rest, setup.connectors[0].name);
    loop {
        worker.process.check_running()?;
        let status = ask(&url).and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        if let Some(status) = status {
            match status["tasks"][0]["state"].as_str() {
                Some("RUNNING") => return Ok(Instant::now()),
                Some("FAILED") => worker.check()?,
                _ => {}
            }
        }
        if begun.elapsed() > RUNNING_LIMIT {
            bail!(
                "no RUNNING task in {RUNNING_LIMIT:?}; the worker's log ends so:\n{}",
                worker.process.log_tail()
            );
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn ask(url: &str) -> Option<String> {
    let limit = Some(Duration::from_secs(2));
    let agent: ureq::Agent = ureq::Agent::config_builder().timeout_global(limit).proxy(None).build().into();
    agent.get(url).call().ok()?.body_mut().read_to_string().ok()
}

/// The worker's own sums and counts, such as `insert_duration_seconds_sum`, added up over labels.
fn metrics(worker: &Watched) -> Result<BTreeMap<String, f64>> {
    let text = ask(&format!("{}/metrics", worker.rest)).context("the worker's /metrics does not answer")?;
    Ok(sums(&text))
}

fn sums(text: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or(series);
        let name = name.strip_prefix("pumphouse_").unwrap_or(name);
        let is_sum = ["_sum", "_count", "_total"].iter().any(|end| name.ends_with(end));
        if let (true, Ok(value)) = (is_sum, value.parse::<f64>()) {
            *sums.entry(name.to_owned()).or_insert(0.0) += value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_added_up_over_labels_and_buckets_left_out() {
        let text = "# TYPE x histogram\npumphouse_x_sum{a=\"1\"} 1.5\npumphouse_x_sum{a=\"2\"} 2\n\
                    pumphouse_x_bucket{le=\"1\"} 7\npumphouse_rows_landed_total{t=\"t\"} 10\n";
        let expected = [("x_sum".to_owned(), 3.5), ("rows_landed_total".to_owned(), 10.0)];
        assert_eq!(sums(text), expected.into_iter().collect());
    }
}
