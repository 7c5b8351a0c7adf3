//! `cargo xtask quickstart`: the main job on real data, with a worker that is killed again and again.
//!
//! Real servers are started, the flights of 2013 are written by a transactional producer with aborted
//! transactions among them, the worker lands them, is killed while rows are landing, and is started
//! again; in the end every record is looked up in the table, by (partition, offset) and by content.

mod keep;
mod paced;
mod progress;
mod report;
pub mod target;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use pumphouse_testkit::filling::{FillReport, TransactionalFill, fill_in_transactions};
use pumphouse_testkit::history::check_json_history;
use pumphouse_testkit::seeded::Seeded;
use pumphouse_testkit::wait::wait_until;
use pumphouse_testkit::{Testbed, TestbedOptions, WorkerSetup, flights};

use crate::interrupt;
use crate::worker_watch::{Watched, binary, setup};
use paced::{Gate, Paced};
use progress::Progress;
use report::Report;
use target::{PARTITIONS, TABLE, TOPIC, Target};

/// Options of the quickstart.
#[derive(Args, Clone)]
pub struct Options {
    /// Leaves servers and worker running, and prints their addresses.
    #[arg(long)]
    keep: bool,
    /// Stops what an earlier `--keep` left running.
    #[arg(long)]
    stop: bool,
    /// `host:port` of a Kafka to use instead of an own one.
    #[arg(long)]
    kafka: Option<String>,
    /// `host:port` of a ClickHouse HTTP interface to use instead of an own one.
    #[arg(long)]
    clickhouse: Option<String>,
    /// How often the worker is killed. Each kill that leaves an open batch costs up to 10 s: its successor
    /// waits until the deadline of the insert has passed.
    #[arg(long, default_value_t = 4)]
    kills: u32,
    /// The worker; by default `pumphouse` beside this program.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// Used by `--keep` itself: this process is the one that stays.
    #[arg(long, hide = true)]
    stay: bool,
}

/// Records per second until the last kill: a fast machine would otherwise be done before it could be killed twice.
const RECORDS_PER_SECOND: u64 = 40_000;

/// One record in this many is in a transaction that is aborted first.
const ABORTED_SHARE: f64 = 0.1;

/// Kills are at most this long after the first rows of a life.
const KILL_AFTER_MS_MAX: u64 = 700;

/// A life in which no row lands for so long is no life. A new owner may have to wait until the
/// deadline of its predecessor's insert has passed, 10 s.
const LIFE_LIMIT: Duration = Duration::from_secs(60);

/// Runs the quickstart.
/// Errors: something could not be done, or the report is off.
pub fn run(options: Options) -> Result<()> {
    if options.stop {
        return keep::stop();
    }
    if options.keep && !options.stay {
        return keep::run_in_background(&options);
    }
    interrupt::catch()?;
    let binary = binary(options.binary.clone())?;
    println!("Starting Kafka and ClickHouse ...");
    let bed = Testbed::start(TestbedOptions {
        kafka: options.kafka.clone(),
        clickhouse: options.clickhouse.clone(),
        ..TestbedOptions::default()
    })?;
    println!("Kafka {}, ClickHouse {}", bed.bootstrap(), bed.clickhouse_url());
    let directory = tempfile::Builder::new().prefix("pumphouse-quickstart-").tempdir()?;
    let setup = setup(&bed, binary, directory.path())?;
    let target = Target::create(&bed, options.keep)?;
    let (report, mut worker) = land_and_check(&bed, &target, &setup, options.kills)?;
    println!("\n{}", report.text());
    if options.stay {
        keep::stay(&addresses(&bed, &worker, &setup), &mut worker)?;
    } else {
        worker.process.terminate()?;
        worker.process.wait_exit(Duration::from_secs(30)).context("the worker does not end after SIGTERM")?;
    }
    if !report.is_right() {
        bail!("the report is not what was promised");
    }
    Ok(())
}

/// Where everything is, one line each.
pub fn addresses(bed: &Testbed, worker: &Watched, setup: &WorkerSetup) -> String {
    format!(
        "Kafka        {}  (topic {TOPIC})\n\
         ClickHouse   {}  (table {TABLE}, user default, no password)\n\
         Worker       {}  (/connectors/{}/status, /metrics, /health)\n\
         Files, log   {}",
        bed.bootstrap(),
        bed.clickhouse_url(),
        worker.rest,
        setup.connectors[0].name,
        setup.directory.display()
    )
}

/// Fills, lands, kills, and looks every record up.
fn land_and_check(
    bed: &Testbed,
    target: &Target<'_>,
    setup: &WorkerSetup,
    kills: u32,
) -> Result<(Report, Watched)> {
    let gate = Gate::new(0);
    let mut run = Run { target, setup, gate: &gate, kills, rates: Rates::new() };
    let (filled, worker, took) = std::thread::scope(|scope| {
        let filling = scope.spawn(|| fill(bed, &gate));
        let lived = run.live().and_then(|mut worker| {
            gate.open_wide();
            run.finish(bed, &mut worker).map(|took| (worker, took))
        });
        if lived.is_err() {
            gate.close_for_good();
        }
        let filled = filling.join().map_err(|_| anyhow!("the producer panicked"))?;
        let (worker, took) = lived?;
        Ok::<_, anyhow::Error>((filled?, worker, took))
    })?;
    println!("\nLooking up every record ...");
    let history = check_json_history(bed.bootstrap(), TOPIC, target.sql(), TABLE, &flights::shape())?;
    let (lag, _) = lag(bed, &setup.connectors[0].name)?;
    let best_second_rows = run.rates.best_second_rows;
    Ok((Report { filled, history, kills, lag, took, best_second_rows, sample: target.sample()? }, worker))
}

