//! One ClickHouse 26.7 server, run from the chdb library by the launcher in `native/`.
//!
//! What this server cannot do: fetch parts from another replica (one replica per table only), TLS,
//! users made by SQL. It does MergeTree, ReplicatedMergeTree and KeeperMap over ZooKeeper, the
//! query log, KILL QUERY, HTTP and the native protocol.

use std::fs;
use std::process::Command;
use std::time::Duration;

use super::{Housing, ZooKeeper, common_life};
use crate::error::{Result, io};
use crate::install::{ClickHouseFiles, clickhouse, text_of};
use crate::ports::free_ports;
use crate::sql::Sql;

/// The database that every testkit server has. Tables in `default` have no uuid in this build.
pub const DATABASE: &str = "pumphouse_test";

/// How a ClickHouse server is started.
#[derive(Clone, Debug)]
pub struct ClickHouseOptions {
    /// ZooKeeper's host and port, for replicated and KeeperMap tables.
    pub zookeeper: Option<(String, u16)>,
    /// The node under which this server keeps all it has in ZooKeeper, such as `/clickhouse-a`.
    /// Two servers of this build share a server id and end each other's sessions unless each has
    /// its own. Must exist when the server starts; `with_zookeeper` creates it.
    pub zookeeper_root: String,
    /// Memory of the whole server; by itself it would take nine tenths of the machine.
    pub memory_bytes_max: u64,
    /// XML elements put into the configuration, such as
    /// `<merge_tree><old_parts_lifetime>1</old_parts_lifetime></merge_tree>`.
    pub extra_configuration: String,
}

impl Default for ClickHouseOptions {
    fn default() -> Self {
        ClickHouseOptions {
            zookeeper: None,
            zookeeper_root: "/clickhouse".to_owned(),
            memory_bytes_max: 6 << 30,
            extra_configuration: String::new(),
        }
    }
}

impl ClickHouseOptions {
    /// Default options with a ZooKeeper and a root node in it, which is created now.
    pub fn with_zookeeper(zookeeper: &ZooKeeper, root: &str) -> Result<ClickHouseOptions> {
        zookeeper.create_node(root)?;
        Ok(ClickHouseOptions {
            zookeeper: Some((zookeeper.host().to_owned(), zookeeper.port())),
            zookeeper_root: root.to_owned(),
            ..ClickHouseOptions::default()
        })
    }
}

/// A running server.
#[derive(Debug)]
pub struct ClickHouse {
    housing: Housing,
    files: ClickHouseFiles,
    options: ClickHouseOptions,
    http_port: u16,
    tcp_port: u16,
    interserver_port: u16,
}

common_life!(ClickHouse);

/// The library opens its ports by a query and lives as long as that query's last part runs.
const LISTEN_AND_STAY: &str = "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; \
     SELECT sleepEachRow(3) FROM numbers(1000000) FORMAT Null \
     SETTINGS max_block_size = 1, function_sleep_max_microseconds_per_block = 100000000, \
     max_execution_time = 0";

impl ClickHouse {
    /// Starts an empty server with the database [`DATABASE`]; installs ClickHouse first if needed.
    /// Errors: those of the installation; `Ended`, `NotReady` with the end of its log.
    pub fn start(options: ClickHouseOptions) -> Result<ClickHouse> {
        let files = clickhouse()?;
        let housing = Housing::new("ClickHouse")?;
        let [http_port, tcp_port, interserver_port] = free_ports()?;
        let mut server = ClickHouse { housing, files, options, http_port, tcp_port, interserver_port };
        server.write_configuration()?;
        server.launch()?;
        Ok(server)
    }

    /// HTTP port.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// Port of the native protocol.
    pub fn tcp_port(&self) -> u16 {
        self.tcp_port
    }

    /// Host name, as connector configurations want it beside the port.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// `http://host:port`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// A client that works in [`DATABASE`].
    pub fn sql(&self) -> Sql {
        Sql::new(&self.url()).in_database(DATABASE)
    }

    fn write_configuration(&self) -> Result<()> {
        let zookeeper = match &self.options.zookeeper {
            None => String::new(),
            Some((host, port)) => format!(
                "<zookeeper><node><host>{host}</host><port>{port}</port></node>\
                 <session_timeout_ms>10000</session_timeout_ms>\
                 <root>{}</root></zookeeper>\n\
                 <keeper_map_path_prefix>/keeper_map_tables</keeper_map_path_prefix>\n",
                self.options.zookeeper_root
            ),
        };
        let text = format!(
            "<clickhouse>\n\
             {zookeeper}\
             <macros><shard>1</shard><replica>r1</replica></macros>\n\
             <max_server_memory_usage>{}</max_server_memory_usage>\n\
             <background_schedule_pool_size>16</background_schedule_pool_size>\n\
             <query_log>\
             <database>system</database><table>query_log</table>\
             <flush_interval_milliseconds>500</flush_interval_milliseconds>\
             </query_log>\n\
             {}\n\
             </clickhouse>\n",
            self.options.memory_bytes_max, self.options.extra_configuration
        );
        fs::write(self.housing.path().join("config.xml"), text).map_err(io("write config.xml"))
    }

    fn launch(&mut self) -> Result<()> {
        let directory = self.housing.path().to_owned();
        let data = directory.join("data");
        // With system tables of an earlier run this build never writes its query log again.
        let system = data.join("data/system");
        if system.exists() {
            fs::remove_dir_all(&system).map_err(io("remove the old system tables"))?;
        }
        let mut command = Command::new(&self.files.launcher);
        command
            .env("LIBCHDB", &self.files.library)
            .env("ISPORT", self.interserver_port.to_string())
            .arg(format!("--config-file={}", text_of(&directory.join("config.xml"))?))
            .arg("--listen_host=127.0.0.1")
            .arg(format!("--http_port={}", self.http_port))
            .arg(format!("--tcp_port={}", self.tcp_port))
            .arg(format!("--path={}", text_of(&data)?))
            .arg(format!("--logger.log={}", text_of(&directory.join("clickhouse.log"))?))
            .arg("--log-level=warning")
            .arg("--query")
            .arg(LISTEN_AND_STAY)
            .current_dir(&directory);
        let sql = Sql::new(&self.url()).with_limit(Duration::from_secs(5));
        self.housing.launch(command, || {
            sql.run(&format!("CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic"))
                .map_err(|error| error.to_string())
        })
    }
}
