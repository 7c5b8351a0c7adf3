//! What is proven after kill -9 of the server.
use std::collections::BTreeMap;
use std::time::Duration;

use pumphouse_clickhouse::{Answer, Client, Evidence, EvidenceRequest, TableName};
use pumphouse_testkit::DATABASE;
use pumphouse_types::{BatchId, DedupToken, Offset, OffsetRange, Partition, TopicName};

use crate::server::{RUNTIME, attempt, endpoint_of, fresh, in_a_while, server};

const COLUMNS: &str = "a UInt64, p UInt8, _topic LowCardinality(String), _partition UInt32, _offset UInt64";

/// Longest wait for something that takes milliseconds.
const LOOKS_MAX: u32 = 2_000;

fn asked(table: &TableName, batch: u128) -> EvidenceRequest {
    let (first, end) = (Offset::ZERO, Offset::new(10).unwrap());
    EvidenceRequest {
        table: table.clone(),
        topic: TopicName::new("t"),
        batch: BatchId(batch),
        token: DedupToken(batch),
        ranges: vec![(Partition(7), OffsetRange::new(first, end).unwrap())],
        rows: 10,
    }
}

/// One server killed twice: after a landed batch, and in the middle of one.
#[test]
fn a_killed_servers_tables_tell_what_landed() {
    let mut clickhouse = server().another("crash");
    let client = Client::new(endpoint_of(clickhouse.http_port())).unwrap();
    let engines = [
        (
            "crash_plain",
            "MergeTree PARTITION BY p ORDER BY a SETTINGS non_replicated_deduplication_window = 100",
        ),
        ("crash_replicated", "ReplicatedMergeTree('/crash', 'r1') PARTITION BY p ORDER BY a"),
    ];
    for (name, engine) in engines {
        clickhouse.sql().run(&format!("CREATE TABLE {name} ({COLUMNS}) ENGINE = {engine}")).unwrap();
        let table = TableName { database: DATABASE.to_owned(), table: name.to_owned() };
        let (landed, cut) = (fresh(), fresh());
        let request = |batch, p: &str, deadline| {
            let mut request = attempt(&table, 10, 3, batch, deadline);
            request.statement.column_list = "`a`, `p`, `_topic`, `_partition`, `_offset`".to_owned();
            request.statement.select_list = format!("`a`, {p}, 't', 7, `a` + 0");
            request
        };
        // In the middle of the block: nothing is there, and that is certain.
        let sql = clickhouse.sql();
        RUNTIME.block_on(async {
            let deadline = in_a_while(&client, &table).await;
            let inserting = tokio::spawn({
                let (client, request) = (client.clone(), request(cut, "`p` + sleepEachRow(0.2)", deadline));
                async move { client.insert(request).await }
            });
            let running =
                format!("SELECT count() FROM system.processes WHERE startsWith(query_id, '{cut:032x}')");
            let mut looks = 0;
            while sql.number(&running).unwrap() == 0 {
                looks += 1;
                assert!(looks < LOOKS_MAX, "the attempt does not begin");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            clickhouse.kill().unwrap();
            assert!(matches!(inserting.await.unwrap().unwrap(), Answer::Unknown { .. }));
        });
        clickhouse.restart().unwrap();
        let evidence = RUNTIME.block_on(async {
            client.make_quiet(BatchId(cut), None).await.unwrap();
            wait_until_writable(&client, &table).await;
            client.evidence(&asked(&table, cut)).await.unwrap()
        });
        let found = BTreeMap::from([(Partition(7), Vec::new())]);
        assert_eq!(evidence, Evidence::Rows { found, doubled: BTreeMap::new(), complete: true }, "{name}");

        // Landed, and the server dies right after: every row is found, and no log is needed for it.
        RUNTIME.block_on(async {
            let deadline = in_a_while(&client, &table).await;
            assert_eq!(client.insert(request(landed, "`p`", deadline)).await.unwrap(), Answer::Accepted);
        });
        clickhouse.kill().unwrap();
        clickhouse.restart().unwrap();
        let evidence = RUNTIME.block_on(async {
            wait_until_writable(&client, &table).await;
            client.evidence(&asked(&table, landed)).await.unwrap()
        });
        let all = (0..10).map(|offset| Offset::new(offset).unwrap()).collect();
        let found = BTreeMap::from([(Partition(7), all)]);
        assert_eq!(evidence, Evidence::Rows { found, doubled: BTreeMap::new(), complete: true }, "{name}");
    }
}

/// A replicated table is read-only until its session is back.
async fn wait_until_writable(client: &Client, table: &TableName) {
    for _ in 0..LOOKS_MAX {
        if client.inspect(table).await.is_ok_and(|found| found.blocks.is_some()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{table} does not come back");
}
