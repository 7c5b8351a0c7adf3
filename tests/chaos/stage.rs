//! The servers, which are the suite's own since it breaks them; the proxies in front of them; the sinks.

use std::collections::BTreeMap;

use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{
    ClickHouse, ClickHouseOptions, FaultProxy, Kafka, KafkaOptions, Sql, Topics, ZooKeeper, ZooKeeperOptions,
    events, unique_name,
};
use pumphouse_tests::Engine;

use crate::load::{Load, TABLE_CONSTRAINT};
use crate::options::Options;
use crate::sink::Sink;
use crate::small_disk::{self, SmallDisk};
use crate::trouble::{Result, text};

/// Partitions of the topic: enough for three workers, and one more than for two.
pub const PARTITIONS: i32 = 4;

/// Partitions of the topic that is deleted and created again.
pub const REBORN_PARTITIONS: i32 = 2;

/// Everything that can be broken, and what it is there for.
pub struct Stage {
    pub kafka: Kafka,
    pub clickhouse: ClickHouse,
    pub zookeeper: ZooKeeper,
    /// Where the tables are, if such a disk can be had. Given back after the servers.
    pub small_disk: Option<SmallDisk>,
    /// What the workers, and only they, reach Kafka through.
    pub kafka_proxy: FaultProxy,
    /// The same for ClickHouse.
    pub clickhouse_proxy: FaultProxy,
    /// The topic of the load.
    pub topic: String,
    /// A connector for each engine; all read the one topic.
    pub sinks: Vec<Sink>,
    /// The connector whose topic is deleted, if that is to be tried.
    pub reborn: Option<Sink>,
    pub load: Load,
}

impl Stage {
    /// Starts the servers, makes topics and tables, and begins to write.
    pub fn start(options: &Options) -> Result<Stage> {
        let [inner_port, kafka_port, clickhouse_port] = free_ports().map_err(text)?;
        let kafka = Kafka::start(KafkaOptions {
            heap_mib: 384,
            properties: kafka_properties(inner_port, kafka_port),
        })
        .map_err(text)?;
        let zookeeper = ZooKeeper::start(ZooKeeperOptions::default()).map_err(text)?;
        let small_disk = if options.full_disk { SmallDisk::mount() } else { None };
        let clickhouse = ClickHouse::start(ClickHouseOptions {
            memory_bytes_max: 3 << 30,
            extra_configuration: small_disk.as_ref().map(SmallDisk::configuration).unwrap_or_default(),
            ..ClickHouseOptions::with_zookeeper(&zookeeper, "/clickhouse").map_err(text)?
        })
        .map_err(text)?;
        let kafka_proxy = FaultProxy::start(kafka_port, inner_port).map_err(text)?;
        let clickhouse_proxy = FaultProxy::start(clickhouse_port, clickhouse.http_port()).map_err(text)?;

        let topic = unique_name("chaos");
        let topics = Topics::new(&kafka.bootstrap()).map_err(text)?;
        topics.create(&topic, PARTITIONS, &[]).map_err(text)?;
        let mut sinks = Vec::new();
        for &engine in &options.engines {
            let sink = Sink::new(
                name_of(engine),
                &topic,
                options.ledgers.of(engine),
                clickhouse_port,
                &options.connector,
            );
            clickhouse.sql().run(&create_table(&sink.table, engine, small_disk.is_some())).map_err(text)?;
            sinks.push(sink);
        }
        let reborn = options.kinds.contains(&crate::kind::Kind::TopicRecreated).then(|| {
            let topic = unique_name("reborn");
            let ledger = options.ledgers.of(Engine::Plain);
            Sink::new("reborn", &topic, ledger, clickhouse_port, &options.connector)
        });
        if let Some(reborn) = &reborn {
            topics.create(&reborn.topic, REBORN_PARTITIONS, &[]).map_err(text)?;
            clickhouse.sql().run(&create_table(&reborn.table, Engine::Plain, false)).map_err(text)?;
        }
        let load = Load::start(kafka.bootstrap(), topic.clone(), PARTITIONS, options.seed);
        Ok(Stage {
            kafka,
            clickhouse,
            zookeeper,
            small_disk,
            kafka_proxy,
            clickhouse_proxy,
            topic,
            sinks,
            reborn,
            load,
        })
    }

    /// `host:port` of the broker, past the proxy.
    pub fn bootstrap(&self) -> String {
        self.kafka.bootstrap()
    }

    /// ClickHouse, past the proxy.
    pub fn sql(&self) -> Sql {
        self.clickhouse.sql()
    }

    /// Fresh clients: those of before a broker's death wait longer and longer.
    pub fn topics(&self) -> Result<Topics> {
        Topics::new(&self.bootstrap()).map_err(text)
    }

    /// Carries the same statement out for each table of the load.
    pub fn for_tables(&self, statement: impl Fn(&Sink) -> String) -> Result<()> {
        self.sinks.iter().try_for_each(|sink| self.sql().run(&statement(sink)).map_err(text))
    }
}

/// The name of an engine in tables.
pub fn name_of(engine: Engine) -> &'static str {
    match engine {
        Engine::Plain => "plain",
        Engine::Replicated => "replicated",
    }
}

fn create_table(table: &str, engine: Engine, on_small_disk: bool) -> String {
    let (engine, window) = match engine {
        Engine::Plain => ("MergeTree".to_owned(), "non_replicated_deduplication_window"),
        Engine::Replicated => (
            format!("ReplicatedMergeTree('/tables/{table}', '{{replica}}')"),
            "replicated_deduplication_window",
        ),
    };
    let policy =
        if on_small_disk { format!(", storage_policy = '{}'", small_disk::POLICY) } else { String::new() };
    let columns = events::TABLE_COLUMNS;
    format!(
        "CREATE TABLE {table} ({columns}, {EXTRA_COLUMN}, _topic LowCardinality(String), _partition UInt32, \
         _offset UInt64, {TABLE_CONSTRAINT}) ENGINE = {engine} ORDER BY id SETTINGS {window} = 10000{policy}"
    )
}

/// A column that is dropped and added; no record has a value for it.
pub const EXTRA_COLUMN: &str = "extra Nullable(String)";

/// Two listeners: one for the suite, and one that is advertised with the port of the proxy.
fn kafka_properties(inner_port: u16, proxy_port: u16) -> BTreeMap<String, String> {
    [
        (
            "listeners",
            format!(
                "PLAINTEXT://127.0.0.1:{{port}},PROXY://127.0.0.1:{inner_port},\
                 CONTROLLER://127.0.0.1:{{controller_port}}"
            ),
        ),
        ("advertised.listeners", format!("PLAINTEXT://127.0.0.1:{{port}},PROXY://127.0.0.1:{proxy_port}")),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,PROXY:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
        ),
        // How soon the broker ends transactions of processes that died; 10 s by default.
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
