//! `bench --latency`: from the call that gives a record to the producer until a SELECT sees its row, at a fixed
//! offered load.
//!
//! Each record carries the moment of that call. The table's rows are counted every few milliseconds, and its
//! merges are off: each insert is a part, parts become visible whole and in the order of their numbers, so the
//! first count that includes a part is the moment at which all of its rows could be selected. How far
//! apart two counts were bounds the error, which only ever makes a latency longer.

use std::collections::BTreeMap;
use std::fs;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use pumphouse_testkit::events::events;
use pumphouse_testkit::filling::{FillRecord, fill_with_linger};
use pumphouse_testkit::{DATABASE, Sql, unique_name};
use serde::Serialize;
use serde_json::json;

use super::Options;
use super::hall::{Hall, table_columns};
use super::load::{Shape, columns};
use super::pages::{self, aligned, grouped, machine, machine_text};
use super::pumphouse::wait_running;
use crate::interrupt;
use crate::tool::root;
use crate::worker_watch::{Watched, setup};

/// The lingers that are measured: the default, and a short one.
const LINGERS_MS: [u64; 2] = [1_000, 100];

/// Partitions of the topic.
const PARTITIONS: u32 = 4;

/// The producer's own wait for more records of a request; it is part of every latency.
const PRODUCER_LINGER_MS: u32 = 1;

/// Records that are given to the producer at once: a millisecond's worth at the default load.
const RECORDS_PER_STEP: u64 = 50;

/// Rows of the first seconds are left out: connections and caches are made then.
const WARM_UP: Duration = Duration::from_secs(3);

/// Pause between two counts.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// All rows are visible so long after the last record.
const LANDING_LIMIT: Duration = Duration::from_secs(120);

/// What one linger came to.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    linger_ms: u64,
    offered_rows_per_s: u64,
    produced_rows_per_s: f64,
    rows_measured: u64,
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
    /// Between two counts: on average, and at most.
    look_ms: f64,
    look_most_ms: f64,
    inserts: u64,
    worker_cores: f64,
    server_cores: f64,
    worker_peak_mib: f64,
}

/// Measures both lingers.
pub fn measure(hall: &Rc<Hall>, options: &Options) -> Result<Vec<Latency>> {
    let mut all = Vec::new();
    for linger_ms in LINGERS_MS {
        interrupt::check()?;
        let latency = measure_one(hall, options, linger_ms)?;
        if options.trial {
            println!("  latency at linger {linger_ms} ms: every row was seen once");
        } else {
            println!(
                "  latency at linger {linger_ms} ms: p50 {:.0} ms, p99 {:.0} ms, {} inserts",
                latency.p50_ms, latency.p99_ms, latency.inserts
            );
        }
        all.push(latency);
    }
    Ok(all)
}

