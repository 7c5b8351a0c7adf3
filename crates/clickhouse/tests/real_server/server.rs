//! One server for all tests of this file: plain tables need no ZooKeeper, replicated ones do.
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use pumphouse_clickhouse::{Answer, Client, Endpoint, InsertRequest, InsertStatement, Password, TableName};
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE, Sql, ZooKeeper, ZooKeeperOptions};
use pumphouse_types::{DedupToken, ServerMillis};
use tokio::runtime::Runtime;

use crate::block::frames_of;

/// Users with less than everything; the server takes users from a file only.
const USERS: &str = "<clickhouse><users>\
    <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></default>\
    <nobody><password>s3cr'et ü</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
      <grants><query>GRANT SELECT ON pumphouse_test.nothing</query></grants></nobody>\
    <writer><password>w</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
      <grants><query>GRANT INSERT ON pumphouse_test.*</query>\
      <query>GRANT SELECT ON system.processes</query><query>GRANT SELECT ON system.parts</query>\
      <query>GRANT SELECT ON system.replicas</query><query>GRANT SELECT ON system.merge_tree_settings</query>\
      <query>GRANT SELECT ON system.replicated_merge_tree_settings</query></grants></writer>\
    <looker><password>l</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
      <grants><query>GRANT INSERT, SELECT ON pumphouse_test.*</query>\
      <query>GRANT SELECT ON system.processes</query><query>GRANT SELECT ON system.parts</query>\
      <query>GRANT SELECT ON system.replicas</query><query>GRANT SELECT ON system.merge_tree_settings</query>\
      <query>GRANT SELECT ON system.replicated_merge_tree_settings</query></grants></looker>\
    <knower><password>k</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
      <grants><query>GRANT INSERT, SELECT ON pumphouse_test.*</query>\
      <query>GRANT SELECT ON system.*</query></grants></knower>\
    <blinkered><password>b</password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\
      <databases><pumphouse_test><evidence_policy><filter>a &lt; 4</filter></evidence_policy>\
      <filter_events><filter>a &lt; 4</filter></filter_events></pumphouse_test></databases></blinkered>\
    <reader><password>r</password><networks><ip>::/0</ip></networks><profile>readonly</profile><quota>default</quota></reader>\
    <breaker><password>b</password><networks><ip>::/0</ip></networks><profile>breaking</profile><quota>default</quota></breaker>\
    </users><profiles><default/><readonly><readonly>2</readonly></readonly>\
    <breaking><limit>3</limit><timeout_overflow_mode>break</timeout_overflow_mode><async_insert>1</async_insert></breaking>\
    </profiles><quotas><default/></quotas></clickhouse>";

pub struct Server {
    pub sql: Sql,
    host: String,
    port: u16,
    zookeeper: ZooKeeper,
    // Dropped never: the test kit ends its servers with the process.
    _running: (ClickHouse, tempfile::TempDir),
}

/// Nothing of it is asked: it lets Distributed tables be made.
const CLUSTER: &str = "<remote_servers><nowhere><shard><replica><host>127.0.0.1</host><port>9</port></replica></shard>\
    </nowhere></remote_servers>";

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let zookeeper = ZooKeeper::start(ZooKeeperOptions::default()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.xml");
    std::fs::write(&users, USERS).unwrap();
    let mut options = ClickHouseOptions::with_zookeeper(&zookeeper, "/clickhouse").unwrap();
    options.extra_configuration = format!("<users_config>{}</users_config>{CLUSTER}", users.display());
    let clickhouse = ClickHouse::start(options).unwrap();
    Server {
        sql: clickhouse.sql(),
        host: clickhouse.host().to_owned(),
        port: clickhouse.http_port(),
        zookeeper,
        _running: (clickhouse, directory),
    }
});

pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // Hooks that hold a body up block a thread of it.
    tokio::runtime::Builder::new_multi_thread().worker_threads(8).enable_all().build().unwrap()
});

pub fn server() -> &'static Server {
    &SERVER
}

impl Server {
    pub fn client(&self, username: &str, password: &str) -> Client {
        Client::new(self.endpoint(username, password)).unwrap()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn endpoint(&self, username: &str, password: &str) -> Endpoint {
        let (username, password) = (username.to_owned(), Password::new(password));
        Endpoint { host: self.host.clone(), port: self.port, ssl: false, username, password }
    }

    /// A server of its own for a test that breaks it, with the shared Keeper.
    pub fn another(&self, name: &str) -> ClickHouse {
        let options = ClickHouseOptions::with_zookeeper(&self.zookeeper, &format!("/{name}")).unwrap();
        ClickHouse::start(options).unwrap()
    }

    /// A new table `(a UInt64, p UInt8)` with this engine.
    pub fn table(&self, name: &str, engine: &str) -> TableName {
        self.sql.run(&format!("CREATE TABLE `{name}` (a UInt64, p UInt8) ENGINE = {engine}")).unwrap();
        TableName { database: DATABASE.to_owned(), table: name.to_owned() }
    }

    pub fn count(&self, table: &TableName) -> i64 {
        self.sql.number(&format!("SELECT count() FROM `{}`", table.table)).unwrap()
    }
}

pub const PLAIN: &str = "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000";

pub fn replicated(name: &str) -> String {
    format!("ReplicatedMergeTree('/{name}', 'r1') PARTITION BY p ORDER BY a")
}

/// Where a server is, for the user `default`.
pub fn endpoint_of(port: u16) -> Endpoint {
    let (host, username) = ("127.0.0.1".to_owned(), "default".to_owned());
    Endpoint { host, port, ssl: false, username, password: Password::new("") }
}

/// Ids that no other test has.
pub fn fresh() -> u128 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    u128::from(NEXT.fetch_add(1, Ordering::Relaxed)) << 64
}

/// The server's clock and a while.
pub async fn in_a_while(client: &Client, table: &TableName) -> ServerMillis {
    client.inspect(table).await.unwrap().server_now.plus(20_000)
}

/// Pieces of a body, as it travels.
const PIECE_BYTES: usize = 100_000;

/// Enough rows that a connection cannot take the whole body at once: a hook that stops the second half
/// then stops an insert that has begun.
pub const MANY_ROWS: u64 = 1_000_000;

/// An attempt at a block of `rows` rows, `a` counting up, `p` the remainder by `partitions`.
pub fn attempt(
    table: &TableName,
    rows: u64,
    partitions: u64,
    token: u128,
    deadline: ServerMillis,
) -> InsertRequest {
    let frames = frames_of(rows, partitions);
    let pieces = frames.chunks(PIECE_BYTES).map(Bytes::copy_from_slice).collect();
    InsertRequest {
        statement: InsertStatement {
            table: table.clone(),
            column_list: "`a`, `p`".to_owned(),
            select_list: "`a`, `p`".to_owned(),
            input_structure: "`a` UInt64, `p` UInt8".to_owned(),
        },
        pieces: Arc::new(pieces),
        token: DedupToken(token),
        deadline,
        query_id: format!("{:032x}-{:x}", token, fresh() >> 64),
        log_comment: "a test's \"comment\" & more=1".to_owned(),
        max_execution_ms: 30_000,
        until_deadline_ms: 20_000,
        extra_settings: Vec::new(),
        on_piece: None,
    }
}

pub fn assert_refused(answer: &Answer, code: i32, class: pumphouse_conduct::ErrorClass) {
    match answer {
        Answer::Refused { code: seen, class: seen_class, .. } if *seen == code => {
            assert_eq!(*seen_class, class)
        }
        other => panic!("code {code} expected: {other:?}"),
    }
}
