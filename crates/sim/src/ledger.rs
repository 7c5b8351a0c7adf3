//! The broker's side of the ledger: offsets of the group, dead letters and marks of the state topic,
//! written by transactions. The fence is
//! checked when the offsets arrive; they show when the transaction is committed, all at once; until
//! a transaction is settled, stable reads of its partitions wait.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_conduct::Mark;
use pumphouse_delivery::{Entry, StoredEntry};
use pumphouse_types::{Offset, Partition, TopicId};

/// A partition by topic and partition index.
pub type Place = (usize, u32);

/// A record by its place and offset.
pub type RecordAt = (Place, i64);

/// What one transaction holds.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Offsets with their metadata.
    pub entries: BTreeMap<Place, StoredEntry>,
    /// Dead letters.
    pub letters: Vec<RecordAt>,
    /// The partitions are left at rest.
    pub at_rest: bool,
}

/// transaction.timeout.ms of the ledger's producers.
const TRANSACTION_TIMEOUT_MS: u64 = 10_000;

/// Entries that arrived and are not settled.
#[derive(Debug)]
struct Pending {
    epoch: u64,
    written: Written,
    /// Position in the offsets log: of overlapping transactions the later one wins.
    position: u64,
    since: u64,
    /// Its commit was answered, but does not show yet.
    committed: bool,
}

/// The group's offsets and the transactions on them.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: BTreeMap<Place, (u64, StoredEntry)>,
    /// By partition and identity of its topic.
    marks: BTreeMap<(Place, TopicId), (u64, Mark)>,
    /// How often each record stands in the dead letter topic.
    letters: BTreeMap<RecordAt, u8>,
    /// Owed, and not sent yet.
    unsent: BTreeSet<RecordAt>,
    /// Dead letters that came to show since they were last taken.
    new_letters: Vec<RecordAt>,
    pending: BTreeMap<u64, Pending>,
    epochs: BTreeMap<u64, u64>,
    position: u64,
}

impl Ledger {
    /// A producer starts under a transactional id: what its predecessor left is settled, and the
    /// predecessor can write no more. Gives the epoch, and whether entries changed.
    pub fn init_producer(&mut self, transactional_id: u64) -> (u64, bool) {
        let changed = self.settle(transactional_id, false);
        let epoch = self.epochs.entry(transactional_id).or_insert(0);
        *epoch += 1;
        (*epoch, changed)
    }

    /// Whether the producer may still write.
    pub fn is_current(&self, transactional_id: u64, epoch: u64) -> bool {
        self.epochs.get(&transactional_id) == Some(&epoch)
    }

    /// Offsets arrive in a transaction; the caller has checked fence and epoch. Whether entries of an
    /// earlier transaction came to show by that.
    pub fn offsets(&mut self, transactional_id: u64, epoch: u64, written: Written, now: u64) -> bool {
        // A producer's next transaction waits until the one before it shows.
        let changed = self.settle(transactional_id, false);
        self.position += 1;
        let pending = Pending { epoch, written, position: self.position, since: now, committed: false };
        self.pending.insert(transactional_id, pending);
        changed
    }

    /// The transaction is aborted; one that was committed stands.
    pub fn abort(&mut self, transactional_id: u64, epoch: u64) -> bool {
        if !self.is_current(transactional_id, epoch) {
            return false;
        }
        self.settle(transactional_id, false)
    }

