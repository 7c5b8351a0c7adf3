//! The options of the official ClickHouse Kafka Connect sink, 1.5.0.
use crate::option::{Kind, OptionDef};

const CONNECTION: &str = "ClickHouse connection";
const ROUTING: &str = "Topics and tables";
const FORMAT: &str = "Format";
const DELIVERY: &str = "Delivery";
const CHANGES: &str = "Change data capture and table changes";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc)
}

/// The table, by heading.
pub(super) const SINK: &[OptionDef] = &[
    option("hostname", "The ClickHouse server's name or address, or several replicas with commas between; `port` is the same for all. A plain MergeTree table takes one only. At the start every host has to answer.")
        .kind(Kind::List)
        .required().high().group(CONNECTION),
    option("port", "Its HTTP port.").integer(1, 65535).default("8443").high().group(CONNECTION),
    option("database", "The database of the target tables.").default("default").high().group(CONNECTION),
    option("username", "The ClickHouse user.").default("default").high().group(CONNECTION),
    option("password", "The user's password.").secret().default("").high().group(CONNECTION),
    option("ssl", "Whether to speak HTTPS.").boolean().default("false").high().group(CONNECTION),
    option(
        "clickhouseSettings",
        "Settings for every insert, `name=value` with commas between; those that exactly-once fixes are refused.",
    )
    .kind(Kind::Pairs)
    .default("")
    .group(CONNECTION),
    option("timeoutSeconds", "How long the official sink waits for the server's ping.")
        .integer(0, 600)
        .default("30")
        .no_effect("There is no ping; each request has a limit of its own.")
        .group(CONNECTION),
    option("retryCount", "How often the official sink repeats ping and metadata requests.")
        .integer(0, i32::MAX as i64)
        .default("3")
        .no_effect("Requests are repeated until they succeed or the task has to stop.")
        .group(CONNECTION),
    option("clickhouseClientInsertTimeoutMs", "How long the official sink's client waits for an insert.")
        .integer(0, i32::MAX as i64)
        .default("240000")
        .no_effect("`pumphouse.insert.max.execution.ms` bounds an insert.")
        .group(CONNECTION),
    option("client_version", "Which Java client the official sink uses.")
        .kind(Kind::OneOf(&["V1", "V2"]))
        .default("V1")
        .no_effect("Pumphouse has a client of its own.")
        .group(CONNECTION),
    option("jdbcConnectionProperties", "Parameters of the official sink's JDBC address.")
        .default("")
        .not_yet(&[""], "Write ClickHouse settings into `clickhouseSettings`.")
        .group(CONNECTION),
    option("proxyType", "The kind of proxy before ClickHouse.")
        .default("IGNORE")
        .not_yet(&["IGNORE", "DIRECT", ""], "Connect without a proxy.")
        .group(CONNECTION),
    option("proxyHost", "The proxy's name.").default("").not_yet(&[""], "Connect without a proxy.").group(CONNECTION),
    option("proxyPort", "The proxy's port.").default("-1").not_yet(&["-1", ""], "Connect without a proxy.").group(CONNECTION),
    option("ssl_socket_sni", "The server name sent in the TLS handshake, if it is not `hostname`.")
        .default("")
        .not_yet(&[""], "Use the certificate's name as `hostname`.")
        .group(CONNECTION),
    option("topic2TableMap", "`topic=table` pairs with commas between; other topics go to the table of their name.")
        .kind(Kind::Pairs)
        .default("")
        .high()
        .group(ROUTING),
    option("enableDbTopicSplit", "Whether topic names begin with a database.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Run one connector per database.")
        .group(ROUTING),
    option("dbTopicSplitChar", "What stands between database and topic.")
        .default("")
        .no_effect("It belongs to `enableDbTopicSplit`.")
        .group(ROUTING),
    option("suppressTableExistenceException", "Whether records without a table are dropped.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Create the table, or remove the topic; records are never dropped in silence.")
        .group(ROUTING),
    option("tableRefreshInterval", "How often the official sink looks at its tables, in seconds.")
        .integer(0, i32::MAX as i64)
        .default("0")
        .no_effect("Tables are looked at again when the server says that they have changed.")
        .group(ROUTING),
    option("insertFormat", "What the texts of StringConverter are. JSON: objects. CSV, TSV: one row, its fields in the order of the table's columns. NONE: `pumphouse.value.column` takes the whole text.")
        .kind(Kind::OneOf(&["NONE", "JSON", "CSV", "TSV"]))
        .default("NONE")
        .group(FORMAT),
    option("bypassRowBinary", "Whether the official sink inserts JSON.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; blocks are always sent in the Native format.")
        .group(FORMAT),
    option("bypassSchemaValidation", "Whether the official sink leaves out its schema check.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; every record is checked against the table.")
        .group(FORMAT),
    option("bypassFieldCleanup", "Whether the official sink keeps fields without a column.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; `pumphouse.unknown.fields` says what happens to such fields.")
        .group(FORMAT),
    option("dateTimeFormats", "`column=pattern` with semicolons between: how the texts of a date or time column are written, as a pattern of Java's DateTimeFormatter (docs/formats.md). Not given: ISO 8601.")
        .default("")
        .group(FORMAT),
    option(
        "exactlyOnce",
        "`true`: each record exactly once, or the connector does not start and says why. `false`: at least once. Not given: exactly once where the target table proves fit for it, else at least once with a warning that says why. The official sink's default is false.",
    )
    .boolean()
    .high()
    .group(DELIVERY),
    option("zkPath", "With `pumphouse.ledger.store=keepermap`: the path of the ledger's KeeperMap table, below the server's `keeper_map_path_prefix`; one of its own, not the official sink's. Else without effect.")
        .default("/kafka-connect")
        .low()
        .group(DELIVERY),
    option("zkDatabase", "With `pumphouse.ledger.store=keepermap`: the ledger's KeeperMap table, in the connector's `database`; one of its own, the official sink's is refused. Else without effect.")
        .default("connect_state")
        .low()
        .group(DELIVERY),
    option("keeperOnCluster", "The cluster on which the official sink creates its state table.")
        .default("")
        .no_effect("A ledger in KeeperMap is one table, made on the host that is written to.")
        .group(DELIVERY),
    option("tolerateStateMismatch", "Whether the official sink passes over records that its state disagrees with.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Remove it; records are never passed over.")
        .group(DELIVERY),
    option("ignorePartitionsWhenBatching", "Whether a batch spans partitions.")
        .boolean()
        .default("false")
        .no_effect("Batches always span the partitions of a topic that a task owns.")
        .group(DELIVERY),
    option("bufferCount", "Rows per batch; 0 leaves it to `pumphouse.batch.rows.max`.")
        .integer(0, 10_000_000)
        .default("0")
        .group(DELIVERY),
    option("bufferFlushTime", "Milliseconds after which a batch is sent; 0 leaves it to `pumphouse.batch.linger.ms`.")
        .integer(0, 600_000)
        .default("0")
        .group(DELIVERY),
    option("reportInsertedOffsets", "Whether the official sink reports offsets to Connect by itself.")
        .boolean()
        .default("false")
        .no_effect("Offsets are always those of landed batches.")
        .group(DELIVERY),
    option("debeziumCDCEnabled", "Whether records are Debezium change events.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Unwrap the events before they reach the topic.")
        .group(CHANGES),
    option("auto.evolve", "Whether columns are added when records have new fields.")
        .boolean()
        .default("false")
        .not_yet(&["false"], "Add columns with ALTER TABLE and restart the connector.")
        .group(CHANGES),
    option("auto.evolve.ddl.refresh.retries", "How often an added column is looked for.")
        .integer(0, i32::MAX as i64)
        .default("3")
        .no_effect("It belongs to `auto.evolve`.")
        .group(CHANGES),
    option("auto.evolve.struct.to.json", "Whether new structs become JSON columns.")
        .boolean()
        .default("false")
        .no_effect("It belongs to `auto.evolve`.")
        .group(CHANGES),
    option("clusterName", "The cluster on which tables are changed.")
        .default("")
        .no_effect("It belongs to `auto.evolve`.")
        .group(CHANGES),
];
