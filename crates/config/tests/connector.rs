//! A connector's file under a worker: what it means, what is noted, what is refused.
#![allow(clippy::unwrap_used)]
use pumphouse_config::{
    BadRecordLog, BadRecords, BareValue, BatchDecision, ConfigCode, ConfigErrors, ConnectorConfig,
    DeadLetters, ExactlyOnce, InsertRetry, LedgerStore, LineageColumns, MASK, Pem, RawConfig, RegistryLogin,
    SchemaRegistry, StartAt, TableCreation, UnknownFields, ValueConverter, WorkerConfig,
    parse_connector_file, parse_properties,
};

/// The connector that users of the official sink already have.
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
    assert_eq!((batch.rows_max, batch.bytes_max, batch.linger_ms), (500_000, 33_554_432, 1_000));
    assert_eq!((config.insert_deadline_ms, config.insert_execution_ms_max), (10_000, 60_000));
    assert_eq!(config.ledger_store, LedgerStore::Kafka);
    assert_eq!(config.unknown_fields, UnknownFields::Ignore);
    assert_eq!(config.start_at, StartAt::Earliest);
    assert_eq!(config.consumer_options.get("bootstrap.servers"), Some("k1:9092"));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
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
fn schemas_travel_with_values_unless_switched_off() {
    assert_eq!(good(&[]).value_converter, ValueConverter::Json);
    let with = good(&[("value.converter.schemas.enable", "true")]);
    assert_eq!(with.value_converter, ValueConverter::JsonWithSchema { null_defaults: true });
    assert!(with.warnings.is_empty());
    // Kafka's default, which is rarely meant.
    let config = ConnectorConfig::from_raw(&without("value.converter.schemas.enable"), &worker("")).unwrap();
    assert_eq!(config.value_converter, ValueConverter::JsonWithSchema { null_defaults: true });
    assert_eq!(config.warnings[0].option, "value.converter.schemas.enable");
    let nulls = good(&[
        ("value.converter.schemas.enable", "true"),
        ("value.converter.replace.null.with.default", "false"),
    ]);
    assert_eq!(nulls.value_converter, ValueConverter::JsonWithSchema { null_defaults: false });
}

#[test]
fn converters_are_inherited_as_in_connect() {
    let json = "value.converter=org.apache.kafka.connect.json.JsonConverter\n";
    let off = format!("{json}value.converter.schemas.enable=false\n");
    let read = |config: &RawConfig, file: &str| ConnectorConfig::from_raw(config, &worker(file)).unwrap();
    let with_schema = ValueConverter::JsonWithSchema { null_defaults: true };
    let bare: RawConfig = raw(&[]).iter().filter(|(name, _)| !name.starts_with("value.")).collect();
    assert_eq!(read(&bare, &off).value_converter, ValueConverter::Json);
    assert_eq!(read(&bare, json).value_converter, with_schema);

    // The connector's converter does not take the worker's options.
    let own = without("value.converter.schemas.enable");
    assert_eq!(read(&own, &off).value_converter, with_schema);

    // Options without a converter beside them do not count.
    let options_only = without("value.converter");
    let config = read(&options_only, json);
    assert_eq!(config.value_converter, with_schema);
    assert_eq!(noted(&config), ["value.converter.schemas.enable"]);

    let avro = "value.converter=AvroConverter\nvalue.converter.schema.registry.url=http://r\n";
    let config = read(&bare, avro);
    assert_eq!(config.value_converter.registry().unwrap().urls.len(), 1);
}

const AVRO: [(&str, &str); 2] = [
    ("value.converter", "io.confluent.connect.avro.AvroConverter"),
    ("value.converter.schema.registry.url", "http://r1:8081, https://u:hunter2@r2/path"),
];

fn with_avro<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    AVRO.iter().chain(more).copied().collect()
}

fn registry(more: &[(&str, &str)]) -> SchemaRegistry {
    let config = good(&with_avro(more));
    config.value_converter.registry().expect("Avro has one").clone()
}

#[test]
fn avro_needs_a_registry() {
    let read = registry(&[]);
    let urls: Vec<_> = read.urls.iter().map(|url| url.reveal()).collect();
    assert_eq!(urls, ["http://r1:8081", "https://u:hunter2@r2/path"]);
    assert_eq!(read.login, RegistryLogin::FromUrl);
    check_blamed(&[AVRO[0]], ConfigCode::Missing, AVRO[1].0);
    // What belongs to JsonConverter is without effect here, and the other way round.
    assert_eq!(noted(&good(&with_avro(&[]))), ["value.converter.schemas.enable"]);
    assert_eq!(noted(&good(&[AVRO[1]])), ["value.converter.schema.registry.url"]);
}

