//! Why the start-up proof refuses a table (PROTOCOL R12). Each failure names what helps.

/// Why exactly-once is refused, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofFailure {
    /// The database is not there.
    #[error("PROOF-001: database {database} does not exist, or {user} may not see it; create it")]
    NoDatabase {
        /// The database.
        database: String,
        /// Who asked.
        user: String,
    },
    /// The table is not there.
    #[error(
        "PROOF-002: table {table} does not exist, or {user} may not see it; create it, or set topic2TableMap"
    )]
    NoTable {
        /// The table.
        table: String,
        /// Who asked.
        user: String,
    },
    /// Not a MergeTree.
    #[error(
        "PROOF-003: {table} has engine {engine}, which cannot deduplicate; use a table of the MergeTree family"
    )]
    Engine {
        /// The table.
        table: String,
        /// Its engine.
        engine: String,
    },
    /// Plain MergeTree ignores tokens by default.
    #[error(
        "PROOF-004: {table} keeps no deduplication window; \
         ALTER TABLE {sql} MODIFY SETTING {setting} = {needed_blocks}"
    )]
    NoWindow {
        /// The table.
        table: String,
        /// The same as SQL names it.
        sql: String,
        /// The setting that makes one.
        setting: &'static str,
        /// What would do.
        needed_blocks: u64,
    },
    /// The window forgets blocks sooner than a batch may be sent again.
    #[error(
        "PROOF-005: {table} remembers {window_blocks} blocks, {needed_blocks} are needed; \
         ALTER TABLE {sql} MODIFY SETTING {setting} = {needed_blocks}"
    )]
    FewBlocks {
        /// The table.
        table: String,
        /// The same as SQL names it.
        sql: String,
        /// Its setting.
        setting: &'static str,
        /// What it says.
        window_blocks: u64,
        /// What would do.
        needed_blocks: u64,
    },
    /// The window forgets blocks by time sooner than a batch may be sent again.
    #[error(
        "PROOF-006: {table} remembers blocks for {window_ms} ms, {needed_ms} are needed; ALTER TABLE {sql} \
         MODIFY SETTING replicated_deduplication_window_seconds = {}", needed_ms.div_ceil(1000)
    )]
    ShortWindow {
        /// The table.
        table: String,
        /// The same as SQL names it.
        sql: String,
        /// What it says.
        window_ms: u64,
        /// What would do.
        needed_ms: u64,
    },
    /// A right is missing.
    #[error("PROOF-007: {user} lacks a right ({message}); {grant}")]
    Right {
        /// Who asked.
        user: String,
        /// The statement that gives it.
        grant: String,
        /// The server's words, or ours.
        message: String,
    },
    /// An insert without rows was refused, so every insert would be.
    #[error("PROOF-008: the server refuses the insert into {table} (code {code}): {message}")]
    InsertRefused {
        /// The table.
        table: String,
        /// ClickHouse's code.
        code: i32,
        /// ClickHouse's words.
        message: String,
    },
    /// The server's version cannot do it.
    #[error(
        "PROOF-009: the server has no setting {setting}, so it does not deduplicate by token; upgrade it"
    )]
    OldServer {
        /// What it lacks.
        setting: &'static str,
    },
    /// A retry may fall into another table partition than the first attempt, where its token is unknown.
    #[error(
        "PROOF-010: the partition key of {table} depends on {what}, which the server makes up on insert; \
         partition by values that come with the record"
    )]
    PartitionKey {
        /// The table.
        table: String,
        /// Function and column.
        what: String,
    },
    /// A view's rows would double with a retry.
    #[error(
        "PROOF-011: the materialized view {view} writes into {target}, which keeps no deduplication window; \
         give it one (non_replicated_deduplication_window), or detach the view"
    )]
    ViewTarget {
        /// The view.
        view: String,
        /// Its target.
        target: String,
    },
    /// What is fed by the table cannot be looked at.
    #[error("PROOF-012: {view} is fed by the table and cannot be checked: {what}; let the user see it")]
    ViewUnclear {
        /// The view.
        view: String,
        /// The reason.
        what: String,
    },
    /// A Buffer keeps rows in memory and knows no tokens.
    #[error(
        "PROOF-013: {table} is a Buffer: it loses what it holds when its server dies, and knows no tokens; \
         insert into the table behind it, {behind} (topic2TableMap)"
    )]
    Buffer {
        /// The table.
        table: String,
        /// Its destination.
        behind: String,
    },
    /// A Null table keeps nothing.
    #[error(
        "PROOF-014: {table} has engine Null, which keeps nothing; insert into the table that a view of it \
         fills (topic2TableMap), or give {table} an engine of the MergeTree family"
    )]
    Null {
        /// The table.
        table: String,
    },
    /// A Distributed table spreads a block by something else than its rows.
    #[error(
        "PROOF-015: {table} is Distributed and spreads rows by {key}, which is not the same at every insert; \
         a retry would go to other shards, where its token is not known; shard by a column of the record"
    )]
    Sharding {
        /// The table.
        table: String,
        /// The sharding key, or what stands for it.
        key: String,
    },
    /// The tables behind a Distributed one are not proven.
    #[error(
        "PROOF-016: {table} is Distributed over {local} of cluster {cluster}; name the local table \
         (topic2TableMap) and the hosts that have it (hostname), one connector per shard"
    )]
    Distributed {
        /// The table.
        table: String,
        /// The table on each shard.
        local: String,
        /// The cluster.
        cluster: String,
    },
    /// Failing over between these hosts could double rows.
    #[error("PROOF-017: {table} is not one replicated table on all hosts: {what}; {remedy}")]
    Hosts {
        /// The table.
        table: String,
        /// Where it differs.
        what: String,
        /// What to do.
        remedy: String,
    },
    /// A deadline by one clock is not one by the other.
    #[error(
        "PROOF-018: the clocks of {hosts} are {apart_ms} ms apart, {allowed_ms} ms are allowed; \
         synchronize them (NTP), or raise pumphouse.insert.deadline.ms"
    )]
    Clocks {
        /// The two hosts.
        hosts: String,
        /// How far apart, less what the measurement may be wrong by.
        apart_ms: u64,
        /// A quarter of the deadline.
        allowed_ms: u64,
    },
    /// A view makes up a value, and its target may put it into another table partition at a retry.
    #[error(
        "PROOF-019: the materialized view {view} calls {what} and its target {target} is partitioned by \
         {key}; a retry could fall into another table partition, where its token is not known; take the \
         value from the record, or remove the target's partition key"
    )]
    ViewPartition {
        /// The view.
        view: String,
        /// The function.
        what: String,
        /// The target.
        target: String,
        /// Its partition key.
        key: String,
    },
}
