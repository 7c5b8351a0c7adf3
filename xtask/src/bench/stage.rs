//! What all contenders share: servers, the filled topic, tables of one shape, and the check of a table.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pumphouse_testkit::filling::fill_fast;
use pumphouse_testkit::{DATABASE, Sql, Testbed, TestbedOptions, events, unique_name};

use super::Options;
use super::figures::Figures;
use super::meter::{self, Reading, Servers, Spent};

/// The seed of the records.
pub const SEED: u64 = 1;

/// Merges of what was inserted are waited for no longer.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Servers and topic.
pub struct Stage {
    bed: Testbed,
    /// Processes of the servers.
    pub servers: Servers,
    /// The worker's program.
    pub binary: PathBuf,
    /// The topic.
    pub topic: String,
    /// Records in it.
    pub records: u64,
    /// Its partitions.
    pub partitions: u32,
    replicated: bool,
}

/// What a checked table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// A sum of hashes over all rows: two tables with the same have the same rows.
    pub checksum: u64,
}

impl Stage {
    /// Starts the servers and fills the topic.
    /// Errors: something did not start; servers were given by the environment: their CPU time cannot be read.
    pub fn set_up(options: &Options, binary: PathBuf) -> Result<Stage> {
        println!("Starting Kafka and ClickHouse ...");
        let mut bed =
            Testbed::start(TestbedOptions { zookeeper: options.replicated, ..TestbedOptions::default() })?;
        let (Some(broker), Some(clickhouse)) = (&mut bed.kafka, &mut bed.clickhouse) else {
            bail!("the benchmark starts its own servers: unset PUMPHOUSE_KAFKA and PUMPHOUSE_CLICKHOUSE");
        };
        let servers = Servers { clickhouse: clickhouse.pid()?, broker: broker.pid()? };
        let partitions = options.partitions;
        if partitions == 0 || options.records < u64::from(partitions) {
            bail!("at least one record per partition is needed");
        }
        let records = options.records - options.records % u64::from(partitions);
        let topic = unique_name("bench");
        bed.topics()?.create(&topic, partitions as i32, &[])?;
        let filled = fill_fast(bed.bootstrap(), &topic, records_of(records, partitions))?;
        println!(
            "{records} records in {partitions} partitions, {} bytes each on average with their keys",
            filled.bytes / records
        );
        Ok(Stage { bed, servers, binary, topic, records, partitions, replicated: options.replicated })
    }

    /// Servers.
    pub fn bed(&self) -> &Testbed {
        &self.bed
    }

    /// A client whose statements leave no line in the query log.
    pub fn sql(&self) -> Sql {
        self.bed.sql().with_setting("log_queries", "0")
    }

    /// An empty table; the same for every contender.
    pub fn table(&self) -> Result<Table> {
        let name = unique_name("landed");
        let engine = if self.replicated {
            format!("ReplicatedMergeTree('/bench/{name}', 'r1')")
        } else {
            "MergeTree".to_owned()
        };
        let window =
            if self.replicated { "" } else { " SETTINGS non_replicated_deduplication_window = 10000" };
        let sql = self.sql();
        sql.run(&format!(
            "CREATE TABLE {name} ({}, _topic LowCardinality(String), _partition UInt32, _offset UInt64) \
             ENGINE = {engine} ORDER BY (country, user_id, ts){window}",
            events::TABLE_COLUMNS
        ))?;
        Ok(Table { sql, name, replicated: self.replicated })
    }

    /// What ClickHouse uses while nothing lands, in CPU seconds per second, when rows are counted.
    pub fn idle_cores_watched(&self, table: &Table) -> Result<f64> {
        meter::idle_cores(self.servers, || super::landing::look(&table.sql, &table.name))
    }

    /// The same when nobody asks it anything.
    pub fn idle_cores(&self) -> Result<f64> {
        meter::idle_cores(self.servers, || {
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        })
    }

