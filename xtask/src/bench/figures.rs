//! What one measurement of one contender came to, and the median of several.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;
use serde_json::Value;

use super::contender::Contender;
use super::landing::Landing;
use super::meter::Spent;
use super::stage::Content;

/// One measurement. CPU times of ClickHouse are less what it uses while nothing lands.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Who.
    pub contender: Contender,
    /// Named figures; see the constants of this module for names and units.
    pub values: BTreeMap<&'static str, f64>,
    /// (seconds since the start, rows visible).
    pub visible: Vec<(f64, u64)>,
    /// What else is worth keeping.
    pub notes: BTreeMap<&'static str, Value>,
    /// Sum of the hashes of all rows in the table.
    #[serde(skip)]
    pub checksum: Option<u64>,
    #[serde(skip)]
    rows: u64,
}

/// Rows per second from the beginning of landing to the last row visible.
pub const ROWS_PER_S: &str = "rows_per_s";
/// Rows per second from the start of the process, or the first statement, to the last row visible.
pub const ROWS_PER_S_WITH_START: &str = "rows_per_s_with_start";
/// The highest average from the beginning of landing to any moment.
pub const ROWS_PER_S_BEST_AVERAGE: &str = "rows_per_s_best_average";
/// Seconds from the start to the last row visible.
pub const WALL_S: &str = "wall_s";
/// Seconds from the start to the first row visible.
pub const FIRST_ROW_S: &str = "first_row_s";
/// CPU seconds of the worker (or of the child that stands for it) per million rows.
pub const WORKER_CPU: &str = "worker_cpu_s_per_million";
/// CPU seconds of ClickHouse per million rows, until the last row was visible.
pub const SERVER_CPU: &str = "server_cpu_s_per_million";
/// The same until the merges were done, too.
pub const SERVER_CPU_SETTLED: &str = "server_cpu_s_per_million_with_merges";
/// CPU seconds of worker and ClickHouse together per million rows.
pub const SUM_CPU: &str = "worker_and_server_cpu_s_per_million";
/// CPU seconds of the broker per million rows.
pub const BROKER_CPU: &str = "broker_cpu_s_per_million";
/// What ClickHouse uses while nothing lands: CPU seconds per second. Taken off the figures above.
pub const IDLE_CORES: &str = "server_idle_cores";
/// What everybody else used meanwhile: CPU seconds per second. On an idle machine close to 0.
pub const OTHERS_CORES: &str = "others_cores";
/// Largest resident set of the worker, MiB.
pub const WORKER_PEAK: &str = "worker_peak_mib";
/// Megabytes of keys and values per second, from the beginning of landing to the last row visible.
pub const MB_PER_S: &str = "mb_per_s";
/// Megabytes of keys and values per CPU second of the worker.
pub const MB_PER_WORKER_CPU_S: &str = "mb_per_worker_cpu_s";
/// Inserts that the worker sent.
pub const INSERTS: &str = "inserts";
/// Inserts per second, from the beginning of landing to the last row visible.
pub const INSERTS_PER_S: &str = "inserts_per_s";
/// Parts that were written, which is the number of inserts where the table has no partition key.
pub const PARTS: &str = "parts_written";

impl Figures {
    /// No figure yet.
    pub fn new(contender: Contender, rows: u64) -> Figures {
        let (values, notes) = (BTreeMap::new(), BTreeMap::new());
        Figures { contender, values, visible: Vec::new(), notes, checksum: None, rows }
    }

    /// Times of a contender whose rows were watched; landing began at `began`.
    pub fn timed(mut self, started: Instant, began: Instant, landing: &Landing) -> Figures {
        let rows = self.rows as f64;
        let last = landing.last();
        self.put(ROWS_PER_S, rows / (last - began).as_secs_f64());
        self.put(ROWS_PER_S_WITH_START, rows / (last - started).as_secs_f64());
        self.put(ROWS_PER_S_BEST_AVERAGE, landing.best_average(began));
        self.put(WALL_S, (last - started).as_secs_f64());
        self.put(FIRST_ROW_S, (landing.first() - started).as_secs_f64());
        self.visible = landing.seen.iter().map(|(at, rows)| ((*at - started).as_secs_f64(), *rows)).collect();
        self
    }

    /// Times of a limit that measured itself.
    pub fn took(mut self, seconds: f64) -> Figures {
        self.put(ROWS_PER_S, self.rows as f64 / seconds);
        self.put(WALL_S, seconds);
        self
    }

    /// CPU times until the last row was visible.
    pub fn cpu(mut self, spent: &Spent, idle_cores: f64) -> Figures {
        let others_s = spent.machine_s - spent.clickhouse_s - spent.broker_s - spent.own_s;
        self.put(SERVER_CPU, self.per_million(spent.clickhouse_s - idle_cores * spent.wall_s));
        self.put(SUM_CPU, self.values[SERVER_CPU]);
        self.put(BROKER_CPU, self.per_million(spent.broker_s));
        self.put(IDLE_CORES, idle_cores);
        self.put(OTHERS_CORES, others_s.max(0.0) / spent.wall_s);
        self
    }

    /// CPU times until the merges were done.
    pub fn settled(mut self, spent: &Spent, idle_cores: f64) -> Figures {
        self.put(SERVER_CPU_SETTLED, self.per_million(spent.clickhouse_s - idle_cores * spent.wall_s));
        self
    }

