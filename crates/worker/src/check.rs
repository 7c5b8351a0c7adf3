//! `pumphouse check`: what would happen if this connector were started here. Reads the files, asks Kafka and
//! ClickHouse, makes rows of a sample that go nowhere, and says what differs from the official sink. It joins no
//! group and writes nothing.
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pumphouse_config::{
    ConfigErrors, ConnectorConfig, ExactlyOnce, LedgerStore, RawConfig, WorkerConfig, parse_connector_file,
    parse_properties,
};
use pumphouse_delivery::{Entry, StoredEntry};
use pumphouse_kafka::{Admin, Consumer};
use pumphouse_types::{Partition, TopicName, TopicPartition};
use pumphouse_verify::with_matching_topics;
use tokio::runtime::Runtime;

use crate::connector::proofs;
use crate::promise::{Promise, promise};
use crate::spec::ConnectorSpec;
use crate::task::{Trial, Tried};
use crate::validation::client_refusals;

/// One question.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// Where Kafka is if no worker's file says it: as in the file that Kafka ships.
const DEFAULT_WORKER: &[(&str, &str)] = &[("bootstrap.servers", "localhost:9092")];

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct CheckRequest {
    /// The connector's file.
    pub connector: PathBuf,
    /// The worker's properties; `None`: Kafka on this machine.
    pub worker: Option<PathBuf>,
    /// Records of each topic that are tried.
    pub sample: u64,
}

/// How a finding counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// As it should be.
    Fine,
    /// Something to know.
    Notice,
    /// The connector would not start, or would stop.
    Wrong,
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The heading it stands under.
    pub about: String,
    /// How it counts.
    pub weight: Weight,
    /// What it is.
    pub text: String,
}

/// Everything that was found, in the order of the questions.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// The findings.
    pub findings: Vec<Finding>,
}

impl CheckReport {
    /// Whether the connector would run.
    pub fn is_fine(&self) -> bool {
        self.findings.iter().all(|finding| finding.weight != Weight::Wrong)
    }

    fn add(&mut self, weight: Weight, about: &str, text: impl Into<String>) {
        self.findings.push(Finding { about: about.to_owned(), weight, text: text.into() });
    }

    fn fine(&mut self, about: &str, text: impl Into<String>) {
        self.add(Weight::Fine, about, text);
    }

    fn notice(&mut self, about: &str, text: impl Into<String>) {
        self.add(Weight::Notice, about, text);
    }

    fn wrong(&mut self, about: &str, text: impl Into<String>) {
        self.add(Weight::Wrong, about, text);
    }
}

const CONFIGURATION: &str = "configuration";
const KAFKA: &str = "Kafka";
const DIFFERENCES: &str = "what differs from the official sink";

/// Checks. Everything that can go wrong stands in the report; what needs an earlier answer that was not to be
/// had is left out.
pub fn check(request: &CheckRequest) -> CheckReport {
    let mut report = CheckReport::default();
    let Some((worker, raw)) = files(request, &mut report) else { return report };
    let config = match ConnectorConfig::from_raw(&raw, &worker) {
        Ok(config) => config,
        Err(errors) => {
            wrong_options(&mut report, errors);
            return report;
        }
    };
    let refused = client_refusals(&config, &raw);
    if !refused.is_empty() {
        wrong_options(&mut report, ConfigErrors(refused));
        return report;
    }
    report.fine(
        CONFIGURATION,
        format!("connector {}, group {}: every option is understood", config.name, config.group_id),
    );
    match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => servers(&mut report, &config, &worker, &runtime, request.sample),
        Err(error) => report.wrong(CONFIGURATION, format!("WORKER-005: {error}")),
    }
    differences(&mut report, &config, &raw);
    report
}

fn wrong_options(report: &mut CheckReport, errors: ConfigErrors) {
    errors.0.iter().for_each(|error| report.wrong(CONFIGURATION, error.to_string()));
}

fn files(request: &CheckRequest, report: &mut CheckReport) -> Option<(WorkerConfig, RawConfig)> {
    let mut read = |path: &PathBuf| match std::fs::read(path) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            report.wrong(CONFIGURATION, format!("WORKER-003: {}: {error}", path.display()));
            None
        }
    };
    let worker = match &request.worker {
        Some(path) => parse_properties(&read(path)?),
        None => Ok(DEFAULT_WORKER.iter().copied().collect()),
    };
    let connector = parse_connector_file(&read(&request.connector)?);
    if request.worker.is_none() {
        report.notice(CONFIGURATION, "no worker's properties are given: Kafka is looked for at localhost:9092, and value.converter has to stand in the connector's file");
    }
    let worker = worker.map_err(ConfigErrors::from).and_then(|raw| WorkerConfig::from_raw(&raw));
    match (worker, connector) {
        (Ok(worker), Ok(raw)) => Some((worker, raw)),
        (worker, connector) => {
            worker.err().into_iter().for_each(|errors| wrong_options(report, errors));
            connector.err().into_iter().for_each(|error| wrong_options(report, error.into()));
            None
        }
    }
}

