//! A connector's file under a worker: what it means, what is noted, what is refused.
#![allow(clippy::unwrap_used)]
mod bad_records;
mod clients;
mod formats;
mod versions;

use pumphouse_config::{
    BatchDecision, ConfigCode, ConfigErrors, ConnectorConfig, ExactlyOnce, LedgerStore, LineageColumns,
    RawConfig, StartAt, TableCreation, UnknownFields, WorkerConfig, parse_connector_file, parse_properties,
};

const FILE: &str = r#"{ "name": "clickhouse-connect", "config": {
    "connector.class": "com.clickhouse.kafka.connect.ClickHouseSinkConnector", "tasks.max": "1",
    "topics": "events", "hostname": "127.0.0.1", "port": "8123", "database": "analytics",
    "username": "default", "password": "", "ssl": "false", "exactlyOnce": "true",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "value.converter.schemas.enable": "false" } }"#;

fn worker(extra: &str) -> WorkerConfig {
    let file = format!("bootstrap.servers=k1:9092\n{extra}");
    WorkerConfig::from_raw(&parse_properties(file.as_bytes()).unwrap()).unwrap()
}

fn raw(changes: &[(&str, &str)]) -> RawConfig {
    let mut raw = parse_connector_file(FILE.as_bytes()).unwrap();
    changes.iter().for_each(|(name, value)| raw.set(*name, *value));
    raw
}

fn without(name: &str) -> RawConfig {
    raw(&[]).iter().filter(|(n, _)| *n != name).collect()
}

fn read(changes: &[(&str, &str)]) -> Result<ConnectorConfig, ConfigErrors> {
    ConnectorConfig::from_raw(&raw(changes), &worker(""))
}