fn measure_one(hall: &Hall, options: &Options, linger_ms: u64) -> Result<Latency> {
    let (topic, table, sql) = (unique_name("paced"), unique_name("seen"), hall.sql());
    hall.bed().topics()?.create(&topic, PARTITIONS as i32, &[])?;
    sql.run(&format!(
        "CREATE TABLE {table} (sent UInt64, {}, _topic LowCardinality(String), _partition UInt32, _offset UInt64) \
         ENGINE = MergeTree ORDER BY (country, user_id, ts) SETTINGS non_replicated_deduplication_window = 10000",
        table_columns(&columns(Shape::Narrow))
    ))?;
    sql.run(&format!("SYSTEM STOP MERGES {table}"))?;
    let directory = tempfile::Builder::new().prefix("pumphouse-bench-").tempdir()?;
    let mut setup = setup(hall.bed(), hall.binary.clone(), directory.path())?;
    let connector = &mut setup.connectors[0];
    connector.name = unique_name("bench");
    let own = [
        ("topics", topic.clone()),
        ("topic2TableMap", format!("{topic}={table}")),
        ("database", DATABASE.to_owned()),
        ("pumphouse.batch.linger.ms", linger_ms.to_string()),
    ];
    connector.config.extend(own.map(|(name, value)| (name.to_owned(), value)));
    connector.config.extend(options.connector_options.iter().cloned());
    let mut worker = Watched::start(&setup)?;
    wait_running(&mut worker, &setup)?;

    let (rate, seconds) = (options.rate, options.seconds);
    let records = rate * seconds;
    let before = (hall.reading()?, worker.process.usage()?);
    let (begun, begun_us) = (Instant::now(), now_us());
    let (bootstrap, ended) = (hall.bed().bootstrap().to_owned(), AtomicBool::new(false));
    let looks = std::thread::scope(|scope| {
        let producer = scope.spawn(|| {
            let filled = fill_with_linger(&bootstrap, &topic, PRODUCER_LINGER_MS, paced(records, rate));
            ended.store(true, Ordering::Relaxed);
            filled.map(|report| report.elapsed)
        });
        let looks = watch(&sql, &table, records, || {
            if !ended.load(Ordering::Relaxed) && begun.elapsed() > Duration::from_secs(4 * seconds + 240) {
                bail!("the producer does not reach {rate} records per second");
            }
            Ok(worker.process.check_running()?)
        })?;
        let elapsed = producer.join().map_err(|_| anyhow!("the producer panicked"))??;
        Ok::<_, anyhow::Error>((looks, elapsed))
    })?;
    let (looks, elapsed) = looks;
    let spent = hall.reading()?.since(&before.0);
    let usage = worker.process.usage()?;
    worker.check()?;

    let [count, distinct, ids] = numbers(
        &sql,
        &format!("SELECT count(), uniqExact(_partition, _offset), uniqExact(id) FROM {table}"),
    )?[..] else {
        bail!("the check answered another number of columns");
    };
    if [count, distinct, ids] != [records; 3] {
        bail!("void: {count} rows, {distinct} places and {ids} ids of {records} records");
    }
    let parts = sql.rows(&format!(
        "SELECT name, rows FROM system.parts WHERE active AND database = '{DATABASE}' AND table = '{table}' \
         ORDER BY min_block_number"
    ))?;
    let visible = visible_at(&parts, &looks.counts)?;
    let from_us = begun_us + WARM_UP.as_micros().min(u128::from(seconds) * 250_000) as u64;
    let sent = sql.rows(&format!(
        "SELECT _part, intDiv(sent, 1000) AS ms, count() FROM {table} WHERE sent >= {from_us} GROUP BY _part, ms"
    ))?;
    let mut latencies: BTreeMap<u64, u64> = BTreeMap::new();
    for row in &sent {
        let [part, ms, count] = &row[..] else { bail!("a part's row has {} columns", row.len()) };
        let at_us = visible.get(part).with_context(|| format!("part {part} was merged away"))?;
        *latencies.entry((at_us / 1_000).saturating_sub(ms.parse()?)).or_insert(0) += count.parse::<u64>()?;
    }
    worker.process.terminate()?;
    worker.process.wait_exit(LANDING_LIMIT).context("the worker does not end after SIGTERM")?;
    sql.run(&format!("DROP TABLE {table} SYNC"))?;
    let cpu_ms = usage.user_ms + usage.system_ms - before.1.user_ms - before.1.system_ms;
    Ok(Latency {
        linger_ms,
        offered_rows_per_s: rate,
        produced_rows_per_s: records as f64 / elapsed.as_secs_f64(),
        rows_measured: latencies.values().sum(),
        p50_ms: quantile(&latencies, 0.50),
        p99_ms: quantile(&latencies, 0.99),
        most_ms: quantile(&latencies, 1.0),
        look_ms: looks.mean_ms,
        look_most_ms: looks.most_ms,
        inserts: parts.len() as u64,
        worker_cores: cpu_ms as f64 / 1_000.0 / spent.wall_s,
        server_cores: spent.clickhouse_s / spent.wall_s,
        worker_peak_mib: usage.rss_peak_bytes as f64 / f64::from(1 << 20),
    })
}

