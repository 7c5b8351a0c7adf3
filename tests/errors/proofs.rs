//! Tables that cannot deduplicate: PROOF.
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE};
use pumphouse_tests::{Corner, WorkerOptions, bed};

use crate::case::{Case, try_all};

const GOOD: &str = "CREATE TABLE {t} (n UInt64) ENGINE = MergeTree ORDER BY n {w}";
const OTHER: &str = "CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n {w}";
const TO_OTHER: &[(&str, &str)] = &[("topic2TableMap", "{t}={o}")];

#[test]
fn tables_are_made_fit_as_the_pages_say() {
    try_all(
        "proof",
        &[
            Case {
                code: "PROOF-001",
                options: &[("database", "nowhere")],
                set: &[("database", "{d}")],
                ..Case::NONE
            },
            Case { code: "PROOF-002", given: &[], sql: &[GOOD], ..Case::NONE },
            Case {
                code: "PROOF-002",
                given: &[],
                set: &[
                    ("pumphouse.table.create", "n UInt64"),
                    ("pumphouse.table.order.by", "n"),
                    ("pumphouse.table.engine", "MergeTree"),
                ],
                ..Case::NONE
            },
            Case {
                code: "PROOF-003",
                given: &["CREATE TABLE {t} (n UInt64) ENGINE = Memory", OTHER],
                set: TO_OTHER,
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PROOF-004",
                given: &["CREATE TABLE {t} (n UInt64) ENGINE = MergeTree ORDER BY n"],
                sql: &["(message)"],
                ..Case::NONE
            },
            Case {
                code: "PROOF-005",
                given: &[
                    "CREATE TABLE {t} (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS non_replicated_deduplication_window = 2",
                ],
                sql: &["(message)"],
                ..Case::NONE
            },
            Case {
                code: "PROOF-006",
                given: &[
                    "CREATE TABLE {t} (n UInt64) ENGINE = ReplicatedMergeTree('/tables/{t}', 'r') ORDER BY n SETTINGS replicated_deduplication_window_seconds = 5",
                ],
                sql: &["(message)"],
                ..Case::NONE
            },
            Case {
                code: "PROOF-010",
                given: &[
                    "CREATE TABLE {t} (n UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY n PARTITION BY toDate(at) {w}",
                ],
                sql: &[
                    "DROP TABLE {t}",
                    "CREATE TABLE {t} (n UInt64, at DateTime DEFAULT now()) ENGINE = MergeTree ORDER BY n PARTITION BY n % 2 {w}",
                ],
                ..Case::NONE
            },
            Case {
                code: "PROOF-011",
                given: &[
                    GOOD,
                    "CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n",
                    "CREATE MATERIALIZED VIEW {t}_view TO {o} AS SELECT n FROM {t}",
                ],
                sql: &["ALTER TABLE {o} MODIFY SETTING non_replicated_deduplication_window = 10000"],
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PROOF-011",
                given: &[
                    GOOD,
                    "CREATE TABLE {o} (n UInt64) ENGINE = MergeTree ORDER BY n",
                    "CREATE MATERIALIZED VIEW {t}_view TO {o} AS SELECT n FROM {t}",
                ],
                sql: &["DETACH TABLE {t}_view"],
                ..Case::NONE
            },
            Case {
                code: "PROOF-013",
                given: &[OTHER, "CREATE TABLE {t} AS {o} ENGINE = Buffer({d}, {o}, 1, 1, 1, 1, 1, 1, 1)"],
                set: TO_OTHER,
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PROOF-014",
                given: &["CREATE TABLE {t} (n UInt64) ENGINE = Null", OTHER],
                sql: &["CREATE MATERIALIZED VIEW {t}_view TO {o} AS SELECT n FROM {t}"],
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PROOF-014",
                given: &["CREATE TABLE {t} (n UInt64) ENGINE = Null", OTHER],
                set: TO_OTHER,
                into: "{o}",
                ..Case::NONE
            },
            Case {
                code: "PROOF-019",
                given: &[
                    GOOD,
                    "CREATE TABLE {o} (n UInt64, at DateTime) ENGINE = MergeTree ORDER BY n PARTITION BY toDate(at) {w}",
                    "CREATE MATERIALIZED VIEW {t}_view TO {o} AS SELECT n, now() AS at FROM {t}",
                ],
                sql: &["DETACH TABLE {t}_view"],
                ..Case::NONE
            },
        ],
    );
}

