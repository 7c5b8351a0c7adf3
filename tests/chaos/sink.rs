//! One connector with its table: what it is told, and what it owes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_testkit::history::{HistoryCheck, HistoryReport, Record, read_whole_topic};
use pumphouse_testkit::{ConnectorFile, DATABASE, Sql, TestkitError, Topics, events, unique_name};

use crate::load::BAD_KEY;
use crate::options::Ledger;
use crate::trouble::{Result, text};

/// The table, and its path in Keeper, of the ledgers in KeeperMap.
const LEDGER: &str = "chaos_ledger";

/// A question to a server that may have been broken a moment ago.
const QUESTION_LIMIT: Duration = Duration::from_secs(20);

/// A connector, and what was asked of it.
pub struct Sink {
    /// What it is called in the table of outcomes.
    pub label: String,
    pub topic: String,
    pub table: String,
    pub connector: String,
    letters: String,
    ledger: Ledger,
    clickhouse_port: u16,
    options: BTreeMap<String, String>,
    /// Ranges of offsets per partition that were asked for again.
    again: Vec<(i32, i64, i64)>,
}

/// What a full-history check found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub rows: u64,
    pub missing: u64,
    pub doubled: u64,
    /// Rows of no committed record, or with another content.
    pub foreign: u64,
    pub letters: u64,
    /// What is wrong, where something is.
    pub says: String,
}

impl Sink {
    /// A connector from the topic into a table that is named by it.
    pub fn new(
        label: &str,
        topic: &str,
        ledger: Ledger,
        clickhouse_port: u16,
        options: &BTreeMap<String, String>,
    ) -> Sink {
        Sink {
            label: label.to_owned(),
            topic: topic.to_owned(),
            table: unique_name(label),
            connector: unique_name(&format!("chaos_{label}")),
            letters: unique_name(&format!("letters_{label}")),
            ledger,
            clickhouse_port,
            options: options.clone(),
            again: Vec::new(),
        }
    }

