//! What a task needs to know: its connector's configuration, and what it shares with the worker.
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pumphouse_clickhouse::{Client, KeeperLedger, TableName};
use pumphouse_columns::Compression;
use pumphouse_delivery::TaskOptions;
use pumphouse_kafka::{Settings, StartAt};
use pumphouse_types::{TopicName, TopicPartition};
use pumphouse_verify::AuditOutcome;
use std::collections::BTreeMap;
use tokio::runtime::Handle;

use super::encoder::Encoder;
use super::lane_shell::Ends;
use super::letters::LetterRules;
use super::memory::Memory;
use super::recipe::RecipeSource;
use super::schemas::SchemaSource;
use super::stores::MemoryLedger;
use super::together::Together;
use crate::clock::Clock;
use crate::metrics::{
    CauseLabels, ConnectorLabels, LaneLabels, Metrics, PartitionLabels, RuleLabels, in_seconds,
};
use crate::pulse::Pulses;

/// Fixed for the life of a task.
pub struct TaskContext {
    /// The connector's name.
    pub connector: String,
    /// `<connector>-<number>`, for the log.
    pub task_id: String,
    /// The number in it.
    pub task_number: u32,
    /// The consumer group.
    pub group: String,
    /// Also the static member's `group.instance.id`.
    pub transactional_id: String,
    /// What is subscribed to.
    pub topics: Vec<TopicName>,
    /// The table of each topic.
    pub tables: BTreeMap<TopicName, TableName>,
    /// librdkafka settings of consumers and readers.
    pub consumer_settings: Settings,
    /// librdkafka settings of the ledger's producer.
    pub producer_settings: Settings,
    /// Where each partition of its only topic ends, for a task that takes no more than what was there.
    pub ends: Option<Ends>,
    /// Where a partition without an entry starts; `None` = it must have one.
    pub start_at: Option<StartAt>,
    /// Where configuration versions are kept.
    pub state_topic: TopicName,
    /// Batch limits; the seed is drawn when the task starts.
    pub limits: TaskOptions,
    /// `max_execution_time` of an insert, in ms.
    pub max_execution_ms: u64,
    /// How blocks travel.
    pub compression: Compression,
    /// What of the configuration decides which rows a record becomes.
    pub recipe_source: RecipeSource,
    /// What becomes of records that cannot become rows; `None`: the task stops before them.
    pub letters: Option<LetterRules>,
    /// Where schemas are; `None`: the format needs none.
    pub schemas: Option<SchemaSource>,
    /// ClickHouse.
    pub client: Client,
    /// Entries of the `memory` store, if that is the ledger.
    pub memory_ledger: Option<MemoryLedger>,
    /// The group's entries in KeeperMap, if they are the ledger.
    pub keeper_ledger: Option<KeeperLedger>,
    /// What all tasks of the connector may hold of records.
    pub(crate) memory: Arc<Memory>,
    /// Where it waits, before it joins its group, for tasks that begin with it.
    pub(crate) together: Arc<Together>,
    /// Jobs beside the consuming thread run here.
    pub runtime: Handle,
    /// The process's clock.
    pub clock: Clock,
    /// This task's view of the metrics.
    pub meters: Meters,
    /// Shows beside RUNNING what an operator should know; `None`: nothing.
    pub note: Arc<dyn Fn(Option<String>) + Send + Sync>,
    /// While set, no records are taken; everything else goes on: what was taken lands, and the task keeps
    /// its place in the group.
    pub paused: Arc<AtomicBool>,
    /// Set when the task is to land what it has taken, and to end.
    pub stop: Arc<AtomicBool>,
    /// Set, before `stop`, when the task goes on elsewhere or soon: it keeps its place in the consumer group.
    pub stays: Arc<AtomicBool>,
    /// Set, after `stop`, when it is to end as it stands: what is open stays in the ledger (R6).
    pub cut: Arc<AtomicBool>,
}

impl TaskContext {
    /// Where blocks are encoded.
    pub(super) fn encoder(&self) -> Encoder {
        let slots = self.memory.encoding().clone();
        Encoder { runtime: self.runtime.clone(), compression: self.compression, slots }
    }

