//! What an inspection says of lineage, rows, views and checks.
use std::time::Duration;

use pumphouse_clickhouse::{Inspection, LineageNames, TableName};
use pumphouse_testkit::DATABASE;

use crate::server::{PLAIN, RUNTIME, server};

fn facts(name: &str, columns: &str, engine: &str) -> Inspection {
    let server = server();
    server.sql.run(&format!("CREATE TABLE `{name}` ({columns}) ENGINE = {engine}")).unwrap();
    inspect(name)
}

fn inspect(name: &str) -> Inspection {
    let table = TableName { database: DATABASE.to_owned(), table: name.to_owned() };
    RUNTIME.block_on(server().client("default", "").inspect(&table)).unwrap()
}

#[test]
fn lineage_columns_are_found_by_name_type_and_kind() {
    let lineage = "a UInt64, _topic LowCardinality(String), _partition Int32, _offset Int64";
    let found = facts("facts_lineage", lineage, PLAIN).lineage.unwrap();
    assert_eq!(found.topic_type, "LowCardinality(String)");
    assert_eq!((found.partition_type.as_str(), found.offset_type.as_str()), ("Int32", "Int64"));
    for (name, columns) in [
        ("facts_alias", "a UInt64, _topic String, _partition UInt32, _offset UInt64 ALIAS a"),
        ("facts_made", "a UInt64, _topic String, _partition UInt32, _offset UInt64 MATERIALIZED a"),
        ("facts_narrow", "a UInt64, _topic String, _partition UInt8, _offset UInt64"),
        ("facts_missing", "a UInt64, _topic String, _partition UInt32"),
        (
            "facts_expiring",
            "a DateTime, _topic String, _partition UInt32, _offset UInt64 TTL a + INTERVAL 1 DAY",
        ),
    ] {
        assert_eq!(facts(name, columns, PLAIN).lineage, None, "{name}");
    }
    let [topic, partition, offset] = ["from", "pa`rt", "pos"].map(str::to_owned);
    let client = server().client("default", "").with_lineage_names(LineageNames { topic, partition, offset });
    facts("facts_named", "a UInt64, `from` String, `pa\\`rt` UInt32, pos UInt64", PLAIN);
    let table = TableName { database: DATABASE.to_owned(), table: "facts_named".to_owned() };
    assert!(RUNTIME.block_on(client.inspect(&table)).unwrap().lineage.is_some());
}

#[test]
fn checks_are_pure_unless_something_in_them_is_made_up() {
    let pure = "a UInt64, d DateTime DEFAULT toDateTime(a), CONSTRAINT c CHECK a < 9, INDEX i a TYPE minmax";
    assert!(facts("facts_pure", pure, PLAIN).pure_checks);
    for (name, columns) in [
        ("facts_now", "a UInt64, d DateTime DEFAULT now()"),
        ("facts_clock", "a UInt64, CONSTRAINT c CHECK toDateTime(a) < today()"),
        ("facts_rand", "a UInt64, r UInt32 MATERIALIZED rand()"),
        ("facts_user", "a UInt64, u String DEFAULT currentUser()"),
        ("facts_host", "a UInt64, u String DEFAULT hostName()"),
    ] {
        assert!(!facts(name, columns, PLAIN).pure_checks, "{name}");
    }
}

/// A function of somebody's own is found as soon as it is there, also by a client that has asked before. Its name stands before
/// a bracket here, which is all that is looked at: where it is called, the server puts its text in its place.
#[test]
fn a_function_that_is_not_the_servers_own_makes_checks_impure() {
    let columns = "a UInt64, d DateTime, PROJECTION facts_own (SELECT a, toYYYYMM(d) ORDER BY a)";
    server().sql.run(&format!("CREATE TABLE facts_calls ({columns}) ENGINE = {PLAIN}")).unwrap();
    let client = server().client("default", "");
    let table = TableName { database: DATABASE.to_owned(), table: "facts_calls".to_owned() };
    let is_pure = || RUNTIME.block_on(client.inspect(&table)).unwrap().pure_checks;
    assert!(is_pure());
    server().sql.run("CREATE FUNCTION facts_own AS a -> a + 1").unwrap();
    assert!(!is_pure());
    server().sql.run("DROP FUNCTION facts_own").unwrap();
    assert!(is_pure());
}

