//! What the server can prove about a batch whose token may be forgotten (PROTOCOL R7).
use std::collections::BTreeMap;

use pumphouse_clickhouse::{Answer, Client, Evidence, EvidenceRequest, TableName};
use pumphouse_testkit::DATABASE;
use pumphouse_types::{BatchId, DedupToken, Offset, OffsetRange, Partition, TopicName};

use crate::server::{PLAIN, RUNTIME, attempt, fresh, in_a_while, server};

const COLUMNS: &str = "a UInt64, p UInt8, _topic LowCardinality(String), _partition UInt32, _offset UInt64";

/// A table with lineage columns.
fn lineage_table(name: &str, engine: &str) -> TableName {
    server().sql.run(&format!("CREATE TABLE `{name}` ({COLUMNS}) ENGINE = {engine}")).unwrap();
    TableName { database: DATABASE.to_owned(), table: name.to_owned() }
}

fn replicated(name: &str) -> String {
    format!("ReplicatedMergeTree('/{name}', 'r1') PARTITION BY p ORDER BY a")
}

/// Rows with these offsets of partition 0 of `topic`, written by hand.
fn put(table: &TableName, topic: &str, partition: u32, offsets: std::ops::Range<u64>) {
    let sql = format!(
        "INSERT INTO `{}` SELECT number, number % 3, '{topic}', {partition}, number FROM numbers({}, {})",
        table.table,
        offsets.start,
        offsets.end - offsets.start
    );
    server().sql.run(&sql).unwrap();
}

fn offset(value: i64) -> Offset {
    Offset::new(value).unwrap()
}

fn offsets(values: impl IntoIterator<Item = i64>) -> Vec<Offset> {
    values.into_iter().map(offset).collect()
}

/// A batch of partition 0, offsets 0..10, and of partition 2, offsets 5..8.
fn request(table: &TableName, batch: u128) -> EvidenceRequest {
    let range = |first, end| OffsetRange::new(offset(first), offset(end)).unwrap();
    EvidenceRequest {
        table: table.clone(),
        topic: TopicName::new("it's"),
        batch: BatchId(batch),
        token: DedupToken(batch),
        ranges: vec![(Partition(0), range(0, 10)), (Partition(2), range(5, 8))],
        rows: 13,
    }
}

fn ask(client: &Client, request: &EvidenceRequest) -> Evidence {
    RUNTIME.block_on(client.evidence(request)).unwrap()
}

type Offsets = BTreeMap<Partition, Vec<Offset>>;

fn rows_of(evidence: Evidence) -> (Offsets, Offsets, bool) {
    match evidence {
        Evidence::Rows { found, doubled, complete } => (found, doubled, complete),
        other => panic!("rows expected: {other:?}"),
    }
}

fn why_of(evidence: Evidence) -> String {
    match evidence {
        Evidence::Unknown { why, .. } => why,
        other => panic!("nothing expected: {other:?}"),
    }
}

fn rows_present_and_absent(name: &str, engine: &str) {
    let table = lineage_table(name, engine);
    let client = server().client("default", "");
    let asked = request(&table, fresh());
    let (found, doubled, complete) = rows_of(ask(&client, &asked));
    assert_eq!(found, BTreeMap::from([(Partition(0), vec![]), (Partition(2), vec![])]));
    assert!(doubled.is_empty() && complete, "nothing is there, and that is certain");

    put(&table, "it\\'s", 0, 3..12);
    put(&table, "it\\'s", 2, 0..7);
    put(&table, "other", 2, 7..8);
    put(&table, "it\\'s", 1, 0..10);
    // A second copy of one row, as a wrong recovery would leave it.
    put(&table, "it\\'s", 0, 4..5);
    let (found, doubled, complete) = rows_of(ask(&client, &asked));
    let expected = [(Partition(0), offsets(3..10)), (Partition(2), offsets(5..7))];
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(doubled, BTreeMap::from([(Partition(0), offsets([4]))]));
    assert!(complete);
}

#[test]
fn rows_are_found_by_their_lineage_on_a_plain_table() {
    rows_present_and_absent("evidence_plain", PLAIN);
}

#[test]
fn rows_are_found_by_their_lineage_on_a_replicated_table() {
    rows_present_and_absent("evidence_replicated", &replicated("evidence_replicated"));
}

