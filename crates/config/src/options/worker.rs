//! The options of Kafka Connect 4.1's workers.
use crate::option::{Kind, OptionDef};

const WORKER_GROUP: &str = "Worker";
const REST: &str = "Worker: REST";
/// The heading of options that go to Kafka's clients.
pub(super) const CLIENTS: &str = "Worker: Kafka clients";
/// The heading of options that mean something for workers of a group only.
pub(super) const DISTRIBUTED: &str = "Worker: distributed mode";

const METRICS: &str = "Metrics are served on /metrics.";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc).worker()
}

const fn client(name: &'static str, doc: &'static str) -> OptionDef {
    option(name, doc).group(CLIENTS)
}

const fn distributed(name: &'static str, doc: &'static str) -> OptionDef {
    option(name, doc).group(DISTRIBUTED)
}

const REPLICAS: &str = "Replicas of that topic when it is created; -1 is the broker's default.";

/// The table, by heading.
pub(super) const WORKER: &[OptionDef] = &[
    option("bootstrap.servers", "Kafka brokers, `host:port` with commas between.")
        .kind(Kind::List)
        .required()
        .high()
        .group(WORKER_GROUP),
    option("task.shutdown.graceful.timeout.ms", "How long a stop waits for tasks to land their batches.")
        .integer(0, 3_600_000)
        .default("5000")
        .group(WORKER_GROUP),
    option("plugin.path", "Where Java plugins lie.")
        .no_effect("There are no Java plugins.")
        .group(WORKER_GROUP),
    option("plugin.discovery", "How Java plugins are found.")
        .no_effect("There are no Java plugins.")
        .group(WORKER_GROUP),
    option("offset.storage.file.filename", "Where standalone workers keep source offsets.")
        .no_effect("There are no source connectors.")
        .group(WORKER_GROUP),
    option("offset.flush.interval.ms", "How often offsets are committed.")
        .integer(0, i64::MAX)
        .default("60000")
        .no_effect("Offsets are committed with every batch.")
        .group(WORKER_GROUP),
    option("offset.flush.timeout.ms", "How long such a commit may take.")
        .integer(0, i64::MAX)
        .default("5000")
        .no_effect("Offsets are committed with every batch.")
        .group(WORKER_GROUP),
    option(
        "connector.client.config.override.policy",
        "Which client options connectors may override. `All`: those that cannot break exactly-once, one by one. `Principal`: only `security.protocol`, `sasl.jaas.config` and `sasl.mechanism`. `None`: none.",
    )
    .kind(Kind::OneOf(&["All", "None", "Principal"]))
    .default("All")
    .group(WORKER_GROUP),
    option("topic.tracking.enable", "Whether a connector's topics are tracked.")
        .boolean()
        .default("true")
        .no_effect("Topics are always tracked.")
        .group(WORKER_GROUP),
    option("topic.tracking.allow.reset", "Whether that tracking may be reset.")
        .boolean()
        .default("true")
        .no_effect("The tracking can always be reset.")
        .group(WORKER_GROUP),
    option("topic.creation.enable", "Whether source connectors may create topics.")
        .boolean()
        .default("true")
        .no_effect("There are no source connectors.")
        .group(WORKER_GROUP),
    option(
        "config.providers",
        "Names under which placeholders in values call a provider: `${name:path:key}`, in this file and in connectors'. What they stand for is read when the worker, or the connector, starts, and never shown.",
    )
    .kind(Kind::List)
    .default("")
    .group(WORKER_GROUP),
    option(
        "config.providers.*",
        "`<name>.class`: `org.apache.kafka.common.config.provider.FileConfigProvider` (`${name:file:key}`, a properties file), `DirectoryConfigProvider` (`${name:directory:file}`) or `EnvVarConfigProvider` (`${name:VARIABLE}`). `<name>.param.allowed.paths`, `<name>.param.allowlist.pattern`: what they may read.",
    )
    .group(WORKER_GROUP),
    option("metric.reporters", "Java classes that report metrics.").no_effect(METRICS).group(WORKER_GROUP),
    option("auto.include.jmx.reporter", "Whether metrics go to JMX.").no_effect(METRICS).group(WORKER_GROUP),
    option("metrics.*", "How Java metrics are sampled.").no_effect(METRICS).group(WORKER_GROUP),
    option("internal.key.converter", "Long removed from Kafka Connect.")
        .no_effect("Kafka Connect ignores it, too.")
        .group(WORKER_GROUP),
    option("internal.key.converter.*", "Long removed from Kafka Connect.")
        .no_effect("Kafka Connect ignores it, too.")
        .group(WORKER_GROUP),
    option("internal.value.converter", "Long removed from Kafka Connect.")
        .no_effect("Kafka Connect ignores it, too.")
        .group(WORKER_GROUP),
    option("internal.value.converter.*", "Long removed from Kafka Connect.")
        .no_effect("Kafka Connect ignores it, too.")
        .group(WORKER_GROUP),
    option(
        "listeners",
        "Where the REST API listens: `http://host:port`, `https://host:port`, with commas between; without host, on every address.",
    )
    .kind(Kind::List)
    .default("http://:8083")
    .high()
    .group(REST),
    option("rest.advertised.host.name", "The host under which other workers and people reach this one.")
        .group(REST),
    option("rest.advertised.port", "The port for them.").integer(1, 65535).group(REST),
    option(
        "rest.advertised.listener",
        "The protocol for them, `http` or `https`; not given, that of the first listener.",
    )
    .default("")
    .group(REST),
    option(
        "admin.listeners",
        "Where admin requests (`/admin/loggers`) are served, and nothing else is. Not given: on `listeners`. Empty: nowhere.",
    )
    .kind(Kind::List)
    .default("")
    .group(REST),
    option("access.control.allow.origin", "Origins that browsers may call from.")
        .default("")
        .not_yet(&[""], "Set the header in a proxy.")
        .group(REST),
    option("access.control.allow.methods", "Methods that browsers may call.")
        .default("")
        .not_yet(&[""], "Set the header in a proxy.")
        .group(REST),
    option("response.http.headers.config", "Headers for every answer.")
        .default("")
        .not_yet(&[""], "Set the headers in a proxy.")
        .group(REST),
    option(
        "rest.extension.classes",
        "`org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension`: every request shows a user and a password of `pumphouse.rest.basic.auth.file`. Other classes are refused.",
    )
    .kind(Kind::List)
    .default("")
    .group(REST),
    option(
        "pumphouse.rest.basic.auth.file",
        "Who may use the REST API: `user=password` lines, the file that the JAAS entry of Kafka Connect's `PropertyFileLoginModule` names (`java.security.auth.login.config` is a flag of the JVM). Read at the start. Given alone, it asks for passwords, too.",
    )
    .default("")
    .group(REST),
    option(
        "pumphouse.page",
        "The page that browsers get on `/`. `full`: with dead letters as they are; `without-records`: dead letters without keys and values; `off`: no page.",
    )
    .kind(Kind::OneOf(&["full", "without-records", "off"]))
    .default("full")
    .group(REST),
    option(
        "listeners.https.*",
        "TLS of the https listeners: `ssl.keystore.*`, `ssl.key.password`, `ssl.truststore.*` (PEM and PKCS12; JKS is refused with the command that converts it), `ssl.client.auth`, `ssl.enabled.protocols` (`TLSv1.2`, `TLSv1.3`). As in Kafka Connect, one of them makes the plain `ssl.*` options count for Kafka's clients alone.",
    )
    .group(REST),
    option("ssl.client.auth", "Whether clients of https listeners show certificates.")
        .kind(Kind::OneOf(&["none", "requested", "required"]))
        .default("none")
        .group(REST),
    client("security.protocol", "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL, for every Kafka client.")
        .default("PLAINTEXT")
        .high(),
    client("ssl.*", "TLS towards Kafka, for every client: PEM and PKCS12. JKS is refused with the command that converts it."),
    client("sasl.*", "SASL towards Kafka, for every client: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, and OAUTHBEARER with tokens by client credentials (`sasl.oauthbearer.token.endpoint.url`). GSSAPI is refused: this build has no Kerberos library."),
    client("client.id", "The name under which clients show up in the broker's logs."),
    client("client.dns.lookup", "How broker names are looked up.").low(),
    client("request.timeout.ms", "How long a broker may take to answer.").integer(10, 300_000).low(),
    client("retry.backoff.ms", "The pause before a request is repeated.").integer(1, 300_000).low(),
    client("retry.backoff.max.ms", "The longest such pause.").integer(1, 300_000).low(),
    client("reconnect.backoff.ms", "The pause before a connection is tried again.")
        .integer(0, 3_600_000)
        .low(),
    client("reconnect.backoff.max.ms", "The longest such pause.").integer(0, 3_600_000).low(),
    client("metadata.max.age.ms", "How old metadata may get.").integer(1, 86_400_000).low(),
    client("connections.max.idle.ms", "After how long an idle connection is closed.")
        .integer(0, i32::MAX as i64)
        .low(),
    client("socket.connection.setup.timeout.ms", "How long connecting may take.")
        .integer(1000, i32::MAX as i64)
        .low(),
    client("send.buffer.bytes", "The socket's send buffer; -1 is the system's.")
        .integer(-1, 100_000_000)
        .low(),
    client("receive.buffer.bytes", "The socket's receive buffer; -1 is the system's.")
        .integer(-1, 100_000_000)
        .low(),
    client("consumer.auto.offset.reset", "Where a partition without an entry begins.")
        .kind(Kind::OneOf(&["earliest", "latest", "none"]))
        .default("earliest"),
    client("consumer.group.id", "The consumer group of every connector.").not_yet(
        &[],
        "Set consumer.override.group.id in the connector; two connectors must not share a group.",
    ),
    client(
        "consumer.*",
        "An option of Kafka's consumer, for every connector; what has no meaning here is refused by name (KAFKA errors).",
    ),
    client(
        "producer.*",
        "An option of Kafka's producer: `security.`, `ssl.` and `sasl.` ones reach the ledger's connection.",
    ),
    client("admin.*", "An option of Kafka's admin client.")
        .no_effect("Admin requests go over the ledger's connection."),
    distributed(
        "group.id",
        "The workers' consumer group: workers of one group share the connectors' tasks. It has to be given in distributed mode, and must be no connector's group.",
    )
    .high(),
    distributed(
        "config.storage.topic",
        "Where connectors' configurations and target states are kept: compacted, one partition. It has to be given in distributed mode.",
    )
    .high(),
    distributed("config.storage.replication.factor", REPLICAS).integer(-1, 32_767).default("3"),
    distributed("config.storage.partitions", "How many partitions it has.").no_effect("It has one."),
    distributed("config.storage.cleanup.policy", "How it is cleaned.").no_effect("It is compacted."),
    distributed("config.storage.*", "A topic option for its creation, such as `config.storage.min.insync.replicas`."),
    distributed(
        "status.storage.topic",
        "Where states of connectors and tasks are kept, and where workers say how they are reached: compacted. It has to be given in distributed mode.",
    )
    .high(),
    distributed("status.storage.replication.factor", REPLICAS).integer(-1, 32_767).default("3"),
    distributed("status.storage.partitions", "How many partitions it is created with; -1 is the broker's default.")
        .integer(-1, 100_000)
        .default("5"),
    distributed("status.storage.cleanup.policy", "How it is cleaned.").no_effect("It is compacted."),
    distributed("status.storage.*", "A topic option for its creation."),
    distributed(
        "session.timeout.ms",
        "How long the tasks of a worker that is silent wait for it before others take them over. A worker that is started again within this time finds its tasks where they were.",
    )
    .integer(1, 3_600_000)
    .default("10000"),
    distributed("heartbeat.interval.ms", "How often a worker says that it lives; a third of the session time-out at most.")
        .integer(1, 3_600_000)
        .default("3000"),
    distributed(
        "rebalance.timeout.ms",
        "How long a worker may take to give up tasks that move to another one.",
    )
    .integer(1, 3_600_000)
    .default("60000"),
    distributed(
        "pumphouse.tasks.topic",
        "The topic whose 64 partitions place the tasks: it holds no records. Default: `<group.id>-tasks`.",
    ),
    distributed(
        "pumphouse.tasks.topic.replication.factor",
        "Replicas of that topic when it is created. Default: `config.storage.replication.factor`.",
    )
    .integer(-1, 32_767),
    distributed("offset.storage.*", "Where source connectors keep offsets.").no_effect(
        "Offsets of a sink stand in its consumer group; there are no source connectors.",
    ),
    distributed("scheduled.rebalance.max.delay.ms", "How long tasks of a lost worker wait for it, in Kafka Connect.")
        .no_effect("session.timeout.ms is how long they wait."),
    distributed("worker.sync.timeout.ms", "How long a worker waits until it has caught up.")
        .no_effect("A worker that lags behind is waited for by each request that needs it."),
    distributed("worker.unsync.backoff.ms", "How long a worker that has not caught up stays out.")
        .no_effect("A worker that lags behind does not leave the group."),
    distributed("connect.protocol", "How tasks are placed in Kafka Connect.")
        .no_effect("Kafka's own cooperative protocol places them."),
    distributed("exactly.once.source.support", "Exactly-once of source connectors.")
        .no_effect("There are no source connectors."),
    distributed("inter.worker.*", "How workers prove to one another who they are.")
        .no_effect("Requests that are passed on carry the client's own credentials."),
];
