//! What the quickstart makes on the servers: topic `events`, table `analytics.events`.

use anyhow::{Result, bail};
use pumphouse_testkit::{Sql, Testbed, flights};

/// The topic.
pub const TOPIC: &str = "events";
/// Its partitions.
pub const PARTITIONS: i32 = 4;
/// The database.
pub const DATABASE: &str = "analytics";
/// The table.
pub const TABLE: &str = "analytics.events";

/// Flights by airline and time. The window makes ClickHouse remember the last 10,000 blocks, so that
/// one that is sent again is not written again; the last three columns say where a row comes from.
fn create_table() -> String {
    format!(
        "CREATE TABLE {TABLE} ({}, \
         _topic LowCardinality(String), _partition UInt32, _offset UInt64) \
         ENGINE = MergeTree ORDER BY (carrier, time_hour, id) \
         SETTINGS non_replicated_deduplication_window = 10000",
        flights::TABLE_COLUMNS
    )
}

/// Topic and table on the testbed's servers; on servers of somebody else they are removed in the end.
pub struct Target<'b> {
    bed: &'b Testbed,
    sql: Sql,
    remove: bool,
}

impl<'b> Target<'b> {
    /// Creates both.
    /// Errors: one of them exists already, on a given server: it may be in use.
    pub fn create(bed: &'b Testbed, keep: bool) -> Result<Target<'b>> {
        let topics = bed.topics()?;
        if topics.list()?.iter().any(|topic| topic == TOPIC) {
            bail!("topic `{TOPIC}` exists already on {}; the quickstart wants a fresh one", bed.bootstrap());
        }
        let sql = bed.sql();
        if sql.number(&format!("EXISTS TABLE {TABLE}"))? == 1 {
            bail!("table {TABLE} exists already on {}; the quickstart wants a fresh one", sql.url());
        }
        sql.run(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}"))?;
        sql.run(&create_table())?;
        // From here on dropping this removes what was made.
        let target = Target { bed, sql, remove: !keep };
        topics.create(TOPIC, PARTITIONS, &[])?;
        Ok(target)
    }

    /// A client of the table's server.
    pub fn sql(&self) -> &Sql {
        &self.sql
    }

    /// Rows in the table now.
    pub fn rows(&self) -> Result<u64> {
        Ok(self.sql.number(&format!("SELECT count() FROM {TABLE}"))? as u64)
    }

    /// The five busiest airlines, as ClickHouse draws them.
    pub fn sample(&self) -> Result<String> {
        let query = format!(
            "SELECT carrier, count() AS flights, round(avg(dep_delay), 1) AS mean_delay_min,\n       \
             countIf(dep_time IS NULL) AS cancelled, uniqExact(dest) AS destinations\n\
             FROM {TABLE} GROUP BY carrier ORDER BY flights DESC LIMIT 5"
        );
        let drawn = self.sql.text(&format!("{query} FORMAT PrettyCompactMonoBlock"))?;
        Ok(format!("{query}\n\n{drawn}"))
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        if !self.remove {
            return;
        }
        // Own servers lose everything anyway; on others this is a courtesy that may fail.
        if self.bed.kafka.is_none()
            && let Ok(topics) = self.bed.topics()
        {
            let _ = topics.delete(TOPIC);
        }
        if self.bed.clickhouse.is_none() {
            let _ = self.sql.run(&format!("DROP TABLE IF EXISTS {TABLE}"));
        }
    }
}
