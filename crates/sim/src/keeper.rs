//! The ledger's store `keepermap` in place of Kafka's transactions: a claim raises the epoch of its rows, a write
//! is taken as a whole or not at all, and statements whose answer was lost may come through much later. Letters
//! and marks go out by themselves, under the group's fence: marks before the entries, letters after those that owe them. A
//! letter counts from the moment at which it is owed; at the end all were sent, and no row owes any.
use std::collections::{BTreeMap, BTreeSet};

use pumphouse_conduct::{Mark, Trouble, WriteFate, heard_of_write};
use pumphouse_delivery::{ClaimId, Entry, LedgerAnswer, Rule, StoredEntry};
use pumphouse_types::Offset;

use crate::ledger::{Place, RecordAt, topic_of};
use crate::run::{Ev, World};
use crate::writes::{Asked, Write};

/// How late a statement whose answer was lost may come through.
const LATE_MS_MAX: u64 = 20_000;

/// The rows' fences, and what each process knows of them.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    /// By row: who raised its epoch last, and which write it had last.
    rows: BTreeMap<Place, (u64, u64)>,
    drawn: u64,
    held: BTreeMap<usize, Held>,
    /// What rows owe.
    owing: BTreeMap<Place, Vec<RecordAt>>,
}

/// A claim in force.
#[derive(Debug)]
struct Held {
    claim: ClaimId,
    raised: u64,
    owned: BTreeSet<Place>,
    /// The last write of each row that was read.
    seen: BTreeMap<Place, u64>,
}

/// What a statement demands of its rows, as it was composed.
#[derive(Debug, Clone)]
pub(crate) struct Guard {
    claim: ClaimId,
    raised: u64,
    rows: BTreeMap<Place, (bool, u64)>,
}

impl Keeper {
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn raise(&mut self, proc: usize, claim: ClaimId, places: impl Iterator<Item = Place>) {
        let raised = self.draw();
        let owned: BTreeSet<Place> = places.collect();
        for place in &owned {
            self.rows.entry(*place).or_insert((0, 0)).0 = raised;
        }
        self.held.insert(proc, Held { claim, raised, owned, seen: BTreeMap::new() });
    }

    /// A row was read by a process.
    pub fn read(&mut self, proc: usize, place: Place) {
        let written = self.rows.get(&place).map_or(0, |row| row.1);
        if let Some(held) = self.held.get_mut(&proc) {
            held.seen.insert(place, written);
        }
    }

    /// `None`: nothing of it is claimed, or something of it was never read.
    pub fn guard<'a>(
        &self,
        proc: usize,
        claim: ClaimId,
        places: impl Iterator<Item = &'a Place>,
    ) -> Option<Guard> {
        let held = self.held.get(&proc).filter(|held| held.claim == claim)?;
        let row = |place: &Place| Some((*place, (held.owned.contains(place), *held.seen.get(place)?)));
        let rows: BTreeMap<_, _> = places.map(row).collect::<Option<_>>()?;
        rows.values().any(|row| row.0).then_some(Guard { claim, raised: held.raised, rows })
    }

    fn holds(&self, guard: &Guard) -> bool {
        guard.rows.iter().all(|(place, &(owned, seen))| {
            let (raised, written) = self.rows.get(place).copied().unwrap_or((0, 0));
            written == seen && (!owned || raised == guard.raised)
        })
    }

    fn wrote(&mut self, proc: usize, guard: &Guard) {
        let written = self.draw();
        for place in guard.rows.keys() {
            self.rows.entry(*place).or_insert((0, 0)).1 = written;
            if let Some(held) = self.held.get_mut(&proc).filter(|held| held.claim == guard.claim) {
                held.seen.insert(*place, written);
            }
        }
    }

    /// What rows owe that the process has claimed.
    fn owes(&self, proc: usize) -> Vec<RecordAt> {
        let owned = self.held.get(&proc).map(|held| held.owned.iter()).into_iter().flatten();
        owned.filter_map(|place| self.owing.get(place)).flatten().copied().collect()
    }

    /// The claim's rows owe nothing any more. False: somebody else has claimed one of them since.
    fn paid(&mut self, proc: usize, claim: ClaimId) -> bool {
        let Some(held) = self.held.get(&proc).filter(|held| held.claim == claim) else { return false };
        let owing: Vec<Place> =
            held.owned.iter().filter(|place| self.owing.contains_key(*place)).copied().collect();
        let Some(guard) = self.guard(proc, claim, owing.iter()).filter(|guard| self.holds(guard)) else {
            return owing.is_empty();
        };
        self.wrote(proc, &guard);
        owing.iter().for_each(|place| {
            self.owing.remove(place);
        });
        true
    }

    /// Whether a row owes letters.
    pub fn is_in_debt(&self) -> bool {
        !self.owing.is_empty()
    }

    /// Our own offset command: a claim and a write at once.
    pub fn set(&mut self, place: Place) {
        let drawn = self.draw();
        self.rows.insert(place, (drawn, drawn));
    }
}