fn servers(
    report: &mut CheckReport,
    config: &ConnectorConfig,
    worker: &WorkerConfig,
    runtime: &Runtime,
    sample: u64,
) {
    let spec = match ConnectorSpec::new(config, worker) {
        Ok(spec) => spec,
        Err(why) => return report.wrong(CONFIGURATION, why),
    };
    // ClickHouse is looked at even where Kafka does not answer, as far as the topics are known.
    let resolved = with_matching_topics(config.clone(), &worker.state_topic);
    let config = match resolved {
        Ok(config) => config,
        Err(error) => return report.wrong(KAFKA, error.to_string()),
    };
    if config.tables.is_empty() {
        return report.wrong(KAFKA, "no topic matches topics.regex");
    }
    let spec = ConnectorSpec { tables: crate::spec::tables(&config), ..spec };
    let there = topics(report, &config, &spec);
    prove(report, &config, &spec, runtime);
    for topic in there {
        try_topic(report, &spec, runtime, &topic, sample);
    }
}

/// The topics that exist.
fn topics(report: &mut CheckReport, config: &ConnectorConfig, spec: &ConnectorSpec) -> Vec<TopicName> {
    let names: Vec<TopicName> = spec.tables.keys().cloned().collect();
    let described =
        Admin::open(&spec.producer_settings).and_then(|admin| admin.describe(&names, ASK_TIMEOUT));
    let described = match described {
        Ok(described) => described,
        Err(error) => {
            report.wrong(KAFKA, error.to_string());
            return Vec::new();
        }
    };
    let mut there = Vec::new();
    for (topic, found) in described {
        match found {
            Some(found) => {
                report.fine(KAFKA, format!("topic {topic}: {} partitions", found.partitions));
                positions(report, config, spec, &topic, found.partitions);
                there.push(topic);
            }
            None => {
                report.notice(KAFKA, format!("topic {topic} does not exist yet; it is read once it does"))
            }
        }
    }
    there
}

/// Where each partition would go on.
fn positions(
    report: &mut CheckReport,
    config: &ConnectorConfig,
    spec: &ConnectorSpec,
    topic: &TopicName,
    partitions: u32,
) {
    if config.ledger_store == LedgerStore::Memory {
        return;
    }
    let asked: Vec<TopicPartition> = (0..partitions)
        .map(|number| TopicPartition { topic: topic.clone(), partition: Partition(number) })
        .collect();
    if config.ledger_store == LedgerStore::KeeperMap {
        let what = "where its partitions stand is in the ledger's KeeperMap table, which a start looks at";
        return report.notice(KAFKA, format!("topic {topic}: {what}"));
    }
    let entries = Consumer::open(&spec.consumer_settings, &spec.group, None)
        .and_then(|consumer| consumer.committed(&asked, ASK_TIMEOUT));
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return report.wrong(KAFKA, error.to_string()),
    };
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (topic_partition, stored) in entries {
        let partition = topic_partition.partition;
        let (what, shown) = match stored.as_ref().map(|stored| (stored, Entry::parse(partition, stored))) {
            None => ("has no offset and begins where auto.offset.reset says", partition.to_string()),
            Some((stored, Ok(Entry::Plain { next, .. }))) => {
                (whose(stored), format!("{partition} at {next}"))
            }
            Some((_, Ok(Entry::Lead(_) | Entry::Member(_)))) => {
                ("has an open batch of Pumphouse, which is resolved first", partition.to_string())
            }
            Some((_, Err(error))) => {
                report.wrong(KAFKA, format!("{topic_partition}: its committed offset is {error}"));
                continue;
            }
        };
        said.entry(what.to_owned()).or_default().push(shown);
    }
    for (what, partitions) in said {
        report.fine(
            KAFKA,
            format!("topic {topic}: group {} {what}: partition {}", spec.group, partitions.join(", ")),
        );
    }
}

/// Whether a plain mark is ours, or what Kafka Connect's consumer left.
fn whose(stored: &StoredEntry) -> &'static str {
    if stored.metadata.contains("pumphouse") {
        "goes on where Pumphouse stopped"
    } else {
        "goes on at the offset that another consumer committed, as Kafka Connect leaves it"
    }
}

