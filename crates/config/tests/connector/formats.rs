//! Converters and formats, and where schemas come from.
use pumphouse_config::{
    BareValue, ConfigCode, ConnectorConfig, Pem, RawConfig, RegistryLogin, SchemaRegistry, ValueConverter,
};

use crate::{check_blamed, check_refused, good, noted, raw, read, without, worker};

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
