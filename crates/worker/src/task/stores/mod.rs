//! Where the ledger's entries live, behind one trait: what the ledger's thread writes through. Reading and
//! claiming is the consuming thread's (`asks.rs`). What every store has to keep is `conformance.rs`.
use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use pumphouse_delivery::{LedgerAnswer, StoredEntry};
use pumphouse_kafka::{Fence, KafkaError, OutgoingRecord, TopicAsker};
use pumphouse_types::{TopicId, TopicName, TopicPartition};

#[cfg(test)]
mod conformance;
mod kafka;
mod keeper;
mod memory;

pub(super) use kafka::KafkaStore;
pub(super) use keeper::KeeperStore;
pub(crate) use keeper::{informed, is_informed};
pub(crate) use memory::MemoryLedger;
pub(super) use memory::MemoryStore;

/// One write of the ledger.
pub(super) struct LedgerWrite {
    /// The proof of membership, as it was read for the claim.
    pub fence: Option<Fence>,
    /// What is to stand: all of it, or nothing.
    pub entries: BTreeMap<TopicPartition, StoredEntry>,
    /// What goes out with it: marks of the state topic.
    pub records: Vec<OutgoingRecord>,
    /// And dead letters of the records that it passes.
    pub letters: Vec<OutgoingRecord>,
    /// Which letters these are, for a store that they cannot join (`owed.rs`); empty: there are none.
    pub owes: String,
    /// The marks say that the partitions are left at rest (R16).
    pub at_rest: bool,
    /// Some entries are of partitions that others own (R15).
    pub only_while: Option<OnlyWhile>,
}

/// A topic has to be the one of this identity still when the store has taken a write, and before the write stands.
pub(super) struct OnlyWhile {
    pub topic: TopicName,
    pub topic_id: TopicId,
    /// Who asks the brokers.
    pub asker: TopicAsker,
}

/// A store of the ledger's entries, as one member writes to it: one write at a time (R14).
pub(super) trait LedgerStore: Send {
    /// Makes sure that no write so far can come to stand unseen after this. Gives up when `abandoned`.
    /// Errors: the store cannot be had.
    fn prepare(&mut self, abandoned: &AtomicBool) -> Result<(), KafkaError>;

    /// Writes all of it or nothing, and nothing for a member that was replaced (R5). A store that refuses to write over what
    /// its writer has not read may leave out to look at the topic.
    fn record(&mut self, write: LedgerWrite) -> LedgerAnswer;

    /// Writes to the state topic alone (R15), all of it or nothing. Errors: it is not certain to stand.
    fn publish(&mut self, records: &[OutgoingRecord]) -> Result<(), KafkaError>;

    /// Has a write lie ready, if the store can (R14).
    fn stage(&mut self, _fence: &Fence, _entries: &BTreeMap<TopicPartition, StoredEntry>) {}

    /// What lies ready will not be asked for: the claim has ended.
    fn unstage(&mut self) {}

    /// The group knows the member by this fence from now on, and these entries stand: its claim has found or made
    /// them.
    fn stands(&mut self, _fence: &Fence, _entries: &BTreeMap<TopicPartition, StoredEntry>) {}

    /// Writes letters that an earlier claim had not come to, those of each write. `entries`: of the rows that owe them. Only of
    /// a store that owes letters.
    fn pay(
        &mut self,
        _fence: &Fence,
        _entries: &BTreeMap<TopicPartition, StoredEntry>,
        _letters: &[Vec<OutgoingRecord>],
    ) -> LedgerAnswer {
        LedgerAnswer::Refused("this store owes no letters".to_owned())
    }

    /// Something is to be done within this time, by [`idle`](LedgerStore::idle).
    fn idle_within(&self) -> Option<Duration> {
        None
    }

    /// The time is over, and nobody has asked for anything.
    /// Errors: another process has this task's name, or the group has gone on to another generation.
    fn idle(&mut self) -> Result<(), KafkaError> {
        Ok(())
    }
}