    /// The connector's file.
    pub fn file(&self) -> ConnectorFile {
        let mut config: BTreeMap<String, String> = [
            ("connector.class", "com.clickhouse.kafka.connect.ClickHouseSinkConnector"),
            ("tasks.max", "1"),
            ("topics", &self.topic),
            ("topic2TableMap", &format!("{}={}", self.topic, self.table)),
            ("hostname", "127.0.0.1"),
            ("port", &self.clickhouse_port.to_string()),
            ("database", DATABASE),
            ("username", "default"),
            ("password", ""),
            ("ssl", "false"),
            ("exactlyOnce", "true"),
            ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
            ("value.converter.schemas.enable", "false"),
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", &self.letters),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
            ("errors.deadletterqueue.context.headers.enable", "true"),
            ("errors.retry.delay.max.ms", "2000"),
            // Many batches, and short waits for the ends of those whose sender died.
            ("pumphouse.batch.rows.max", "200"),
            ("pumphouse.batch.linger.ms", "200"),
            ("pumphouse.insert.deadline.ms", "2000"),
            ("pumphouse.insert.max.execution.ms", "4000"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if self.ledger == Ledger::KeeperMap {
            config.extend(
                [
                    ("pumphouse.ledger.store", "keepermap"),
                    ("zkDatabase", LEDGER),
                    ("zkPath", &format!("/{LEDGER}")),
                ]
                .map(|(name, value)| (name.to_owned(), value.to_owned())),
            );
        }
        config.extend(self.options.clone());
        ConnectorFile { name: self.connector.clone(), config }
    }

    /// Offsets of this partition were set from `end` back to `first`.
    pub fn asked_again(&mut self, partition: i32, first: i64, end: i64) {
        self.again.push((partition, first, end));
    }

    fn group(&self) -> String {
        format!("connect-{}", self.connector)
    }

    /// Where the ledger is, per partition, and whether a batch is open anywhere.
    pub fn marks(&self, topics: &Topics, sql: &Sql) -> Result<(BTreeMap<i32, i64>, bool)> {
        let entries: Vec<(i32, i64, String)> = match self.ledger {
            Ledger::Kafka => {
                let committed = topics.committed(&self.group(), &self.topic).map_err(text)?;
                committed
                    .into_iter()
                    .map(|(partition, mark)| (partition, mark.offset, mark.metadata))
                    .collect()
            }
            Ledger::KeeperMap => self.rows_of_the_ledger(sql)?,
        };
        let open = entries.iter().any(|(_, _, text)| text.contains("\"share\""));
        Ok((entries.into_iter().map(|(partition, position, _)| (partition, position)).collect(), open))
    }

    /// Partition, position and text of each entry in KeeperMap.
    fn rows_of_the_ledger(&self, sql: &Sql) -> Result<Vec<(i32, i64, String)>> {
        let prefix = format!("{}/{}/", self.group(), self.topic);
        let query = format!(
            "SELECT substring(key, {}), position, metadata FROM {LEDGER} WHERE startsWith(key, '{prefix}') \
             AND position >= 0",
            prefix.len() + 1
        );
        let strange = |row: &[String]| format!("the ledger has a row {row:?}");
        let rows = sql.with_limit(QUESTION_LIMIT).rows(&query).map_err(text)?;
        rows.into_iter()
            .map(|row| match row.as_slice() {
                [partition, position, metadata] => Ok((
                    partition.parse().map_err(|_| strange(&row))?,
                    position.parse().map_err(|_| strange(&row))?,
                    metadata.clone(),
                )),
                other => Err(strange(other)),
            })
            .collect()
    }

    /// Whether the ledger is at these ends, or beyond, and the group's offsets with it, wherever the ledger is:
    /// they are what operators watch.
    pub fn is_at(&self, topics: &Topics, sql: &Sql, ends: &BTreeMap<i32, i64>) -> Result<()> {
        self.reaches("the ledger", &self.marks(topics, sql)?.0, ends)?;
        if self.ledger == Ledger::KeeperMap {
            let committed = topics.committed(&self.group(), &self.topic).map_err(text)?;
            let shown = committed.into_iter().map(|(partition, mark)| (partition, mark.offset)).collect();
            self.reaches("what the group shows", &shown, ends)?;
        }
        Ok(())
    }

    fn reaches(&self, what: &str, marks: &BTreeMap<i32, i64>, ends: &BTreeMap<i32, i64>) -> Result<()> {
        let behind = |end: &(&i32, &i64)| marks.get(end.0).copied().unwrap_or(0) < *end.1;
        match ends.iter().find(behind) {
            None => Ok(()),
            Some((partition, end)) => Err(format!(
                "{}: partition {partition} is at {:?} of {end}, by {what}",
                self.label,
                marks.get(partition)
            )),
        }
    }

    /// How many rows, or dead letters, a record is to have.
    fn copies(&self, partition: i32, offset: i64) -> u64 {
        let asked = |range: &&(i32, i64, i64)| range.0 == partition && (range.1..range.2).contains(&offset);
        1 + self.again.iter().filter(asked).count() as u64
    }

    /// Holds every committed record of the topic against every row and every dead letter. Nobody writes, and the
    /// group is at the end.
    pub fn check(&self, bootstrap: &str, sql: &Sql, condition: &str) -> Result<Outcome> {
        let shape = events::shape();
        let bad = RefCell::new(Vec::new());
        let content_of = |record: &Record<'_>| -> std::result::Result<Option<u64>, TestkitError> {
            if record.key == Some(BAD_KEY) {
                bad.borrow_mut().push((record.partition, record.offset));
                return Ok(None);
            }
            record.value.map(|value| shape.hash_of_json(value)).transpose()
        };
        let report = HistoryCheck {
            bootstrap,
            topic: &self.topic,
            sql,
            table: &self.table,
            condition,
            content_of: &content_of,
            content_expression: shape.hash_expression(),
        }
        .run_with_copies(&|partition, offset| self.copies(partition, offset))
        .map_err(text)?;
        let letters = read_whole_topic(bootstrap, &self.letters).map_err(text)?;
        let places: Vec<_> = letters.iter().filter_map(|letter| place_of(&letter.headers)).collect();
        Ok(self.outcome(report, &bad.into_inner(), &places, letters.len()))
    }

    fn outcome(
        &self,
        report: HistoryReport,
        bad: &[(i32, i64)],
        places: &[(i32, i64)],
        letters: usize,
    ) -> Outcome {
        let mut found: BTreeMap<(i32, i64), u64> = BTreeMap::new();
        for &place in places {
            *found.entry(place).or_default() += 1;
        }
        let mut outcome = Outcome {
            rows: report.table_rows,
            missing: report.missing,
            doubled: report.duplicated,
            foreign: report.foreign + report.different,
            letters: letters as u64,
            says: String::new(),
        };
        if !report.is_exactly_once() {
            outcome.says = format!("{} of {}:\n{report}", self.table, self.label);
        }
        // Beside a ledger in KeeperMap they are written at least once.
        let more_are_wrong = self.ledger == Ledger::Kafka;
        let mut letter_is_off = |place: &(i32, i64), wanted: u64, there: u64| {
            outcome.missing += wanted.saturating_sub(there);
            outcome.doubled += there.saturating_sub(wanted);
            outcome.says += &format!(
                "{}: {there} dead letters of {}@{}, {wanted} wanted\n",
                self.label, place.0, place.1
            );
        };
        for place in bad {
            let (wanted, there) = (self.copies(place.0, place.1), found.remove(place).unwrap_or(0));
            if there < wanted || (there > wanted && more_are_wrong) {
                letter_is_off(place, wanted, there);
            }
        }
        // What is left is of no bad record; and a letter that does not say where it comes from is of none either.
        let nameless = letters - places.len();
        let strange = found.values().sum::<u64>() + nameless as u64;
        if strange > 0 {
            outcome.foreign += strange;
            outcome.says +=
                &format!("{}: dead letters of good records: {found:?}, {nameless} nameless\n", self.label);
        }
        outcome
    }
}

/// Partition and offset of the record that a dead letter is about.
fn place_of(headers: &BTreeMap<String, String>) -> Option<(i32, i64)> {
    let number = |name: &str| headers.get(&format!("__connect.errors.{name}"))?.parse::<i64>().ok();
    Some((number("partition")? as i32, number("offset")?))
}
