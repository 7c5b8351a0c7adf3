//! The ledger's entry of one partition, and the text that the group's committed offset carries
//! as its metadata. The offset itself is the first of the open batch, else the next to take.
//! The lead's entry holds the whole batch, every other one its own share (PROTOCOL "The ledger's text").
use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, DedupToken, Offset, OffsetRange, OffsetsHash, Partition, ServerMillis, TableUuid,
    TopicId,
};
use serde::{Deserialize, Serialize};

use crate::batch::{Batch, BatchRange, Cut, TableSeen};
use crate::window::TableEngine;

/// Kafka's default `offset.metadata.max.bytes`, counted as UTF-16 units; our text is ASCII but for
/// the table's name.
pub const ENTRY_TEXT_CHARS_MAX: usize = 4_096;

/// Room that is left for the lead's text beside its ranges: fixed fields, and a table name of up
/// to 1,000 characters.
pub(crate) const RANGES_TEXT_CHARS_MAX: usize = ENTRY_TEXT_CHARS_MAX - 2_000;

/// The version that this build writes and reads.
const TEXT_VERSION: u32 = 1;

/// How every text of ours begins; anything else is another tool's, and a plain mark.
const TEXT_START: &str = "{\"pumphouse\":";

/// What a ledger store keeps of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    /// The group's committed offset.
    pub offset: Offset,
    /// Its metadata.
    pub metadata: String,
}

/// A partition's entry, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Everything below `next` is landed; nothing is open.
    Plain {
        /// Where filling goes on.
        next: Offset,
        /// The topic that the offset counts in; unknown in another tool's mark.
        topic_id: Option<TopicId>,
    },
    /// The open batch, by its lead.
    Lead(Box<Batch>),
    /// A share of an open batch whose lead is another partition.
    Member(Member),
}

/// A partition's share of an open batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The batch.
    pub batch: BatchId,
    /// The partition whose entry holds the whole of it.
    pub lead: Partition,
    /// The topic that the offsets count in.
    pub topic_id: TopicId,
    /// What the batch covers here.
    pub share: BatchRange,
}

/// Text of ours that cannot be understood. Nothing is guessed: the task stops.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Written by a newer Pumphouse.
    #[error("written by another version of Pumphouse ({0})")]
    Version(u32),
    /// Not what any version writes.
    #[error("not a ledger entry: {0}")]
    Broken(String),
}

