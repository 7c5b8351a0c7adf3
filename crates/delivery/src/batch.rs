//! A batch as the ledger holds it: everything that whoever resolves it must know.
use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Offset, OffsetRange, OffsetsHash, Partition, ServerMillis, TableUuid,
    TopicId,
};

use crate::window::{TableEngine, TableFacts};

/// What a batch covers of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchRange {
    /// The positions; those without a record in the batch are gaps of the source.
    pub range: OffsetRange,
    /// Records in the range that became rows.
    pub rows: u64,
    /// Hash of the offsets of those records, in order.
    pub hash: OffsetsHash,
    /// Records in the range that could not become rows: their dead letters are committed (R4).
    pub left_out: u64,
}

/// A place in the source order of a batch's rows: by partition, then by offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut {
    /// Rows of lower partitions are before it.
    pub partition: Partition,
    /// Rows of that partition below this offset are before it.
    pub offset: Offset,
}

impl Cut {
    /// Whether the record is before it.
    pub fn is_behind(&self, partition: Partition, offset: Offset) -> bool {
        (partition, offset) < (self.partition, self.offset)
    }
}

/// The table as it was when the batch's token was first recorded (R7, R8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSeen {
    /// `database.table`, for messages and for whoever resolves the batch.
    pub name: String,
    /// Identity of the table.
    pub uuid: TableUuid,
    /// How it deduplicates.
    pub engine: TableEngine,
    /// The server's version text.
    pub server_version: String,
    /// Start of the server process, on its own clock.
    pub server_started: ServerMillis,
    /// Blocks that its window holds.
    pub window_blocks: u64,
    /// Time that its window holds; `None` where only blocks count.
    pub window_ms: Option<u64>,
    /// The table's count of inserted blocks.
    pub blocks: Option<u64>,
    /// Fingerprint of the table's definition, and of the time of its last change on that server (R7, R10).
    pub definition: u64,
}

impl TableSeen {
    /// What `facts` say, as a batch records it.
    pub(crate) fn from_facts(facts: &TableFacts) -> TableSeen {
        TableSeen {
            name: facts.name.clone(),
            uuid: facts.uuid,
            engine: facts.engine,
            server_version: facts.server_version.clone(),
            server_started: facts.server_started,
            window_blocks: facts.window_blocks,
            window_ms: facts.window_ms,
            blocks: facts.blocks,
            definition: facts.definition,
        }
    }
}

/// What a lane seals and sends as one block with one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its identity; query ids of its attempts begin with it.
    pub id: BatchId,
    /// Its dedup token: fresh, and the same for every attempt (R2).
    pub token: DedupToken,
    /// The topic whose records it holds (R9).
    pub topic_id: TopicId,
    /// What it covers, by partition; never empty.
    pub ranges: BTreeMap<Partition, BatchRange>,
    /// The table when the token was first recorded.
    pub table: TableSeen,
    /// When the token was first recorded. Recording again does not make it younger (R2).
    pub first_recorded: ServerMillis,
    /// No attempt may begin to write after this moment on the server's clock (R2).
    pub deadline: ServerMillis,
    /// The configuration that turned its records into rows (R15).
    pub config_version: ConfigVersion,
    /// The open piece ends here: rows at or behind it are not sent with this token (R11).
    /// `None` = the token covers all rows that are left.
    pub piece_end: Option<Cut>,
    /// The token covers only what was missing in the table when it was recorded: an attempt of it is
    /// never repeated by another claim, which looks into the table again instead (R7).
    pub by_evidence: bool,
}

impl Batch {
    /// The partition whose owner resolves the batch: its lowest (R6).
    pub fn lead(&self) -> Partition {
        *self.ranges.keys().next().expect("a batch covers a partition")
    }

    /// The part of each range that the open piece covers.
    pub fn piece_ranges(&self) -> BTreeMap<Partition, OffsetRange> {
        let mut ranges = BTreeMap::new();
        for (partition, share) in &self.ranges {
            let (first, mut end) = (share.range.first(), share.range.end());
            if let Some(cut) = self.piece_end {
                if *partition > cut.partition {
                    break;
                }
                if *partition == cut.partition {
                    end = end.min(cut.offset);
                }
            }
            if let Some(range) = OffsetRange::new(first, end)
                && !range.is_empty()
            {
                ranges.insert(*partition, range);
            }
        }
        ranges
    }

    /// Rows over all partitions.
    pub fn rows(&self) -> u64 {
        self.ranges.values().map(|range| range.rows).sum()
    }

    /// The ranges as messages show them: `0:10..20 3:5..9`.
    pub fn ranges_text(&self) -> String {
        text_of(self.ranges.iter().map(|(partition, share)| (*partition, share.range)))
    }

    /// Those of the open piece.
    pub fn piece_ranges_text(&self) -> String {
        text_of(self.piece_ranges().into_iter())
    }
}

fn text_of(ranges: impl Iterator<Item = (Partition, OffsetRange)>) -> String {
    ranges.map(|(partition, range)| format!("{partition}:{range}")).collect::<Vec<_>>().join(" ")
}