    /// Reads the clocks.
    pub fn reading(&self) -> Result<Reading> {
        Reading::take(self.servers)
    }

    /// Waits until the table's merges are done; answers what was used since `start`.
    pub fn settled_since(&self, start: &Reading, table: &Table) -> Result<Spent> {
        let begun = Instant::now();
        let mut calm = 0;
        while calm < 4 && begun.elapsed() < SETTLE_LIMIT {
            let busy = table.sql.number(&format!(
                "SELECT count() FROM system.merges WHERE database = '{DATABASE}' AND table = '{}'",
                table.name
            ))?;
            calm = if busy == 0 { calm + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(self.reading()?.since(start))
    }

    /// Whether the table holds every record once.
    /// Errors: it does not.
    pub fn check(&self, table: &Table) -> Result<Content> {
        let name = &table.name;
        let rows = table.sql.rows(&format!(
            "SELECT count(), uniqExact(_partition, _offset), uniqExact(_partition), max(_offset), uniqExact(id), \
             sum(cityHash64(id, ts, user_id, country, url, status, duration, amount, flag, trace, tags, \
             ifNull(note, 'null'), isNull(note), _topic, _partition, _offset)) FROM {name}"
        ))?;
        let numbers: Vec<u64> = rows[0]
            .iter()
            .map(|cell| cell.parse().with_context(|| format!("{cell} is no number")))
            .collect::<Result<_>>()?;
        let [count, distinct, partitions, last, ids, checksum] = numbers[..] else {
            bail!("the check answered {} columns", numbers.len());
        };
        let per_partition = self.records / u64::from(self.partitions);
        let expected =
            [self.records, self.records, u64::from(self.partitions), per_partition - 1, self.records];
        if [count, distinct, partitions, last, ids] != expected {
            bail!(
                "void: {count} rows, {distinct} distinct positions, {partitions} partitions, last offset {last}, \
                 {ids} distinct ids; expected {expected:?}"
            );
        }
        Ok(Content { checksum })
    }
}

/// A contender's table. Dropping it removes it.
pub struct Table {
    /// A client of its server.
    pub sql: Sql,
    /// Its name in the testkit's database.
    pub name: String,
    replicated: bool,
}

impl Table {
    /// Parts that inserts wrote, merged or not: each takes the next block number.
    pub fn parts_written(&self) -> Result<u64> {
        let last = self.sql.number(&format!(
            "SELECT max(max_block_number) FROM system.parts WHERE database = '{DATABASE}' AND table = '{}'",
            self.name
        ))?;
        // Replicated tables count from 0, plain ones from 1.
        Ok(last as u64 + u64::from(self.replicated))
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        // The servers end with the run; this only makes room for the next contender.
        let _ = self.sql.run(&format!("DROP TABLE IF EXISTS {} SYNC", self.name));
    }
}

/// The records of the topic in their order: record n is in partition n modulo `partitions`, at offset
/// n / `partitions`.
pub fn records_of(
    records: u64,
    partitions: u32,
) -> impl Iterator<Item = pumphouse_testkit::filling::FillRecord> {
    events::events(SEED, 0).take(records as usize).map(move |event| {
        let partition = (event.id % u64::from(partitions)) as i32;
        pumphouse_testkit::filling::FillRecord { partition, ..event.into_record(1) }
    })
}

/// All tables of a run must hold the same rows: ClickHouse's own JSON parser filled some of them.
/// Errors: they do not.
pub fn same_rows(run: &[Figures]) -> Result<()> {
    let checksums: Vec<_> =
        run.iter().filter_map(|figures| Some((figures.contender, figures.checksum?))).collect();
    match checksums.iter().find(|(_, checksum)| *checksum != checksums[0].1) {
        None => Ok(()),
        Some((other, _)) => {
            bail!("void: {:?} and {other:?} filled their tables with different rows", checksums[0].0)
        }
    }
}
