//! A test's own corner of the servers: a topic, a table, a connector and the workers' directories.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::FillRecord;
use pumphouse_testkit::filling::{FillReport, TransactionalFill, fill_fast, fill_in_transactions};
use pumphouse_testkit::history::{HistoryReport, WholeRecord, check_json_history, read_whole_topic};
use pumphouse_testkit::wait::{LOOK_EVERY, wait_until};
use pumphouse_testkit::{ConnectorFile, DATABASE, Sql, Testbed, WorkerSetup, events, unique_name};
use tempfile::TempDir;

use crate::binary::binary;
use crate::worker::{Worker, WorkerOptions, await_or_panic};

/// The two kinds of tables that can deduplicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// MergeTree with a window.
    Plain,
    /// ReplicatedMergeTree, one replica.
    Replicated,
}

/// Columns that say where a row comes from.
const LINEAGE: &str = "_topic LowCardinality(String), _partition UInt32, _offset UInt64";

/// A topic, a table, and a connector between them.
pub struct Corner<'b> {
    bed: &'b Testbed,
    /// The topic's name.
    pub topic: String,
    /// The table's name.
    pub table: String,
    /// The connector's name.
    pub connector: String,
    partitions: i32,
    config: BTreeMap<String, String>,
    directory: TempDir,
}

