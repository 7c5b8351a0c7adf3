//! What the start-up proof refuses, and what it names.
use std::time::{Duration, Instant};

use pumphouse_clickhouse::{ClickHouseError, Client, Proof, ProofLimits, TableName};
use pumphouse_testkit::DATABASE;

use crate::server::{PLAIN, RUNTIME, endpoint_of, replicated, server};

const LIMITS: ProofLimits =
    ProofLimits { deadline_ms: 10_000, max_execution_ms: 60_000, linger_ms: 1_000, lanes: 1 };

fn prove_as(user: &str, password: &str, table: &TableName) -> Proof {
    let client = server().client(user, password);
    RUNTIME.block_on(client.prove(table, LIMITS)).unwrap()
}

fn failures(table: &TableName) -> Vec<String> {
    prove_as("default", "", table).failed.iter().map(ToString::to_string).collect()
}

/// Exactly one failure, with this code and these words.
fn fails_with(table: &TableName, code: &str, words: &str) {
    let failed = failures(table);
    assert!(
        failed.len() == 1 && failed[0].starts_with(code) && failed[0].contains(words),
        "{code}: {failed:?}"
    );
}

#[test]
fn tables_with_a_window_pass_and_nothing_is_written() {
    let server = server();
    for (name, engine) in [
        ("proof_plain", PLAIN.to_owned()),
        ("proof_replicated", replicated("proof_replicated")),
        ("proof_replacing", PLAIN.replace("MergeTree", "ReplacingMergeTree")),
    ] {
        let table = server.table(name, &engine);
        let proof = prove_as("default", "", &table);
        assert_eq!(proof.failed, [], "{name}");
        // What weakens "landed", and what a person may be needed for: no fsync, no lineage columns.
        let warned = |words: &str| proof.warnings.iter().any(|warning| warning.contains(words));
        assert!(
            proof.warnings.len() == 2 && warned("fsync_after_insert = 1") && warned("_offset"),
            "{proof:?}"
        );
        assert_eq!(server.count(&table), 0);
    }
}

#[test]
fn windows_that_are_none_or_too_small_are_refused() {
    let server = server();
    fails_with(
        &server.table("proof_none", "MergeTree ORDER BY a"),
        "PROOF-004",
        "non_replicated_deduplication_window = 280",
    );
    let few = "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 279";
    fails_with(&server.table("proof_few", few), "PROOF-005", "279 blocks, 280 are needed");
    let short = replicated("proof_short") + " SETTINGS replicated_deduplication_window_seconds = 60";
    fails_with(
        &server.table("proof_short", &short),
        "PROOF-006",
        "replicated_deduplication_window_seconds = 280",
    );
}

#[test]
fn engines_that_do_not_deduplicate_are_refused() {
    let server = server();
    for (name, engine) in [("proof_memory", "Memory"), ("proof_log", "StripeLog")] {
        fails_with(&server.table(name, engine), "PROOF-003", engine);
    }
}

#[test]
fn a_buffer_names_the_table_behind_it_which_passes() {
    let behind = server().table("proof_behind", PLAIN);
    let buffer = "Buffer(currentDatabase(), proof_behind, 1, 1, 1, 1, 1, 1, 1)";
    fails_with(&server().table("proof_buffer", buffer), "PROOF-013", "pumphouse_test.proof_behind");
    assert_eq!(failures(&behind), [""; 0]);
}

#[test]
fn a_null_table_passes_once_a_view_of_it_fills_a_table_that_deduplicates() {
    let server = server();
    let table = server.table("proof_null", "Null");
    fails_with(&table, "PROOF-014", "keeps nothing");
    server.table("proof_null_target", "MergeTree ORDER BY a");
    server
        .sql
        .run("CREATE MATERIALIZED VIEW proof_null_view TO proof_null_target AS SELECT * FROM proof_null")
        .unwrap();
    let failed = failures(&table);
    assert!(failed.iter().any(|failure| failure.starts_with("PROOF-011")), "{failed:?}");
    server
        .sql
        .run("ALTER TABLE proof_null_target MODIFY SETTING non_replicated_deduplication_window = 1000")
        .unwrap();
    assert_eq!(failures(&table), [""; 0]);
    let found = RUNTIME.block_on(server.client("default", "").inspect(&table)).unwrap();
    assert_eq!((found.engine, found.window_blocks), (pumphouse_clickhouse::Engine::Plain, 1_000));
    assert!(!found.keeps_rows && found.has_views);
}