#[test]
fn part_of_a_block_over_table_partitions_is_told_row_by_row() {
    // A skip index that fails for one table partition, and parts that are committed one by one: the
    // block leaves some partitions behind (measured; our own inserts write all parts first).
    let table = lineage_table(
        "evidence_torn",
        "MergeTree PARTITION BY a ORDER BY a SETTINGS non_replicated_deduplication_window = 1000",
    );
    let server = server();
    server
        .sql
        .run("ALTER TABLE evidence_torn ADD INDEX i toUInt8(if(a = 4, 'x', '1')) TYPE minmax GRANULARITY 1")
        .unwrap();
    let torn = server.sql.with_setting("max_insert_delayed_streams_for_parallel_write", "1").run(
        "INSERT INTO evidence_torn SELECT number, 0, 'it\\'s', 0, number FROM numbers(5) \
         SETTINGS max_partitions_per_insert_block = 10",
    );
    assert!(torn.is_err());
    let left = server.count(&table);
    assert!(left > 0 && left < 5, "{left} rows were left behind");
    let mut asked = request(&table, fresh());
    asked.rows = 5;
    let (found, _, complete) = rows_of(ask(&server.client("default", ""), &asked));
    assert_eq!(found[&Partition(0)].len() as i64, left);
    assert!(complete);
}

#[test]
fn absence_proves_nothing_where_rows_go() {
    let server = server();
    let client = server.client("default", "");
    for (name, engine, words) in [
        ("evidence_replacing", "ReplacingMergeTree ORDER BY a", "ReplacingMergeTree"),
        ("evidence_ttl", "MergeTree ORDER BY a TTL toDateTime(_offset) + INTERVAL 99 YEAR", "TTL"),
    ] {
        let table = lineage_table(name, engine);
        let asked = request(&table, fresh());
        let why = why_of(ask(&client, &asked));
        assert!(why.contains(words) && why.contains("0 of 13"), "{why}");
    }
    // All of them found is proof enough, whatever the table forgets later.
    let table = lineage_table("evidence_replacing_full", "ReplacingMergeTree ORDER BY (_partition, a)");
    put(&table, "it\\'s", 0, 0..10);
    put(&table, "it\\'s", 2, 5..8);
    let (found, _, complete) = rows_of(ask(&client, &request(&table, fresh())));
    assert_eq!(found, BTreeMap::from([(Partition(0), offsets(0..10)), (Partition(2), offsets(5..8))]));
    assert!(!complete);
}

#[test]
fn a_delete_is_remembered() {
    let server = server();
    let client = server.client("default", "");
    for (name, statement) in [
        ("evidence_delete", "DELETE FROM evidence_delete WHERE a = 1"),
        ("evidence_mutation", "ALTER TABLE evidence_mutation DELETE WHERE a = 1"),
        ("evidence_update", "ALTER TABLE evidence_update UPDATE _offset = 99 WHERE a = 1"),
    ] {
        let table = lineage_table(name, PLAIN);
        put(&table, "it\\'s", 0, 0..10);
        assert!(RUNTIME.block_on(client.inspect(&table)).unwrap().keeps_rows);
        server.sql.with_setting("mutations_sync", "1").run(statement).unwrap();
        assert!(!RUNTIME.block_on(client.inspect(&table)).unwrap().keeps_rows, "{name}");
        let why = why_of(ask(&client, &request(&table, fresh())));
        assert!(why.contains("mutation"), "{why}");
    }
}

/// Attempts of a batch with a block of ten rows.
fn insert(client: &Client, table: &TableName, batch: u128) {
    RUNTIME.block_on(async {
        let deadline = in_a_while(client, table).await;
        let mut request = attempt(table, 10, 1, batch, deadline);
        request.log_comment = format!("batch with token {}", DedupToken(batch));
        assert_eq!(client.insert(request).await.unwrap(), Answer::Accepted);
    });
}

