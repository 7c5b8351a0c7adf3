//! All metrics of the worker: base units, counters end in `_total`, labels from small closed sets.
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use pumphouse_types::TopicName;

use crate::pulse::Pulses;

/// Labels of what belongs to a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LaneLabels {
    /// The connector's name.
    pub connector: String,
    /// The topic.
    pub topic: String,
}

/// Labels of what belongs to a topic partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub struct PartitionLabels {
    /// The connector's name.
    pub connector: String,
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
}

/// Labels of what belongs to a connector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ConnectorLabels {
    /// The connector's name.
    pub connector: String,
}

/// Labels of what a rule has decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuleLabels {
    /// The connector's name.
    pub connector: String,
    /// The rule of PROTOCOL.md: `R7`.
    pub rule: String,
}

/// Labels of records that did not become rows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CauseLabels {
    /// The connector's name.
    pub connector: String,
    /// The topic.
    pub topic: String,
    /// `undecodable` or `refused`.
    pub cause: String,
}

/// Every metric, and the registry that prints them.
pub struct Metrics {
    registry: Mutex<Registry>,
    /// Records behind the log's end, as the ledger last said.
    lag: Family<PartitionLabels, Gauge>,
    /// The partitions that it is known of.
    lag_of: Mutex<BTreeSet<PartitionLabels>>,
    /// Batches that landed.
    pub batches: Family<LaneLabels, Counter>,
    /// Rows in them.
    pub rows: Family<LaneLabels, Counter>,
    /// Bytes of record values taken from Kafka.
    pub record_bytes: Family<LaneLabels, Counter>,
    /// Compressed bytes sent to ClickHouse.
    pub sent_bytes: Family<LaneLabels, Counter>,
    /// Attempts, from the first byte sent to the answer.
    pub insert_seconds: Family<LaneLabels, Histogram>,
    /// Attempts that did not end in a landed batch.
    pub retries: Family<LaneLabels, Counter>,
    /// Ledger writes, from begin to the answer.
    pub ledger_seconds: Family<ConnectorLabels, Histogram>,
    /// Claims of partitions: one per assignment, and one per write of unknown fate.
    pub claims: Family<ConnectorLabels, Counter>,
    /// Tasks that have failed.
    pub failed_tasks: Family<ConnectorLabels, Gauge<i64>>,
    /// Decisions of the protocol's rules that are worth a line in the log.
    pub rules: Family<RuleLabels, Counter>,
    /// Records that went to the dead letter topic.
    pub dead_letters: Family<CauseLabels, Counter>,
    /// Records that were passed over and kept nowhere, as the configuration wants it.
    pub dropped_records: Family<CauseLabels, Counter>,
    /// Rows that should stand in the ranges that were looked at again.
    pub audit_rows_expected: Family<LaneLabels, Counter>,
    /// Rows that stand there.
    pub audit_rows_found: Family<LaneLabels, Counter>,
    /// Different offsets among those.
    pub audit_rows_distinct: Family<LaneLabels, Counter>,
    /// 1 = exactly once, 0 = at least once.
    pub exactly_once: Family<ConnectorLabels, Gauge>,
    /// Blocks: column data until they are encoded, compressed bytes from then on until they have landed.
    pub block_bytes: Family<ConnectorLabels, Gauge<u64, AtomicU64>>,
    /// What the page shows.
    pub pulses: Pulses,
}