    /// What the page shows.
    pub(super) fn pulses(&self) -> &Pulses {
        &self.meters.metrics.pulses
    }

    /// The topics that ledger writes go to beside the entries.
    pub(super) fn own_topics(&self) -> Vec<TopicName> {
        let letters = self.letters.as_ref().and_then(|rules| rules.topic.as_ref());
        let state = self.memory_ledger.is_none().then_some(&self.state_topic);
        state.into_iter().chain(letters.map(|letters| letters.name())).cloned().collect()
    }
}

/// The worker's metrics with this connector's name filled in.
#[derive(Clone)]
pub struct Meters {
    /// All metrics.
    pub metrics: Arc<Metrics>,
    /// The connector's name.
    pub connector: String,
}

impl Meters {
    fn lane(&self, topic: &TopicName) -> LaneLabels {
        LaneLabels { connector: self.connector.clone(), topic: topic.to_string() }
    }

    fn connector(&self) -> ConnectorLabels {
        ConnectorLabels { connector: self.connector.clone() }
    }

    pub(super) fn taken(&self, topic: &TopicName, bytes: u64) {
        if bytes > 0 {
            self.metrics.record_bytes.get_or_create(&self.lane(topic)).inc_by(bytes);
        }
    }

    /// `last`: no piece of the batch is left.
    pub(super) fn landed(&self, topic: &TopicName, rows: u64, last: bool) {
        let lane = self.lane(topic);
        self.metrics.batches.get_or_create(&lane).inc_by(u64::from(last));
        self.metrics.rows.get_or_create(&lane).inc_by(rows);
        self.metrics.pulses.landed(&self.connector, topic, rows, last);
    }

    pub(super) fn inserted(&self, topic: &TopicName, took: Duration, bytes: u64, accepted: bool) {
        let lane = self.lane(topic);
        self.metrics.insert_seconds.get_or_create(&lane).observe(in_seconds(took));
        self.metrics.sent_bytes.get_or_create(&lane).inc_by(bytes);
        if !accepted {
            self.metrics.retries.get_or_create(&lane).inc();
        }
        self.metrics.pulses.inserted(&self.connector, topic, took, accepted);
    }

    pub(super) fn ledger_written(&self, took: Duration) {
        self.metrics.ledger_seconds.get_or_create(&self.connector()).observe(in_seconds(took));
    }

    /// A record was left out: it could not be decoded (`refused` false), or ClickHouse refuses it; `kept`:
    /// as a dead letter.
    pub(super) fn left_out(&self, topic: &TopicName, refused: bool, kept: bool) {
        self.metrics.pulses.left_out(&self.connector, topic, kept);
        let cause = if refused { "refused" } else { "undecodable" }.to_owned();
        let (connector, topic) = (self.connector.clone(), topic.to_string());
        let labels = CauseLabels { connector, topic, cause };
        let counter = if kept { &self.metrics.dead_letters } else { &self.metrics.dropped_records };
        counter.get_or_create(&labels).inc();
    }

    /// A range was looked at again.
    pub(super) fn audited(&self, topic: &TopicName, outcome: &AuditOutcome) {
        let lane = self.lane(topic);
        self.metrics.audit_rows_expected.get_or_create(&lane).inc_by(outcome.expected_rows);
        self.metrics.audit_rows_found.get_or_create(&lane).inc_by(outcome.present);
        self.metrics.audit_rows_distinct.get_or_create(&lane).inc_by(outcome.distinct);
    }

    pub(super) fn ruled(&self, rule: &str) {
        let labels = RuleLabels { connector: self.connector.clone(), rule: rule.to_owned() };
        self.metrics.rules.get_or_create(&labels).inc();
    }

    pub(super) fn claimed(&self) {
        self.metrics.claims.get_or_create(&self.connector()).inc();
    }

    pub(super) fn block_bytes(&self, bytes: u64) {
        self.metrics.block_bytes.get_or_create(&self.connector()).set(bytes);
    }

    pub(super) fn lag(&self, tp: &TopicPartition, records: i64) {
        let labels = PartitionLabels {
            connector: self.connector.clone(),
            topic: tp.topic.to_string(),
            partition: tp.partition.0,
        };
        self.metrics.lag_is(labels, records);
    }
}
