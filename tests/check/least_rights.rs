//! docs/security.md: the rights that it names are enough. The statements and commands are taken from the page.
use std::time::{Duration, Instant};

use pumphouse_testkit::filling::{FillRecord, fill_fast};
use pumphouse_testkit::install::java_servers;
use pumphouse_testkit::ports::free_ports;
use pumphouse_testkit::{ClickHouse, ClickHouseOptions, DATABASE, Kafka, KafkaOptions, Topics, events};
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

/// A broker that allows the user `pumphouse`, who logs in on `secure_port`, nothing; on its other port everybody
/// may do everything.
fn strict_broker(secure_port: u16) -> Kafka {
    let plain = "PLAINTEXT://127.0.0.1:{port}";
    let secure = format!("SECURE://127.0.0.1:{secure_port}");
    let mut options = KafkaOptions::default();
    for (name, value) in [
        ("listeners", format!("{plain},{secure},CONTROLLER://127.0.0.1:{{controller_port}}")),
        ("advertised.listeners", format!("{plain},{secure}")),
        (
            "listener.security.protocol.map",
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_PLAINTEXT".to_owned(),
        ),
        ("listener.name.secure.sasl.enabled.mechanisms", "PLAIN".to_owned()),
        (
            "listener.name.secure.plain.sasl.jaas.config",
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_pumphouse=\"p\";"
                .to_owned(),
        ),
        ("authorizer.class.name", "org.apache.kafka.metadata.authorizer.StandardAuthorizer".to_owned()),
        ("super.users", "User:ANONYMOUS".to_owned()),
    ] {
        options.properties.insert(name.to_owned(), value);
    }
    Kafka::start(options).unwrap()
}

/// Runs the page's commands with Kafka's own tool.
fn give_documented_acls(kafka: &Kafka, connector: &str, topic: &str, dead: &str) {
    let block = PAGE.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    for line in block.lines() {
        let arguments = line.strip_prefix("kafka-acls.sh ").unwrap();
        let arguments = arguments.split(' ').map(|word| match word {
            "T" => topic.to_owned(),
            "D" => dead.to_owned(),
            word => word.replace("NAME", connector),
        });
        let output = java_servers()
            .unwrap()
            .command()
            .arg("org.apache.kafka.tools.AclCommand")
            .args(["--bootstrap-server", &kafka.bootstrap()])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }
}

#[test]
fn records_land_with_the_documented_acls_and_not_without() {
    let [secure_port] = free_ports().unwrap();
    let kafka = strict_broker(secure_port);
    let corner = Corner::new(bed(), "acls", 1).with_small_batches(100, 50);
    let dead = format!("{}-dead", corner.topic);
    let corner = corner
        .with("exactlyOnce", "true")
        .with("errors.tolerance", "all")
        .with("errors.deadletterqueue.topic.name", &dead)
        .with("errors.deadletterqueue.topic.replication.factor", "1");
    corner.create_events_table(pumphouse_tests::Engine::Plain);
    Topics::new(&kafka.bootstrap()).unwrap().create(&corner.topic, 1, &[]).unwrap();
    let bad = FillRecord { partition: 0, key: None, value: Some(b"no json".to_vec()) };
    let records = events::events(1, 0).take(300).map(|event| event.into_record(1)).chain([bad]);
    fill_fast(&kafka.bootstrap(), &corner.topic, records).unwrap();
    let login = "org.apache.kafka.common.security.plain.PlainLoginModule required username=\"pumphouse\" password=\"p\";";
    let options = |id: &str| {
        WorkerOptions::called(id)
            .with("bootstrap.servers", &format!("127.0.0.1:{secure_port}"))
            .with("security.protocol", "SASL_PLAINTEXT")
            .with("sasl.mechanism", "PLAIN")
            .with("sasl.jaas.config", login)
    };
    let refused = corner.worker(&options("none")).wait_refused();
    assert!(refused.contains("KAFKA-"), "{refused}");

    give_documented_acls(&kafka, &corner.connector, &corner.topic, &dead);
    let mut worker = corner.worker(&options("exact"));
    worker.wait_running();
    let begun = Instant::now();
    let letters = |kafka: &Kafka| {
        let ends = Topics::new(&kafka.bootstrap()).unwrap().end_offsets(&dead);
        ends.map(|ends| ends.values().sum::<i64>()).unwrap_or(0)
    };
    while corner.rows() < 300 || letters(&kafka) == 0 {
        worker.check();
        assert!(begun.elapsed() < LIMIT, "{} rows, {} letters", corner.rows(), letters(&kafka));
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(worker.stop().success());
    assert_eq!(corner.rows(), 300);
}
