//! A workload in its topics: filled, with tables of one shape for whoever is measured, and the check of them.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use pumphouse_testkit::filling::fill_fast;
use pumphouse_testkit::{DATABASE, Sql, Testbed, unique_name};

use super::figures::Figures;
use super::hall::{Hall, content_sum, table_columns};
use super::load::{Shape, Workload, columns};
use super::meter::{self, Reading, Spent};

/// Merges of what was inserted are waited for no longer.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// Filled topics.
pub struct Stage {
    /// Servers and worker.
    pub hall: Rc<Hall>,
    /// What stands in the topics.
    pub load: Workload,
    /// The topics.
    pub topics: Vec<String>,
    /// Bytes of all keys and values.
    pub bytes: u64,
    content: u64,
}

/// What a checked table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content {
    /// A sum of hashes over all rows: two tables with the same have the same rows.
    pub checksum: u64,
}

impl Stage {
    /// Fills the topics of a workload.
    pub fn fill(hall: &Rc<Hall>, load: Workload) -> Result<Stage> {
        let content = hall.reference(&load)?;
        let admin = hall.bed().topics()?;
        let (mut topics, mut bytes) = (Vec::new(), 0);
        for number in 0..load.topics {
            let topic = unique_name("bench");
            admin.create(&topic, load.partitions as i32, &[])?;
            let encoder = hall.encoder(load.format, load.shape, &topic)?;
            bytes += fill_fast(hall.bed().bootstrap(), &topic, load.records_of(number, encoder))?.bytes;
            topics.push(topic);
        }
        println!(
            "{}: {}; {} records of {} bytes on average",
            load.name,
            load.title(),
            load.records,
            bytes / load.records
        );
        Ok(Stage { hall: Rc::clone(hall), load, topics, bytes, content })
    }

    /// Servers.
    pub fn bed(&self) -> &Testbed {
        self.hall.bed()
    }

    /// All records.
    pub fn records(&self) -> u64 {
        self.load.records
    }

    /// The topic of a workload that has one.
    pub fn topic(&self) -> &str {
        &self.topics[0]
    }

    /// A client whose statements leave no line in the query log.
    pub fn sql(&self) -> Sql {
        self.hall.sql()
    }

    /// Empty tables, one per topic; the same for every contender.
    pub fn table(&self) -> Result<Table> {
        let (sql, prefix, replicated) = (self.sql(), unique_name("landed"), self.load.replicated);
        let names: Vec<String> = match self.load.topics {
            1 => vec![prefix],
            topics => (0..topics).map(|topic| format!("{prefix}_{topic}")).collect(),
        };
        let order = match self.load.shape {
            Shape::Narrow => "country, user_id, ts",
            Shape::Wide => "tag_00, count_00, ts",
            Shape::Large => "host, ts",
            Shape::Tiny => "id",
        };
        let window = if replicated { "" } else { " SETTINGS non_replicated_deduplication_window = 10000" };
        for name in &names {
            let engine = if replicated {
                format!("ReplicatedMergeTree('/bench/{name}', 'r1')")
            } else {
                "MergeTree".to_owned()
            };
            sql.run(&format!(
                "CREATE TABLE {name} ({}, _topic LowCardinality(String), _partition UInt32, _offset UInt64) \
                 ENGINE = {engine} ORDER BY ({order}){window}",
                table_columns(&columns(self.load.shape))
            ))?;
        }
        Ok(Table { sql, names, replicated })
    }

    /// What ClickHouse uses while nothing lands, in CPU seconds per second, when rows are counted.
    pub fn idle_cores_watched(&self, table: &Table) -> Result<f64> {
        meter::idle_cores(self.hall.servers, || super::landing::look(table))
    }

    /// Reads the clocks.
    pub fn reading(&self) -> Result<Reading> {
        self.hall.reading()
    }

