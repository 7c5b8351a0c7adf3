//! Options of our own.
use crate::option::{Kind, OptionDef};

const GROUP: &str = "Pumphouse";
const TLS: &str = "Pumphouse: TLS towards ClickHouse";
const LINEAGE: &str = "Pumphouse: lineage columns";
const TABLES: &str = "Pumphouse: tables that it creates";

const fn option(name: &'static str, doc: &'static str) -> OptionDef {
    OptionDef::new(name, doc)
}

/// The table.
pub(super) const PUMPHOUSE: &[OptionDef] = &[
    // One block of 3,000,000 rows is known to stay one block; ten million are the limit of what a
    // retry should have to send again.
    option("pumphouse.batch.rows.max", "Rows after which a batch is sent.")
        .integer(1, 10_000_000)
        .default("1000000")
        .group(GROUP),
    option("pumphouse.batch.bytes.max", "Bytes of column data after which a batch is sent.")
        .integer(1024, 268_435_456)
        .default("134217728")
        .group(GROUP),
    option("pumphouse.batch.linger.ms", "Milliseconds after which a batch is sent although it is not full. It goes earlier when no record has come for a tenth of that and nothing else of its table is under way, yet no more than one such batch per linger and one more in ten lingers, and when the server has nothing of its table to do and the batch is half full (a quarter for the first of the first task). It goes later, after five lingers at most, while the topic has a tenth of the batch's records and more waiting, and a topic with much to take is left for five lingers (5 s at most) while others of the task come first.")
        .integer(1, 600_000)
        .default("1000")
        .group(GROUP),
    option(
        "pumphouse.memory.bytes.max",
        "What the process may take altogether while it moves this connector's records: about 64 MiB for itself and for answers of the brokers on their way in (as much for each further task, half of all at most), the rest for records that are fetched, filled into blocks and sent, over all its tasks and topics. Records that find no room stay in Kafka. With several connectors in a process, each one's part is what it has beyond those 64 MiB.",
    )
    .integer(134_217_728, 1 << 40)
    .default("268435456")
    .group(GROUP),
    option(
        "pumphouse.insert.deadline.ms",
        "How far ahead the server's deadline for beginning to write lies; half of what an unsettled batch waits for.",
    )
    .integer(1000, 30_000)
    .default("10000")
    .group(GROUP),
    option("pumphouse.insert.max.execution.ms", "How long the server may work on an insert (`max_execution_time`).")
        .integer(1000, 3_600_000)
        .default("60000")
        .group(GROUP),
    option(
        "pumphouse.insert.compression",
        "How blocks travel: `lz4`, `zstd` (level 1: smaller, for networks that are slow or cost money), or `none`.",
    )
    .kind(Kind::OneOf(&["lz4", "zstd", "none"]))
    .default("lz4")
    .group(GROUP),
    option("pumphouse.ledger.store", "Where the ledger lives: in the group's offsets, in a KeeperMap table of ClickHouse (docs/ledger-stores.md), or, for trials only, in memory. Nothing else chooses it: not `exactlyOnce`, nor that `zkPath` is given.")
        .kind(Kind::OneOf(&["kafka", "keepermap", "memory"]))
        .default("kafka")
        .group(GROUP),
    option("pumphouse.unknown.fields", "What happens to a field without a column: `ignore` it, or `refuse` the record.")
        .kind(Kind::OneOf(&["ignore", "refuse"]))
        .default("ignore")
        .group(GROUP),
    option(
        "pumphouse.value.column",
        "The column that takes the whole value, for converters whose values have no fields; not given: the table's only one beside its lineage columns. The official sink refuses such values.",
    )
    .group(GROUP),
    option(
        "pumphouse.value.schema.file",
        "For AvroConverter and ProtobufConverter without a registry: the file of the schema (`.avsc`, `.proto`) that all values are written with, which then are bare Avro or Protobuf; several with commas between, each behind those that it refers to. Read when the connector starts.",
    )
    .kind(Kind::List)
    .group(GROUP),
    option("pumphouse.value.schema.message", "For ProtobufConverter with a schema file: the full name of the values' message; not given: the file's only one.")
        .group(GROUP),
    option("pumphouse.field.columns", "Columns for fields of another name, `field=column` with commas between; `user.id=user_id` takes a field inside of a field.")
        .kind(Kind::Pairs)
        .default("")
        .group(GROUP),
    option(
        "pumphouse.tombstones",
        "What happens to a record without a value: `fail` treats it as a record that cannot become a row (`errors.tolerance`); `skip` passes over it, as the official sink does.",
    )
    .kind(Kind::OneOf(&["fail", "skip"]))
    .default("fail")
    .group(GROUP),
    option(
        "pumphouse.null.as.default",
        "Whether null becomes the DEFAULT of a column that cannot hold it (the server's `input_format_null_as_default`); `false` refuses the record.",
    )
    .boolean()
    .default("true")
    .group(GROUP),
    option("pumphouse.state.topic", "The compacted topic of configurations and marks.")
        .default("pumphouse-state")
        .worker()
        .group(GROUP),
    option("pumphouse.state.topic.replication.factor", "Its replication factor when it is created; -1 is the broker's default.")
        .integer(-1, i16::MAX as i64)
        .default("-1")
        .worker()
        .group(GROUP),
    option("pumphouse.worker.id", "The worker's name, unique per running process; not given: its advertised `host:port`.")
        .worker()
        .group(GROUP),
    option(
        "pumphouse.open.batch.decisions",
        "What a person decided about batches whose fate cannot be proven: `<question>=landed`, with the question that the message names (all its rows are in the table), `again` (none is: insert all) or `missing` (insert what is not there, by the lineage columns), with commas between. It is carried out once.",
    )
    .kind(Kind::Pairs)
    .default("")
    .group(GROUP),
    option(
        "pumphouse.clickhouse.ssl.ca.location",
        "For `ssl=true`: a PEM file of those who may sign ClickHouse's certificate; not given: the system's.",
    )
    .group(TLS),
    option("pumphouse.clickhouse.ssl.certificate.location", "A PEM file of our certificate, for a server that asks for one.")
        .group(TLS),
    option("pumphouse.clickhouse.ssl.key.location", "A PEM file of its key, not encrypted.").group(TLS),
    option(
        "pumphouse.clickhouse.ssl.certificate.auth",
        "Whether the certificate stands in place of the password, for a user `IDENTIFIED WITH ssl_certificate`.",
    )
    .boolean()
    .default("false")
    .group(TLS),
    lineage("pumphouse.lineage.topic.column", "The column that takes the record's topic, if the table has it; empty: none.")
        .default("_topic"),
    lineage("pumphouse.lineage.partition.column", "The one that takes its partition.").default("_partition"),
    lineage("pumphouse.lineage.offset.column", "The one that takes its offset.").default("_offset"),
    lineage("pumphouse.lineage.timestamp.column", "The one that takes its timestamp.").default("_timestamp"),
    lineage("pumphouse.lineage.key.column", "The one that takes its key.").default("_key"),
    lineage("pumphouse.lineage.headers.column", "The one that takes its headers.").default("_headers"),
    option(
        "pumphouse.table.create",
        "The columns of a table that is created if it is missing, as inside the parentheses of CREATE TABLE: `id UInt64, text String`. Empty: a missing table stops the connector.",
    )
    .default("")
    .group(TABLES),
    option("pumphouse.table.order.by", "Its ORDER BY expression.").default("tuple()").group(TABLES),
    option("pumphouse.table.engine", "Its engine, with its arguments; of the MergeTree family.")
        .default("MergeTree")
        .group(TABLES),
];

const fn lineage(name: &'static str, doc: &'static str) -> OptionDef {
    option(name, doc).low().group(LINEAGE)
}
