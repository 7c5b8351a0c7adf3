//! The kinds of faults, by the names that the table and `--only` use.

use crate::trouble::Result;

macro_rules! kinds {
    ($($kind:ident $name:literal $what:literal,)*) => {
        /// A kind of fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $what] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Kind] = &[$(Kind::$kind),*];

            /// Its name in the table.
            pub fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name),* }
            }

            /// What is done.
            pub fn what(self) -> &'static str {
                match self { $(Kind::$kind => $what),* }
            }
        }
    };
}

kinds! {
    WorkerKilled "worker-sigkill" "a worker is killed, and started again at once, soon, or after its session",
    WorkerStopped "worker-sigstop" "a worker stands still, shorter or longer than its session, and wakes up",
    SecondWorker "second-worker" "one more worker comes and goes every few seconds: partitions move",
    BrokerKilled "broker-sigkill" "the broker is killed and started again",
    BrokerStopped "broker-sigstop" "the broker stands still",
    KafkaCut "kafka-cut" "connections to Kafka are reset, again and again",
    KafkaDelayed "kafka-delay" "each packet from and to Kafka comes late",
    ClickHouseKilled "clickhouse-sigkill" "ClickHouse is killed and started again",
    ClickHouseStopped "clickhouse-sigstop" "ClickHouse stands still",
    ZooKeeperKilled "zookeeper-sigkill" "ZooKeeper is killed and started again: the replicated table is read-only meanwhile",
    ZooKeeperStopped "zookeeper-sigstop" "ZooKeeper stands still, shorter or longer than ClickHouse's session",
    ClickHouseCut "clickhouse-cut" "connections to ClickHouse are reset, then refused for a while",
    ClickHouseDelayed "clickhouse-delay" "each packet from and to ClickHouse comes late",
    BodyReset "reset-in-body" "an INSERT is cut off in the middle of its block",
    AnswerLost "answer-lost" "an INSERT is committed and its answer lost",
    LedgerAnswerLost "ledger-answer-lost" "a claim of the ledger in KeeperMap, or a write to it, is carried out and its answer lost",
    InsertTimeout "insert-timeout" "the answer to an INSERT never comes, and its connection stays open",
    TinyWindow "tiny-window" "the tables keep three tokens only, while answers are lost",
    DiskFull "disk-full" "the server refuses inserts for want of disk space (243); with --full-disk, the disk is filled",
    ReadOnly "read-only" "the plain table is read-only by a setting (774), the replicated one for want of ZooKeeper (242)",
    BadRecords "bad-records" "records that are no JSON, and such as a constraint of the table refuses",
    ColumnDropped "column-dropped" "a column is dropped, and added again",
    OffsetsReset "offsets-reset" "offsets are set back over REST: these records are asked for again",
    TopicRecreated "topic-recreated" "a topic is deleted under load and created again",
}

impl Kind {
    /// The kind of this name.
    pub fn of_name(name: &str) -> Result<Kind> {
        let known = Kind::ALL.iter().find(|kind| kind.name() == name);
        known.copied().ok_or_else(|| format!("there is no kind {name}; --kinds lists them"))
    }
}