#[test]
fn a_distributed_table_names_what_is_behind_it() {
    server().table("proof_local", PLAIN);
    let by = |key: &str| format!("Distributed('nowhere', {DATABASE}, proof_local{key})");
    let by_chance = server().table("proof_by_chance", &by(", rand()"));
    fails_with(&by_chance, "PROOF-015", "rand()");
    let by_row = server().table("proof_by_row", &by(", cityHash64(a)"));
    fails_with(&by_row, "PROOF-016", "pumphouse_test.proof_local of cluster nowhere");
    let local = TableName { database: DATABASE.to_owned(), table: "proof_local".to_owned() };
    assert_eq!(failures(&local), [""; 0], "the remedy");
}

#[test]
fn the_statement_in_the_message_is_the_remedy() {
    let server = server();
    let short = replicated("remedy_short")
        + " SETTINGS replicated_deduplication_window_seconds = 60, \
                replicated_deduplication_window = 3";
    for (name, engine) in [
        ("remedy_none", "MergeTree ORDER BY a".to_owned()),
        ("remedy-few.v1", "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 2".to_owned()),
        ("remedy_short", short),
    ] {
        let table = server.table(name, &engine);
        let failed = failures(&table);
        assert!(!failed.is_empty());
        for failure in failed {
            let statement = failure.find("ALTER TABLE").map(|at| &failure[at..]).unwrap();
            server.sql.run(statement).unwrap();
        }
        assert_eq!(failures(&table), [""; 0], "{name}");
    }
    let table = server.table("remedy_durable", PLAIN);
    let warnings = prove_as("default", "", &table).warnings;
    let warning = warnings.iter().find(|warning| warning.contains("fsync")).unwrap();
    server.sql.run(&warning[warning.find("ALTER TABLE").unwrap()..]).unwrap();
    assert!(!prove_as("default", "", &table).warnings.iter().any(|warning| warning.contains("fsync")));
}

#[test]
fn a_view_that_makes_up_the_partition_of_its_target_is_refused() {
    let server = server();
    let table = server.table("proof_clock_source", PLAIN);
    server
        .sql
        .run(
            "CREATE TABLE proof_clock_target (a UInt64, at DateTime) ENGINE = MergeTree PARTITION BY toDate(at) \
             ORDER BY a SETTINGS non_replicated_deduplication_window = 1000",
        )
        .unwrap();
    let view = "CREATE MATERIALIZED VIEW proof_clock_view TO proof_clock_target AS SELECT a,";
    server.sql.run(&format!("{view} now() AS at FROM proof_clock_source")).unwrap();
    fails_with(&table, "PROOF-019", "now()");
    server.sql.run("DROP TABLE proof_clock_view SYNC").unwrap();
    server.sql.run(&format!("{view} toDateTime(a) AS at FROM proof_clock_source")).unwrap();
    assert_eq!(failures(&table), [""; 0], "the value comes from the record");
}

#[test]
fn a_window_that_many_table_partitions_use_up_is_warned_of() {
    let engine = "MergeTree PARTITION BY p ORDER BY a SETTINGS non_replicated_deduplication_window = 600";
    let proof = prove_as("default", "", &server().table("proof_fan_out", engine));
    assert_eq!(proof.failed, []);
    assert!(
        proof.warnings.iter().any(|warning| warning.contains("no more than 2 table partitions")),
        "{proof:?}"
    );
}

#[test]
fn what_does_not_exist_is_named() {
    let missing = |database: &str| TableName { database: database.to_owned(), table: "missing".to_owned() };
    fails_with(&missing("no_such_database"), "PROOF-001", "no_such_database");
    fails_with(&missing(DATABASE), "PROOF-002", "missing");
}

#[test]
fn a_partition_key_of_the_servers_clock_is_refused() {
    let server = server();
    let sql = "CREATE TABLE proof_key (a UInt64, at DateTime DEFAULT now(), day Date DEFAULT toDate(at)) \
               ENGINE = MergeTree PARTITION BY toYYYYMM(day) ORDER BY a \
               SETTINGS non_replicated_deduplication_window = 1000";
    server.sql.run(sql).unwrap();
    let table = TableName { database: DATABASE.to_owned(), table: "proof_key".to_owned() };
    fails_with(&table, "PROOF-010", "now() (column at)");
}

