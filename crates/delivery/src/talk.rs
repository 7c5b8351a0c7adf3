//! What a task is told, and what it asks for. Every event names the claim it belongs to: an answer
//! that comes after the claim has ended is heard by nobody (R5).
use std::collections::BTreeMap;

use pumphouse_types::{
    BatchId, ConfigVersion, Offset, OffsetRange, OffsetsHash, Partition, ServerMillis, TopicId, TopicName,
    TopicPartition,
};

use crate::batch::Batch;
use crate::entry::StoredEntry;
use crate::stop::StopReason;
use crate::window::{NeedsEvidence, TableFacts};

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
        /// The topic's identity, read after the records (R15); `None` = there is no such topic.
        topic_id: Option<TopicId>,
    },
    /// What the table and the query log say of a batch that is quiet (R7).
    Evidence {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// The table, read after the batch was quiet.
        facts: TableFacts,
        /// What was found.
        evidence: Evidence,
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
    /// The table of an open batch, which is not the one that the topic goes to, is not there: what a look at it
    /// comes to in place of its own answer.
    TableGone {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// As in the question.
        table: String,
    },
    /// The identity of a batch's topic, read after the batch was sealed.
    Identified {
        /// The claim that asked.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// `None` = there is no such topic.
        topic_id: Option<TopicId>,
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
    /// It does not stand: its topic is not the one that the write demanded, but this one; `None` = there is none (R15).
    OtherTopic(Option<TopicId>),
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
    /// The row of the piece, counted from 0, that the server found fault with, if it says so: where the
    /// piece is best cut. Nothing is proven by it.
    pub row: Option<u64>,
}

/// What can be known of a batch that is quiet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Evidence {
    /// The rows of the open piece that the table has, by their lineage columns.
    Rows {
        /// Offsets that are there, in order, each once; partitions without any are left out.
        found: BTreeMap<Partition, Vec<Offset>>,
        /// Rows that are not there never landed: the replica has caught up, and the table keeps every
        /// row.
        complete: bool,
    },
    /// The query log has an attempt of this token that wrote all its rows and was no dedup hit.
    Finished,
    /// Nothing can be told.
    Unknown {
        /// What stands in the way: a missing column, a right, rows that the table does not keep.
        why: String,
        /// The rows that are there all the same, where they could be read; others may have been.
        found: Option<BTreeMap<Partition, Vec<Offset>>>,
    },
}

/// What an operator has decided for a batch whose fate cannot be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Accept it as landed.
    Landed,
    /// Insert all of it again.
    Again,
    /// Insert what the lineage columns do not show.
    Missing,
}

/// What a refusal means for the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalClass {
    /// The attempt came after its deadline and wrote nothing.
    DeadlinePassed,
    /// The server has too much to do; the same block later.
    Overload,
    /// Worth another try, but not for ever.
    Bounded,
    /// A row or the block itself is not acceptable: it wrote nothing, if the table has no views.
    Data,
    /// The table and the block's columns do not fit.
    Schema,
    /// A person is needed: a right, a setting, a read-only server.
    Fatal,
}

/// What re-reading found of one partition of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RereadRange {
    /// Offsets of the records that became rows, in order.
    pub offsets: Vec<Offset>,
    /// Records that did not become rows.
    pub left_out: u64,
}

impl RereadRange {
    /// Records that became rows.
    pub fn rows(&self) -> u64 {
        self.offsets.len() as u64
    }

    /// The hash of their offsets.
    pub fn hash(&self) -> OffsetsHash {
        self.offsets.iter().fold(OffsetsHash::EMPTY, |hash, offset| hash.push(*offset))
    }
}

/// A record that goes to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Partition of the record.
    pub partition: Partition,
    /// Its offset.
    pub offset: Offset,
    /// ClickHouse's refusal; `None` = it could not become a row.
    pub refusal: Option<Refusal>,
}

