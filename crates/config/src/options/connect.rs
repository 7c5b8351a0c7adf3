//! The options of Kafka Connect 4.1 for every sink connector.
use crate::option::{Kind, OptionDef};

const CONNECTOR: &str = "Connector";
const CONVERTERS: &str = "Converters";
const TRANSFORMS: &str = "Transforms and predicates";
const ERRORS: &str = "Errors";
const CLIENTS: &str = "Kafka clients";

const NO_PLUGINS: &str = "There are no Java plugins to choose from.";
const NO_TRANSFORMS: &str = "Remove it; transforms are not built yet.";
const STOP_ONLY: &str = "Set errors.tolerance to none; dead letters are not built yet.";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc)
}

/// The table, by heading.
pub(super) const CONNECT: &[OptionDef] = &[
    option("name", "The connector's name; its consumer group is `connect-<name>`.").required().high().group(CONNECTOR),
    option("connector.class", "The sink: `com.clickhouse.kafka.connect.ClickHouseSinkConnector`, or Connect's short forms of it.")
        .kind(Kind::OneOf(&[
            "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
            "ClickHouseSinkConnector",
            "ClickHouseSink",
        ]))
        .required()
        .high()
        .group(CONNECTOR),
    option("tasks.max", "How many tasks share the partitions.").integer(1, 1024).default("1").high().group(CONNECTOR),
    option("topics", "The topics to read, with commas between.").kind(Kind::List).required().high().group(CONNECTOR),
    option("topics.regex", "A pattern of topics to read.")
        .default("")
        .not_yet(&[""], "List the topics in `topics`.")
        .group(CONNECTOR),
    option("tasks.max.enforce", "Whether more tasks than `tasks.max` are an error.")
        .boolean()
        .default("true")
        .no_effect("There are never more tasks than `tasks.max`.")
        .group(CONNECTOR),
    option("connector.plugin.version", "Which version of the plugin to load.").no_effect(NO_PLUGINS).group(CONNECTOR),
    option("config.action.reload", "What happens when a config provider's value changes.")
        .kind(Kind::OneOf(&["none", "restart"]))
        .default("restart")
        .no_effect("Config providers are not built yet.")
        .group(CONNECTOR),
    option("value.converter", "How values are read. Only Kafka's JSON converter is built.")
        .not_yet(
            &["org.apache.kafka.connect.json.JsonConverter", "JsonConverter", "Json"],
            "Use org.apache.kafka.connect.json.JsonConverter; other converters are not built yet.",
        )
        .both()
        .high()
        .group(CONVERTERS),
    option(
        "value.converter.schemas.enable",
        "Whether each value carries its schema. Kafka's default is true, so false has to be given.",
    )
    .boolean()
    .both()
    .high()
    .group(CONVERTERS),
    option("value.converter.schemas.cache.size", "How many schemas the JSON converter keeps.")
        .integer(0, i32::MAX as i64)
        .default("1000")
        .both()
        .no_effect("Values without schemas need no cache.")
        .group(CONVERTERS),
    option("value.converter.decimal.format", "How the JSON converter writes decimals.")
        .default("BASE64")
        .both()
        .no_effect("It concerns writing only.")
        .group(CONVERTERS),
    option("value.converter.replace.null.with.default", "Whether null becomes the schema's default.")
        .boolean()
        .default("true")
        .both()
        .no_effect("Values without schemas have no such default.")
        .group(CONVERTERS),
    option("value.converter.plugin.version", "Which version of the converter to load.")
        .both()
        .no_effect(NO_PLUGINS)
        .group(CONVERTERS),
    option("value.converter.*", "Further options of a value converter.")
        .both()
        .not_yet(&[], "Remove it; it belongs to a converter that is not built yet.")
        .group(CONVERTERS),
    option("key.converter", "How keys are read.").both().no_effect("Keys are not read.").group(CONVERTERS),
    option("key.converter.*", "Options of the key converter.").both().no_effect("Keys are not read.").group(CONVERTERS),
    option("header.converter", "How headers are read.").both().no_effect("Headers are not read.").group(CONVERTERS),
    option("header.converter.*", "Options of the header converter.")
        .both()
        .no_effect("Headers are not read.")
        .group(CONVERTERS),
    option("transforms", "Transforms for every record.").default("").not_yet(&[""], NO_TRANSFORMS).group(TRANSFORMS),
    option("transforms.*", "Options of a transform.").not_yet(&[], NO_TRANSFORMS).group(TRANSFORMS),
    option("predicates", "Conditions for transforms.").default("").not_yet(&[""], NO_TRANSFORMS).group(TRANSFORMS),
    option("predicates.*", "Options of a predicate.").not_yet(&[], NO_TRANSFORMS).group(TRANSFORMS),
    option("errors.tolerance", "What happens to a record that cannot be read: the task stops.")
        .default("none")
        .not_yet(&["none"], "Set it to none; dead letters are not built yet, and records are never dropped in silence.")
        .group(ERRORS),
    option("errors.retry.timeout", "How long a failed transform or conversion is tried again, in milliseconds.")
        .integer(-1, i64::MAX)
        .default("0")
        .no_effect("The same bytes fail the same way.")
        .group(ERRORS),
    option("errors.retry.delay.max.ms", "The longest pause between such tries.")
        .integer(0, i64::MAX)
        .default("60000")
        .no_effect("The same bytes fail the same way.")
        .group(ERRORS),
    option("errors.log.enable", "Whether tolerated errors are logged.")
        .boolean()
        .default("false")
        .no_effect("No error is tolerated, and each that stops a task is logged.")
        .group(ERRORS),
    option("errors.log.include.messages", "Whether such logs show the record.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Set it to false; logs never show records yet.")
        .group(ERRORS),
    option("errors.deadletterqueue.topic.name", "Where records go that cannot be read.")
        .default("")
        .not_yet(&[""], STOP_ONLY)
        .group(ERRORS),
    option("errors.deadletterqueue.topic.replication.factor", "The replication factor of that topic.")
        .integer(-1, i16::MAX as i64)
        .default("3")
        .no_effect("It belongs to `errors.deadletterqueue.topic.name`.")
        .group(ERRORS),
    option("errors.deadletterqueue.context.headers.enable", "Whether those records say what was wrong.")
        .boolean()
        .default("false")
        .no_effect("It belongs to `errors.deadletterqueue.topic.name`.")
        .group(ERRORS),
    option("consumer.override.group.id", "The consumer group, in place of `connect-<name>`.").group(CLIENTS),
    option("consumer.override.auto.offset.reset", "Where a partition without an entry begins.")
        .kind(Kind::OneOf(&["earliest", "latest", "none"]))
        .group(CLIENTS),
    option(
        "consumer.override.*",
        "An option of Kafka's consumer, over the worker's; what has no meaning here is refused by name (KAFKA errors).",
    )
    .group(CLIENTS),
    option("producer.override.*", "An option of Kafka's producer: `security.`, `ssl.` and `sasl.` ones reach the ledger's connection.")
        .group(CLIENTS),
    option("admin.override.*", "An option of Kafka's admin client.")
        .no_effect("Admin requests go over the ledger's connection.")
        .group(CLIENTS),
];
