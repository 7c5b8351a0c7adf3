//! What people do from outside: they stop the connector, and then set offsets of some partitions with
//! Kafka's own tool (R17), or leave it alone until the broker has forgotten the group's offsets (R16).
use pumphouse_conduct::Mark;
use pumphouse_delivery::Entry;
use pumphouse_types::{BatchId, Offset, Partition};

use crate::chaos::STOP_TIMEOUT_MS;
use crate::invariants::{entry_now, topic_id};
use crate::ledger::Place;
use crate::run::{Ev, World};
use crate::worker::Message;

/// How often somebody looks whether the connector has stopped.
const LOOK_MS: u64 = 200;

/// Why the connector is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chore {
    /// To set offsets.
    SetOffsets,
    /// For so long that the broker forgets the offsets.
    LongRest,
    /// To answer what a stopped task asks.
    Answer,
}

/// A stop of the whole connector.
#[derive(Debug)]
pub(crate) struct Upkeep {
    chore: Chore,
    /// Since when nobody runs.
    still_since: Option<u64>,
}

impl World {
    pub fn begin_upkeep(&mut self, chore: Chore) {
        if self.upkeep.is_some() {
            return;
        }
        self.say(|| format!("the connector is stopped: {chore:?}"));
        self.upkeep = Some(Upkeep { chore, still_since: None });
        self.after(0, Ev::Upkeep);
    }

    /// Stops whoever runs; when nobody has for long enough, the chore is done. A process that stands
    /// still cannot be stopped, and may continue at any time: its attempts have a deadline.
    pub fn upkeep(&mut self) {
        for proc in 0..self.procs.len() {
            let process = &self.procs[proc];
            let runs = process.alive && process.paused_until <= self.now;
            if runs && !process.told_to_stop {
                self.procs[proc].told_to_stop = true;
                if self.rng.below(3) == 0 {
                    self.kill_proc(proc);
                } else {
                    self.deliver(proc, Message::Stop);
                    self.after(STOP_TIMEOUT_MS, Ev::KillProc(proc));
                }
            }
        }
        let runs = self.procs.iter().any(|p| p.alive && p.paused_until <= self.now);
        let still = !runs && self.group.is_empty() && self.ledger.is_settled() && self.is_quiet();
        let Some(upkeep) = &mut self.upkeep else { return };
        let since = still.then(|| upkeep.still_since.unwrap_or(self.now));
        upkeep.still_since = since;
        // As the documentation demands: one deadline after the stop, and no insert runs any more.
        if since.is_none_or(|since| self.now <= since + self.plan.deadline_ms) {
            self.after(LOOK_MS, Ev::Upkeep);
            return;
        }
        match upkeep.chore {
            Chore::SetOffsets => self.set_offsets(),
            // Keeper forgets nothing.
            Chore::LongRest if self.keeper.is_some() => {}
            Chore::LongRest => {
                self.forget_offsets();
            }
            Chore::Answer => {}
        }
        self.answer_questions();
        self.upkeep = None;
        self.upkept_at = self.now;
        for slot in 0..self.slots.len() {
            let after = self.rng.below(2_000);
            self.after(after, Ev::Start { slot, other_identity: false });
        }
    }

    /// Whether no attempt runs, and none of an open batch can begin to.
    fn is_quiet(&self) -> bool {
        let clock = self.server.clock(self.now);
        self.server.is_quiet()
            && self.places.iter().all(|&place| {
                let entry = self.ledger.entry(place).map(|stored| Entry::parse(Partition(place.1), stored));
                !matches!(entry, Some(Ok(Entry::Lead(batch))) if clock <= batch.deadline)
            })
    }

    /// An offset that was set after the last clean stop, and that no task has written anything from, is
    /// forgotten for good: where the partition was left at rest is where it goes on (R16).
    fn forget_offsets(&mut self) {
        self.saw("offsets forgotten");
        self.say(|| "the broker forgets the group's offsets".to_owned());
        for place in self.places.clone() {
            let begin = self.source.begin(place.0);
            let mark = self.ledger.mark(place, topic_id(place.0, begin));
            if let (Some(Ok((_, bound))), Some(Mark::AtRest { next })) =
                (entry_now(&self.ledger, &self.source, place), mark)
                && bound - begin != next.get()
            {
                self.saw("set offset forgotten");
                self.watch.offset_set(
                    place,
                    None,
                    begin + next.get(),
                    &self.ledger,
                    &self.source,
                    &self.server,
                );
            }
        }
        self.ledger.forget_offsets();
    }

    fn set_offsets(&mut self) {
        let topic = self.rng.below(self.topics.len() as u64) as usize;
        for place in self.places.clone() {
            if place.0 == topic && self.rng.below(2) == 0 {
                self.move_offset(place);
            }
        }
        self.ledger_changed();
    }

    fn move_offset(&mut self, place: Place) {
        let Some(Ok((entry, bound))) = entry_now(&self.ledger, &self.source, place) else { return };
        let begin = self.source.begin(place.0);
        let first = bound - begin;
        let (batch, end) = match entry {
            Entry::Lead(batch) => (Some(batch.id), batch.ranges[&Partition(place.1)].range.end().get()),
            Entry::Member(member) => (Some(member.batch), member.share.range.end().get()),
            Entry::Plain { .. } => (None, first),
        };
        let to = match self.rng.below(4) {
            0 => 0,
            1 => self.rng.between(0, first as u64) as i64,
            2 => self.rng.between(first as u64, end as u64) as i64,
            _ => self.source.end(place.0, place.1) - begin,
        };
        self.saw(if batch.is_some() { "offset of an open batch set" } else { "offset set" });
        self.set_offset(place, batch, to);
    }

    pub fn set_offset(&mut self, place: Place, batch: Option<BatchId>, to: i64) {
        self.say(|| format!("the offset of {place:?} is set to {to}"));
        if let Some(keeper) = &mut self.keeper {
            keeper.set(place);
        }
        self.ledger.set_offset(place, Offset::new(to).expect("offsets are not negative"));
        let at = self.source.begin(place.0) + to;
        self.watch.offset_set(place, batch, at, &self.ledger, &self.source, &self.server);
    }
}