fn finished_by_the_log(name: &str, engine: &str) {
    let table = server().table(name, engine);
    let client = server().client("default", "");
    let (batch, other) = (fresh(), fresh());
    insert(&client, &table, batch);
    let mut asked = request(&table, batch);
    asked.rows = 10;
    assert_eq!(ask(&client, &asked), Evidence::Finished);
    asked.rows = 11;
    assert!(why_of(ask(&client, &asked)).contains("no attempt that finished"), "it wrote fewer rows");
    asked.rows = 10;
    asked.token = DedupToken(other);
    why_of(ask(&client, &asked));
    asked = EvidenceRequest { rows: 10, ..request(&table, other) };
    let why = why_of(ask(&client, &asked));
    assert!(why.contains("no lineage columns `_topic`, `_partition`, `_offset`"), "{why}");
}

#[test]
fn a_finished_attempt_is_believed_on_a_plain_table() {
    finished_by_the_log("evidence_log_plain", PLAIN);
}

#[test]
fn a_finished_attempt_is_believed_on_a_replicated_table() {
    finished_by_the_log("evidence_log_replicated", &crate::server::replicated("evidence_log_replicated"));
}

#[test]
fn a_dedup_hit_is_not_believed() {
    for (name, engine) in [
        ("evidence_hit_plain", PLAIN.to_owned()),
        ("evidence_hit_replicated", crate::server::replicated("evidence_hit_replicated")),
    ] {
        let table = server().table(name, &engine);
        let client = server().client("default", "");
        let token = fresh();
        insert(&client, &table, token);
        // The same block under the same token as another batch's attempt: 200, and nothing is written.
        let batch = fresh();
        RUNTIME.block_on(async {
            let deadline = in_a_while(&client, &table).await;
            let mut request = attempt(&table, 10, 1, token, deadline);
            request.query_id = format!("{:032x}-hit", batch);
            assert_eq!(client.insert(request).await.unwrap(), Answer::Accepted);
        });
        let asked = EvidenceRequest { token: DedupToken(token), rows: 10, ..request(&table, batch) };
        why_of(ask(&client, &asked));
        assert_eq!(server().count(&table), 10);
    }
}

#[test]
fn a_user_without_rights_is_told_each_grant() {
    let client = server().client("writer", "w");
    let table = lineage_table("evidence_rights", &replicated("evidence_rights"));
    let why = why_of(ask(&client, &request(&table, fresh())));
    for grant in [
        "GRANT SELECT(`_topic`, `_partition`, `_offset`) ON `pumphouse_test`.`evidence_rights` TO `writer`",
        "GRANT SELECT ON system.query_log TO `writer`",
        "GRANT SYSTEM FLUSH LOGS ON *.* TO `writer`",
    ] {
        assert!(why.contains(grant), "{grant}: {why}");
    }
    // It may read the rows, and neither the mutations nor make the replica catch up.
    let client = server().client("looker", "l");
    let why = why_of(ask(&client, &request(&table, fresh())));
    assert!(why.contains("GRANT SELECT ON system.mutations TO `looker`"), "{why}");
    // And with that right, the replica.
    let client = server().client("knower", "k");
    let why = why_of(ask(&client, &request(&table, fresh())));
    assert!(why.contains("GRANT SYSTEM SYNC REPLICA ON"), "{why}");
}

#[test]
fn rows_that_a_policy_hides_are_not_absent() {
    let table = lineage_table("evidence_policy", PLAIN);
    put(&table, "it\\'s", 0, 0..10);
    let client = server().client("blinkered", "b");
    let why = why_of(ask(&client, &request(&table, fresh())));
    assert!(why.contains("row policy"), "{why}");
}

#[test]
fn a_table_called_filter_hides_nothing() {
    let table = lineage_table("filter_events", PLAIN);
    put(&table, "it\\'s", 0, 0..10);
    let (_, _, complete) = rows_of(ask(&server().client("default", ""), &request(&table, fresh())));
    assert!(complete);
    // And a policy on it does.
    let why = why_of(ask(&server().client("blinkered", "b"), &request(&table, fresh())));
    assert!(why.contains("row policy"), "{why}");
}

#[test]
fn a_profile_that_cuts_answers_does_not_cut_evidence() {
    let table = lineage_table("evidence_profile", PLAIN);
    put(&table, "it\\'s", 0, 0..10);
    let (found, _, complete) = rows_of(ask(&server().client("breaker", "b"), &request(&table, fresh())));
    assert_eq!(found[&Partition(0)], offsets(0..10));
    assert!(complete);
}