fn good(changes: &[(&str, &str)]) -> ConnectorConfig {
    read(changes).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refusals(result: Result<ConnectorConfig, ConfigErrors>) -> Vec<(ConfigCode, String)> {
    let errors = result.expect_err("it was accepted");
    errors.0.into_iter().map(|error| (error.code, error.option)).collect()
}

fn check_refused(changes: &[(&str, &str)], code: ConfigCode) {
    let refused = refusals(read(changes));
    let option = changes.last().unwrap().0;
    assert_eq!(refused, [(code, option.to_owned())], "{changes:?}");
}

/// As `check_refused`, where another option than the last one is blamed.
fn check_blamed(changes: &[(&str, &str)], code: ConfigCode, option: &str) {
    assert_eq!(refusals(read(changes)), [(code, option.to_owned())], "{changes:?}");
}

fn noted(config: &ConnectorConfig) -> Vec<&str> {
    config.notes.iter().map(|note| note.option.as_str()).collect()
}

#[test]
fn the_usual_connector_is_understood() {
    let config = good(&[]);
    assert_eq!(
        (config.name.as_str(), config.group_id.as_str()),
        ("clickhouse-connect", "connect-clickhouse-connect")
    );
    assert_eq!((config.tasks_max, config.topics.as_slice()), (1, ["events".to_owned()].as_slice()));
    assert_eq!(config.tables.get("events").map(String::as_str), Some("events"));
    let endpoint = &config.endpoint;
    assert_eq!((endpoint.hostnames.as_slice(), endpoint.port), (["127.0.0.1".to_owned()].as_slice(), 8123));
    assert_eq!((endpoint.database.as_str(), endpoint.username.as_str()), ("analytics", "default"));
    assert!(endpoint.password.is_empty() && config.clickhouse_settings.is_empty());
    let batch = config.batch;
    assert_eq!((batch.rows_max, batch.bytes_max, batch.linger_ms), (1_000_000, 134_217_728, 1_000));
    assert_eq!((config.insert_deadline_ms, config.insert_execution_ms_max), (10_000, 60_000));
    assert_eq!(config.ledger_store, LedgerStore::Kafka);
    assert_eq!(config.unknown_fields, UnknownFields::Ignore);
    assert_eq!(config.start_at, StartAt::Earliest);
    assert_eq!(config.consumer_options.get("bootstrap.servers"), Some("k1:9092"));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn blocks_are_compressed_as_told() {
    use pumphouse_config::InsertCompression::{Lz4, None, Zstd};
    let option = "pumphouse.insert.compression";
    assert_eq!(good(&[]).insert_compression, Lz4);
    for (said, meant) in [("LZ4", Lz4), ("zstd", Zstd), ("none", None)] {
        assert_eq!(good(&[(option, said)]).insert_compression, meant);
    }
    assert!(read(&[(option, "gzip")]).is_err());
}

#[test]
fn the_official_sinks_state_options_are_noted() {
    let config = good(&[("zkPath", "/kafka-connect"), ("zkDatabase", "connect_state")]);
    assert_eq!(noted(&config), ["zkDatabase", "zkPath"]);
    assert_eq!(config.ledger_store, LedgerStore::Kafka);
}

#[test]
fn a_ledger_in_keeper_map_takes_the_official_sinks_names() {
    let changes = [("pumphouse.ledger.store", "KeeperMap"), ("zkPath", "/p"), ("zkDatabase", "state")];
    let config = good(&changes);
    assert!(config.notes.is_empty(), "{:?}", config.notes);
    assert_eq!(config.ledger_store, LedgerStore::KeeperMap);
    assert_eq!((config.keeper_table.path.as_str(), config.keeper_table.table.as_str()), ("/p", "state"));
    for path in ["p", "/", "/p/", "/p//q"] {
        let refused = refusals(read(&[("pumphouse.ledger.store", "keepermap"), ("zkPath", path)]));
        assert!(
            refused.iter().any(|refusal| format!("{refusal:?}").contains("zkPath")),
            "{path}: {refused:?}"
        );
    }
}

#[test]
fn absent_options_have_the_official_defaults() {
    let raw: RawConfig = raw(&[])
        .iter()
        .filter(|(name, _)| {
            !["port", "database", "username", "ssl", "exactlyOnce", "tasks.max"].contains(name)
        })
        .collect();
    let config = ConnectorConfig::from_raw(&raw, &worker("")).unwrap();
    assert_eq!((config.endpoint.port, config.endpoint.tls, config.tasks_max), (8443, false, 1));
    assert_eq!(
        (config.endpoint.database.as_str(), config.endpoint.username.as_str()),
        ("default", "default")
    );
}

#[test]
fn values_that_mean_off_are_accepted() {
    let off = [
        ("debeziumCDCEnabled", "false"),
        ("bypassRowBinary", "FALSE"),
        ("suppressTableExistenceException", "false"),
        ("insertFormat", "none"),
        ("transforms", ""),
        ("predicates", " "),
        ("errors.tolerance", "none"),
        ("auto.evolve", "false"),
        ("topics.regex", ""),
        ("errors.deadletterqueue.topic.name", ""),
        ("proxyType", "IGNORE"),
        ("jdbcConnectionProperties", ""),
    ];
    assert!(good(&off).notes.is_empty());
}

#[test]
fn values_that_are_not_built_are_refused() {
    for change in [
        ("debeziumCDCEnabled", "true"),
        ("transforms", "a"),
        ("transforms.a.type", "x"),
        ("predicates.p.type", "x"),
        ("auto.evolve", "true"),
        ("bypassRowBinary", "true"),
        ("bypassSchemaValidation", "true"),
        ("bypassFieldCleanup", "true"),
        ("enableDbTopicSplit", "true"),
        ("suppressTableExistenceException", "true"),
        ("tolerateStateMismatch", "true"),
        ("jdbcConnectionProperties", "?ssl=true"),
        ("proxyType", "HTTP"),
        ("consumer.override.bootstrap.servers", "other:9092"),
    ] {
        check_refused(&[change], ConfigCode::NotYet);
    }
}

#[test]
fn malformed_values_are_refused() {
    for change in [
        ("port", "0"),
        ("port", "65536"),
        ("port", "abc"),
        ("tasks.max", "0"),
        ("ssl", "yes"),
        ("exactlyOnce", "maybe"),
        ("connector.class", "io.confluent.connect.jdbc.JdbcSinkConnector"),
        ("hostname", "http://h"),
        ("hostname", "h:8123"),
        ("hostname", "a,h:8123"),
        ("errors.tolerance", "some"),
        ("errors.retry.timeout", "-2"),
        ("errors.retry.delay.max.ms", "99"),
        ("errors.deadletterqueue.topic.name", "dead letters"),
        ("errors.deadletterqueue.topic.replication.factor", "0"),
        ("errors.log.enable", "1"),
        ("pumphouse.table.create", "a UInt8)"),
        ("pumphouse.table.order.by", "(a"),
        ("pumphouse.table.engine", "Memory"),
        ("pumphouse.open.batch.decisions", "0123456789abcdef0123456789abcdef"),
        ("pumphouse.open.batch.decisions", "0123456789abcdef0123456789abcdef=dropped"),
        ("pumphouse.open.batch.decisions", "0123=landed"),
        ("topics", "a,b c"),
        ("topic2TableMap", "events"),
        ("topic2TableMap", "events="),
        ("clickhouseSettings", "a=1,b"),
        ("pumphouse.insert.deadline.ms", "999"),
        ("pumphouse.insert.deadline.ms", "30001"),
        ("pumphouse.batch.rows.max", "0"),
        ("pumphouse.ledger.store", "redis"),
        ("pumphouse.unknown.fields", "drop"),
        ("consumer.override.auto.offset.reset", "by_duration:PT1H"),
        ("bufferCount", "-1"),
        ("timeoutSeconds", "x"),
        ("name", "a\u{7}b"),
    ] {
        check_refused(&[change], ConfigCode::Value);
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let refused =
        refusals(read(&[("port", "x"), ("tasksmax", "1"), ("hostname", ""), ("auto.evolve", "true")]));
    assert_eq!(
        refused,
        [
            (ConfigCode::NotYet, "auto.evolve".to_owned()),
            (ConfigCode::Value, "port".to_owned()),
            (ConfigCode::Unknown, "tasksmax".to_owned()),
            (ConfigCode::Missing, "hostname".to_owned()),
        ]
    );
}

#[test]
fn missing_options_are_named() {
    for name in ["name", "connector.class", "topics", "hostname", "value.converter"] {
        let refused = refusals(ConnectorConfig::from_raw(&without(name), &worker("")));
        assert_eq!(refused, [(ConfigCode::Missing, name.to_owned())]);
    }
    check_refused(&[("topics", " , ")], ConfigCode::Missing);
}

#[test]
fn unknown_options_come_with_a_guess() {
    let errors = read(&[("bufferCont", "5")]).unwrap_err();
    assert_eq!(
        errors.to_string(),
        "CONFIG-004: bufferCont: there is no such option. Did you mean bufferCount?"
    );
    let errors = read(&[("listeners", "http://:1")]).unwrap_err();
    assert!(errors.to_string().contains("move it to the worker's file"), "{errors}");
}

#[test]
fn short_class_names_are_kafka_connects() {
    good(&[("connector.class", "ClickHouseSink"), ("value.converter", "JsonConverter")]);
}

#[test]
fn topics_and_tables() {
    let config = good(&[("topics", "a, b ,a"), ("topic2TableMap", "b = t, c=u")]);
    assert_eq!(config.topics, ["a", "b"]);
    let tables: Vec<_> = config.tables.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(tables, [("a", "a"), ("b", "t")]);
    assert_eq!(noted(&config), ["topic2TableMap"]);
    check_refused(&[("topic2TableMap", "a=t,a=u")], ConfigCode::Conflict);
}

#[test]
fn buffer_options_set_the_batch() {
    let config = good(&[("bufferCount", "1000"), ("bufferFlushTime", "250")]);
    assert_eq!((config.batch.rows_max, config.batch.linger_ms), (1000, 250));
    let config = good(&[("bufferCount", "0"), ("pumphouse.batch.rows.max", "7")]);
    assert_eq!(config.batch.rows_max, 7);
    good(&[("bufferCount", "7"), ("pumphouse.batch.rows.max", "7")]);
    check_refused(&[("bufferCount", "8"), ("pumphouse.batch.rows.max", "7")], ConfigCode::Conflict);
}

#[test]
fn clickhouse_settings_are_passed_on_unless_forced() {
    let config = good(&[("clickhouseSettings", "insert_quorum=2, async_insert=0,a=x=y")]);
    let passed: Vec<_> = config.clickhouse_settings.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(passed, [("a", "x=y"), ("insert_quorum", "2")]);
    for forced in [
        "async_insert=1",
        "insert_deduplicate=0",
        "max_execution_time=5",
        "log_comment=x",
        "max_insert_threads=4",
        "limit=10",
        "timeout_overflow_mode=break",
        "wait_for_async_insert=1",
    ] {
        check_refused(&[("clickhouseSettings", forced)], ConfigCode::Forced);
    }
    check_refused(&[("clickhouseSettings", "a=1,a=2")], ConfigCode::Conflict);
}

#[test]
fn skipping_unknown_fields_agrees_with_our_option() {
    let config = good(&[("clickhouseSettings", "input_format_skip_unknown_fields=1")]);
    assert!(config.clickhouse_settings.is_empty());
    assert_eq!(noted(&config), ["clickhouseSettings"]);
    check_refused(&[("clickhouseSettings", "input_format_skip_unknown_fields=0")], ConfigCode::Conflict);
    let refuse = ("pumphouse.unknown.fields", "refuse");
    good(&[refuse, ("clickhouseSettings", "input_format_skip_unknown_fields=0")]);
}

#[test]
fn exactly_once_has_three_states() {
    let state = |text| good(&[("exactlyOnce", text)]).exactly_once;
    assert_eq!([state("TRUE"), state("false")], [ExactlyOnce::Required, ExactlyOnce::Off]);
    let absent = ConnectorConfig::from_raw(&without("exactlyOnce"), &worker("")).unwrap();
    assert_eq!(absent.exactly_once, ExactlyOnce::WherePossible);
}

#[test]
fn lineage_columns() {
    assert_eq!(good(&[]).lineage, LineageColumns::default());
    let config = good(&[("pumphouse.lineage.key.column", "k"), ("pumphouse.lineage.headers.column", "")]);
    let named = LineageColumns { key: "k".to_owned(), headers: String::new(), ..LineageColumns::default() };
    assert_eq!(config.lineage, named);
    check_refused(&[("pumphouse.lineage.offset.column", "_partition")], ConfigCode::Conflict);
    // Two that are not stored do not meet.
    good(&[("pumphouse.lineage.key.column", ""), ("pumphouse.lineage.headers.column", "")]);
}

#[test]
fn tables_are_created_where_columns_are_given() {
    assert_eq!(good(&[]).table_creation, None);
    let config = good(&[("pumphouse.table.create", "id UInt64, a Array(UInt8)")]);
    let usual = TableCreation {
        columns: "id UInt64, a Array(UInt8)".to_owned(),
        order_by: "tuple()".to_owned(),
        engine: "MergeTree".to_owned(),
    };
    assert_eq!(config.table_creation, Some(usual.clone()));
    let config = good(&[
        ("pumphouse.table.create", "id UInt64, a Array(UInt8)"),
        ("pumphouse.table.order.by", "(id, a)"),
        ("pumphouse.table.engine", "ReplacingMergeTree(id)"),
    ]);
    let other =
        TableCreation { order_by: "(id, a)".into(), engine: "ReplacingMergeTree(id)".into(), ..usual };
    assert_eq!(config.table_creation, Some(other));
    assert_eq!(noted(&good(&[("pumphouse.table.order.by", "id")])), ["pumphouse.table.order.by"]);
}

#[test]
fn a_person_decides_about_batches() {
    const OPTION: &str = "pumphouse.open.batch.decisions";
    let ids = ["00000000000000000000000000000001", "0000000000000000000000000000000a"];
    let text = format!("{}=landed, {}=Missing", ids[0], ids[1]);
    let decided = good(&[(OPTION, &text)]).open_batch_decisions;
    let read: Vec<_> = decided.iter().map(|(batch, decision)| (batch.to_string(), *decision)).collect();
    let [landed, missing] = ids.map(str::to_owned);
    assert_eq!(read, [(landed, BatchDecision::Landed), (missing, BatchDecision::Missing)]);
    check_refused(&[(OPTION, &format!("{0}=landed,{0}=again", ids[0]))], ConfigCode::Conflict);
}

#[test]
fn several_hosts_are_replicas() {
    let config = good(&[("hostname", "a, b.example ,a,[::1]")]);
    assert_eq!(config.endpoint.hostnames, ["a", "b.example", "[::1]"]);
    check_refused(&[("hostname", " , ")], ConfigCode::Missing);
}