fn fill(bed: &Testbed, gate: &Gate) -> Result<FillReport> {
    let fill = TransactionalFill {
        records_per_transaction: 1_000,
        aborted_share: ABORTED_SHARE,
        seed: 2013,
        transactional_id: "pumphouse-quickstart-producer".to_owned(),
    };
    let records = flights::flights()?.map(|flight| flight.into_record(PARTITIONS));
    Ok(fill_in_transactions(bed.bootstrap(), TOPIC, &fill, Paced::new(records, RECORDS_PER_SECOND, gate))?)
}

/// The worker's lives.
struct Run<'r> {
    target: &'r Target<'r>,
    setup: &'r WorkerSetup,
    gate: &'r Gate,
    kills: u32,
    rates: Rates,
}

impl Run<'_> {
    /// Starts the worker and kills it, as often as it is to be killed; answers the last one. Each life
    /// gets its share of the records, so there are rows to land in every one of them.
    fn live(&mut self) -> Result<Watched> {
        let mut seeded = Seeded::new(u64::from(std::process::id()));
        let share = u64::from(flights::FLIGHTS) / u64::from(self.kills + 1);
        for life in 0..self.kills {
            self.gate.open_until(share * u64::from(life + 1));
            let before = self.target.rows()?;
            let mut worker = Watched::start(self.setup)?;
            let begun = Instant::now();
            while self.look(life)? <= before {
                if begun.elapsed() > LIFE_LIMIT {
                    bail!(
                        "no row landed in {LIFE_LIMIT:?}; the worker's log ends so:\n{}",
                        worker.process.log_tail()
                    );
                }
                worker.check()?;
                std::thread::sleep(Duration::from_millis(20));
            }
            let kill_after = Duration::from_millis(seeded.below(KILL_AFTER_MS_MAX));
            std::thread::sleep(kill_after);
            worker.process.kill9()?;
            let rows = self.look(life + 1)?;
            self.rates.progress.event(rows, life + 1, "SIGKILL, restart");
        }
        Watched::start(self.setup)
    }

    /// Waits until the table has as many rows as there are flights and the committed offsets are at the
    /// ends of the log, or until nothing changes any more; answers how long the whole run took.
    fn finish(&mut self, bed: &Testbed, worker: &mut Watched) -> Result<Duration> {
        let mut last_change = (Instant::now(), (0, 0));
        let mut last_row = Instant::now();
        loop {
            worker.check()?;
            let rows = self.look(self.kills)?;
            let (lag, ends) = lag(bed, &self.setup.connectors[0].name)?;
            if rows >= u64::from(flights::FLIGHTS) && lag == 0 && ends > 0 {
                self.rates.progress.event(rows, self.kills, "all landed");
                return Ok(last_row - self.rates.begun);
            }
            let seen = (rows, lag);
            if seen != last_change.1 {
                if rows != last_change.1.0 {
                    last_row = Instant::now();
                }
                last_change = (Instant::now(), seen);
            } else if last_change.0.elapsed() > LIFE_LIMIT {
                // The report will say what is missing.
                println!(
                    "\nNothing has changed for {LIFE_LIMIT:?}; the worker's log ends so:\n{}",
                    worker.process.log_tail()
                );
                return Ok(last_row - self.rates.begun);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Counts the rows, draws the bar. Errors: Ctrl-C.
    fn look(&mut self, kills: u32) -> Result<u64> {
        interrupt::check()?;
        let rows = self.target.rows()?;
        self.rates.see(rows);
        self.rates.progress.draw(rows, kills);
        Ok(rows)
    }
}

/// The bar, and how fast it moved at best.
struct Rates {
    progress: Progress,
    begun: Instant,
    seen: Vec<(Instant, u64)>,
    best_second_rows: u64,
}

impl Rates {
    fn new() -> Rates {
        let progress = Progress::new(u64::from(flights::FLIGHTS));
        Rates { progress, begun: Instant::now(), seen: Vec::new(), best_second_rows: 0 }
    }

    fn see(&mut self, rows: u64) {
        let now = Instant::now();
        self.seen.retain(|(then, _)| now - *then <= Duration::from_secs(1));
        self.seen.push((now, rows));
        self.best_second_rows = self.best_second_rows.max(rows.saturating_sub(self.seen[0].1));
    }
}

/// Positions between the group's committed offsets and the ends of the log, and the sum of the ends.
fn lag(bed: &Testbed, connector: &str) -> Result<(i64, i64)> {
    let topics = bed.topics()?;
    let group = format!("connect-{connector}");
    let ends = topics.end_offsets(TOPIC)?;
    // A coordinator that has just been made answers with an error for a moment.
    let committed = wait_until("the committed offsets", Duration::from_secs(30), || {
        topics.committed(&group, TOPIC).map_err(|error| error.to_string())
    })?;
    let behind =
        |(partition, end): (&i32, &i64)| end - committed.get(partition).map_or(0, |mark| mark.offset);
    Ok((ends.iter().map(behind).map(i64::abs).sum(), ends.values().sum()))
}
