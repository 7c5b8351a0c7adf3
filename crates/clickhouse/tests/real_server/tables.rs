//! What is read of a table.
use pumphouse_clickhouse::{ClickHouseError, Engine, TableName};
use pumphouse_testkit::DATABASE;

use crate::server::{PLAIN, RUNTIME, attempt, fresh, in_a_while, replicated, server};

#[test]
fn blocks_are_counted_on_plain_and_replicated_tables() {
    let server = server();
    let client = server.client("default", "");
    for (name, engine, kind) in [
        ("counted_plain", PLAIN.to_owned(), Engine::Plain),
        ("counted_replicated", replicated("counted_replicated"), Engine::Replicated),
    ] {
        let table = server.table(name, &engine);
        RUNTIME.block_on(async {
            let deadline = in_a_while(&client, &table).await;
            // The count of a replicated table is the number of its last log entry, which is 0 before the
            // first and with it.
            client.insert(attempt(&table, 10, 1, fresh(), deadline)).await.unwrap();
            let before = client.inspect(&table).await.unwrap();
            assert_eq!(before.engine, kind);
            for _ in 0..2 {
                client.insert(attempt(&table, 10, 1, fresh(), deadline)).await.unwrap();
            }
            let after = client.inspect(&table).await.unwrap();
            let grown = after.blocks.unwrap() - before.blocks.unwrap();
            assert!(grown >= 2, "{name}: {grown} after two blocks");
            assert_eq!((after.uuid, after.schema_hash), (before.uuid, before.schema_hash));
        });
    }
}

#[test]
fn the_window_is_the_tables_own_or_the_servers() {
    let server = server();
    let client = server.client("default", "");
    let window = |name: &str, engine: &str| {
        let table = server.table(name, engine);
        let found = RUNTIME.block_on(client.inspect(&table)).unwrap();
        (found.window_blocks, found.window_ms)
    };
    assert_eq!(window("window_plain", PLAIN), (1_000, None));
    assert_eq!(window("window_default", "MergeTree ORDER BY a"), (0, None));
    assert_eq!(window("window_replicated", &replicated("window_replicated")), (10_000, Some(3_600_000)));
    // A plain table's window on a replicated one has no effect, and must not be taken for its own.
    let own = "ReplicatedMergeTree('/window_own', 'r1') ORDER BY a SETTINGS \
               non_replicated_deduplication_window = 77, replicated_deduplication_window_seconds = 7200";
    assert_eq!(window("window_own", own), (10_000, Some(7_200_000)));
    let literal = "MergeTree PARTITION BY concat(toString(p), ' SETTINGS non_replicated_deduplication_window = 5') \
                   ORDER BY a";
    assert_eq!(window("window_literal", literal), (0, None));
}

#[test]
fn the_servers_clock_and_start_are_true() {
    let server = server();
    let table = server.table("clock", PLAIN);
    let client = server.client("default", "");
    let (first, second) = RUNTIME
        .block_on(async { (client.inspect(&table).await.unwrap(), client.inspect(&table).await.unwrap()) });
    let here_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    // The same machine's clock, and the time between the reading and here.
    assert!(here_ms.abs_diff(second.server_now.0) < 5_000, "{here_ms} {:?}", second.server_now);
    assert!(first.server_now <= second.server_now);
    assert!(first.server_started.0.abs_diff(second.server_started.0) <= 2_000);
    assert!(first.server_started < first.server_now);
}

#[test]
fn hostile_names_are_only_names() {
    let server = server();
    let name = "a'b\"c\\d`; DROP TABLE x --";
    let quoted = name.replace('\\', "\\\\").replace('`', "\\`");
    server
        .sql
        .run(&format!(
            "CREATE TABLE `{quoted}` (`x'\\`y\\\\` String DEFAULT 'it''s', `now()` UInt8) ENGINE = {}",
            PLAIN.replace("ORDER BY a", "ORDER BY tuple()")
        ))
        .unwrap();
    let client = server.client("default", "");
    let table = TableName { database: DATABASE.to_owned(), table: name.to_owned() };
    let columns = RUNTIME.block_on(async {
        assert_eq!(client.inspect(&table).await.unwrap().window_blocks, 1_000);
        client.columns(&table).await.unwrap()
    });
    assert_eq!(columns[0].name, "x'`y\\");
    assert_eq!(columns[0].default_expression, "'it\\'s'");
    assert_eq!(columns[1].name, "now()");
}

#[test]
fn an_altered_table_has_another_hash_and_a_missing_one_is_an_error() {
    let server = server();
    let table = server.table("altered", PLAIN);
    let client = server.client("default", "");
    RUNTIME.block_on(async {
        let before = client.inspect(&table).await.unwrap().schema_hash;
        server.sql.run("ALTER TABLE altered ADD COLUMN b String").unwrap();
        assert_ne!(client.inspect(&table).await.unwrap().schema_hash, before);
        server.sql.run("DROP TABLE altered SYNC").unwrap();
        assert!(matches!(client.inspect(&table).await, Err(ClickHouseError::NoTable { .. })));
    });
}
