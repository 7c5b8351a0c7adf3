//! Tables that Pumphouse creates pass its own proof.
use pumphouse_clickhouse::{ClickHouseError, CreateTable, ProofLimits, TableName};
use pumphouse_testkit::DATABASE;

use crate::server::{RUNTIME, server};

const LIMITS: ProofLimits =
    ProofLimits { deadline_ms: 30_000, max_execution_ms: 60_000, linger_ms: 10, lanes: 4 };

fn create(name: &str, engine: &str) -> CreateTable {
    CreateTable {
        table: TableName { database: DATABASE.to_owned(), table: name.to_owned() },
        columns: "id UInt64, `te``xt` String CODEC(ZSTD(1)), day Date DEFAULT toDate(id)".to_owned(),
        order_by: "(id, day)".to_owned(),
        engine: engine.to_owned(),
        limits: LIMITS,
    }
}

#[test]
fn a_created_table_is_proven_and_created_once() {
    let client = server().client("default", "");
    for (name, engine) in [
        ("created `plain", "MergeTree".to_owned()),
        ("created_replicated", "ReplicatedMergeTree('/created', 'r1')".to_owned()),
        ("created_replacing", "ReplacingMergeTree".to_owned()),
    ] {
        let create = create(name, &engine);
        RUNTIME.block_on(async {
            client.create_table(&create).await.unwrap();
            let found = client.inspect(&create.table).await.unwrap();
            assert_eq!(found.keeps_rows, engine != "ReplacingMergeTree");
            let lineage = found.lineage.unwrap();
            assert_eq!(lineage.topic_type, "LowCardinality(String)");
            assert!(found.window_ms.is_none_or(|ms| ms >= 604_800_000));
            assert_eq!(client.prove(&create.table, LIMITS).await.unwrap().failed, []);
            // The second time it is there.
            client.create_table(&create).await.unwrap();
            assert_eq!(client.inspect(&create.table).await.unwrap().uuid, found.uuid);
        });
    }
}

#[test]
fn a_missing_database_and_bad_texts_are_named() {
    let client = server().client("default", "");
    let mut bad = create("created_bad", "Memory");
    let error = RUNTIME.block_on(client.create_table(&bad)).unwrap_err();
    assert!(error.to_string().starts_with("CLICKHOUSE-007"), "{error}");
    bad.engine = "MergeTree".to_owned();
    bad.table.database = "no_such".to_owned();
    let error = RUNTIME.block_on(client.create_table(&bad)).unwrap_err();
    assert!(
        matches!(error, ClickHouseError::Server { code: 81, .. }) && error.waits_for_operator(),
        "{error}"
    );
}