// What a build does not know it must not pass over: another version may mean something by it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    pumphouse: u32,
    topic: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<ShareText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    whole: Option<WholeText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareText {
    batch: String,
    lead: u32,
    end: i64,
    rows: u64,
    hash: String,
    #[serde(default, skip_serializing_if = "is_zero")]
    left: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WholeText {
    token: String,
    /// `partition:first+positions`, with commas; the members' rows and hashes stand in their entries.
    ranges: String,
    table: String,
    uuid: String,
    engine: EngineText,
    version: String,
    started: u64,
    window_blocks: u64,
    window_ms: Option<u64>,
    blocks: Option<u64>,
    first: u64,
    deadline: u64,
    config: String,
    definition: String,
    /// `partition:offset`: where the open piece ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    piece: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    evidence: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum EngineText {
    Plain,
    Replicated,
}

impl Entry {
    /// A plain mark of ours.
    pub fn plain(next: Offset, topic_id: TopicId) -> Entry {
        Entry::Plain { next, topic_id: Some(topic_id) }
    }

    /// The entry that `partition` carries while `batch` is open.
    pub fn of_batch(batch: &Batch, partition: Partition) -> Entry {
        if partition == batch.lead() {
            return Entry::Lead(Box::new(batch.clone()));
        }
        let share = batch.ranges[&partition];
        Entry::Member(Member { batch: batch.id, lead: batch.lead(), topic_id: batch.topic_id, share })
    }

    /// The batch that the entry carries, if one is open.
    pub fn batch_id(&self) -> Option<BatchId> {
        match self {
            Entry::Plain { .. } => None,
            Entry::Lead(batch) => Some(batch.id),
            Entry::Member(member) => Some(member.batch),
        }
    }

    /// The topic that the entry's offsets count in, where it says so.
    pub fn topic_id(&self) -> Option<TopicId> {
        match self {
            Entry::Plain { topic_id, .. } => *topic_id,
            Entry::Lead(batch) => Some(batch.topic_id),
            Entry::Member(member) => Some(member.topic_id),
        }
    }

    /// As the store keeps it.
    pub fn to_stored(&self) -> StoredEntry {
        let (offset, text) = match self {
            Entry::Plain { next, topic_id: None } => {
                return StoredEntry { offset: *next, metadata: String::new() };
            }
            Entry::Plain { next, topic_id: Some(topic_id) } => (*next, text(*topic_id, None, None)),
            Entry::Lead(batch) => {
                let lead = batch.lead();
                let share = batch.ranges[&lead];
                let share_text = share_text(batch.id, lead, &share);
                (share.range.first(), text(batch.topic_id, Some(share_text), Some(whole_text(batch))))
            }
            Entry::Member(member) => {
                let share = share_text(member.batch, member.lead, &member.share);
                (member.share.range.first(), text(member.topic_id, Some(share), None))
            }
        };
        let metadata = serde_json::to_string(&text).expect("numbers and strings become JSON");
        assert!(metadata.encode_utf16().count() <= ENTRY_TEXT_CHARS_MAX, "a ledger entry fits: {metadata}");
        StoredEntry { offset, metadata }
    }

    /// Reads what the store kept for `partition`. The lead's entry alone does not know the rows and
    /// hashes of its members; `members` are asked for before a batch is resolved, so here their
    /// shares have 0 rows (see [`Batch::ranges`] after `resolve`).
    /// Errors: text of ours that this version does not understand.
    pub fn parse(partition: Partition, stored: &StoredEntry) -> Result<Entry, EntryError> {
        if !stored.metadata.starts_with(TEXT_START) {
            return Ok(Entry::Plain { next: stored.offset, topic_id: None });
        }
        let version: VersionText = read(&stored.metadata)?;
        if version.pumphouse != TEXT_VERSION {
            return Err(EntryError::Version(version.pumphouse));
        }
        let text: Text = read(&stored.metadata)?;
        let topic_id = id(&text.topic)?;
        let Some(share_text) = text.share else {
            return Ok(Entry::plain(stored.offset, topic_id));
        };
        let lead = Partition(share_text.lead);
        let share = BatchRange {
            // The lead carries the batch until all of it is settled, also when its own rows are (R11).
            range: range(stored.offset.get(), share_text.end, lead == partition)?,
            rows: share_text.rows,
            hash: OffsetsHash::from_bits(fingerprint(&share_text.hash)?),
            left_out: share_text.left,
        };
        if share.rows.saturating_add(share.left_out) > share.range.positions() {
            return Err(broken("more records than positions"));
        }
        let batch = id(&share_text.batch)?;
        match text.whole {
            None if lead == partition => Err(broken("a lead without its batch")),
            None => Ok(Entry::Member(Member { batch, lead, topic_id, share })),
            Some(_) if lead != partition => Err(broken("a whole batch at a member")),
            Some(whole) => read_whole(batch, topic_id, partition, share, whole),
        }
    }
}

#[derive(Deserialize)]
struct VersionText {
    pumphouse: u32,
}

fn text(topic_id: TopicId, share: Option<ShareText>, whole: Option<WholeText>) -> Text {
    Text { pumphouse: TEXT_VERSION, topic: topic_id.to_string(), share, whole }
}

fn share_text(batch: BatchId, lead: Partition, share: &BatchRange) -> ShareText {
    ShareText {
        batch: batch.to_string(),
        lead: lead.0,
        end: share.range.end().get(),
        rows: share.rows,
        hash: fingerprint_text(share.hash.get()),
        left: share.left_out,
    }
}

fn whole_text(batch: &Batch) -> WholeText {
    let ranges: Vec<String> =
        batch.ranges.iter().map(|(partition, share)| range_text(*partition, share.range)).collect();
    let table = &batch.table;
    WholeText {
        token: batch.token.to_string(),
        ranges: ranges.join(","),
        table: table.name.clone(),
        uuid: table.uuid.to_string(),
        engine: match table.engine {
            TableEngine::Plain => EngineText::Plain,
            TableEngine::Replicated => EngineText::Replicated,
        },
        version: table.server_version.clone(),
        started: table.server_started.0,
        window_blocks: table.window_blocks,
        window_ms: table.window_ms,
        blocks: table.blocks,
        first: batch.first_recorded.0,
        deadline: batch.deadline.0,
        config: batch.config_version.to_string(),
        definition: fingerprint_text(table.definition),
        piece: batch.piece_end.map(|cut| format!("{}:{}", cut.partition, cut.offset)),
        evidence: batch.by_evidence,
    }
}

/// One range as the lead's text names it.
pub(crate) fn range_text(partition: Partition, range: OffsetRange) -> String {
    format!("{partition}:{}+{}", range.first(), range.positions())
}

fn read_whole(
    id_: BatchId,
    topic_id: TopicId,
    lead: Partition,
    share: BatchRange,
    whole: WholeText,
) -> Result<Entry, EntryError> {
    let mut ranges = BTreeMap::new();
    for part in whole.ranges.split(',') {
        let is_lead = ranges.is_empty();
        let (partition, range) = read_range(part, is_lead).ok_or_else(|| broken("ranges"))?;
        // A member's rows and hash stand in its own entry.
        ranges.insert(partition, BatchRange { range, rows: 0, hash: OffsetsHash::EMPTY, left_out: 0 });
    }
    if ranges.keys().next() != Some(&lead) || ranges[&lead].range != share.range {
        return Err(broken("the lead's range"));
    }
    ranges.insert(lead, share);
    let table = TableSeen {
        name: whole.table,
        uuid: id::<TableUuid>(&whole.uuid)?,
        engine: match whole.engine {
            EngineText::Plain => TableEngine::Plain,
            EngineText::Replicated => TableEngine::Replicated,
        },
        server_version: whole.version,
        server_started: ServerMillis(whole.started),
        window_blocks: whole.window_blocks,
        window_ms: whole.window_ms,
        blocks: whole.blocks,
        definition: fingerprint(&whole.definition)?,
    };
    Ok(Entry::Lead(Box::new(Batch {
        id: id_,
        token: id::<DedupToken>(&whole.token)?,
        topic_id,
        ranges,
        table,
        first_recorded: ServerMillis(whole.first),
        deadline: ServerMillis(whole.deadline),
        config_version: id(&whole.config)?,
        piece_end: whole.piece.as_deref().map(read_cut).transpose()?,
        by_evidence: whole.evidence,
    })))
}

fn read_cut(text: &str) -> Result<Cut, EntryError> {
    let read = || {
        let (partition, offset) = text.split_once(':')?;
        Some(Cut {
            partition: Partition(partition.parse().ok()?),
            offset: Offset::new(offset.parse().ok()?)?,
        })
    };
    read().ok_or_else(|| broken("the piece's end"))
}

fn read_range(text: &str, may_be_empty: bool) -> Option<(Partition, OffsetRange)> {
    let (partition, rest) = text.split_once(':')?;
    let (first, positions) = rest.split_once('+')?;
    let first: i64 = first.parse().ok()?;
    let end = first.checked_add(positions.parse().ok()?)?;
    Some((Partition(partition.parse().ok()?), range(first, end, may_be_empty).ok()?))
}

fn range(first: i64, end: i64, may_be_empty: bool) -> Result<OffsetRange, EntryError> {
    Offset::new(first)
        .zip(Offset::new(end))
        .and_then(|(first, end)| OffsetRange::new(first, end))
        .filter(|range| may_be_empty || !range.is_empty())
        .ok_or_else(|| broken("a range"))
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, EntryError> {
    serde_json::from_str(text).map_err(|error| EntryError::Broken(error.to_string()))
}

fn id<T: std::str::FromStr<Err = pumphouse_types::ParseIdError>>(text: &str) -> Result<T, EntryError> {
    text.parse().map_err(|error: pumphouse_types::ParseIdError| broken(&error.to_string()))
}

fn fingerprint_text(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

fn fingerprint(text: &str) -> Result<u64, EntryError> {
    id::<ConfigVersion>(text).map(|bits| bits.0)
}

fn broken(what: &str) -> EntryError {
    EntryError::Broken(what.to_owned())
}

#[cfg(test)]
mod tests;
