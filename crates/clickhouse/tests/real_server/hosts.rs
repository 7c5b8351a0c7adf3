//! Several hosts: failing over, and where that is refused.
use pumphouse_clickhouse::{Client, ProofLimits, TableName};
use pumphouse_testkit::DATABASE;
use pumphouse_types::BatchId;

use crate::server::{PLAIN, RUNTIME, endpoint_of, fresh, server};

/// Nothing listens on the discard port.
const NOBODY: u16 = 9;

#[test]
fn the_next_question_goes_to_a_host_that_answers() {
    let table = server().table("hosts_failover", PLAIN);
    let endpoints = vec![endpoint_of(NOBODY), server().endpoint("default", "")];
    let client = Client::of_hosts(endpoints).unwrap();
    RUNTIME.block_on(async {
        let error = client.inspect(&table).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(client.inspect(&table).await.unwrap().window_blocks, 1_000);
        assert_eq!(client.inspect(&table).await.unwrap().window_blocks, 1_000, "it stays there");
        // An attempt may run on the host that does not answer.
        let error = client.make_quiet(BatchId(fresh()), None).await.unwrap_err();
        assert!(error.to_string().starts_with("CLICKHOUSE-002") && error.is_transient(), "{error}");
    });
    assert!(Client::of_hosts(Vec::new()).is_err());
}

#[test]
fn hosts_without_one_table_are_refused() {
    let second = server().another("second");
    let endpoints = vec![server().endpoint("default", ""), endpoint_of(second.http_port())];
    let client = Client::of_hosts(endpoints).unwrap();
    let limits = ProofLimits { deadline_ms: 10_000, max_execution_ms: 60_000, linger_ms: 1_000, lanes: 1 };
    let refused = |name: &str, words: &str| {
        let table = TableName { database: DATABASE.to_owned(), table: name.to_owned() };
        let failed = RUNTIME.block_on(client.prove(&table, limits)).unwrap().failed;
        let text = failed.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        assert!(text.starts_with("PROOF-017") && text.contains(words), "{name}: {text}");
    };
    server().table("hosts_missing", "ReplicatedMergeTree('/hosts_missing', 'r1') ORDER BY a");
    refused("hosts_missing", "does not have it");

    server().table("hosts_plain", PLAIN);
    second.sql().run(&format!("CREATE TABLE hosts_plain (a UInt64, p UInt8) ENGINE = {PLAIN}")).unwrap();
    refused("hosts_plain", "has a MergeTree of its own");

    // One path in two Keepers: the replicas do not know one another.
    server().table("hosts_apart", "ReplicatedMergeTree('/hosts_apart', 'r1') ORDER BY a");
    second
        .sql()
        .run("CREATE TABLE hosts_apart (a UInt64, p UInt8) ENGINE = ReplicatedMergeTree('/hosts_apart', 'r2') ORDER BY a")
        .unwrap();
    refused("hosts_apart", "replica r2");
    // Naming one host only, as the message says.
    let alone = server().client("default", "");
    let table = TableName { database: DATABASE.to_owned(), table: "hosts_apart".to_owned() };
    assert_eq!(RUNTIME.block_on(alone.prove(&table, limits)).unwrap().failed, []);
    // The same server twice is one table.
    let twice = vec![server().endpoint("default", ""), server().endpoint("default", "")];
    let twice = Client::of_hosts(twice).unwrap();
    assert_eq!(RUNTIME.block_on(twice.prove(&table, limits)).unwrap().failed, []);
}