fn prove(report: &mut CheckReport, config: &ConnectorConfig, spec: &ConnectorSpec, runtime: &Runtime) {
    let mut failed = Vec::new();
    for (table, proof) in proofs(spec, runtime.handle()) {
        let about = format!("table {table}");
        match proof {
            Ok(proof) => {
                proof.warnings.iter().for_each(|warning| report.notice(&about, warning.clone()));
                if proof.failed.is_empty() {
                    report.fine(&about, "takes batches exactly once (R12)");
                }
                let missing = proof
                    .failed
                    .iter()
                    .any(|failure| matches!(failure, pumphouse_clickhouse::ProofFailure::NoTable { .. }));
                if missing && config.table_creation.is_some() {
                    report.notice(
                        &about,
                        "does not exist; it is created at the start (pumphouse.table.create)",
                    );
                } else {
                    failed.extend(proof.failed);
                }
            }
            Err(error) => report.wrong(&about, error.to_string()),
        }
    }
    match promise(spec.exactly_once, &failed) {
        Ok(Promise::ExactlyOnce) => {}
        Ok(Promise::AtLeastOnce(why)) => report.notice("delivery", format!("at least once: {why}")),
        Err(why) => report.wrong("delivery", why),
    }
}

fn try_topic(
    report: &mut CheckReport,
    spec: &ConnectorSpec,
    runtime: &Runtime,
    topic: &TopicName,
    sample: u64,
) {
    let table = &spec.tables[topic];
    let about = format!("topic {topic} into {table}");
    let columns = match runtime.block_on(spec.client.columns(table)) {
        // Told by the proof already.
        Ok(columns) if columns.is_empty() => return,
        Ok(columns) => columns,
        Err(error) => return report.wrong(&about, error.to_string()),
    };
    let trial = Trial {
        source: &spec.recipe_source,
        schemas: spec.schemas.as_ref(),
        settings: &spec.consumer_settings,
        group: &spec.group,
        runtime: runtime.handle(),
    };
    match trial.run(topic, table, &columns, sample) {
        Ok(tried) => tell(report, spec, &about, &tried),
        Err(failure) => report.wrong(&about, failure.to_string()),
    }
}

fn tell(report: &mut CheckReport, spec: &ConnectorSpec, about: &str, tried: &Tried) {
    let columns: Vec<String> = tried.columns.iter().map(|(name, sent)| format!("{name} {sent}")).collect();
    report.fine(about, format!("{} values fill: {}", spec.recipe_source.format.name(), columns.join(", ")));
    if tried.records == 0 {
        report.notice(about, "the topic has no records to try");
        return;
    }
    report.fine(about, format!("{} of {} records tried become rows", tried.rows, tried.records));
    for (mistake, (partition, offset, count)) in &tried.mistakes {
        let text =
            format!("{count} records, the first of partition {partition} at offset {offset}: {mistake}");
        match spec.letters {
            Some(_) => report.notice(about, format!("{text} (tolerated: errors.tolerance=all)")),
            None => report.wrong(about, text),
        }
    }
    let joined =
        |names: &std::collections::BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(", ");
    if !tried.unknown_fields.is_empty() {
        let names = joined(&tried.unknown_fields);
        report.notice(about, format!("fields without a column (pumphouse.unknown.fields): {names}"));
    }
    if !tried.never_given.is_empty() {
        let names = joined(&tried.never_given);
        report.notice(
            about,
            format!("columns without a field in the sample: {names}; they get their DEFAULT or NULL, and without either the record is refused"),
        );
    }
}

/// What an operator of the official sink will see otherwise. docs/migrate.md has the whole list.
fn differences(report: &mut CheckReport, config: &ConnectorConfig, raw: &RawConfig) {
    for note in &config.notes {
        report.notice(DIFFERENCES, format!("{} is without effect: {}", note.option, note.message));
    }
    for warning in &config.warnings {
        report.notice(DIFFERENCES, format!("{}: {}", warning.option, warning.message));
    }
    match config.exactly_once {
        ExactlyOnce::WherePossible => report.notice(DIFFERENCES, "exactlyOnce is not given: records land exactly once where the table allows it; the official sink's default is at least once"),
        ExactlyOnce::Required => report.notice(DIFFERENCES, "exactlyOnce=true keeps its state in the group's offsets, not in KeeperMap; the table connect_state is neither read nor written (docs/migrate.md)"),
        ExactlyOnce::Off => {}
    }
    if raw.get("bufferCount").is_none() && raw.get("pumphouse.batch.rows.max").is_none() {
        let (rows, bytes, linger) = (config.batch.rows_max, config.batch.bytes_max, config.batch.linger_ms);
        report.notice(
            DIFFERENCES,
            format!("a batch is sent at {rows} rows, {bytes} bytes or {linger} ms, and not with each poll"),
        );
    }
    if config.insert_retry.timeout_ms.is_none() {
        report.notice(DIFFERENCES, "inserts are tried until they work (errors.retry.timeout is not given)");
    }
    report.notice(
        DIFFERENCES,
        "a value that a column cannot hold is refused, not cut or rounded (docs/types.md)",
    );
}
