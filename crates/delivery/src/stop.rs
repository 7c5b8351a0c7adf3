//! Why a task stops: what a person has to look at, with a code and a page in docs/errors.
use pumphouse_types::{BatchId, Offset, Partition, QuestionId, TopicName};

use crate::entry::EntryError;
use crate::talk::Refusal;
use crate::window::NeedsEvidence;

/// A reason that this version cannot resolve by itself. Nothing was passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// R7, R8: whether the batch landed must be seen in the table.
    #[error(
        "DELIVERY-001: whether batch {batch} of {topic} ({ranges}) landed in {table} cannot be \
         proven: {why}; {evidence}; nothing was passed over. Look for these offsets in the table, then \
         set pumphouse.open.batch.decisions to {question}=landed, =again or =missing, and restart"
    )]
    EvidenceNeeded {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch.
        batch: String,
        /// What a decision about it names.
        question: QuestionId,
        /// Its ranges as `partition:first..end`.
        ranges: String,
        /// Its table.
        table: String,
        /// What stands against sending it again.
        why: NeedsEvidence,
        /// Why the table and the query log do not tell.
        evidence: String,
    },
    /// R10: ClickHouse refused the block for its data, its shape, or for good.
    #[error(
        "DELIVERY-002: ClickHouse refused batch {batch} of {topic} ({ranges}) for {table}: \
         code {code}: {message}", code = refusal.code, message = refusal.message
    )]
    Refused {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch.
        batch: String,
        /// Its ranges.
        ranges: String,
        /// Its table.
        table: String,
        /// The server's answer.
        refusal: Refusal,
    },
    /// R9: the source no longer has the rows that the batch was made of.
    #[error(
        "DELIVERY-003: {topic}-{partition}: re-reading {range} of batch {batch} gave {found} \
         records where {recorded} were recorded, or other ones"
    )]
    SourceChanged {
        /// Topic of the batch.
        topic: TopicName,
        /// Where the difference is.
        partition: Partition,
        /// The batch.
        batch: String,
        /// The range there.
        range: String,
        /// Rows that the ledger names.
        recorded: u64,
        /// Rows that were read.
        found: u64,
    },
    /// R17: some entries of an open batch were overwritten, by an operator's reset of offsets.
    #[error(
        "DELIVERY-004: batch {batch} of {topic} ({ranges}) is open, but the offset of partition \
         {partition} was set to something else; set all of these partitions' offsets alike"
    )]
    EntriesDisagree {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch's identity.
        id: BatchId,
        /// The batch.
        batch: String,
        /// The ranges that are known.
        ranges: String,
        /// Whose entry does not carry the batch.
        partition: Partition,
    },
    /// The text in the group's offset is ours but cannot be read.
    #[error("DELIVERY-005: the ledger entry of {topic}-{partition} cannot be read: {why}")]
    EntryUnreadable {
        /// Topic of the entry.
        topic: TopicName,
        /// Partition of the entry.
        partition: Partition,
        /// What is wrong with it.
        why: EntryError,
    },
    /// R15: the open batch was built by another configuration.
    #[error(
        "DELIVERY-006: batch {batch} of {topic} ({ranges}) was built by configuration version \
         {recorded}, the connector runs {current}; start once with the recorded configuration \
         (state topic), then change it"
    )]
    OtherConfiguration {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch.
        batch: String,
        /// Its ranges.
        ranges: String,
        /// The version in the ledger.
        recorded: String,
        /// The version that runs.
        current: String,
    },
    /// The ledger refuses a write for good.
    #[error("DELIVERY-007: the ledger refused a write for {topic}: {why}")]
    LedgerRefused {
        /// Topic of the lane that wrote.
        topic: TopicName,
        /// The store's words.
        why: String,
    },
    /// R11: the server refuses this one record, and bad records are not tolerated.
    #[error(
        "DELIVERY-008: ClickHouse refuses the record at {topic}-{partition} offset {offset} for {table}: \
         code {code}: {message}; everything before it has landed. Make the table take it, or set \
         errors.tolerance=all and a dead letter topic", code = refusal.code, message = refusal.message
    )]
    RecordRefused {
        /// Its topic.
        topic: TopicName,
        /// Its partition.
        partition: Partition,
        /// Its offset.
        offset: Offset,
        /// The table.
        table: String,
        /// The server's answer.
        refusal: Refusal,
    },
    /// R15: the open batch is for another table than the topic goes to now, and that one is gone.
    #[error(
        "DELIVERY-010: batch {batch} of {topic} ({ranges}) is open for {table}, which is not there any more; the \
         topic goes to {now}. Bring {table} back (UNDROP TABLE), or set pumphouse.open.batch.decisions to \
         {question}=again (its records go to {now}) or =landed (they are passed), and restart"
    )]
    TableGone {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch.
        batch: String,
        /// What a decision about it names.
        question: QuestionId,
        /// What of it is in question.
        ranges: String,
        /// Its table.
        table: String,
        /// The table that the topic goes to.
        now: String,
    },
    /// R2: attempts came to nothing for longer than `errors.retry.timeout`.
    #[error(
        "DELIVERY-009: batch {batch} of {topic} ({ranges}) could not be inserted into {table} for \
         {waited_ms} ms, longer than errors.retry.timeout; it stays open and nothing was passed over"
    )]
    RetriesExhausted {
        /// Topic of the batch.
        topic: TopicName,
        /// The batch.
        batch: String,
        /// Its ranges.
        ranges: String,
        /// Its table.
        table: String,
        /// Since the first attempt that came to nothing.
        waited_ms: u64,
    },
}