/// From 1 ms to about 65 s.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Metrics {
        let mut registry = Registry::with_prefix("pumphouse");
        let metrics = Metrics {
            lag: Family::default(),
            lag_of: Mutex::default(),
            batches: Family::default(),
            rows: Family::default(),
            record_bytes: Family::default(),
            sent_bytes: Family::default(),
            insert_seconds: Family::new_with_constructor(seconds),
            retries: Family::default(),
            ledger_seconds: Family::new_with_constructor(seconds),
            claims: Family::default(),
            failed_tasks: Family::default(),
            rules: Family::default(),
            dead_letters: Family::default(),
            dropped_records: Family::default(),
            audit_rows_expected: Family::default(),
            audit_rows_found: Family::default(),
            audit_rows_distinct: Family::default(),
            exactly_once: Family::default(),
            block_bytes: Family::default(),
            pulses: Pulses::default(),
            registry: Mutex::new(Registry::default()),
        };
        registry.register(
            "ledger_lag_records",
            "Positions between the ledger's next offset and the log's end",
            metrics.lag.clone(),
        );
        registry.register("batches_landed", "Batches that landed", metrics.batches.clone());
        registry.register("rows_landed", "Rows that landed", metrics.rows.clone());
        registry.register_with_unit(
            "record",
            "Record values taken from Kafka",
            Unit::Bytes,
            metrics.record_bytes.clone(),
        );
        registry.register_with_unit(
            "insert_sent",
            "Compressed bytes of the inserts sent",
            Unit::Bytes,
            metrics.sent_bytes.clone(),
        );
        registry.register_with_unit(
            "insert_duration",
            "Attempts, from the first byte to the answer",
            Unit::Seconds,
            metrics.insert_seconds.clone(),
        );
        registry.register("insert_retries", "Attempts that were sent again", metrics.retries.clone());
        registry.register_with_unit(
            "ledger_write_duration",
            "Ledger writes, from begin to the answer",
            Unit::Seconds,
            metrics.ledger_seconds.clone(),
        );
        registry.register("claims", "Claims of partitions", metrics.claims.clone());
        registry.register("tasks_failed", "Tasks in state FAILED", metrics.failed_tasks.clone());
        registry.register(
            "rule_decisions",
            "Decisions of the delivery protocol's rules",
            metrics.rules.clone(),
        );
        registry.register(
            "dead_letters",
            "Records that went to the dead letter topic",
            metrics.dead_letters.clone(),
        );
        registry.register(
            "dropped_records",
            "Records that were passed over and kept nowhere",
            metrics.dropped_records.clone(),
        );
        registry.register(
            "audit_rows_expected",
            "Rows that landed in ranges that were looked at again later",
            metrics.audit_rows_expected.clone(),
        );
        registry.register(
            "audit_rows_found",
            "Rows found in ranges that were looked at again",
            metrics.audit_rows_found.clone(),
        );
        registry.register(
            "audit_rows_distinct",
            "Different offsets found in ranges that were looked at again",
            metrics.audit_rows_distinct.clone(),
        );
        registry.register("exactly_once", "1 exactly once, 0 at least once", metrics.exactly_once.clone());
        registry.register_with_unit(
            "block",
            "Column data being filled, encoded or sent",
            Unit::Bytes,
            metrics.block_bytes.clone(),
        );
        *metrics.registry.lock().expect("nobody panics holding it") = registry;
        metrics
    }

    /// Positions between the ledger's next offset and the log's end.
    pub fn lag_is(&self, labels: PartitionLabels, records: i64) {
        self.lag.get_or_create(&labels).set(records);
        self.lag_of.lock().expect("nobody panics holding it").insert(labels);
    }

    /// Records behind the logs' ends, by topic.
    pub fn lags(&self, connector: &str) -> BTreeMap<TopicName, i64> {
        let known = self.lag_of.lock().expect("nobody panics holding it");
        let mut lags = BTreeMap::new();
        for labels in known.iter().filter(|labels| labels.connector == connector) {
            let records = self.lag.get(labels).map_or(0, |gauge| gauge.get());
            *lags.entry(TopicName::new(&labels.topic)).or_default() += records;
        }
        lags
    }

    /// A connector has ended: what is said of its present is no longer true. Its counters stay.
    pub fn forget(&self, connector: &str) {
        let mut known = self.lag_of.lock().expect("nobody panics holding it");
        known.retain(|labels| {
            let other = labels.connector != connector;
            if !other {
                self.lag.remove(labels);
            }
            other
        });
        let labels = ConnectorLabels { connector: connector.to_owned() };
        self.exactly_once.remove(&labels);
        self.failed_tasks.remove(&labels);
        self.block_bytes.remove(&labels);
        self.pulses.forget(connector);
    }

    /// Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let registry = self.registry.lock().expect("nobody panics holding it");
        prometheus_client::encoding::text::encode(&mut text, &registry)
            .expect("writing to a String cannot fail");
        text
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

/// A duration as histograms take it.
pub fn in_seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connector_that_has_ended_has_no_lag_and_keeps_its_counters() {
        let metrics = Metrics::new();
        for connector in ["a", "ab"] {
            let (connector, topic) = (connector.to_owned(), "t".to_owned());
            metrics
                .rows
                .get_or_create(&LaneLabels { connector: connector.clone(), topic: topic.clone() })
                .inc();
            metrics.exactly_once.get_or_create(&ConnectorLabels { connector: connector.clone() }).set(1);
            metrics.lag_is(PartitionLabels { connector, topic, partition: 0 }, 7);
        }
        metrics.forget("a");
        let text = metrics.text();
        let has = |name: &str, connector: &str| {
            text.lines()
                .any(|line| line.starts_with(name) && line.contains(&format!("connector=\"{connector}\"")))
        };
        assert!(!has("pumphouse_ledger_lag_records", "a") && !has("pumphouse_exactly_once", "a"), "{text}");
        assert!(has("pumphouse_rows_landed_total", "a"), "{text}");
        assert!(has("pumphouse_ledger_lag_records", "ab") && has("pumphouse_exactly_once", "ab"), "{text}");
    }
}