#[test]
fn a_view_and_a_change_show() {
    let before = facts("facts_changed", "a UInt64", PLAIN);
    assert!(!before.has_views && before.keeps_rows);
    server()
        .sql
        .run("CREATE MATERIALIZED VIEW facts_view ENGINE = Null AS SELECT a FROM facts_changed")
        .unwrap();
    assert!(inspect("facts_changed").has_views);
    assert_eq!(inspect("facts_changed").definition, inspect("facts_changed").definition);
    server().sql.run("ALTER TABLE facts_changed ADD CONSTRAINT c CHECK a < 9").unwrap();
    assert_ne!(inspect("facts_changed").definition, before.definition);
}

/// The time of a change stays when the change is gone (R7). It counts whole seconds.
#[test]
fn a_setting_that_was_changed_and_changed_back_shows() {
    let before = facts("facts_and_back", "a UInt64", PLAIN);
    std::thread::sleep(Duration::from_millis(1_100));
    for blocks in [1, 1_000] {
        let set = format!("MODIFY SETTING non_replicated_deduplication_window = {blocks}");
        server().sql.run(&format!("ALTER TABLE facts_and_back {set}")).unwrap();
    }
    let after = inspect("facts_and_back");
    assert_eq!(after.window_blocks, before.window_blocks);
    assert_eq!(after.definition >> 32, before.definition >> 32);
    assert!(after.definition > before.definition);
    let at_ms = (after.definition & 0xffff_ffff) * 1_000;
    assert!(after.server_now.0.abs_diff(at_ms) < 60_000);
}

/// Of many tables that are asked about at once each has its own facts, those of it alone: blocks, mutations, columns.
#[test]
fn tables_that_are_asked_about_together_are_told_apart() {
    let server = server();
    let lineage = "_topic String, _partition UInt32, _offset UInt64";
    let name = |table: usize| format!("facts_together ' {table}");
    for table in 0..12 {
        let columns =
            if table % 2 == 0 { format!("a UInt64, {lineage}") } else { "b String, a UInt64".to_owned() };
        let create = format!("CREATE TABLE `{}` ({columns}) ENGINE = {PLAIN}", name(table));
        server.sql.run(&create).unwrap();
        for row in 0..table % 5 {
            server.sql.run(&format!("INSERT INTO `{}` (a) VALUES ({row})", name(table))).unwrap();
        }
        if table % 3 == 0 {
            let delete =
                format!("ALTER TABLE `{}` DELETE WHERE a = 100 SETTINGS mutations_sync = 1", name(table));
            server.sql.run(&delete).unwrap();
        }
    }
    let client = server.client("default", "");
    let jobs: Vec<_> = (0..13)
        .map(|table| {
            let (client, table) =
                (client.clone(), TableName { database: DATABASE.to_owned(), table: name(table) });
            RUNTIME
                .spawn(async move { (client.inspect(&table).await, client.columns(&table).await.unwrap()) })
        })
        .collect();
    for (table, job) in jobs.into_iter().enumerate() {
        let (found, columns) = RUNTIME.block_on(job).unwrap();
        if table == 12 {
            assert!(found.is_err() && columns.is_empty(), "there is none");
            continue;
        }
        let (found, alone) = (found.unwrap(), inspect(&name(table)));
        // Two readings of the clock differ, and so does the start, which is reckoned from it.
        let Inspection { server_now, server_started, received, .. } = found.clone();
        assert_eq!(found, Inspection { server_now, server_started, received, ..alone });
        assert_eq!(found.lineage.is_some(), table % 2 == 0);
        assert_eq!(found.keeps_rows, table % 3 != 0);
        assert!(found.blocks.unwrap() >= (table % 5) as u64, "{table}: {:?}", found.blocks);
        assert_eq!(columns.len(), if table % 2 == 0 { 4 } else { 2 });
    }
}