#[test]
fn protobuf_needs_a_registry_as_well() {
    let protobuf = ("value.converter", "io.confluent.connect.protobuf.ProtobufConverter");
    check_blamed(&[protobuf], ConfigCode::Missing, AVRO[1].0);
    let config = good(&[protobuf, AVRO[1]]);
    assert_eq!(config.value_converter.class(), protobuf.1);
    assert_eq!(config.value_converter.registry(), Some(&registry(&[])));
    assert!(config.delivery_relevant_text().contains("value.converter=protobuf\n"));
    let json = ("value.converter", "io.confluent.connect.json.JsonSchemaConverter");
    let config = good(&[json, AVRO[1]]);
    assert_eq!(config.value_converter, ValueConverter::JsonSchema(registry(&[])));
    assert_eq!(config.value_converter.class(), json.1);
}

#[test]
fn a_registry_hears_who_we_are() {
    let source = ("value.converter.basic.auth.credentials.source", "USER_INFO");
    for name in
        ["value.converter.basic.auth.user.info", "value.converter.schema.registry.basic.auth.user.info"]
    {
        let RegistryLogin::Basic { user, password } = registry(&[source, (name, "me:hun:ter2")]).login else {
            panic!("no login by {name}")
        };
        assert_eq!((user.as_str(), password.reveal()), ("me", "hun:ter2"));
    }
    let token = [
        ("value.converter.bearer.auth.credentials.source", "STATIC_TOKEN"),
        ("value.converter.bearer.auth.token", "hunter2"),
    ];
    let RegistryLogin::Bearer(bearer) = registry(&token).login else { panic!("no token") };
    assert_eq!(bearer.reveal(), "hunter2");
    check_blamed(&with_avro(&[source]), ConfigCode::Missing, "value.converter.basic.auth.user.info");
    check_refused(&with_avro(&[source, ("value.converter.basic.auth.user.info", "me")]), ConfigCode::Value);
    check_blamed(&with_avro(&token[..1]), ConfigCode::Missing, token[1].0);
    let inherit = ("value.converter.basic.auth.credentials.source", "SASL_INHERIT");
    check_refused(&with_avro(&[inherit]), ConfigCode::NotYet);
}

#[test]
fn a_registry_is_trusted_by_pem_files() {
    const TRUST: &str = "value.converter.schema.registry.ssl.truststore.location";
    const KEY: &str = "value.converter.schema.registry.ssl.keystore.location";
    let pem = |option: &'static str| (option, "PEM");
    let read = registry(&[
        (TRUST, "/ca.pem"),
        pem("value.converter.schema.registry.ssl.truststore.type"),
        (KEY, "/me.pem"),
        pem("value.converter.schema.registry.ssl.keystore.type"),
    ]);
    assert_eq!(read.authorities, Some(Pem::File("/ca.pem".into())));
    assert_eq!(
        (read.certificates, read.key),
        (Some(Pem::File("/me.pem".into())), Some(Pem::File("/me.pem".into())))
    );
    check_blamed(
        &with_avro(&[(TRUST, "/ca.jks")]),
        ConfigCode::NotYet,
        "value.converter.schema.registry.ssl.truststore.type",
    );
    let alone = [
        ("value.converter.schema.registry.ssl.keystore.key", "hunter2"),
        pem("value.converter.schema.registry.ssl.keystore.type"),
    ];
    check_blamed(
        &with_avro(&alone),
        ConfigCode::Missing,
        "value.converter.schema.registry.ssl.keystore.certificate.chain",
    );
}

#[test]
fn texts_have_to_say_what_they_are() {
    let text = ("value.converter", "org.apache.kafka.connect.storage.StringConverter");
    assert_eq!(good(&[text, ("insertFormat", "json")]).value_converter, ValueConverter::JsonText);
    check_blamed(&[text], ConfigCode::Missing, "insertFormat");
    assert_eq!(good(&[text, ("insertFormat", "CSV")]).value_converter, ValueConverter::Csv);
    assert_eq!(good(&[text, ("insertFormat", "tsv")]).value_converter, ValueConverter::Tsv);
    let delimiter = ("clickhouseSettings", "format_csv_delimiter=;");
    check_blamed(&[text, ("insertFormat", "CSV"), delimiter], ConfigCode::NotYet, "clickhouseSettings");
    let column = ("pumphouse.value.column", "c");
    let whole = ValueConverter::Whole { value: BareValue::Text, column: Some("c".to_owned()) };
    assert_eq!(good(&[text, column]).value_converter, whole);
    check_refused(&[text, ("insertFormat", "JSON"), column], ConfigCode::Conflict);
    let latin = ("value.converter.encoding", "ISO-8859-1");
    check_refused(&[text, ("insertFormat", "JSON"), latin], ConfigCode::NotYet);
    assert_eq!(noted(&good(&[("insertFormat", "JSON")])), ["insertFormat"]);
}