/// Users come from a file here; this build has none made by SQL.
fn users_xml(profile: &str, grants: &[String]) -> String {
    let grants: String = grants.iter().map(|grant| format!("<query>{grant}</query>")).collect();
    format!(
        "<clickhouse><profiles><default/><strict>{profile}</strict></profiles><quotas><default/></quotas><users>\
         <default><password></password><networks><ip>::/0</ip></networks><profile>default</profile>\
         <quota>default</quota></default>\
         <writer><password>w</password><networks><ip>::/0</ip></networks><profile>strict</profile>\
         <quota>default</quota><grants>{grants}</grants></writer>\
         </users></clickhouse>"
    )
}

/// The statements of a message run as they stand there, one after the other, until it has no more to say; then
/// a profile that forbids what exactly-once needs.
#[test]
fn rights_are_given_as_the_messages_say() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.xml");
    let mut grants = vec![format!("GRANT SELECT ON {DATABASE}.*")];
    std::fs::write(&path, users_xml("", &grants)).unwrap();
    let start = || {
        ClickHouse::start(ClickHouseOptions {
            memory_bytes_max: 2 << 30,
            extra_configuration: format!("<users_config>{}</users_config>", path.display()),
            ..ClickHouseOptions::default()
        })
        .unwrap()
    };
    let mut server = start();
    let corner = Corner::new(bed(), "grants", 1)
        .with_small_batches(100, 50)
        .with("port", &server.http_port().to_string())
        .with("username", "writer")
        .with("password", "w");
    let window = "non_replicated_deduplication_window = 10000";
    let table =
        format!("CREATE TABLE {} (n UInt64) ENGINE = MergeTree ORDER BY n SETTINGS {window}", corner.table);
    server.sql().run(&table).unwrap();
    corner.write_json(crate::case::NUMBERS);
    let mut asked = 0;
    loop {
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        let found = wait_rows_or_failure(&server, &corner, &mut worker);
        let Some(said) = found else { break };
        assert!(said.contains("PROOF-007"), "{said}");
        let given: Vec<String> =
            statements(&said).into_iter().filter(|grant| !grants.contains(grant)).collect();
        assert!(!given.is_empty() && asked < 5, "nothing new is asked for: {said}");
        grants.extend(given);
        asked += 1;
        std::fs::write(&path, users_xml("", &grants)).unwrap();
        server.restart().unwrap();
    }
    assert!(asked > 0, "no right was missing");

    // PROOF-008: the profile forbids a setting (452), or the user may only read (164).
    for profile in [
        "<constraints><insert_deduplicate><readonly/></insert_deduplicate></constraints><insert_deduplicate>0</insert_deduplicate>",
        "<readonly>1</readonly>",
    ] {
        std::fs::write(&path, users_xml(profile, &grants)).unwrap();
        server.restart().unwrap();
        let said = corner.worker(&WorkerOptions::called("w")).wait_refused();
        assert!(said.contains("PROOF-008") || said.contains("CLICKHOUSE-001"), "{said}");
        std::fs::write(&path, users_xml("", &grants)).unwrap();
        server.restart().unwrap();
        let mut worker = corner.worker(&WorkerOptions::called("w"));
        worker.wait_running();
    }
}

/// `None`: all rows are there.
fn wait_rows_or_failure(
    server: &ClickHouse,
    corner: &Corner<'_>,
    worker: &mut pumphouse_tests::Worker,
) -> Option<String> {
    for _ in 0..600 {
        if let Some(said) = worker.failure_of(&corner.connector) {
            return Some(said);
        }
        if server.sql().number(&format!("SELECT count() FROM {}", corner.table)).unwrap() == 3 {
            return None;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("neither rows nor a failure\n{}", worker.log());
}

/// `GRANT .. TO writer` in a message, without the user.
fn statements(said: &str) -> Vec<String> {
    let parts = said.split("GRANT ").skip(1);
    parts.filter_map(|part| part.split_once(" TO ")).map(|(what, _)| format!("GRANT {what}")).collect()
}