    /// The worker's use; after `cpu`, whose sum it adds to.
    pub fn worker(mut self, cpu_s: f64, peak_bytes: Option<u64>) -> Figures {
        let wall_s = self.values[WALL_S];
        self.put(WORKER_CPU, self.per_million(cpu_s));
        self.put(SUM_CPU, self.values[SERVER_CPU] + self.values[WORKER_CPU]);
        self.put(OTHERS_CORES, (self.values[OTHERS_CORES] - cpu_s / wall_s).max(0.0));
        if let Some(peak_bytes) = peak_bytes {
            self.put(WORKER_PEAK, peak_bytes as f64 / f64::from(1 << 20));
        }
        self
    }

    /// What the records weigh; after `timed` and `worker`.
    pub fn weighed(mut self, bytes: u64) -> Figures {
        let megabytes = bytes as f64 / 1e6;
        self.put(MB_PER_S, megabytes * self.values[ROWS_PER_S] / self.rows as f64);
        let cpu_s = self.values[WORKER_CPU] * self.rows as f64 / 1e6;
        if cpu_s > 0.0 {
            self.put(MB_PER_WORKER_CPU_S, megabytes / cpu_s);
        }
        self
    }

    /// How often the worker inserted; after `timed`.
    pub fn inserts(mut self, inserts: f64) -> Figures {
        self.put(INSERTS, inserts);
        self.put(INSERTS_PER_S, inserts * self.values[ROWS_PER_S] / self.rows as f64);
        self
    }

    /// Parts written.
    pub fn parts(mut self, parts: u64) -> Figures {
        self.put(PARTS, parts as f64);
        self
    }

    /// The table was right.
    pub fn checked(mut self, content: Content) -> Figures {
        self.checksum = Some(content.checksum);
        self
    }

    /// Something else worth keeping.
    pub fn note(mut self, name: &'static str, value: Value) -> Figures {
        self.notes.insert(name, value);
        self
    }

    /// A figure, if this contender has it.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    /// One line for the terminal.
    pub fn line(&self) -> String {
        let shown =
            |name, unit: &str| self.get(name).map(|value| format!(", {value:.2} {unit}")).unwrap_or_default();
        format!(
            "{}: {:.0} rows/s{}{}{}{}{}",
            self.contender.title(),
            self.get(ROWS_PER_S).unwrap_or(0.0),
            shown(WALL_S, "s"),
            shown(WORKER_CPU, "CPU s/M worker"),
            shown(SERVER_CPU, "CPU s/M server"),
            shown(WORKER_PEAK, "MiB peak"),
            shown(OTHERS_CORES, "cores used by others"),
        )
    }

    pub(super) fn put(&mut self, name: &'static str, value: f64) {
        self.values.insert(name, value);
    }

    fn per_million(&self, cpu_s: f64) -> f64 {
        cpu_s / (self.rows as f64 / 1e6)
    }
}

/// The median of `name` over the runs of one contender.
pub fn median_of(runs: &[Vec<Figures>], contender: Contender, name: &str) -> Option<f64> {
    median(runs.iter().flatten().filter(|figures| figures.contender == contender).filter_map(|f| f.get(name)))
}

/// The median of `name` of one contender divided by that of another, within each run.
pub fn ratio_of(runs: &[Vec<Figures>], of: Contender, to: Contender, name: &str) -> Option<f64> {
    let one = |run: &Vec<Figures>, who| run.iter().find(|figures| figures.contender == who)?.get(name);
    median(runs.iter().filter_map(|run| Some(one(run, of)? / one(run, to)?)))
}

/// The middle value; of an even number the mean of the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_run() {
        let figures = |contender, seconds| Figures::new(contender, 1_000).took(seconds);
        let run = |a, b| vec![figures(Contender::Pumphouse, a), figures(Contender::Consume, b)];
        // 1000/1 to 1000/2 is 2; 1000/10 to 1000/5 is 0.5; 1000/4 to 1000/4 is 1.
        let runs = [run(1.0, 2.0), run(10.0, 5.0), run(4.0, 4.0)];
        assert_eq!(ratio_of(&runs, Contender::Pumphouse, Contender::Consume, ROWS_PER_S), Some(1.0));
        assert_eq!(ratio_of(&runs, Contender::Pumphouse, Contender::Insert, ROWS_PER_S), None);
    }

    #[test]
    fn what_the_server_uses_anyway_is_taken_off() {
        let spent = Spent { wall_s: 10.0, clickhouse_s: 5.0, broker_s: 1.0, own_s: 0.5, machine_s: 9.0 };
        let figures =
            Figures::new(Contender::Consume, 2_000_000).took(10.0).cpu(&spent, 0.1).worker(2.0, None);
        assert_eq!(figures.get(SERVER_CPU), Some(2.0));
        assert_eq!(figures.get(WORKER_CPU), Some(1.0));
        assert_eq!(figures.get(SUM_CPU), Some(3.0));
        // 9 - 5 - 1 - 0.5 - 2 = 0.5 CPU seconds in 10 s.
        assert!((figures.get(OTHERS_CORES).unwrap() - 0.05).abs() < 1e-9);
    }
}
