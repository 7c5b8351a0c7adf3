//! What a task is told, and what it asks for. Every event names the claim it belongs to: an answer
//! that comes after the claim has ended is heard by nobody (R5).
use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, Offset, OffsetsHash, Partition, ServerMillis, TopicId, TopicName, TopicPartition,
};

use crate::batch::Batch;
use crate::entry::StoredEntry;
use crate::stop::StopReason;
use crate::window::TableFacts;

/// One assignment, from the moment that its partitions are claimed to the moment they are given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub u64);

/// One ledger write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The group protocol assigned these partitions (all that the member has).
    Assigned {
        /// The whole assignment.
        partitions: Vec<TopicPartition>,
    },
    /// The group protocol wants the partitions back and waits for [`Action::GiveUp`].
    Revoking,
    /// The assignment is gone already: the session expired or the consumer was closed.
    Lost,
    /// The entries, read stable after the fence (R5).
    Claimed {
        /// The claim that asked.
        claim: ClaimId,
        /// What the ledger has; partitions without an entry are left out.
        entries: BTreeMap<TopicPartition, StoredEntry>,
        /// Identity of each topic; a deleted one is left out.
        topic_ids: BTreeMap<TopicName, TopicId>,
    },
    /// Entries that [`Action::ReadEntries`] asked for.
    EntriesRead {
        /// The claim that asked.
        claim: ClaimId,
        /// The topic that was asked for.
        topic: TopicName,
        /// As in the question.
        gather: Option<BatchId>,
        /// What the ledger has.
        entries: BTreeMap<Partition, StoredEntry>,
    },
    /// Offsets to start from, by the connector's `auto.offset.reset`.
    StartOffsets {
        /// The claim that asked.
        claim: ClaimId,
        /// By partition.
        offsets: BTreeMap<TopicPartition, Offset>,
    },
    /// The lane's table, as it is now.
    Inspected {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// What the server says of its table.
        facts: TableFacts,
        /// The version of the configuration that fills the lane's blocks.
        config_version: ConfigVersion,
    },
    /// A ledger write was answered.
    Ledger {
        /// The claim that wrote.
        claim: ClaimId,
        /// Which write.
        write: WriteId,
        /// What became of it.
        answer: LedgerAnswer,
    },
    /// The recorded ranges were read again and their block is built.
    Reread {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// What was found.
        ranges: BTreeMap<Partition, RereadRange>,
    },
    /// No attempt at the batch is left that could still write.
    Settled {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// The table, read after that.
        facts: TableFacts,
    },
    /// An attempt was answered, or its fate became unknown.
    Insert {
        /// The claim that sent it.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// Which attempt.
        attempt: u32,
        /// What became of it.
        answer: InsertAnswer,
    },
    /// The server's process, read after the answer (R8).
    Confirmed {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// Start of the process that answers now.
        server_started: ServerMillis,
    },
    /// Topic identities, read again.
    TopicIds {
        /// The claim under which they were read.
        claim: ClaimId,
        /// Identity of each topic; a deleted one is left out.
        topic_ids: BTreeMap<TopicName, TopicId>,
    },
    /// The connector is to stop: land what is filled, leave plain marks, then leave.
    StopRequested,
    /// Time has passed.
    Tick,
}

/// What became of a ledger write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerAnswer {
    /// It stands.
    Recorded,
    /// It does not stand, and this member may not write any more.
    Fenced,
    /// It does not stand; it may be tried again.
    NotRecorded,
    /// It does not stand, and never will.
    Refused(String),
    /// It may stand.
    Unknown,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InsertAnswer {
    /// The server answered 200.
    Accepted,
    /// The server refused the attempt.
    Refused(Refusal),
    /// No answer, or one that does not tell.
    Unknown,
}

/// A server's refusal, classed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means for the batch.
    pub class: RefusalClass,
    /// ClickHouse's code.
    pub code: i32,
    /// ClickHouse's words, bounded.
    pub message: String,
}

/// What a refusal means for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// The attempt came after its deadline and wrote nothing.
    DeadlinePassed,
    /// The server has too much to do; the same block later.
    Overload,
    /// A row or the block itself is not acceptable.
    Data,
    /// The table and the block's columns do not fit.
    Schema,
    /// A person is needed: a right, a setting, a read-only server.
    Fatal,
}

/// What re-reading found of one partition of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RereadRange {
    /// Records that became rows.
    pub rows: u64,
    /// Hash of their offsets.
    pub hash: OffsetsHash,
}

/// Something to be done. Answers come back as events; an action without one says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Read the fence, serve every queued rebalance event, read the entries stable (R5); replace the
    /// ledger's producer first if the fate of its last write is unknown.
    Claim {
        /// To be named in the answer.
        claim: ClaimId,
        /// Whose entries are read.
        partitions: Vec<TopicPartition>,
    },
    /// Read entries stable, of partitions owned or not.
    ReadEntries {
        /// To be named in the answer.
        claim: ClaimId,
        /// Their topic.
        topic: TopicName,
        /// The batch that is being taken up, to be named in the answer; `None` = only looking.
        gather: Option<BatchId>,
        /// Whose entries are read.
        partitions: Vec<Partition>,
    },
    /// Ask the broker where partitions without an entry start.
    AskStartOffsets {
        /// To be named in the answer.
        claim: ClaimId,
        /// Whose start is asked for.
        partitions: Vec<TopicPartition>,
    },
    /// Read the lane's table.
    Inspect {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
    },
    /// Fetch exactly these partitions from these offsets. No answer.
    Fetch {
        /// All partitions that records are taken from.
        positions: BTreeMap<TopicPartition, Offset>,
    },
    /// The lane's open block is closed and belongs to this batch. No answer.
    Seal {
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
    },
    /// Write these entries in one transaction under the claim's fence.
    Record {
        /// The claim that writes.
        claim: ClaimId,
        /// To be named in the answer.
        write: WriteId,
        /// What is to stand.
        entries: BTreeMap<TopicPartition, StoredEntry>,
    },
    /// Read the batch's ranges again and build its block.
    Reread {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch.
        batch: Batch,
    },
    /// Make the batch's earlier attempts end: wait until the server's clock is past the deadline if
    /// one is given, then kill them; then read the table.
    Settle {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch.
        batch: BatchId,
        /// Not to be asked before this moment on the server's clock.
        after: Option<ServerMillis>,
    },
    /// Send the batch's block.
    Insert {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch, as the ledger carries it.
        batch: Batch,
        /// Counts from 1 within this claim.
        attempt: u32,
    },
    /// Ask the server for its process, after an answer (R8).
    Confirm {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
    },
    /// The batch has landed: its block is not needed any more. No answer.
    Landed {
        /// The lane.
        topic: TopicName,
        /// Which batch, as it landed.
        batch: Batch,
    },
    /// A batch of a topic that is gone cannot be resolved: a warning names it. No answer.
    WarnTopicGone {
        /// The topic.
        topic: TopicName,
        /// The partition whose entry was found.
        partition: Partition,
    },
    /// Every lane is given up: answer the group protocol, drop all blocks. No answer.
    GiveUp,
    /// This member is not one any more, or must not be: close it, and join anew after a while.
    EndMembership,
    /// A person is needed: leave the group and show the reason. No answer.
    Fail(StopReason),
    /// Everything has landed and is marked: leave. No answer.
    Leave,
}
