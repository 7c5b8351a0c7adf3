//! The ledger in KeeperMap: a claim raises the epoch of its rows, and a write is taken as a whole if each claimed row
//! has the claim's epoch and every row the last write that its writer has seen (R5). The group is not asked. A write
//! that nobody was told of may come about at any later time, as long as that holds.
use std::collections::BTreeMap;

use pumphouse_delivery::{ClaimId, Entry, Event, LedgerAnswer, Rule, StoredEntry, WriteId};
use pumphouse_types::{Offset, Partition, TopicPartition};

use crate::edge::WriteFate;
use crate::world::{TOPIC_ID, World, place};

/// A random number: epochs and nonces are, and never meet again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Drawn(u64);

/// What a row says of itself.
#[derive(Debug, Clone, Copy, Default)]
struct Row {
    epoch: Drawn,
    written: Drawn,
}

/// The table.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keeper {
    rows: BTreeMap<Partition, Row>,
    /// Writes that were given up and may still come about.
    pub late: Vec<Late>,
    drawn: u64,
    /// R5 is switched off: writes are taken whatever their rows say.
    unguarded: bool,
}

/// A write under way that nobody waits for.
#[derive(Debug, Clone)]
pub(crate) struct Late {
    guard: Guard,
    entries: BTreeMap<TopicPartition, StoredEntry>,
}

/// A claim in force, as its task knows it.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    claim: ClaimId,
    epoch: Drawn,
    owned: Vec<Partition>,
    seen: BTreeMap<Partition, Drawn>,
}

/// What a write demands of its rows.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    epoch: Drawn,
    rows: BTreeMap<Partition, (bool, Drawn)>,
}

impl Held {
    /// `None`: of another claim, or of rows that were never read.
    pub fn guard(&self, claim: ClaimId, partitions: &[Partition]) -> Option<Guard> {
        let row = |at: &Partition| Some((*at, (self.owned.contains(at), *self.seen.get(at)?)));
        let rows = partitions.iter().map(row).collect::<Option<_>>()?;
        (self.claim == claim).then_some(Guard { epoch: self.epoch, rows })
    }
}

impl Keeper {
    pub fn new(without: Option<Rule>) -> Keeper {
        Keeper { unguarded: without == Some(Rule::R5), ..Keeper::default() }
    }

    fn draw(&mut self) -> Drawn {
        self.drawn += 1;
        Drawn(self.drawn)
    }

    /// Claims the rows, and reads them.
    pub fn raise(&mut self, claim: ClaimId, partitions: &[Partition]) -> Held {
        let epoch = self.draw();
        for partition in partitions {
            self.rows.entry(*partition).or_default().epoch = epoch;
        }
        let mut held = Held { claim, epoch, owned: partitions.to_vec(), seen: BTreeMap::new() };
        self.read(&mut held, partitions);
        self.forget_late();
        held
    }

    /// Reads rows, claimed or not.
    pub fn read(&self, held: &mut Held, partitions: &[Partition]) {
        let written = |at: &Partition| (*at, self.rows.get(at).copied().unwrap_or_default().written);
        held.seen.extend(partitions.iter().map(written));
    }

    pub fn holds(&self, guard: &Guard) -> bool {
        self.unguarded
            || guard.rows.iter().all(|(at, (owned, seen))| {
                let row = self.rows.get(at).copied().unwrap_or_default();
                row.written == *seen && (!owned || row.epoch == guard.epoch)
            })
    }

    /// Whoever has seen the rows as they were sees them as they are now, if the write was its own.
    fn wrote(&mut self, guard: &Guard, held: Option<&mut Held>) {
        let written = self.draw();
        for partition in guard.rows.keys() {
            self.rows.entry(*partition).or_default().written = written;
        }
        if let Some(held) = held.filter(|held| held.epoch == guard.epoch) {
            held.seen.extend(guard.rows.keys().map(|at| (*at, written)));
        }
        self.forget_late();
    }

    /// Numbers do not come back: what does not hold now never will.
    fn forget_late(&mut self) {
        let late = std::mem::take(&mut self.late);
        self.late = late.into_iter().filter(|late| self.holds(&late.guard)).collect();
    }
}

impl World {
    /// One statement: it is taken as a whole, or not at all.
    pub fn update(
        &mut self,
        number: usize,
        write: WriteId,
        entries: BTreeMap<TopicPartition, StoredEntry>,
        fate: WriteFate,
    ) -> LedgerAnswer {
        let guard = self.tasks[number].guards.remove(&write);
        let keeper = self.keeper.as_mut().expect("only asked for with this store");
        let Some(guard) = guard.filter(|guard| keeper.holds(guard)) else { return LedgerAnswer::Fenced };
        match fate {
            WriteFate::LostUntold => return LedgerAnswer::Unknown,
            WriteFate::LateUntold => {
                keeper.late.push(Late { guard, entries });
                return LedgerAnswer::Unknown;
            }
            WriteFate::Told | WriteFate::StandsUntold => {}
        }
        keeper.wrote(&guard, self.tasks[number].held.as_mut());
        self.record(&entries);
        if fate == WriteFate::Told { LedgerAnswer::Recorded } else { LedgerAnswer::Unknown }
    }

    pub fn comes_late(&mut self, late: usize) {
        let keeper = self.keeper.as_mut().expect("only there with this store");
        let Late { guard, entries } = keeper.late.remove(late);
        if keeper.holds(&guard) {
            keeper.wrote(&guard, None);
            self.record(&entries);
        }
    }

    /// R6: partitions without an entry get one as soon as their start is known. False: the claim is not in force.
    pub fn enter(&mut self, number: usize, claim: ClaimId, partitions: &[Partition]) -> bool {
        let keeper = self.keeper.as_mut().expect("only asked for with this store");
        let held = self.tasks[number].held.as_mut();
        let guard = held.as_ref().and_then(|held| held.guard(claim, partitions));
        let Some(guard) = guard.filter(|guard| keeper.holds(guard)) else { return false };
        keeper.wrote(&guard, held);
        let first = |at: &Partition| (place(*at), Entry::plain(Offset::ZERO, TOPIC_ID).to_stored());
        let entries = partitions.iter().map(first).collect();
        self.record(&entries);
        true
    }

    /// Somebody else has claimed the rows: the membership ends, and another one begins.
    pub fn replaced(&mut self, number: usize) {
        self.tell(number, Event::Lost);
        if self.tasks[number].notices.is_empty() {
            let owners = self.owners();
            self.assign(&owners);
        }
    }
}
