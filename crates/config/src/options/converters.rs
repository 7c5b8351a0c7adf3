//! The options of converters. Those of a value converter stand beside `value.converter`, in the connector's
//! file or in the worker's.
use crate::option::{JavaType, Kind, OptionDef, Width};

const CONVERTERS: &str = "Converters";
const REGISTRY: &str = "Converters: schema registry";

const NO_PLUGINS: &str = "There are no Java plugins to choose from.";
const WRITING_ONLY: &str = "It concerns writing only.";
const KEYS: &str = "Keys are taken as they are, for the lineage column and dead letters.";
const HEADERS: &str = "Headers are taken as they are, for the lineage column and dead letters.";
const OWN_CACHE: &str = "1000 schemas are kept.";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc).both().group(CONVERTERS)
}

const fn registry(name: &'static str, doc: &'static str) -> OptionDef {
    option(name, doc).group(REGISTRY)
}

const fn ignored(name: &'static str, doc: &'static str, why: &'static str) -> OptionDef {
    registry(name, doc).no_effect(why)
}

/// Every class of Confluent's, with and without its package.
const SUBJECT_NAMES: &[&str] = &[
    "io.confluent.kafka.serializers.subject.TopicNameStrategy",
    "io.confluent.kafka.serializers.subject.RecordNameStrategy",
    "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
    "TopicNameStrategy",
    "RecordNameStrategy",
    "TopicRecordNameStrategy",
];