#[test]
fn a_view_whose_target_keeps_no_tokens_is_refused() {
    let server = server();
    let table = server.table("proof_source", PLAIN);
    server.table("proof_target_good", PLAIN);
    server
        .sql
        .run("CREATE MATERIALIZED VIEW proof_view_good TO proof_target_good AS SELECT a, p FROM proof_source")
        .unwrap();
    assert_eq!(failures(&table), [""; 0]);
    // Behind the good one, and with a table of its own.
    server
        .sql
        .run("CREATE MATERIALIZED VIEW proof_view_bad ENGINE = MergeTree ORDER BY a AS SELECT a FROM proof_target_good")
        .unwrap();
    fails_with(&table, "PROOF-011", "proof_view_bad");
}

#[test]
fn missing_rights_are_named_with_their_grant() {
    let table = server().table("proof_rights", PLAIN);
    let failed: Vec<String> =
        prove_as("nobody", "s3cr'et ü", &table).failed.iter().map(ToString::to_string).collect();
    assert!(failed.len() == 1 && failed[0].starts_with("PROOF-007"), "{failed:?}");
    for table in ["merge_tree_settings", "replicated_merge_tree_settings", "parts", "replicas", "processes"] {
        assert!(failed[0].contains(&format!("GRANT SELECT ON system.{table} TO `nobody`")), "{failed:?}");
    }
    assert!(!failed[0].contains("s3cr"));
    let named = prove_as("writer", "w", &table);
    assert_eq!(named.failed, []);
    for right in ["KILL QUERY ON *.*", "SELECT ON system.query_log", "SYSTEM FLUSH LOGS ON *.*"] {
        let grant = format!("GRANT {right} TO `writer`");
        assert!(named.warnings.iter().any(|warning| warning.contains(&grant)), "{right}: {named:?}");
    }
}

#[test]
fn a_user_that_may_only_read_is_refused() {
    let table = server().table("proof_readonly", PLAIN);
    let proof = prove_as("reader", "r", &table);
    assert!(proof.failed.iter().any(|failure| failure.to_string().contains("INSERT")), "{proof:?}");
}

/// Many tables at a time, each proven as if it were alone.
#[test]
fn tables_that_are_proven_together_are_proven_each() {
    let server = server();
    let mut tables: Vec<TableName> = (0..6).map(|n| server.table(&format!("proof_all_{n}"), PLAIN)).collect();
    tables.insert(2, server.table("proof_all_window", "MergeTree ORDER BY a"));
    tables.insert(4, TableName { database: DATABASE.to_owned(), table: "proof_all_none".to_owned() });
    tables.push(TableName { database: "proof_no_such".to_owned(), table: "t".to_owned() });
    for (user, password) in [("default", ""), ("writer", "w"), ("reader", "r")] {
        let client = server.client(user, password);
        let limited = tables.iter().map(|table| (table.clone(), LIMITS));
        let together = RUNTIME.block_on(client.prove_all(limited));
        assert_eq!(together.len(), tables.len());
        for (table, proof) in tables.iter().zip(together) {
            assert_eq!(proof.unwrap(), prove_as(user, password, table), "{table} as {user}");
        }
    }
}

/// Who is gone is not asked about one table after the other.
#[test]
fn a_server_that_does_not_answer_ends_the_proofs_of_all_tables() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let client = Client::new(endpoint_of(port)).unwrap();
    // It takes connections and never says a word: the first question waits for its 15 s, and no other one does so after it.
    let since = Instant::now();
    let tables = (0..12).map(|n| (TableName { database: "d".to_owned(), table: format!("t{n}") }, LIMITS));
    let proofs = RUNTIME.block_on(client.prove_all(tables));
    assert!(
        proofs.len() == 12
            && proofs.iter().all(|proof| proof.as_ref().is_err_and(ClickHouseError::is_transient))
    );
    assert!(since.elapsed() < Duration::from_secs(25), "{:?}", since.elapsed());
}
