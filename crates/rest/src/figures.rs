//! What the page shows of a connector beside the states that the API knows: figures of this worker's tasks.
use std::time::Duration;

/// A connector at this worker.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// What it promises for its tables.
    pub promise: Promise,
    /// Its topics, as far as something was taken from them.
    pub lanes: Vec<LaneFigures>,
    /// Batches that are recorded and have not landed.
    pub open: Vec<OpenBatch>,
    /// The last start-up proof of each table.
    pub proofs: Vec<TableProof>,
    /// What went wrong lately, newest first.
    pub mishaps: Vec<Mishap>,
}

/// What a connector promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Promise {
    /// Its tables are not proven yet.
    #[default]
    NotKnown,
    /// Each record once.
    ExactlyOnce,
    /// Some perhaps more often; the connector's state says why.
    AtLeastOnce,
}

/// One topic of a connector.
#[derive(Debug, Clone, Default)]
pub struct LaneFigures {
    /// The topic.
    pub topic: String,
    /// Its table, once a batch was sent.
    pub table: Option<String>,
    /// Records behind the log's end over this worker's partitions; `None`: not measured yet.
    pub lag_records: Option<i64>,
    /// Rows that landed per second, over the last half minute.
    pub rows_per_second: f64,
    /// Rows that landed since the worker's start.
    pub rows: u64,
    /// Batches that did.
    pub batches: u64,
    /// What an insert took on average in the last half minute, in seconds; `None`: there was none.
    pub insert_seconds: Option<f64>,
    /// Attempts that did not land, since the worker's start.
    pub attempts_failed: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Records that were passed over and kept nowhere.
    pub dropped: u64,
}

/// A batch under way.
#[derive(Debug, Clone)]
pub struct OpenBatch {
    /// The task that has it.
    pub task: String,
    /// The topic.
    pub topic: String,
    /// Its id.
    pub batch: String,
    /// `partition:first..end`, with blanks between.
    pub ranges: String,
    /// Rows in it.
    pub rows: u64,
    /// How long this worker has had it.
    pub age: Duration,
}

/// What the start-up proof has found about a table.
#[derive(Debug, Clone)]
pub struct TableProof {
    /// `database.table`.
    pub table: String,
    /// How long ago.
    pub age: Duration,
    /// Why exactly once does not hold; empty: it does.
    pub failed: Vec<String>,
    /// What an operator should know nevertheless.
    pub warnings: Vec<String>,
}

/// Something that went wrong.
#[derive(Debug, Clone)]
pub struct Mishap {
    /// How long ago.
    pub age: Duration,
    /// The connector or one of its tasks.
    pub of: String,
    /// What, with its code.
    pub why: String,
}

/// A look into a connector's dead letters, newest first.
#[derive(Debug, Clone, Default)]
pub struct LetterSample {
    /// The dead letter topic.
    pub topic: String,
    /// Positions that the topic holds, of all connectors that write to it.
    pub positions: u64,
    /// How many of the newest positions were looked at.
    pub looked_at: u64,
    /// Those of this connector.
    pub letters: Vec<SampledLetter>,
    /// Why the look ended early.
    pub cut_short: Option<String>,
}

/// One dead letter.
#[derive(Debug, Clone, Default)]
pub struct SampledLetter {
    /// Where it is in the dead letter topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// When it was written, in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// `topic-partition@offset` of the record that it stands for.
    pub origin: Option<String>,
    /// Why it is here, with its code.
    pub reason: Option<String>,
    /// The beginning of the key; `None`: it has none.
    pub key: Option<Excerpt>,
    /// The beginning of the value.
    pub value: Option<Excerpt>,
}

/// The beginning of some bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The first of them.
    pub bytes: Vec<u8>,
    /// How many there are.
    pub length: usize,
}

impl Excerpt {
    /// At most `bytes_max` of them.
    pub fn of(bytes: &[u8], bytes_max: usize) -> Excerpt {
        Excerpt { bytes: bytes[..bytes.len().min(bytes_max)].to_vec(), length: bytes.len() }
    }
}