    /// Waits until the tables' merges are done; answers what was used since `start`.
    pub fn settled_since(&self, start: &Reading, table: &Table) -> Result<Spent> {
        let begun = Instant::now();
        let mut calm = 0;
        while calm < 4 && begun.elapsed() < SETTLE_LIMIT {
            let busy = table.sql.number(&format!(
                "SELECT count() FROM system.merges WHERE database = '{DATABASE}' AND table IN ({})",
                table.quoted_names()
            ))?;
            calm = if busy == 0 { calm + 1 } else { 0 };
            std::thread::sleep(Duration::from_millis(250));
        }
        Ok(self.reading()?.since(start))
    }

    /// Whether the tables hold every record once, at its place, with the values that ClickHouse's own parser
    /// finds in it.
    /// Errors: they do not.
    pub fn check(&self, table: &Table) -> Result<Content> {
        let (each, partitions) = (self.load.records_per_topic(), self.load.partitions);
        let (mut content, mut checksum) = (0_u64, 0_u64);
        for (number, name) in (0_u32..).zip(&table.names) {
            let first = self.load.first_of(number);
            let rows = table.sql.rows(&format!(
                "SELECT count(), uniqExact(id), min(id), max(id), \
                 countIf(_partition != (id - {first}) % {partitions} OR _offset != intDiv(id - {first}, {partitions}) \
                 OR _topic != '{}'), {}, sum(cityHash64(id, _topic, _partition, _offset)) FROM {name}",
                self.topics[number as usize],
                content_sum(&columns(self.load.shape))
            ))?;
            let numbers: Vec<u64> = rows[0]
                .iter()
                .map(|cell| cell.parse().with_context(|| format!("{cell} is no number")))
                .collect::<Result<_>>()?;
            let [count, ids, least, most, misplaced, values, places] = numbers[..] else {
                bail!("the check answered {} columns", numbers.len());
            };
            if [count, ids, least, most, misplaced] != [each, each, first, first + each - 1, 0] {
                bail!(
                    "void: {name} has {count} rows, {ids} distinct ids from {least} to {most}, and {misplaced} rows \
                     at another place than their record; expected {each} from {first} on"
                );
            }
            content = content.wrapping_add(values);
            checksum = checksum.wrapping_add(values).wrapping_add(places);
        }
        if content != self.content {
            bail!("void: the rows are not those that ClickHouse itself reads in the records");
        }
        Ok(Content { checksum })
    }
}

/// A contender's tables, one per topic. Dropping it removes them.
pub struct Table {
    /// A client of their server.
    pub sql: Sql,
    /// Their names in the testkit's database, in the order of the topics.
    pub names: Vec<String>,
    replicated: bool,
}

impl Table {
    /// The table of a workload that has one topic.
    pub fn name(&self) -> &str {
        &self.names[0]
    }

    /// Rows that can be selected, in all of them.
    pub fn visible(&self) -> Result<u64> {
        let query = match &self.names[..] {
            [name] => format!("SELECT count() FROM {name}"),
            names => {
                let each: Vec<String> =
                    names.iter().map(|name| format!("SELECT count() AS n FROM {name}")).collect();
                format!("SELECT sum(n) FROM ({})", each.join(" UNION ALL "))
            }
        };
        Ok(self.sql.number(&query)? as u64)
    }

    /// Parts that inserts wrote, merged or not: each takes the next block number.
    pub fn parts_written(&self) -> Result<u64> {
        let last = self.sql.number(&format!(
            "SELECT sum(last) FROM (SELECT max(max_block_number) AS last FROM system.parts \
             WHERE database = '{DATABASE}' AND table IN ({}) GROUP BY table)",
            self.quoted_names()
        ))?;
        // Replicated tables count from 0, plain ones from 1.
        Ok(last as u64 + if self.replicated { self.names.len() as u64 } else { 0 })
    }

    fn quoted_names(&self) -> String {
        let quoted: Vec<String> = self.names.iter().map(|name| format!("'{name}'")).collect();
        quoted.join(", ")
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        for name in &self.names {
            // The servers end with the run; this only makes room for the next contender.
            let _ = self.sql.run(&format!("DROP TABLE IF EXISTS {name} SYNC"));
        }
    }
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