#[test]
fn a_converter_that_is_not_built_is_refused_with_those_that_are() {
    let errors = read(&[("value.converter", "com.example.Own")]).unwrap_err().to_string();
    for part in ["CONFIG-005", "com.example.Own", "JsonConverter", "AvroConverter", "ProtobufConverter"] {
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn every_class_of_connect_for_single_values_is_taken() {
    let package = "org.apache.kafka.connect.converters.";
    for (class, value) in [
        ("ByteArrayConverter", BareValue::Bytes),
        ("ShortConverter", BareValue::Short),
        ("IntegerConverter", BareValue::Integer),
        ("LongConverter", BareValue::Long),
        ("FloatConverter", BareValue::Float),
        ("DoubleConverter", BareValue::Double),
        ("BooleanConverter", BareValue::Boolean),
    ] {
        let full = format!("{package}{class}");
        let config = good(&[("value.converter", &full)]);
        assert_eq!(config.value_converter, ValueConverter::Whole { value, column: None });
        assert_eq!(config.value_converter.class(), full);
    }
    check_refused(&[("pumphouse.value.column", "c")], ConfigCode::Conflict);
    // Keys are taken as they are, whatever their converter.
    good(&[("key.converter", "org.apache.kafka.connect.converters.LongConverter")]);
}

#[test]
fn a_schema_comes_from_a_registry_or_from_files() {
    let file = ("pumphouse.value.schema.file", "/a/common.avsc, /a/order.avsc");
    let config = good(&[AVRO[0], file]);
    let ValueConverter::AvroOfFile(files) = &config.value_converter else { panic!("{config:?}") };
    let paths: Vec<_> = files.files.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!((paths, &files.message), (vec!["/a/common.avsc", "/a/order.avsc"], &None));
    assert_eq!(config.value_converter.class(), AVRO[0].1);
    assert_eq!(config.value_converter.registry(), None);
    let protobuf = ("value.converter", "ProtobufConverter");
    let message = ("pumphouse.value.schema.message", "shop.Order");
    let config = good(&[protobuf, ("pumphouse.value.schema.file", "/a.proto"), message]);
    assert_eq!(config.value_converter.schema_files().unwrap().message.as_deref(), Some("shop.Order"));
    check_refused(&with_avro(&[file]), ConfigCode::Conflict);
    check_refused(&[file], ConfigCode::Conflict);
    assert!(noted(&good(&with_avro(&[message]))).contains(&"pumphouse.value.schema.message"));
}

#[test]
fn rules_for_rows_are_part_of_the_version() {
    let text = |options: &[(&str, &str)]| good(options).delivery_relevant_text();
    let usual = text(&[]);
    assert_eq!(text(&[("pumphouse.tombstones", "fail"), ("pumphouse.null.as.default", "true")]), usual);
    let column = |name| [("value.converter", "ByteArrayConverter"), ("pumphouse.value.column", name)];
    let mut texts = vec![
        text(&[("pumphouse.tombstones", "skip")]),
        text(&[("pumphouse.null.as.default", "false")]),
        text(&[("pumphouse.field.columns", "a=b, c.d = e")]),
        text(&[("pumphouse.field.columns", "a=b")]),
        text(&column("c")),
        text(&column("d")),
        usual,
    ];
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 7, "{texts:?}");
    for twice in ["a=b,a=c", "a=c,b=c"] {
        check_refused(&[("pumphouse.field.columns", twice)], ConfigCode::Conflict);
    }
    let csv = ["org.apache.kafka.connect.storage.StringConverter", "CSV"];
    check_refused(
        &[("value.converter", csv[0]), ("insertFormat", csv[1]), ("pumphouse.field.columns", "a=b")],
        ConfigCode::Conflict,
    );
    check_refused(&[("pumphouse.field.columns", "a=")], ConfigCode::Value);
    let formats = good(&[("dateTimeFormats", "a = dd, MM yyyy; b=HH:mm;")]).row_rules.date_formats;
    let formats: Vec<_> = formats.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(formats, [("a", "dd, MM yyyy"), ("b", "HH:mm")]);
    assert_ne!(text(&[("dateTimeFormats", "a=yyyy")]), text(&[]));
    check_refused(&[("dateTimeFormats", "yyyy-MM-dd")], ConfigCode::Value);
    check_refused(&[("dateTimeFormats", "a=yyyy;a=yyyy")], ConfigCode::Conflict);
}

#[test]
fn no_password_of_a_registry_is_shown() {
    let config = good(&with_avro(&[
        ("value.converter.basic.auth.credentials.source", "USER_INFO"),
        ("value.converter.basic.auth.user.info", "me:hunter2"),
    ]));
    let shown = format!("{config:?} {:?}", config.masked());
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("@r2/path"), "{shown}");
}