impl World {
    /// The statement that claims arrives, whatever has become of its sender.
    pub fn raise_arrives(&mut self, asked: Asked) {
        if self.cut(asked.proc()) {
            self.after(200, Ev::RaiseArrives(asked));
            return;
        }
        let places: Vec<Place> = asked.places().collect();
        let keeper = self.keeper.as_mut().expect("only asked for with this store");
        keeper.raise(asked.proc(), asked.claim(), places.into_iter());
        let hop = self.hop();
        self.after(hop, Ev::ReadNext(asked));
    }

    /// What goes out before the entries: that the partitions are taken.
    pub fn keeper_marks(&mut self, write: Write) {
        if self.cut(write.proc()) {
            self.after(200, Ev::KeeperMarks(write));
            return;
        }
        let written = write.content();
        let of = |(place, entry): (&Place, &StoredEntry)| Some((*place, topic_of(*place, entry)?));
        let marked: Vec<_> = written.entries.iter().filter_map(of).collect();
        let unmarked = marked.iter().any(|&(place, id)| self.ledger.mark(place, id) != Some(Mark::Running));
        if !written.at_rest && unmarked {
            if let Err(trouble) = write.is_let_in(&self.group) {
                self.saw("write of a former member refused");
                return self.settled(&write, WriteFate::Fenced(trouble));
            }
            if self.strikes(self.plan.ledger_not_recorded) || self.ledger_out_until > self.now {
                self.saw("write not recorded");
                return self.settled(&write, WriteFate::NotRecorded(Trouble::NoAnswer));
            }
            marked.iter().for_each(|&(place, id)| self.ledger.set_mark(place, id, Mark::Running));
            self.ledger_changed();
        }
        let hop = self.hop();
        self.after(hop, Ev::KeeperSends(write));
    }

    /// The process goes on to the entries, if it lives.
    pub fn keeper_sends(&mut self, write: Write) {
        let proc = write.proc();
        let Some(Ev::KeeperSends(write)) = self.if_awake(proc, Ev::KeeperSends(write)) else { return };
        let hop = self.hop();
        self.after(hop, Ev::KeeperUpdates(write, true));
    }

    /// The statement arrives. `heard`: its sender hears the answer.
    pub fn keeper_updates(&mut self, write: Write, heard: bool) {
        let unknown = heard && self.strikes(self.plan.ledger_unknown);
        if unknown && self.rng.below(2) == 0 {
            self.saw("statement came through late");
            self.unknown(&write);
            let late = self.rng.between(10, LATE_MS_MAX);
            self.after(late, Ev::KeeperUpdates(write, false));
            return;
        }
        // The guard is R5 for this store.
        let unguarded = self.without == Some(Rule::R5);
        let keeper = self.keeper.as_mut().expect("only asked for with this store");
        let guard = write.guard().filter(|guard| unguarded || keeper.holds(guard)).cloned();
        let Some(guard) = guard else {
            if heard {
                self.saw("write of a former claim refused");
                self.written(&write, LedgerAnswer::Fenced);
            }
            return;
        };
        keeper.wrote(write.proc(), &guard);
        let owes = !write.content().letters.is_empty();
        if owes {
            let row = guard.rows.iter().find(|(_, (owned, _))| *owned).expect("a guard has a claimed row");
            keeper.owing.entry(*row.0).or_default().extend(&write.content().letters);
        }
        self.ledger.put(&write.content().entries);
        self.ledger.owe(&write.content().letters);
        self.ledger_changed();
        if !heard {
            return;
        }
        // The process may die before it can say so.
        if write.content().at_rest && write.is_let_in(&self.group).is_ok() && self.rng.below(4) > 0 {
            for (place, entry) in write.content().entries.clone() {
                let topic_id = topic_of(place, &entry).expect("a plain mark of ours names its topic");
                self.ledger.set_mark(place, topic_id, Mark::AtRest { next: entry.offset });
            }
        }
        if unknown {
            self.saw("write applied, answer lost");
            self.unknown(&write);
        } else if owes {
            let hop = self.hop();
            self.after(hop, Ev::KeeperPays(write));
        } else {
            self.written(&write, LedgerAnswer::Recorded);
        }
    }

