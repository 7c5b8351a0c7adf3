//! The servers of a run, and what they know that no workload changes.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use pumphouse_testkit::{SchemaRegistry, SchemaRegistryOptions, Sql, Testbed, TestbedOptions, unique_name};
use serde_json::{Value, json};

use super::load::{Column, Encoder, Format, Kind, Shape, Workload, avro_schema, columns, protobuf_schema};
use super::meter::{self, Reading, Servers};

/// Rows of one INSERT of the reference.
const REFERENCE_ROWS: usize = 50_000;

/// A registry that has just started compiles its code while it answers.
const REGISTER_LIMIT: Duration = Duration::from_secs(120);

/// Servers, and the program that is measured.
pub struct Hall {
    bed: Testbed,
    registry: Option<SchemaRegistry>,
    /// Processes of the servers.
    pub servers: Servers,
    /// The worker's program.
    pub binary: PathBuf,
    references: RefCell<BTreeMap<(Shape, u32, u64), u64>>,
}

impl Hall {
    /// Starts the servers that these workloads need.
    /// Errors: something did not start; servers were given by the environment: their CPU time cannot be read.
    pub fn open(binary: PathBuf, workloads: &[Workload]) -> Result<Hall> {
        println!("Starting Kafka and ClickHouse ...");
        let zookeeper = workloads.iter().any(|workload| workload.replicated);
        let mut bed = Testbed::start(TestbedOptions { zookeeper, ..TestbedOptions::default() })?;
        let (Some(broker), Some(clickhouse)) = (&mut bed.kafka, &mut bed.clickhouse) else {
            bail!("the benchmark starts its own servers: unset PUMPHOUSE_KAFKA and PUMPHOUSE_CLICKHOUSE");
        };
        let servers = Servers { clickhouse: clickhouse.pid()?, broker: broker.pid()? };
        let registry = workloads
            .iter()
            .any(|workload| workload.format != Format::Json)
            .then(|| SchemaRegistry::start(SchemaRegistryOptions::default()))
            .transpose()?;
        Ok(Hall { bed, registry, servers, binary, references: RefCell::default() })
    }

    /// Servers.
    pub fn bed(&self) -> &Testbed {
        &self.bed
    }

    /// `schema.registry.url`, where there is one.
    pub fn registry_url(&self) -> Option<String> {
        self.registry.as_ref().map(SchemaRegistry::url)
    }

    /// A client whose statements leave no line in the query log.
    pub fn sql(&self) -> Sql {
        self.bed.sql().with_setting("log_queries", "0")
    }

    /// Reads the clocks.
    pub fn reading(&self) -> Result<Reading> {
        Reading::take(self.servers)
    }

    /// What ClickHouse uses while nobody asks it anything, in CPU seconds per second.
    pub fn idle_cores(&self) -> Result<f64> {
        meter::idle_cores(self.servers, || {
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        })
    }

    /// An encoder for values of `topic`, whose schema is registered first.
    pub fn encoder(&self, format: Format, shape: Shape, topic: &str) -> Result<Encoder> {
        let columns = columns(shape);
        Ok(match format {
            Format::Json => Encoder::json(),
            Format::Avro => Encoder::avro(self.register(topic, "AVRO", &avro_schema(&columns))?),
            Format::Protobuf => {
                Encoder::protobuf(self.register(topic, "PROTOBUF", &protobuf_schema(&columns))?)
            }
        })
    }

    fn register(&self, topic: &str, kind: &str, schema: &str) -> Result<u32> {
        let url = self.registry_url().context("no registry was started")?;
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_global(Some(REGISTER_LIMIT)).proxy(None).build().into();
        let text = agent
            .post(format!("{url}/subjects/{topic}-value/versions"))
            .content_type("application/vnd.schemaregistry.v1+json")
            .send(json!({ "schemaType": kind, "schema": schema }).to_string())
            .context("the registry refuses a schema")?
            .body_mut()
            .read_to_string()?;
        let answer: Value = serde_json::from_str(&text).context("the registry answers no JSON")?;
        let id = answer["id"].as_u64().with_context(|| format!("the registry gives no id: {text}"))?;
        u32::try_from(id).context("the id of a schema is too large")
    }

    /// The sum of hashes over all rows of a workload, as ClickHouse's own JSON parser reads the same rows.
    pub fn reference(&self, workload: &Workload) -> Result<u64> {
        let key = (workload.shape, workload.topics, workload.records);
        if let Some(known) = self.references.borrow().get(&key) {
            return Ok(*known);
        }
        let columns = columns(workload.shape);
        let (sql, name) = (self.sql(), unique_name("reference"));
        sql.run(&format!(
            "CREATE TABLE {name} ({}) ENGINE = MergeTree ORDER BY id",
            table_columns(&columns)
        ))?;
        let statement =
            format!("INSERT INTO {name} SETTINGS date_time_input_format = 'best_effort' FORMAT JSONEachRow");
        let (mut body, mut rows) = (Vec::new(), 0);
        for topic in 0..workload.topics {
            for record in workload.records_of(topic, Encoder::json()) {
                body.extend(record.value.unwrap_or_default());
                body.push(b'\n');
                rows += 1;
                if rows == REFERENCE_ROWS {
                    sql.insert(&statement, &body)?;
                    body.clear();
                    rows = 0;
                }
            }
        }
        if rows > 0 {
            sql.insert(&statement, &body)?;
        }
        let sum = sql.text(&format!("SELECT {} FROM {name}", content_sum(&columns)))?;
        sql.run(&format!("DROP TABLE {name} SYNC"))?;
        let sum = sum.parse().with_context(|| format!("{sum} is no number"))?;
        self.references.borrow_mut().insert(key, sum);
        Ok(sum)
    }
}

/// As they stand in CREATE TABLE.
pub fn table_columns(columns: &[Column]) -> String {
    let all: Vec<String> =
        columns.iter().map(|column| format!("{} {}", column.name, column.kind.table_type())).collect();
    all.join(", ")
}

/// A sum of hashes over all values: two tables with the same have the same rows.
pub fn content_sum(columns: &[Column]) -> String {
    let all: Vec<String> = columns
        .iter()
        .map(|Column { name, kind }| match kind {
            Kind::MaybeText => format!("ifNull({name}, 'null'), isNull({name})"),
            _ => name.clone(),
        })
        .collect();
    format!("sum(cityHash64({}))", all.join(", "))
}