/// Records that carry the moment at which they are given out, at `rate` per second, in steps.
fn paced(records: u64, rate: u64) -> impl Iterator<Item = FillRecord> {
    // Made beforehand: making a record takes as long as sending it.
    let made: Vec<_> = events(1, 0).take(records.min(200_000) as usize).collect();
    let begun = Instant::now();
    (0..records).map(move |number| {
        if number.is_multiple_of(RECORDS_PER_STEP) {
            let due = Duration::from_secs_f64(number as f64 / rate as f64);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        let event = &made[(number % made.len() as u64) as usize];
        let id_end = event.json.find(',').expect("an event has several members");
        let value = format!("{{\"sent\":{},\"id\":{number}{}", now_us(), &event.json[id_end..]);
        FillRecord {
            partition: (number % u64::from(PARTITIONS)) as i32,
            key: Some(event.user_id.to_string().into_bytes()),
            value: Some(value.into_bytes()),
        }
    })
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    since.as_micros() as u64
}

struct Looks {
    /// (microseconds since 1970, rows), at each change.
    counts: Vec<(u64, u64)>,
    mean_ms: f64,
    most_ms: f64,
}

fn watch(sql: &Sql, table: &str, rows: u64, mut alive: impl FnMut() -> Result<()>) -> Result<Looks> {
    let (begun, mut counts, mut looks, mut most, mut last) =
        (Instant::now(), Vec::new(), 0_u32, Duration::ZERO, Instant::now());
    let mut changed = Instant::now();
    loop {
        let now = sql.number(&format!("SELECT count() FROM {table}"))? as u64;
        looks += 1;
        most = most.max(last.elapsed());
        last = Instant::now();
        if counts.last().map_or(0, |(_, rows)| *rows) != now {
            counts.push((now_us(), now));
            changed = last;
        }
        if now >= rows {
            let mean_ms = begun.elapsed().as_secs_f64() * 1e3 / f64::from(looks);
            return Ok(Looks { counts, mean_ms, most_ms: most.as_secs_f64() * 1e3 });
        }
        if looks.is_multiple_of(100) {
            interrupt::check()?;
            alive()?;
            if changed.elapsed() > LANDING_LIMIT {
                bail!("{now} of {rows} rows, and nothing new for {LANDING_LIMIT:?}");
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// When each part could be selected: at the first count that has room for it and all before it.
fn visible_at(parts: &[Vec<String>], counts: &[(u64, u64)]) -> Result<BTreeMap<String, u64>> {
    let (mut visible, mut sum, mut looks) = (BTreeMap::new(), 0, counts.iter().peekable());
    for part in parts {
        let [name, rows] = &part[..] else { bail!("a part has {} columns", part.len()) };
        sum += rows.parse::<u64>()?;
        while looks.peek().is_some_and(|(_, count)| *count < sum) {
            looks.next();
        }
        let (at, _) = looks.peek().context("there are more rows in parts than were ever counted")?;
        visible.insert(name.clone(), *at);
    }
    Ok(visible)
}

/// `share` of all have at most this many milliseconds.
fn quantile(latencies: &BTreeMap<u64, u64>, share: f64) -> f64 {
    let wanted = latencies.values().sum::<u64>() as f64 * share;
    let mut seen = 0;
    for (ms, count) in latencies {
        seen += count;
        if seen as f64 >= wanted {
            return *ms as f64;
        }
    }
    0.0
}

fn numbers(sql: &Sql, query: &str) -> Result<Vec<u64>> {
    let rows = sql.rows(query)?;
    rows[0].iter().map(|cell| cell.parse().with_context(|| format!("{cell} is no number"))).collect()
}

/// The table in Markdown.
pub fn text(options: &Options, all: &[Latency]) -> String {
    let heads = [
        "linger",
        "rows/s",
        "p50 ms",
        "p99 ms",
        "most ms",
        "inserts",
        "worker cores",
        "server cores",
        "peak MiB",
    ];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for one in all {
        rows.push(vec![
            format!("{} ms", one.linger_ms),
            grouped(one.produced_rows_per_s, 0),
            grouped(one.p50_ms, 0),
            grouped(one.p99_ms, 0),
            grouped(one.most_ms, 0),
            one.inserts.to_string(),
            format!("{:.2}", one.worker_cores),
            format!("{:.2}", one.server_cores),
            grouped(one.worker_peak_mib, 0),
        ]);
    }
    let look = |least: fn(&Latency) -> f64| all.iter().map(least).fold(0.0, f64::max);
    let mut lines = vec![
        format!("    {}", options.command()),
        String::new(),
        format!(
            "{} s at {} rows/s offered; {}. Rows were counted every {:.1} ms on average, at most {:.0} ms apart: by so \
             much a latency may be overstated.",
            options.seconds,
            grouped(options.rate as f64, 0),
            machine_text(),
            look(|one| one.look_ms),
            look(|one| one.look_most_ms),
        ),
        String::new(),
    ];
    lines.extend(aligned(rows));
    lines.join("\n")
}

/// Writes benchmarks/latency.json and the table in docs/performance.md.
pub fn keep(options: &Options, source: &str, all: &[Latency]) -> Result<()> {
    let kept =
        json!({ "command": options.command(), "source": source, "machine": machine(), "lingers": all });
    let json = serde_json::to_string_pretty(&kept)? + "\n";
    fs::write(root().join("benchmarks/latency.json"), json)
        .context("cannot write benchmarks/latency.json")?;
    pages::replace("latency", &text(options, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_visible_when_it_and_all_before_it_are_counted() {
        let part = |name: &str, rows: &str| vec![name.to_owned(), rows.to_owned()];
        let parts = [part("a", "10"), part("b", "5"), part("c", "7")];
        // `a` and `b` came between two counts.
        let visible = visible_at(&parts, &[(100, 15), (200, 22)]).unwrap();
        assert_eq!([visible["a"], visible["b"], visible["c"]], [100, 100, 200]);
        assert!(visible_at(&parts, &[(100, 15)]).is_err());
    }

    #[test]
    fn quantiles_count_rows() {
        let latencies = BTreeMap::from([(10, 98), (500, 1), (900, 1)]);
        assert_eq!([0.5, 0.99, 1.0].map(|share| quantile(&latencies, share)), [10.0, 500.0, 900.0]);
    }

    #[test]
    fn the_pace_is_kept_and_records_say_when_they_were_sent() {
        let begun = Instant::now();
        let records: Vec<_> = paced(500, 1_000).collect();
        assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());
        let sent: Vec<u64> = records
            .iter()
            .map(|record| {
                let json: serde_json::Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
                json["sent"].as_u64().unwrap()
            })
            .collect();
        assert!(sent.is_sorted() && sent[499] - sent[0] >= 400_000);
    }
}