impl<'b> Corner<'b> {
    /// A fresh topic and the configuration of a connector for it. The table, of the same name, is made by
    /// one of the `create_` functions.
    pub fn new(bed: &'b Testbed, prefix: &str, partitions: i32) -> Corner<'b> {
        let topic = unique_name(prefix);
        bed.topics().unwrap().create(&topic, partitions, &[]).unwrap();
        Corner::between(bed, &topic, &topic, partitions)
    }

    /// The same over a topic that exists; the table gets a name of its own.
    pub fn on_topic(bed: &'b Testbed, topic: &str, partitions: i32) -> Corner<'b> {
        let table = unique_name("mapped");
        Corner::between(bed, topic, &table, partitions).with("topic2TableMap", &format!("{topic}={table}"))
    }

    fn between(bed: &'b Testbed, topic: &str, table: &str, partitions: i32) -> Corner<'b> {
        let (host, port) = bed.clickhouse_host_and_port();
        let config = [
            ("connector.class", "com.clickhouse.kafka.connect.ClickHouseSinkConnector"),
            ("tasks.max", "1"),
            ("topics", topic),
            ("hostname", &host),
            ("port", &port.to_string()),
            ("database", DATABASE),
            ("username", "default"),
            ("password", ""),
            ("ssl", "false"),
            ("exactlyOnce", "true"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
        ];
        Corner {
            bed,
            topic: topic.to_owned(),
            table: table.to_owned(),
            connector: unique_name("connector"),
            partitions,
            config: config.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            directory: directory(topic),
        }
    }

    /// Sets an option of the connector.
    pub fn with(mut self, name: &str, value: &str) -> Corner<'b> {
        self.config.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Leaves an option of the connector out.
    pub fn without(mut self, name: &str) -> Corner<'b> {
        self.config.remove(name);
        self
    }

    /// The connector's options.
    pub fn config(&self) -> &BTreeMap<String, String> {
        &self.config
    }

    /// Small, quick batches and the shortest deadline, so that a short run has many of them and a new
    /// owner does not wait long.
    pub fn with_small_batches(self, rows_max: u64, linger_ms: u64) -> Corner<'b> {
        self.with("pumphouse.batch.rows.max", &rows_max.to_string())
            .with("pumphouse.batch.linger.ms", &linger_ms.to_string())
            .with("pumphouse.insert.deadline.ms", "1000")
    }

    /// A table for these columns, with lineage, in the order of `order_by`.
    pub fn create_table(&self, columns: &str, order_by: &str, engine: Engine) {
        let table = &self.table;
        let engine = match engine {
            Engine::Plain => {
                format!("MergeTree ORDER BY {order_by} SETTINGS non_replicated_deduplication_window = 10000")
            }
            Engine::Replicated => {
                format!("ReplicatedMergeTree('/tables/{table}', '{{replica}}') ORDER BY {order_by}")
            }
        };
        self.sql().run(&format!("CREATE TABLE {table} ({columns}, {LINEAGE}) ENGINE = {engine}")).unwrap();
    }

    /// Waits until the second in which the table was made is over. A token that was recorded in it counts for nothing
    /// once its attempt is unproven, since the table may have been changed after it (R7).
    pub fn settle_table(&self) {
        let is_over = format!(
            "SELECT now() > metadata_modification_time FROM system.tables WHERE database = '{DATABASE}' AND name = '{}'",
            self.table
        );
        wait_until(
            "the second in which the table was made to be over",
            Duration::from_secs(5),
            || match self.sql().text(&is_over).map_err(|error| error.to_string())?.as_str() {
                "1" => Ok(()),
                said => Err(format!("`{said}`")),
            },
        )
        .unwrap();
    }

    /// A table for the testkit's events.
    pub fn create_events_table(&self, engine: Engine) {
        self.create_table(events::TABLE_COLUMNS, "id", engine);
    }

    /// A client in the test's database.
    pub fn sql(&self) -> Sql {
        self.bed.sql()
    }

    /// Starts a worker. Its directory, and so its log, belongs to its id.
    pub fn worker(&self, options: &WorkerOptions) -> Worker {
        Worker::of(&[self], options)
    }

    /// How a worker for some corners is started, in the directory of the first.
    pub(crate) fn setup(corners: &[&Corner<'_>], options: &WorkerOptions) -> WorkerSetup {
        let first = corners.first().expect("a worker has a connector");
        let mut properties: BTreeMap<String, String> = [
            ("bootstrap.servers", first.bed.bootstrap()),
            ("pumphouse.worker.id", &options.id),
            // The shortest that a broker allows.
            ("consumer.session.timeout.ms", "6000"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        properties.extend(options.properties.clone());
        let environment =
            options.failpoint.iter().map(|moment| ("PUMPHOUSE_FAILPOINT".to_owned(), moment.clone()));
        let file = |corner: &&Corner<'_>| ConnectorFile {
            name: corner.connector.clone(),
            config: corner.config.clone(),
        };
        WorkerSetup {
            binary: binary(),
            directory: first.directory.path().join(&options.id),
            worker: properties,
            connectors: corners.iter().map(file).collect(),
            environment: environment.collect(),
        }
    }

    /// The files of the worker of this id, which was started before: the worker's, and the connector's.
    pub fn files(&self, id: &str) -> (PathBuf, PathBuf) {
        let directory = self.directory.path().join(id);
        (directory.join("worker.properties"), directory.join(format!("{}.json", self.connector)))
    }

    /// Rows in the table.
    pub fn rows(&self) -> u64 {
        self.sql().number(&format!("SELECT count() FROM {}", self.table)).unwrap() as u64
    }

    /// Writes records in order, without transactions.
    pub fn write(&self, records: impl IntoIterator<Item = FillRecord>) {
        fill_fast(self.bed.bootstrap(), &self.topic, records).unwrap();
    }

    /// Writes JSON values to partition 0.
    pub fn write_json(&self, values: &[&str]) {
        let record =
            |value: &&str| FillRecord { partition: 0, key: None, value: Some(value.as_bytes().to_vec()) };
        self.write(values.iter().map(record));
    }

    /// A source of events for this topic.
    pub fn feed(&self, seed: u64) -> Feed<'_> {
        Feed { corner: self, seed, next_id: 0, report: FillReport::default() }
    }

    /// Waits until the committed offsets equal the ends of the log, markers of transactions included;
    /// one of the workers at least has to live, and none may have failed.
    pub fn wait_caught_up(&self, workers: &mut [&mut Worker], limit: Duration) {
        let topics = self.bed.topics().unwrap();
        let group = self.group();
        let look = || {
            // In this order: an end that is asked for later is never below an earlier mark.
            let committed = topics.committed(&group, &self.topic).map_err(|error| error.to_string())?;
            let ends = topics.end_offsets(&self.topic).map_err(|error| error.to_string())?;
            let at_end = |(partition, &end): (&i32, &i64)| {
                let mark = committed.get(partition).map_or(0, |mark| mark.offset);
                assert!(mark <= end, "partition {partition} is committed at {mark}, beyond its end {end}");
                mark == end
            };
            if ends.iter().all(at_end) {
                Ok(())
            } else {
                Err(format!("{committed:?}, the ends are {ends:?}"))
            }
        };
        let begun = Instant::now();
        // A broker that has just started, or is restarting, answers with errors for a while.
        while let Err(seen) = look() {
            assert!(
                begun.elapsed() < limit,
                "after {limit:?} the group is not at the end of the log: {seen}"
            );
            for worker in workers.iter_mut() {
                worker.check();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the table has more rows than `rows`; answers how many.
    pub fn wait_rows_above(&self, rows: u64, worker: &mut Worker, limit: Duration) -> u64 {
        await_or_panic(&format!("more than {rows} rows in {}", self.table), limit, || {
            worker.check();
            let now = self.rows();
            if now > rows { Ok(now) } else { Err(format!("{now} rows\n{}", worker.log())) }
        })
    }

    /// The connector's consumer group.
    pub fn group(&self) -> String {
        format!("connect-{}", self.connector)
    }

    /// What the group has committed for a partition.
    pub fn committed(&self, partition: i32) -> Option<i64> {
        let group = self.group();
        let topics = self.bed.topics().unwrap();
        let committed = await_or_panic("the committed offsets", Duration::from_secs(30), || {
            topics.committed(&group, &self.topic).map_err(|error| error.to_string())
        });
        committed.get(&partition).map(|mark| mark.offset)
    }

    /// What a small topic holds, committed.
    pub fn read_topic(&self, topic: &str) -> Vec<WholeRecord> {
        read_whole_topic(self.bed.bootstrap(), topic).unwrap()
    }

    /// Sets the group's offset of a partition, as an operator does. The group has no member.
    pub fn set_offset(&self, partition: i32, offset: i64) {
        let topics = self.bed.topics().unwrap();
        await_or_panic("the offset to be set", Duration::from_secs(30), || {
            topics
                .commit(&self.group(), &self.topic, &[(partition, offset)].into())
                .map_err(|error| error.to_string())
        });
    }

    /// Compares every committed record with every row, by (partition, offset) and by content.
    pub fn check_events(&self) -> HistoryReport {
        check_json_history(self.bed.bootstrap(), &self.topic, &self.sql(), &self.table, &events::shape())
            .unwrap()
    }

    /// How many partitions the topic has.
    pub fn partitions(&self) -> i32 {
        self.partitions
    }

    /// The servers.
    pub fn bed(&self) -> &'b Testbed {
        self.bed
    }
}

/// Where the workers' files and logs go. They stay when `PUMPHOUSE_TEST_LOGS` names a directory for them.
fn directory(name: &str) -> TempDir {
    let mut builder = tempfile::Builder::new();
    match std::env::var_os("PUMPHOUSE_TEST_LOGS") {
        Some(kept) => builder.prefix(&format!("{name}-")).disable_cleanup(true).tempdir_in(kept).unwrap(),
        None => builder.prefix("pumphouse-tests-").tempdir().unwrap(),
    }
}

/// Writes events in transactions, some of them aborted first, and remembers how many.
pub struct Feed<'c> {
    corner: &'c Corner<'c>,
    seed: u64,
    next_id: u64,
    report: FillReport,
}

impl Feed<'_> {
    /// Writes so many more events in transactions of `per_transaction`; a fifth of these is aborted
    /// first.
    pub fn write(&mut self, events: u64, per_transaction: usize) {
        let corner = self.corner;
        let records = events::events(self.seed, self.next_id)
            .take(events as usize)
            .map(|event| event.into_record(corner.partitions));
        let fill = TransactionalFill {
            records_per_transaction: per_transaction,
            aborted_share: 0.2,
            seed: self.seed ^ self.next_id,
            transactional_id: format!("{}-producer", corner.topic),
        };
        let report = fill_in_transactions(corner.bed.bootstrap(), &corner.topic, &fill, records).unwrap();
        self.next_id += events;
        self.report.committed_records += report.committed_records;
        self.report.aborted_records += report.aborted_records;
    }

    /// Waits for the end of the log and compares everything; aborted records must have been among it.
    pub fn finish(&self, workers: &mut [&mut Worker], limit: Duration) {
        assert!(self.report.aborted_records > 0, "no transaction was aborted: the run proves too little");
        self.corner.wait_caught_up(workers, limit);
        self.corner.check_events().assert_exactly_once(self.report.committed_records);
    }

    /// Committed records so far.
    pub fn committed_records(&self) -> u64 {
        self.report.committed_records
    }
}
