//! Records of a topic made into rows that go nowhere: what `pumphouse check` shows of a connector's plan.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pumphouse_clickhouse::{Column, TableName};
use pumphouse_decode::{Format, Undecoded};
use pumphouse_kafka::{RangeReader, ReadLimits, Settings};
use pumphouse_types::{Offset, OffsetRange, Partition, SchemaId, TopicName};
use tokio::runtime::Handle;

use super::failure::Failure;
use super::recipe::{Recipe, RecipeSource};
use super::schemas::{Fetched, SchemaSource};

/// Nothing comes although the range has not ended.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// One schema; the registry asks again by itself meanwhile.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(15);

/// What of a sample is read at most.
const SAMPLE_BYTES_MAX: u64 = 64 << 20;

/// Different mistakes that are shown.
const MISTAKES_MAX: usize = 5;

/// What is tried.
pub(crate) struct Trial<'a> {
    pub source: &'a RecipeSource,
    pub schemas: Option<&'a SchemaSource>,
    pub settings: &'a Settings,
    pub group: &'a str,
    pub runtime: &'a Handle,
}

/// What became of a topic's sample.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// Columns that the plan fills, with the types that are sent.
    pub columns: Vec<(String, String)>,
    /// Records looked at.
    pub records: u64,
    /// Those that became rows.
    pub rows: u64,
    /// What is wrong with the others: the first record of each mistake, and how many there are.
    pub mistakes: BTreeMap<String, (Partition, Offset, u64)>,
    /// Fields of JSON objects that no column takes.
    pub unknown_fields: BTreeSet<String>,
    /// Columns that no JSON object of the sample had a field for.
    pub never_given: BTreeSet<String>,
}

impl Trial<'_> {
    /// Compiles the plan for a table's columns, and makes rows of the last `records` of a topic.
    /// Errors: a table that cannot be filled, and Kafka's.
    pub(crate) fn run(
        &self,
        topic: &TopicName,
        table: &TableName,
        columns: &[Column],
        records: u64,
    ) -> Result<Tried, Failure> {
        let recipe = Recipe::compile(self.source, table, columns)?;
        let mut tried = Tried { columns: filled_columns(&recipe), ..Tried::default() };
        let mut reader = RangeReader::open(self.settings, self.group)?;
        let whole = reader.whole_topic(topic, IDLE_TIMEOUT)?;
        let share = records.div_ceil(whole.len().max(1) as u64);
        let ranges: Vec<(Partition, OffsetRange)> =
            whole.into_iter().map(|(partition, range)| (partition, last(range, share))).collect();
        let limits = ReadLimits {
            records_max: ranges.iter().map(|(_, range)| range.positions()).sum::<u64>().saturating_add(1),
            bytes_max: SAMPLE_BYTES_MAX,
            idle_timeout: IDLE_TIMEOUT,
        };
        let mut decoder = recipe.decoder();
        let mut segment = recipe.plan.new_segment();
        let mut fields = BTreeSet::new();
        reader.read(topic, &ranges, limits, |record| {
            tried.records += 1;
            if recipe.format == Format::Json {
                fields.extend(top_level_fields(record.value()));
            }
            let mut asked: BTreeSet<SchemaId> = BTreeSet::new();
            let mistake = loop {
                match recipe.decode(&mut decoder, &mut segment, topic, record) {
                    None => return,
                    Some(Ok(())) => {
                        tried.rows += 1;
                        segment.clear();
                        return;
                    }
                    Some(Err(Undecoded::NeedsSchema(id))) if asked.insert(id) => {
                        match self.schema(id, topic) {
                            // A schema that cannot be used is told with the record.
                            Ok(fetched) => drop(fetched.give(id, &mut decoder)),
                            Err(why) => break why,
                        }
                    }
                    Some(Err(error)) => break error.to_string(),
                }
            };
            let known = tried.mistakes.len();
            if let Some((_, _, count)) = tried.mistakes.get_mut(&mistake) {
                *count += 1;
            } else if known < MISTAKES_MAX {
                tried.mistakes.insert(mistake, (record.partition(), record.offset(), 1));
            }
        })?;
        if recipe.format == Format::Json && tried.records > 0 {
            let taken = |field: &String| tried.columns.iter().any(|(column, _)| owner(column) == field);
            tried.unknown_fields = fields.iter().filter(|field| !taken(field)).cloned().collect();
            let lineage = self.source.plan_options.lineage.clone();
            let own = [
                lineage.topic,
                lineage.partition,
                lineage.offset,
                lineage.timestamp,
                lineage.key,
                lineage.headers,
            ];
            let columns = tried.columns.iter().map(|(column, _)| column);
            tried.never_given = columns
                .filter(|column| !own.contains(column) && !fields.contains(owner(column)))
                .cloned()
                .collect();
        }
        Ok(tried)
    }

    fn schema(&self, id: SchemaId, topic: &TopicName) -> Result<Fetched, String> {
        let source =
            self.schemas.ok_or("its records name schemas, and the connector names no schema registry")?;
        let subject = source.subjects.before_schema(topic.as_str());
        let asked = async {
            tokio::time::timeout(SCHEMA_TIMEOUT, source.registry.schema(id, subject.as_deref())).await
        };
        match self.runtime.block_on(asked) {
            Ok(Ok(schema)) => Ok(Fetched::Schema(schema)),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => {
                Err(format!("the schema registry did not answer within {} s", SCHEMA_TIMEOUT.as_secs()))
            }
        }
    }
}

/// The field that fills a column: what stands before the first dot, or the whole.
fn owner(column: &str) -> &str {
    column.split('.').next().unwrap_or(column)
}

fn filled_columns(recipe: &Recipe) -> Vec<(String, String)> {
    let columns = recipe.plan.shape().columns.iter();
    columns
        .filter_map(|column| Some((column.target.as_ref()?.name.clone(), column.wire_type.to_string())))
        .collect()
}

/// The last `count` positions of a range.
fn last(range: OffsetRange, count: u64) -> OffsetRange {
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let first = range.end().get().saturating_sub(count).max(range.first().get());
    Offset::new(first).and_then(|first| OffsetRange::new(first, range.end())).unwrap_or(range)
}

fn top_level_fields(value: Option<&[u8]>) -> Vec<String> {
    let parsed = value.map(serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>);
    parsed
        .and_then(Result::ok)
        .map(|object| object.into_iter().map(|(name, _)| name).collect())
        .unwrap_or_default()
}
