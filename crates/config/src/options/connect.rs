//! The options of Kafka Connect 4.1 for every sink connector.
use crate::option::{Kind, OptionDef};

const CONNECTOR: &str = "Connector";
const TRANSFORMS: &str = "Transforms and predicates";
const ERRORS: &str = "Errors";
const CLIENTS: &str = "Kafka clients";

const NO_PLUGINS: &str = "There are no Java plugins to choose from.";
const NO_TRANSFORMS: &str = "Remove it; transforms are not built yet.";

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
    option("transforms", "Transforms for every record.").default("").not_yet(&[""], NO_TRANSFORMS).group(TRANSFORMS),
    option("transforms.*", "Options of a transform.").not_yet(&[], NO_TRANSFORMS).group(TRANSFORMS),
    option("predicates", "Conditions for transforms.").default("").not_yet(&[""], NO_TRANSFORMS).group(TRANSFORMS),
    option("predicates.*", "Options of a predicate.").not_yet(&[], NO_TRANSFORMS).group(TRANSFORMS),
    option(
        "errors.tolerance",
        "What happens to a record that cannot become a row. `none`: the task stops before it. `all`: it goes to the dead letter topic, exactly once; without such a topic it is dropped, as in Connect, which is said once at the start.",
    )
    .kind(Kind::OneOf(&["none", "all"]))
    .default("none")
    .high()
    .group(ERRORS),
    option(
        "errors.retry.timeout",
        "Milliseconds for which a refused or unanswered insert is tried again before the task fails. Not given, or -1: until it works. 0: the task fails at the first. Unlike in Connect, where the default is 0 and converters and transforms are meant, which here fail the same way each time.",
    )
    .integer(-1, i64::MAX)
    .group(ERRORS),
    option("errors.retry.delay.max.ms", "The longest pause between such tries, in milliseconds; Connect's default is 60000.")
        .integer(100, 3_600_000)
        .default("10000")
        .group(ERRORS),
    option("errors.log.enable", "Whether each tolerated record is logged: where it stands and what is wrong with it.")
        .boolean()
        .default("false")
        .group(ERRORS),
    option(
        "errors.log.include.messages",
        "Whether such logs show the record's key, value and headers as well.",
    )
    .boolean()
    .default("false")
    .group(ERRORS),
    option("errors.deadletterqueue.topic.name", "The dead letter topic, for `errors.tolerance=all`; it is created with one partition if it is missing. Empty: none.")
        .default("")
        .group(ERRORS),
    option(
        "errors.deadletterqueue.topic.replication.factor",
        "Its replication factor when it is created; -1 is the broker's default. With fewer than 3 brokers a smaller one has to be given.",
    )
    .integer(-1, i16::MAX as i64)
    .default("3")
    .group(ERRORS),
    option(
        "errors.deadletterqueue.context.headers.enable",
        "Whether dead letters carry Connect's `__connect.errors.*` headers. The header `pumphouse.record.id` (`<topic id>/<partition>/<offset>`) is always there.",
    )
    .boolean()
    .default("false")
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