    /// The transaction is to be committed; it shows with [`Ledger::show`]. False: it is none any more.
    pub fn commit(&mut self, transactional_id: u64, epoch: u64) -> bool {
        if !self.is_current(transactional_id, epoch) {
            return false;
        }
        match self.pending.get_mut(&transactional_id) {
            Some(pending) if pending.epoch == epoch => {
                pending.committed = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// A committed transaction shows. Whether entries changed.
    pub fn show(&mut self, transactional_id: u64, epoch: u64) -> bool {
        let due = self
            .pending
            .get(&transactional_id)
            .is_some_and(|pending| pending.epoch == epoch && pending.committed);
        due && self.settle(transactional_id, false)
    }

    /// Transactions that were begun too long ago are aborted, their producers fenced.
    pub fn expire(&mut self, now: u64) {
        let late: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, p)| !p.committed && now > p.since + TRANSACTION_TIMEOUT_MS)
            .map(|(id, _)| *id)
            .collect();
        for id in late {
            self.settle(id, true);
        }
    }

    fn settle(&mut self, transactional_id: u64, fence_producer: bool) -> bool {
        let Some(pending) = self.pending.remove(&transactional_id) else { return false };
        if fence_producer {
            *self.epochs.entry(transactional_id).or_insert(0) += 1;
        }
        if !pending.committed {
            return false;
        }
        let Pending { written, position, .. } = pending;
        for letter in written.letters {
            *self.letters.entry(letter).or_insert(0) += 1;
            self.new_letters.push(letter);
        }
        let mut changed = !self.new_letters.is_empty();
        for (place, entry) in written.entries {
            let mark = if written.at_rest { Mark::AtRest { next: entry.offset } } else { Mark::Running };
            if let Some(topic_id) = topic_of(place, &entry) {
                let of = (place, topic_id);
                if self.marks.get(&of).is_none_or(|(at, _)| *at < position) {
                    self.marks.insert(of, (position, mark));
                }
            }
            if self.entries.get(&place).is_none_or(|(at, _)| *at < position) {
                self.entries.insert(place, (position, entry));
                changed = true;
            }
        }
        changed
    }

    /// Entries that stand at once (`keeper.rs`).
    pub fn put(&mut self, entries: &BTreeMap<Place, StoredEntry>) {
        self.position += 1;
        let position = self.position;
        self.entries.extend(entries.iter().map(|(place, entry)| (*place, (position, entry.clone()))));
    }

    /// Letters that are certain to go out, now or later, and as the same letter if that is twice (`keeper.rs`).
    pub fn owe(&mut self, letters: &[RecordAt]) {
        for letter in letters {
            *self.letters.entry(*letter).or_insert(0) += 1;
            self.new_letters.push(*letter);
            self.unsent.insert(*letter);
        }
    }

    /// Letters that were owed go out.
    pub fn send(&mut self, letters: &[RecordAt]) {
        letters.iter().for_each(|letter| {
            self.unsent.remove(letter);
        });
    }

    /// Whether a letter that was owed has not gone out.
    pub fn lacks_letters(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// What the state topic says of a partition from now on (`keeper.rs`).
    pub fn set_mark(&mut self, place: Place, topic_id: TopicId, mark: Mark) {
        self.position += 1;
        self.marks.insert((place, topic_id), (self.position, mark));
    }

    /// Somebody else sets an offset: Kafka's own tool, which leaves no text.
    pub fn set_offset(&mut self, place: Place, offset: Offset) {
        self.position += 1;
        let entry = StoredEntry { offset, metadata: String::new() };
        self.entries.insert(place, (self.position, entry));
    }

    /// The broker forgets the offsets of a group that was empty for too long.
    pub fn forget_offsets(&mut self) {
        self.entries.clear();
    }

    /// The broker drops the group's offsets of a topic that was deleted.
    pub fn drop_topic(&mut self, topic: usize) {
        self.entries.retain(|place, _| place.0 != topic);
    }

    /// Another tool's offsets of a topic that was deleted name no topic: they are dropped in any case.
    pub fn drop_nameless(&mut self, topic: usize) {
        self.entries.retain(|place, (_, entry)| place.0 != topic || topic_of(*place, entry).is_some());
    }

    /// What the state topic says of the partition of the topic with this identity.
    pub fn mark(&self, place: Place, topic_id: TopicId) -> Option<Mark> {
        self.marks.get(&(place, topic_id)).map(|(_, mark)| *mark)
    }

    /// How often the record stands in the dead letter topic.
    pub fn letters(&self, place: Place, offset: i64) -> u8 {
        self.letters.get(&(place, offset)).copied().unwrap_or(0)
    }

    /// Dead letters that came to show since this was asked last.
    pub fn take_new_letters(&mut self) -> Vec<RecordAt> {
        std::mem::take(&mut self.new_letters)
    }

    /// Whether a stable read of the partition has to wait.
    pub fn is_unstable(&self, place: Place) -> bool {
        self.pending.values().any(|pending| pending.written.entries.contains_key(&place))
    }

    /// What shows of the partition.
    pub fn entry(&self, place: Place) -> Option<&StoredEntry> {
        self.entries.get(&place).map(|(_, entry)| entry)
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }
}

/// The identity of the topic that an entry speaks of.
pub fn topic_of(place: Place, entry: &StoredEntry) -> Option<TopicId> {
    Entry::parse(Partition(place.1), entry).ok().and_then(|entry| entry.topic_id())
}
