//! What came out, for people (`text.rs`) and for programs (JSON; fields are only ever added).
use pumphouse_types::OffsetRange;
use serde::{Serialize, Serializer};

use crate::compare::Differences;
use crate::ranges::RangeList;

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is there once, and nothing else.
    AllThere,
    /// Something is missing, doubled or foreign.
    Differences,
    /// No difference was found, but not everything could be checked.
    NotChecked,
}

/// How it was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// By the rows' lineage columns: each row was held against its record.
    Lineage,
    /// By the inserts in the query log: what was written once, not what is in the table now.
    QueryLog,
}

/// Everything that was asked for.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The answer.
    pub verdict: Verdict,
    /// By connector, in the order given.
    pub connectors: Vec<ConnectorReport>,
}

/// One connector.
#[derive(Debug, Serialize)]
pub struct ConnectorReport {
    /// Its name.
    pub connector: String,
    /// Why nothing of it could be checked.
    pub error: Option<String>,
    /// Its topics.
    pub topics: Vec<TopicReport>,
}

/// One topic and its table.
#[derive(Debug, Serialize)]
pub struct TopicReport {
    /// The topic.
    pub topic: String,
    /// `database.table`.
    pub table: String,
    /// How it was checked; `None` if it could not be.
    pub proof: Option<Proof>,
    /// Why it could not be checked.
    pub error: Option<String>,
    /// What one should know to read the figures.
    pub notes: Vec<String>,
    /// Rows of partitions that the topic does not have.
    pub rows_of_unknown_partitions: u64,
    /// The partitions, ascending.
    pub partitions: Vec<PartitionReport>,
}

/// Where the ledger stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ledger {
    /// Everything below has landed.
    pub landed: i64,
    /// The open batch's positions, the end exclusive; its rows may be there or not.
    pub open: Option<[i64; 2]>,
}

/// One partition.
#[derive(Debug, Serialize)]
pub struct PartitionReport {
    /// Its number.
    pub partition: u32,
    /// Why it could not be checked.
    pub error: Option<String>,
    /// The ledger's position; `None`: it has no entry, nothing was taken from it yet.
    pub ledger: Option<Ledger>,
    /// The positions that were asked about.
    #[serde(serialize_with = "half_open")]
    pub range: OffsetRange,
    /// How many of them were looked at; fewer when sampling.
    pub positions_checked: u64,
    /// What was found.
    #[serde(flatten)]
    pub found: Differences,
    /// Rows of the open batch, and of what landed during the check; neither missing nor foreign.
    pub rows_open: u64,
    /// Without lineage columns: records of positions that are older than the query log.
    pub unproven: RangeList,
}

fn half_open<S: Serializer>(range: &OffsetRange, serializer: S) -> Result<S::Ok, S::Error> {
    [range.first().get(), range.end().get()].serialize(serializer)
}

impl Report {
    /// With the verdict that follows from its parts.
    pub(crate) fn new(connectors: Vec<ConnectorReport>) -> Report {
        let topics = || connectors.iter().flat_map(|connector| &connector.topics);
        let partitions = || topics().flat_map(|topic| &topic.partitions);
        let differs = partitions().any(|partition| !partition.found.is_none())
            || topics().any(|topic| topic.rows_of_unknown_partitions > 0);
        let unchecked = connectors.iter().any(|connector| connector.error.is_some())
            || topics().any(|topic| topic.error.is_some())
            || partitions().any(|partition| partition.error.is_some() || !partition.unproven.is_empty());
        let verdict = match (differs, unchecked) {
            (true, _) => Verdict::Differences,
            (false, true) => Verdict::NotChecked,
            (false, false) => Verdict::AllThere,
        };
        Report { verdict, connectors }
    }
}