    /// The letters that the entries owe go out, and then the row owes nothing any more.
    pub fn keeper_pays(&mut self, write: Write) {
        let proc = write.proc();
        let Some(Ev::KeeperPays(write)) = self.if_awake(proc, Ev::KeeperPays(write)) else { return };
        if self.cut(proc) || self.strikes(self.plan.ledger_unknown) {
            self.saw("letters were owed for a while");
            return self.unknown(&write);
        }
        if let Err(trouble) = write.is_let_in(&self.group) {
            self.saw("letters of a former member refused");
            let heard = heard_of_write(WriteFate::Fenced(trouble), self.plan.incremental, String::new);
            return match heard {
                // The entries stand, so the write is not tried again.
                LedgerAnswer::NotRecorded => self.unknown(&write),
                heard => self.written(&write, heard),
            };
        }
        self.ledger.send(&write.content().letters);
        if self.strikes(self.plan.ledger_unknown) {
            self.saw("letters sent and still owed");
            return self.unknown(&write);
        }
        let hop = self.hop();
        self.after(hop, Ev::KeeperPaid(write));
    }

    /// The row is to say that nothing is owed any more, if its writer lives.
    pub fn keeper_paid(&mut self, write: Write) {
        let proc = write.proc();
        let Some(Ev::KeeperPaid(write)) = self.if_awake(proc, Ev::KeeperPaid(write)) else { return };
        let keeper = self.keeper.as_mut().expect("only asked for with this store");
        let paid = keeper.paid(proc, write.claim());
        self.written(&write, if paid { LedgerAnswer::Recorded } else { LedgerAnswer::Fenced });
    }

    /// Whoever has claimed rows that owe letters sends them before it takes the entries. False: it has not come about.
    pub fn keeper_claim_pays(&mut self, proc: usize, claim: ClaimId) -> bool {
        let owed = self.keeper.as_ref().map_or(Vec::new(), |keeper| keeper.owes(proc));
        if owed.is_empty() {
            return true;
        }
        if self.cut(proc) || self.strikes(self.plan.ledger_not_recorded) {
            self.saw("letters of an earlier claim not sent yet");
            return false;
        }
        self.ledger.send(&owed);
        self.saw("letters of an earlier claim sent");
        let lost = self.strikes(self.plan.ledger_unknown);
        !lost && self.keeper.as_mut().expect("just looked").paid(proc, claim)
    }

    /// R6: partitions without an entry get one as soon as their start is known. False: the claim is not in force.
    pub fn keeper_enters(&mut self, proc: usize, claim: ClaimId, starts: &BTreeMap<Place, i64>) -> bool {
        let Some(keeper) = self.keeper.as_mut() else { return true };
        let guard = keeper.guard(proc, claim, starts.keys()).filter(|guard| keeper.holds(guard));
        let Some(guard) = guard else { return false };
        keeper.wrote(proc, &guard);
        let (topics, topic_ids) = (&self.topics, self.procs[proc].member.topic_ids());
        let entry = |(place, start): (&Place, &i64)| {
            let offset = Offset::new(*start).expect("offsets are not negative");
            (*place, Entry::plain(offset, topic_ids[&topics[place.0]]).to_stored())
        };
        self.ledger.put(&starts.iter().map(entry).collect());
        self.ledger_changed();
        true
    }
}