/// What a rule has decided, for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    /// R7: evidence is asked for.
    #[error("R7: whether the batch landed is looked for in the table: {0}")]
    EvidenceNeeded(NeedsEvidence),
    /// R7: the lineage columns show every row.
    #[error("R7: all rows of the batch are in the table, it has landed")]
    RowsFound,
    /// R7: the query log shows an attempt that wrote everything.
    #[error("R7: the query log shows that an attempt wrote the whole batch, it has landed")]
    QueryFinished,
    /// R7: some or all rows are missing; they are inserted under a new token.
    #[error("R7: {missing} of {rows} rows are not in the table, they are inserted under a new token")]
    RowsMissing {
        /// How many are missing.
        missing: u64,
        /// Out of how many.
        rows: u64,
    },
    /// R8: the process that answered is the one that first saw the token.
    #[error("R8: the answer came from the process that first saw the token, the batch has landed")]
    SameProcess,
    /// R9: the source no longer has some records of the batch.
    #[error("R9: the source has {found} of the batch's {recorded} records left, the rest is sent")]
    SourceThinned {
        /// Records that are left.
        found: u64,
        /// Records that were recorded.
        recorded: u64,
    },
    /// R10: earlier attempts were refused as this one was.
    #[error("R10: the table's checks depend on the rows alone, so earlier attempts were refused, too")]
    RefusedBefore,
    /// R11: the piece is cut.
    #[error("R11: the refused block is amended: the next piece has {rows} rows")]
    Amended {
        /// Rows of the next piece.
        rows: u64,
    },
    /// R11: one record is left of the refused piece.
    #[error("R11: the record at {partition}:{offset} is refused, it goes to the dead letters")]
    LeftOut {
        /// Its partition.
        partition: Partition,
        /// Its offset.
        offset: Offset,
    },
    /// R15: the block is built again by the configuration that runs.
    #[error("R15: the table has changed its shape, the batch is built again for the new one")]
    Rebuilt,
    /// R15: the batch is open for another table than the one that the topic goes to.
    #[error(
        "R15: the batch is open for {table}, the topic goes to {now}: it is resolved in its own table first"
    )]
    OpenElsewhere {
        /// The batch's.
        table: String,
        /// The topic's.
        now: String,
    },
    /// R17: what is left of a batch whose offsets were set is resolved by evidence.
    #[error("R17: offsets of the batch were set; the ranges that still carry it are resolved by evidence")]
    OffsetsWereSet,
    /// An operator's decision was carried out.
    #[error("R7: the operator's decision is carried out: {0:?}")]
    Decided(Decision),
    /// At least once: what cannot be proven is sent again.
    #[error("R7: not proven ({0}), sent again under a new token: the connector delivers at least once")]
    AtLeastOnce(NeedsEvidence),
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
        /// `None` = the one that the topic goes to; else the table of the batch that is worked on (R15).
        table: Option<String>,
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
    /// Read the topic's identity: the batch was sealed, and its records are the claim's if it is the one that was
    /// claimed still (R15).
    Identify {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// To be named in the answer.
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
        /// Dead letters that go out in the same transaction, all of one topic; kept until a write
        /// that names them stands.
        letters: Vec<(TopicName, Letter)>,
        /// The partitions are left at rest: the state topic says so in the same transaction (R16).
        at_rest: bool,
        /// Entries of partitions that others own are among them: once all of it was taken by the ledger, and before it is
        /// committed, the topic's identity is read, and with another one than this nothing is committed (R15). A store
        /// that refuses to write over what its writer has not read need not ask.
        only_while: Option<(TopicName, TopicId)>,
    },
    /// What the next [`Action::Record`] will most likely say, without letters, once the attempt under way has
    /// landed. It may be sent to the ledger ahead as a transaction that stays open: if that record comes, it
    /// is committed, and with any other order to the ledger, or the end of the claim, it is aborted (R14). It
    /// must never show without the record. Replaces an earlier one. No answer.
    Foresee {
        /// The claim that is to write.
        claim: ClaimId,
        /// What is to stand.
        entries: BTreeMap<TopicPartition, StoredEntry>,
    },
    /// Read the batch's ranges again, as `config_version` makes rows of them, and keep the rows: parts
    /// of them may be asked for. Then read the topic's identity.
    Reread {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch.
        batch: Batch,
        /// Not always the batch's own (R15).
        config_version: ConfigVersion,
    },
    /// Make the batch quiet, as [`Action::Settle`] does, let the replica catch up, and look for the
    /// rows of its open piece (R7).
    Evidence {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch.
        batch: Batch,
        /// Where to look.
        ranges: BTreeMap<Partition, OffsetRange>,
        /// Rows that the last attempt was to write, for the query log.
        rows: u64,
        /// Not to be asked before this moment on the server's clock.
        after: ServerMillis,
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
        /// Its table: not always the one that the topic goes to (R15).
        table: String,
        /// Not to be asked before this moment on the server's clock.
        after: Option<ServerMillis>,
    },
    /// Send the batch's block to the batch's table.
    Insert {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// The batch, as the ledger carries it.
        batch: Batch,
        /// Counts from 1 within this claim.
        attempt: u32,
        /// The rows to send, by partition and in order; `None` = all that the block has. Parts are
        /// only asked for after a [`Action::Reread`].
        rows: Option<BTreeMap<Partition, Vec<Offset>>>,
    },
    /// Ask the server for its process, after an answer (R8).
    Confirm {
        /// To be named in the answer.
        claim: ClaimId,
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// Its table.
        table: String,
    },
    /// Rows of the batch have landed. No answer.
    Landed {
        /// The lane.
        topic: TopicName,
        /// Which batch, as it was sent.
        batch: Batch,
        /// How many rows.
        rows: u64,
    },
    /// The batch is settled: its block is not needed any more. No answer.
    Release {
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
    },
    /// A rule has decided something that an operator may want to know. No answer.
    Report {
        /// The lane.
        topic: TopicName,
        /// Which batch.
        batch: BatchId,
        /// What was decided.
        verdict: Verdict,
    },
    /// A batch of a topic that is gone cannot be resolved: a warning names it. No answer.
    WarnTopicGone {
        /// The topic.
        topic: TopicName,
        /// The partition whose entry was found.
        partition: Partition,
    },
    /// R15: the topic was deleted and created again. A membership that has read its earlier life ends with
    /// [`Action::EndMembership`]; a new one reads it. No answer.
    WarnTopicReborn {
        /// The topic.
        topic: TopicName,
    },
    /// R12: at the measured rate the table's window is too short. The sink goes on: where it might have
    /// forgotten a token, it looks for the rows (R7). No answer.
    WarnWindow {
        /// The lane.
        topic: TopicName,
        /// Its table.
        table: String,
        /// The rate.
        blocks_per_minute: u64,
        /// What the table remembers.
        window_blocks: u64,
        /// What it should.
        needed_blocks: u64,
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