#[test]
fn a_format_is_another_version_and_a_registry_is_not() {
    let text = |options: &[(&str, &str)]| good(options).delivery_relevant_text();
    let json = text(&[]);
    assert!(json.contains("value.converter=json, no schemas\n"), "{json}");
    let texts = [text(&[("value.converter.schemas.enable", "true")]), text(&with_avro(&[])), json.clone()];
    assert!(texts[0] != texts[1] && texts[1] != json && texts[0] != json);
    let moved = text(&[AVRO[0], ("value.converter.schema.registry.url", "http://other")]);
    assert_eq!(moved, texts[1]);
    let string = text(&[("value.converter", "StringConverter"), ("insertFormat", "JSON")]);
    assert_eq!(string, json);
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
fn consumer_options_are_laid_over_one_another() {
    let worker = worker(
        "security.protocol=SASL_SSL\nsession.timeout.ms=1\nconsumer.fetch.min.bytes=1\n\
         consumer.client.rack=r1\nconsumer.auto.offset.reset=latest\nproducer.sasl.mechanism=PLAIN\n",
    );
    let changes = [("consumer.override.fetch.min.bytes", "9"), ("consumer.override.group.id", "g")];
    let config = ConnectorConfig::from_raw(&raw(&changes), &worker).unwrap();
    let options: Vec<_> =
        config.consumer_options.reveal().iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(
        options,
        [
            ("bootstrap.servers", "k1:9092"),
            ("client.rack", "r1"),
            ("fetch.min.bytes", "9"),
            ("security.protocol", "SASL_SSL")
        ]
    );
    assert_eq!((config.group_id.as_str(), config.start_at), ("g", StartAt::Latest));
    assert_eq!(config.ledger_options.get("sasl.mechanism"), Some("PLAIN"));
    assert_eq!(config.ledger_options.get("security.protocol"), Some("SASL_SSL"));
}

#[test]
fn an_overridden_start_wins() {
    let worker = worker("consumer.auto.offset.reset=latest\n");
    let raw = raw(&[("consumer.override.auto.offset.reset", "none")]);
    assert_eq!(ConnectorConfig::from_raw(&raw, &worker).unwrap().start_at, StartAt::None);
}

#[test]
fn time_outs_of_the_group_have_to_agree() {
    check_refused(&[("consumer.override.max.poll.interval.ms", "44999")], ConfigCode::Conflict);
    check_refused(
        &[
            ("consumer.override.session.timeout.ms", "3000"),
            ("consumer.override.heartbeat.interval.ms", "3000"),
        ],
        ConfigCode::Conflict,
    );
    good(&[
        ("consumer.override.session.timeout.ms", "6000"),
        ("consumer.override.max.poll.interval.ms", "6000"),
    ]);
}

#[test]
fn producer_options_without_effect_are_noted() {
    let config = good(&[("producer.override.linger.ms", "5"), ("admin.override.client.id", "x")]);
    assert_eq!(noted(&config), ["admin.override.client.id", "producer.override.linger.ms"]);
}

#[test]
fn secrets_are_never_printed() {
    let secret = "s3cr3t-Wörd";
    let jaas = format!("x.PlainLoginModule required username=\"u\" password=\"{secret}\";");
    let changes = [
        ("password", secret),
        ("consumer.override.sasl.jaas.config", jaas.as_str()),
        ("producer.override.ssl.key.password", secret),
    ];
    let config = good(&changes);
    assert_eq!(config.endpoint.password.reveal(), secret);
    assert_eq!(config.consumer_options.get("sasl.jaas.config"), Some(jaas.as_str()));
    let masked = config.masked();
    assert_eq!((masked["password"].as_str(), masked["port"].as_str()), (MASK, "8123"));
    assert_eq!(masked["consumer.override.sasl.jaas.config"], MASK);
    let shown = format!("{config:?} {masked:?} {:?} {}", raw(&changes), config.delivery_relevant_text());
    assert!(!shown.contains(secret), "{shown}");

    // Also where such an option is what is wrong.
    let wrong = [
        ("password", secret),
        ("passwort", secret),
        ("transforms.a.password", secret),
        ("listeners.https.ssl.key.password", secret),
    ];
    let errors = read(&wrong).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");
}

#[test]
fn the_relevant_text_changes_with_what_makes_rows_and_nothing_else() {
    let text = |changes: &[(&str, &str)]| good(changes).delivery_relevant_text();
    let base = text(&[]);
    for same in [
        ("tasks.max", "4"),
        ("bufferCount", "10"),
        ("password", "x"),
        ("topic2TableMap", "events=events"),
        ("hostname", "h"),
        // Whoever versions a lane adds its table.
        ("database", "d"),
        ("topics", "events,more"),
        ("topic2TableMap", "events=t"),
    ] {
        assert_eq!(text(&[same]), base, "{same:?}");
    }
    for other in [
        ("pumphouse.unknown.fields", "refuse"),
        ("clickhouseSettings", "insert_quorum=2"),
        ("pumphouse.lineage.key.column", "k"),
    ] {
        assert_ne!(text(&[other]), base, "{other:?}");
    }
}

#[test]
fn exactly_once_has_three_states() {
    let state = |text| good(&[("exactlyOnce", text)]).exactly_once;
    assert_eq!([state("TRUE"), state("false")], [ExactlyOnce::Required, ExactlyOnce::Off]);
    let absent = ConnectorConfig::from_raw(&without("exactlyOnce"), &worker("")).unwrap();
    assert_eq!(absent.exactly_once, ExactlyOnce::WherePossible);
}

const TOLERANT: (&str, &str) = ("errors.tolerance", "ALL");
const LETTERS: (&str, &str) = ("errors.deadletterqueue.topic.name", "dead");

#[test]
fn bad_records_stop_the_task_unless_they_are_tolerated() {
    let config = good(&[]);
    assert_eq!((config.bad_records, config.bad_record_log), (BadRecords::Stop, BadRecordLog::Off));
    assert!(config.warnings.is_empty());
    // Connect writes a letter for a record that stops the task, each time that it stops it.
    let config = good(&[LETTERS]);
    assert_eq!((&config.bad_records, noted(&config)), (&BadRecords::Stop, vec![LETTERS.0]));
}

#[test]
fn tolerated_records_go_to_the_dead_letter_topic() {
    let letters = DeadLetters { topic: "dead".to_owned(), replication: Some(3), context_headers: false };
    assert_eq!(good(&[TOLERANT, LETTERS]).bad_records, BadRecords::DeadLetter(letters));
    let config = good(&[
        TOLERANT,
        LETTERS,
        ("errors.deadletterqueue.topic.replication.factor", "-1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ]);
    let letters = DeadLetters { topic: "dead".to_owned(), replication: None, context_headers: true };
    assert_eq!(config.bad_records, BadRecords::DeadLetter(letters));
    assert!(config.notes.is_empty() && config.warnings.is_empty());
}

#[test]
fn records_that_are_dropped_are_warned_of() {
    let config = good(&[TOLERANT]);
    assert_eq!(config.bad_records, BadRecords::Drop);
    assert_eq!(config.warnings.len(), 1);
    let warning = config.warnings[0].to_string();
    assert!(warning.contains("lost") && warning.contains(LETTERS.0), "{warning}");
}

#[test]
fn dead_letters_do_not_go_where_they_come_from() {
    check_refused(&[TOLERANT, ("errors.deadletterqueue.topic.name", "events")], ConfigCode::Conflict);
}

#[test]
fn logs_of_tolerated_records() {
    let log =
        |enable, messages| good(&[("errors.log.enable", enable), ("errors.log.include.messages", messages)]);
    assert_eq!(log("true", "false").bad_record_log, BadRecordLog::Reasons);
    assert_eq!(log("true", "true").bad_record_log, BadRecordLog::Records);
    let config = log("false", "true");
    assert_eq!(
        (config.bad_record_log, noted(&config)),
        (BadRecordLog::Off, vec!["errors.log.include.messages"])
    );
}

#[test]
fn inserts_are_tried_until_they_work_unless_a_time_is_given() {
    let retry = |changes: &[(&str, &str)]| good(changes).insert_retry;
    assert_eq!(retry(&[]), InsertRetry { timeout_ms: None, delay_ms_max: 10_000 });
    assert_eq!(retry(&[("errors.retry.timeout", "-1")]).timeout_ms, None);
    assert_eq!(retry(&[("errors.retry.timeout", "0")]).timeout_ms, Some(0));
    let both = [("errors.retry.timeout", "600000"), ("errors.retry.delay.max.ms", "60000")];
    assert_eq!(retry(&both), InsertRetry { timeout_ms: Some(600_000), delay_ms_max: 60_000 });
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
