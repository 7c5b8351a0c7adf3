//! The options of converters. Those of a value converter stand beside `value.converter`, in the connector's
//! file or in the worker's.
use crate::option::{JavaType, Kind, OptionDef, Width};

const CONVERTERS: &str = "Converters";
const REGISTRY: &str = "Converters: schema registry";

const NO_PLUGINS: &str = "There are no Java plugins to choose from.";
const WRITING_ONLY: &str = "It concerns writing only.";
const KEYS: &str =
    "Keys are taken as they are, whatever their converter, for the lineage column and dead letters.";
const NO_VALIDATION: &str = "Records are held against the table's columns, not against rules of the schema.";
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
        "How values are read: `org.apache.kafka.connect.json.JsonConverter`; `io.confluent.connect.avro.AvroConverter`, `.protobuf.ProtobufConverter` and `.json.JsonSchemaConverter`; `org.apache.kafka.connect.storage.StringConverter` beside `insertFormat`; and for values without fields, which `pumphouse.value.column` takes, `org.apache.kafka.connect.converters.ByteArrayConverter`, `ShortConverter`, `IntegerConverter`, `LongConverter`, `FloatConverter`, `DoubleConverter`, `BooleanConverter`, and StringConverter. Connect's short forms are taken, too; docs/formats.md says what each reads.",
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
        "For AvroConverter, ProtobufConverter and JsonSchemaConverter: the registry's servers, `http(s)://[user:password@]host:port[/path]` with commas between; one that does not answer is passed over.",
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
        "How subjects are named. Schemas are found by number, so all three read the same records; TopicNameStrategy also tells a registry with several contexts which of them is meant.",
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
    ignored("value.converter.allow.optional.map.keys", "Which maps are written as such.", WRITING_ONLY),
    ignored("value.converter.discard.type.doc.default", "Which properties of schemas are written.", WRITING_ONLY),
    ignored("value.converter.ignore.default.for.nullables", "Whether null is written as null where there is a default.", WRITING_ONLY),
    ignored("value.converter.object.additional.properties", "Whether written JSON Schemas are open.", WRITING_ONLY),
    ignored("value.converter.id.compatibility.strict", "Which schema is written with.", WRITING_ONLY),
    ignored("value.converter.auto.register.schemas.subject.name", "Where schemas are registered.", WRITING_ONLY),
    ignored("value.converter.enhanced.protobuf.schema.support", "Whether Connect's schemas keep packages.", "Packages do not matter here."),
    ignored("value.converter.optional.for.nullables", "How optional fields are written.", WRITING_ONLY),
    ignored("value.converter.wrapper.for.nullables", "Whether Protobuf's wrappers stand for nullable values.", "They do here."),
    ignored("value.converter.wrapper.for.raw.primitives", "Whether single values are written in wrappers.", WRITING_ONLY),
    ignored("value.converter.use.optional.for.nonrequired", "Whether fields that a JSON Schema does not require are optional in Connect.", NO_VALIDATION),
    ignored("value.converter.use.optional.for.proto2", "Whether optional fields of proto2 are optional in Connect.", NO_VALIDATION),
    registry("value.converter.json.fail.invalid.schema", "Whether records are validated against their JSON Schema.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; records are held against the table's columns."),
    registry("value.converter.scrub.invalid.names", "Whether names that Avro or Protobuf cannot have are replaced.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; names are those of the schema."),
    registry("value.converter.generalized.sum.type.support", "Whether unions become structs with a field per branch.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; a union's value is that of its branch."),
    registry("value.converter.flatten.unions", "Whether a union within a union becomes one.")
        .boolean()
        .default("true")
        .no_effect("A union's value is that of its branch, however deep."),
    registry("value.converter.generate.index.for.unions", "How the fields of Connect's unions are named.")
        .no_effect("A union's value is that of its branch, which has no name of its own."),
    registry("value.converter.generate.struct.for.nulls", "Whether a message of no fields is null.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it."),
    registry("value.converter.int.for.enums", "Whether enums of Protobuf are numbers.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; enums are their names."),
    registry("value.converter.latest.cache.size", "How many schemas the client keeps.").no_effect(OWN_CACHE),
    registry("value.converter.latest.cache.ttl.sec", "How long the client keeps them.").no_effect(OWN_CACHE),
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
