//! Kafka and ClickHouse together: the caller's own servers where they are given, else fresh ones.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::Result;
use crate::servers::{
    ClickHouse, ClickHouseOptions, DATABASE, Kafka, KafkaOptions, ZooKeeper, ZooKeeperOptions,
};
use crate::sql::Sql;
use crate::topics::Topics;

/// What a testbed consists of.
#[derive(Clone, Debug, Default)]
pub struct TestbedOptions {
    /// `host:port` of a Kafka to use instead of an own one; else `PUMPHOUSE_KAFKA` is looked at.
    pub kafka: Option<String>,
    /// `host:port` of a ClickHouse HTTP interface to use instead of an own one; else
    /// `PUMPHOUSE_CLICKHOUSE` is looked at. A URL is taken, too.
    pub clickhouse: Option<String>,
    /// Whether replicated and KeeperMap tables are needed. Starts a ZooKeeper for an own
    /// ClickHouse; a given server is expected to have its own.
    pub zookeeper: bool,
    /// How an own Kafka is started.
    pub kafka_options: KafkaOptions,
    /// How an own ClickHouse is started; its ZooKeeper fields are filled in here.
    pub clickhouse_options: ClickHouseOptions,
}

/// Running servers. The handles are `None` where a server was given: such a one cannot be broken.
/// Dropping it kills what it started.
#[derive(Debug)]
pub struct Testbed {
    /// The own broker.
    pub kafka: Option<Kafka>,
    /// The own ClickHouse.
    pub clickhouse: Option<ClickHouse>,
    /// The own ZooKeeper.
    pub zookeeper: Option<ZooKeeper>,
    bootstrap: String,
    clickhouse_url: String,
}

impl Testbed {
    /// Starts what was not given, side by side, and creates the database [`DATABASE`].
    pub fn start(options: TestbedOptions) -> Result<Testbed> {
        let given_kafka = options.kafka.or_else(|| from_environment("PUMPHOUSE_KAFKA"));
        let given_clickhouse = options.clickhouse.or_else(|| from_environment("PUMPHOUSE_CLICKHOUSE"));
        let start_kafka = given_kafka.is_none();
        let start_clickhouse = given_clickhouse.is_none();
        let (kafka, clickhouse) = thread::scope(|scope| {
            let kafka = scope.spawn(|| start_kafka.then(|| Kafka::start(options.kafka_options)).transpose());
            let clickhouse = start_clickhouse
                .then(|| own_clickhouse(options.zookeeper, options.clickhouse_options))
                .transpose();
            (kafka.join().expect("starting a server returns errors, it does not panic"), clickhouse)
        });
        let kafka = kafka?;
        let (zookeeper, clickhouse) = match clickhouse? {
            Some((zookeeper, clickhouse)) => (zookeeper, Some(clickhouse)),
            None => (None, None),
        };
        let bootstrap = given_kafka
            .or_else(|| kafka.as_ref().map(Kafka::bootstrap))
            .expect("a broker that was not given was started");
        let clickhouse_url = given_clickhouse
            .or_else(|| clickhouse.as_ref().map(ClickHouse::url))
            .expect("a server that was not given was started");
        Sql::new(&clickhouse_url).run(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE}"))?;
        Ok(Testbed { kafka, clickhouse, zookeeper, bootstrap, clickhouse_url })
    }

    /// `host:port` for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// `http://host:port` of ClickHouse.
    pub fn clickhouse_url(&self) -> String {
        self.sql().url().to_owned()
    }

    /// Host and port of ClickHouse's HTTP interface, as a connector configuration names them.
    pub fn clickhouse_host_and_port(&self) -> (String, u16) {
        let url = self.clickhouse_url();
        let address = url.split_once("://").map_or(url.as_str(), |(_, address)| address);
        match address.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => {
                (host.to_owned(), port.parse().expect("the guard has parsed it"))
            }
            _ => (address.to_owned(), 8123),
        }
    }

    /// A client that works in [`DATABASE`].
    pub fn sql(&self) -> Sql {
        Sql::new(&self.clickhouse_url).in_database(DATABASE)
    }

    /// A client for topics and committed offsets.
    pub fn topics(&self) -> Result<Topics> {
        Topics::new(&self.bootstrap)
    }
}

/// A name that no other test uses, in this run or an earlier one against the same servers:
/// `prefix_<time>_<process>_<number>`, fit for topics, tables and connectors.
pub fn unique_name(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}_{:x}_{:x}_{number}", since_epoch.as_secs(), std::process::id())
}

fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn own_clickhouse(
    with_zookeeper: bool,
    options: ClickHouseOptions,
) -> Result<(Option<ZooKeeper>, ClickHouse)> {
    if !with_zookeeper {
        return Ok((None, ClickHouse::start(options)?));
    }
    let zookeeper = ZooKeeper::start(ZooKeeperOptions::default())?;
    zookeeper.create_node(&options.zookeeper_root)?;
    let address = (zookeeper.host().to_owned(), zookeeper.port());
    let clickhouse = ClickHouse::start(ClickHouseOptions { zookeeper: Some(address), ..options })?;
    Ok((Some(zookeeper), clickhouse))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_fit_for_a_table() {
        let (one, other) = (unique_name("events"), unique_name("events"));
        assert_ne!(one, other);
        assert!(
            one.starts_with("events_") && !one.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        );
    }

    #[test]
    fn a_given_address_is_taken_apart() {
        let bed = |url: &str| Testbed {
            kafka: None,
            clickhouse: None,
            zookeeper: None,
            bootstrap: String::new(),
            clickhouse_url: url.to_owned(),
        };
        assert_eq!(bed("10.0.0.7:18123").clickhouse_host_and_port(), ("10.0.0.7".into(), 18123));
        assert_eq!(bed("http://ch:1/").clickhouse_host_and_port(), ("ch".into(), 1));
        assert_eq!(bed("ch").clickhouse_host_and_port(), ("ch".into(), 8123));
    }
}