/// The table, by heading.
pub(super) const CONVERTERS_TABLE: &[OptionDef] = &[
    option(
        "value.converter",
        "How values are read: `org.apache.kafka.connect.json.JsonConverter`, `io.confluent.connect.avro.AvroConverter`, `io.confluent.connect.protobuf.ProtobufConverter`, or `org.apache.kafka.connect.storage.StringConverter` beside `insertFormat=JSON`; Connect's short forms are taken, too.",
    )
    .low()
    .java(JavaType::Class)
    .connect_group("Common")
    .shown("Value converter class", Width::Short, 8),
    option(
        "value.converter.schemas.enable",
        "For JsonConverter: whether each value is an object of `schema` and `payload`. As in Connect, true where it is not given.",
    )
    .boolean()
    .default("true")
    .high(),
    option(
        "value.converter.replace.null.with.default",
        "For JsonConverter with schemas: whether null, and a field that is not there, become the schema's default.",
    )
    .boolean()
    .default("true"),
    option("value.converter.schemas.cache.size", "How many schemas the JSON converter keeps.")
        .integer(0, i32::MAX as i64)
        .default("1000")
        .no_effect("64 different schemas are kept compiled."),
    option("value.converter.decimal.format", "How the JSON converter writes decimals.")
        .default("BASE64")
        .no_effect(WRITING_ONLY),
    option("value.converter.encoding", "For StringConverter: the encoding of the texts.")
        .default("UTF-8")
        .not_yet(&["UTF-8", "UTF8", ""], "Send texts in UTF-8."),
    option("value.converter.plugin.version", "Which version of the converter to load.").no_effect(NO_PLUGINS),
    registry(
        "value.converter.schema.registry.url",
        "For AvroConverter and ProtobufConverter: the registry's servers, `http(s)://[user:password@]host:port[/path]` with commas between; one that does not answer is passed over.",
    )
    .kind(Kind::List)
    .high(),
    registry(
        "value.converter.basic.auth.credentials.source",
        "Where user and password for the registry come from: `URL`, or `USER_INFO`. Also as `value.converter.schema.registry.basic.auth.credentials.source`.",
    )
    .default("URL")
    .not_yet(&["URL", "USER_INFO"], "Set it to USER_INFO, and the option basic.auth.user.info."),
    registry(
        "value.converter.schema.registry.basic.auth.credentials.source",
        "The same as `value.converter.basic.auth.credentials.source`.",
    )
    .not_yet(&["URL", "USER_INFO"], "Set it to USER_INFO, and the option basic.auth.user.info."),
    registry(
        "value.converter.basic.auth.user.info",
        "`user:password` for the registry. Also as `value.converter.schema.registry.basic.auth.user.info`.",
    )
    .secret(),
    registry(
        "value.converter.schema.registry.basic.auth.user.info",
        "The same as `value.converter.basic.auth.user.info`.",
    )
    .secret(),
    registry("value.converter.bearer.auth.credentials.source", "Where a bearer token comes from.")
        .not_yet(&["STATIC_TOKEN"], "Set it to STATIC_TOKEN, and the option bearer.auth.token."),
    registry("value.converter.bearer.auth.token", "The bearer token for the registry.").secret(),
    registry(
        "value.converter.value.subject.name.strategy",
        "How subjects are named; it tells a registry with several contexts which of them is meant.",
    )
    .default("io.confluent.kafka.serializers.subject.TopicNameStrategy")
    .not_yet(SUBJECT_NAMES, "Use one of Confluent's three strategies; Java classes cannot be loaded."),
    registry(
        "value.converter.schema.registry.ssl.truststore.location",
        "A PEM file of those who may sign the registry's certificate; not given: the system's.",
    ),
    registry(
        "value.converter.schema.registry.ssl.truststore.certificates",
        "The same certificates as PEM text.",
    ),
    registry("value.converter.schema.registry.ssl.truststore.type", "What the trust store is. Java's default is JKS, so PEM has to be given.")
        .not_yet(&["PEM"], "Convert the store to PEM, and set it to PEM."),
    registry(
        "value.converter.schema.registry.ssl.keystore.location",
        "A PEM file of our certificate and its key, not encrypted.",
    ),
    registry("value.converter.schema.registry.ssl.keystore.certificate.chain", "Our certificate as PEM text."),
    registry("value.converter.schema.registry.ssl.keystore.key", "Its key as PEM text, not encrypted.").secret(),
    registry("value.converter.schema.registry.ssl.keystore.type", "What the key store is. Java's default is JKS, so PEM has to be given.")
        .not_yet(&["PEM"], "Convert the store to PEM, and set it to PEM."),
    registry(
        "value.converter.schema.registry.ssl.endpoint.identification.algorithm",
        "Whether the certificate has to name the registry's host.",
    )
    .default("https")
    .not_yet(&["https"], "Give the registry a certificate with its name."),
    ignored("value.converter.auto.register.schemas", "Whether schemas are registered.", WRITING_ONLY),
    ignored("value.converter.use.latest.version", "Which schema is written with.", WRITING_ONLY),
    ignored("value.converter.latest.compatibility.strict", "Which schema is written with.", WRITING_ONLY),
    ignored("value.converter.normalize.schemas", "Whether schemas are normalized before they are registered.", WRITING_ONLY),
    ignored("value.converter.key.subject.name.strategy", "How subjects of keys are named.", KEYS),
    ignored("value.converter.schemas.cache.config", "How many schemas the Avro converter keeps.", OWN_CACHE),
    ignored("value.converter.max.schemas.per.subject", "How many schemas the client keeps.", OWN_CACHE),
    ignored(
        "value.converter.enhanced.avro.schema.support",
        "Whether Connect's schemas keep enums and packages.",
        "Enums are texts and packages do not matter either way.",
    ),
    ignored("value.converter.connect.meta.data", "Whether Connect's own properties are kept in schemas.", WRITING_ONLY),
    option("value.converter.*", "Further options of a value converter.")
        .not_yet(&[], "Remove it; it is not built, or belongs to a converter that is not built."),
    option("key.converter", "How keys are read.")
        .java(JavaType::Class)
        .connect_group("Common")
        .shown("Key converter class", Width::Short, 6)
        .no_effect(KEYS),
    option("key.converter.*", "Options of the key converter.").no_effect(KEYS),
    option("header.converter", "How headers are read.")
        .java(JavaType::Class)
        .connect_group("Common")
        .shown("Header converter class", Width::Short, 10)
        .no_effect(HEADERS),
    option("header.converter.*", "Options of the header converter.").no_effect(HEADERS),
];
