//! The options of Kafka Connect 4.1 for every sink connector.
use crate::connector_config::TASKS_MAX;
use crate::option::{JavaType, Kind, OptionDef, Width};

const CONNECTOR: &str = "Common";
const TRANSFORMS: &str = "Transforms";
const PREDICATES: &str = "Predicates";
const ERRORS: &str = "Error Handling";
const CLIENTS: &str = "Kafka clients";

const NO_PLUGINS: &str = "There are no Java plugins to choose from.";
const NO_TRANSFORMS: &str = "Remove it; transforms are not built yet.";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc)
}

/// The table, by heading.
pub(super) const CONNECT: &[OptionDef] = &[
    option("name", "The connector's name; its consumer group is `connect-<name>`.").required().high().shown("Connector name", Width::Medium, 1).group(CONNECTOR),
    option("connector.class", "The sink: `com.clickhouse.kafka.connect.ClickHouseSinkConnector`, Connect's short forms of it, or `pumphouse.ClickHouseSinkConnector`.")
        .kind(Kind::OneOf(&[
            "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
            "ClickHouseSinkConnector",
            "ClickHouseSink",
            "pumphouse.ClickHouseSinkConnector",
        ]))
        .required()
        .high()
        .shown("Connector class", Width::Long, 2)
        .group(CONNECTOR),
    option("tasks.max", "How many tasks share the partitions.").integer(1, TASKS_MAX as i64).default("1").high().shown("Tasks max", Width::Short, 4).group(CONNECTOR),
    option("topics", "The topics to read, with commas between; or `topics.regex`.")
        .kind(Kind::List)
        .default("")
        .high()
        .shown("Topics", Width::Long, 4)
        .group(CONNECTOR),
    option(
        "topics.regex",
        "A pattern of topics to read, in place of `topics`: all of the cluster whose whole name matches, Kafka's internal ones and `pumphouse.state.topic` left out. The cluster is asked again every `metadata.max.age.ms`; a topic that is new is taken up then, from where `auto.offset.reset` says, after the batches of the others have landed. Look-around and references to groups are refused.",
    )
        .default("")
        .high()
        .shown("Topics regex", Width::Long, 4)
        .group(CONNECTOR),
    option("tasks.max.enforce", "Whether more tasks than `tasks.max` are an error.")
        .boolean()
        .default("true")
        .shown("Enforce tasks max", Width::Short, 5)
        .no_effect("There are never more tasks than `tasks.max`.")
        .group(CONNECTOR),
    option("connector.plugin.version", "Which version of the plugin to load.")
        .shown("Connector version", Width::Medium, 3)
        .no_effect(NO_PLUGINS)
        .medium()
        .group(CONNECTOR),
    option("config.action.reload", "What happens when a config provider's value changes.")
        .kind(Kind::OneOf(&["none", "restart"]))
        .default("restart")
        .shown("Reload Action", Width::Medium, 14)
        .no_effect("Placeholders are filled when the connector starts; none of Kafka's own providers announces a change either.")
        .group(CONNECTOR),
    option("transforms", "Transforms for every record.")
        .kind(Kind::List)
        .default("")
        .low()
        .shown("Transforms", Width::Long, 12)
        .not_yet(&[""], NO_TRANSFORMS).group(TRANSFORMS),
    option("transforms.*", "Options of a transform.").not_yet(&[], NO_TRANSFORMS).group(TRANSFORMS),
    option("predicates", "Conditions for transforms.")
        .kind(Kind::List)
        .default("")
        .low()
        .shown("Predicates", Width::Long, 13)
        .not_yet(&[""], NO_TRANSFORMS).group(PREDICATES),
    option("predicates.*", "Options of a predicate.").not_yet(&[], NO_TRANSFORMS).group(PREDICATES),
    option(
        "errors.tolerance",
        "What happens to a record that cannot become a row. `none`: the task stops before it. `all`: it goes to the dead letter topic, exactly once (at least once with `pumphouse.ledger.store=keepermap`); without such a topic it is dropped, as in Connect, which is said once at the start.",
    )
    .kind(Kind::OneOf(&["none", "all"]))
    .default("none")
    .shown("Error Tolerance", Width::Short, 3)
    .group(ERRORS),
    option(
        "errors.retry.timeout",
        "Milliseconds for which a refused or unanswered insert is tried again before the task fails. Not given, or -1: until it works. 0: the task fails at the first. Unlike in Connect, where the default is 0 and converters and transforms are meant, which here fail the same way each time.",
    )
    .integer(-1, i64::MAX)
    .shown("Retry Timeout for Errors", Width::Medium, 1)
    .group(ERRORS),
    option("errors.retry.delay.max.ms", "The longest pause between such tries, in milliseconds; Connect's default is 60000.")
        .integer(100, 3_600_000)
        .default("10000")
        .java(JavaType::Long)
        .shown("Maximum Delay Between Retries for Errors", Width::Medium, 2)
        .group(ERRORS),
    option("errors.log.enable", "Whether each tolerated record is logged: where it stands and what is wrong with it.")
        .boolean()
        .default("false")
        .shown("Log Errors", Width::Short, 4)
        .group(ERRORS),
    option(
        "errors.log.include.messages",
        "Whether such logs show the record's key, value and headers as well.",
    )
    .boolean()
    .default("false")
    .shown("Log Error Details", Width::Short, 5)
    .group(ERRORS),
    option("errors.deadletterqueue.topic.name", "The dead letter topic, for `errors.tolerance=all`; it is created with one partition if it is missing. Empty: none.")
        .default("")
        .shown("Dead Letter Queue Topic Name", Width::Medium, 6)
        .group(ERRORS),
    option(
        "errors.deadletterqueue.topic.replication.factor",
        "Its replication factor when it is created; -1 is the broker's default. With fewer than 3 brokers a smaller one has to be given.",
    )
    .integer(-1, i16::MAX as i64)
    .default("3")
    .java(JavaType::Short)
    .shown("Dead Letter Queue Topic Replication Factor", Width::Medium, 7)
    .group(ERRORS),
    option(
        "errors.deadletterqueue.context.headers.enable",
        "Whether dead letters carry Connect's `__connect.errors.*` headers. The header `pumphouse.record.id` (`<topic id>/<partition>/<offset>`) is always there.",
    )
    .boolean()
    .default("false")
    .shown("Enable Error Context Headers", Width::Medium, 8)
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
