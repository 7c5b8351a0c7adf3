//! docs/security.md: the rights that it names are enough. The statements are taken from the page.
use std::time::Duration;

use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE, events};
use pumphouse_tests::{Corner, WorkerOptions, bed};

const PAGE: &str = include_str!("../../docs/security.md");
const LIMIT: Duration = Duration::from_secs(60);

/// The page's GRANT statements for this table, without the user.
fn documented(table: &str) -> Vec<String> {
    let block = PAGE.split("```sql\n").nth(1).unwrap().split("```").next().unwrap();
    let statements: Vec<String> = block
        .lines()
        .map(|line| {
            line.strip_suffix(" TO pumphouse;").unwrap().replace("db.events", &format!("{DATABASE}.{table}"))
        })
        .collect();
    assert!(
        statements.len() >= 5 && statements.iter().all(|grant| grant.starts_with("GRANT ")),
        "{statements:?}"
    );
    statements
}

#[test]
fn records_land_with_the_documented_grants_and_not_with_one_less() {
    let corner = Corner::new(bed(), "least", 1).with_small_batches(100, 50).with("exactlyOnce", "true");
    corner.write(events::events(1, 0).take(300).map(|event| event.into_record(1)));
    let directory = tempfile::tempdir().unwrap();
    let users = directory.path().join("users.xml");
    let write_users = |grants: &[String]| {
        let grants: String = grants.iter().map(|grant| format!("<query>{grant}</query>")).collect();
        let text = format!(
            "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users>\
             <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>\
             <quota>default</quota></default>\
             <pumphouse><password>p</password><networks><ip>::/0</ip></networks><profile>default</profile>\
             <quota>default</quota><grants>{grants}</grants></pumphouse></users></clickhouse>"
        );
        std::fs::write(&users, text).unwrap();
    };
    let grants = documented(&corner.table);
    // One that is needed for sure, as a check that rights are asked for at all.
    write_users(&grants[1..]);
    let mut server = ClickHouse::start(ClickHouseOptions {
        memory_bytes_max: 2 << 30,
        extra_configuration: format!("<users_config>{}</users_config>", users.display()),
        ..ClickHouseOptions::default()
    })
    .unwrap();
    let table = &corner.table;
    let columns = events::TABLE_COLUMNS;
    let lineage = "_topic LowCardinality(String), _partition UInt32, _offset UInt64";
    let window = "non_replicated_deduplication_window = 10000";
    let create = format!(
        "CREATE TABLE {table} ({columns}, {lineage}) ENGINE = MergeTree ORDER BY id SETTINGS {window}"
    );
    server.sql().run(&create).unwrap();
    let table = table.clone();
    let corner = corner
        .with("port", &server.http_port().to_string())
        .with("username", "pumphouse")
        .with("password", "p");
    let refused = corner.worker(&WorkerOptions::called("less")).wait_refused();
    assert!(refused.contains("PROOF-"), "{refused}");

    write_users(&grants);
    server.restart().unwrap();
    let mut worker = corner.worker(&WorkerOptions::called("exact"));
    worker.wait_running();
    corner.wait_caught_up(&mut [&mut worker], LIMIT);
    assert!(worker.stop().success());
    assert_eq!(server.sql().number(&format!("SELECT count() FROM {table}")).unwrap(), 300);
    assert!(!worker.log().contains("at least once"), "{}", worker.log());
}
