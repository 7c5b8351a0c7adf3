//! The source: topics whose partitions grow, with the gaps that markers, aborted transactions and
//! compaction leave, and with records that no table takes.
use std::collections::BTreeSet;

use crate::faults::Plan;
use crate::rng::Rng;

/// What becomes of a record on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It becomes a row, and the table takes the row.
    Good,
    /// It cannot be decoded.
    Undecodable,
    /// The table refuses its row.
    Refused,
    /// The table refuses its row under every other definition.
    RefusedByDefinition,
    /// The table refuses its row at some times and takes it at others.
    RefusedByTime,
}

impl Kind {
    /// Whether it may have to go to the dead letters.
    pub fn may_be_left_out(self) -> bool {
        self != Kind::Good
    }
}

/// What stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A committed record.
    Record(Kind),
    /// Nothing that a reader of committed records sees.
    Gap,
    /// A committed record that was removed later.
    Removed(Kind),
    /// A record where none was when the position was first read: the log was rewritten, which it
    /// must not be (A2). Nothing is owed for it, and it must not slip into a recorded batch.
    Rewritten,
}

/// From one life of a topic to the next: a record is known by the life of its topic, times this, and its offset. What is
/// called `at` here is such a number; tasks and ledger know offsets.
pub const LIFE: i64 = 1 << 32;

/// The positions of a partition.
type Log = Vec<Slot>;

/// All topics.
#[derive(Debug)]
pub struct Source {
    /// By topic, partition and life.
    logs: Vec<Vec<Vec<Log>>>,
    /// Topics that were deleted and not created again.
    gone: BTreeSet<usize>,
}

impl Source {
    /// Empty topics.
    pub fn new(topics: usize, partitions: u32) -> Source {
        Source { logs: vec![vec![vec![Log::new()]; partitions as usize]; topics], gone: BTreeSet::new() }
    }

    /// Where the life begins that a topic is in, or was in last.
    pub fn begin(&self, topic: usize) -> i64 {
        (self.logs[topic][0].len() as i64 - 1) * LIFE
    }

    /// Whether there is such a topic.
    pub fn exists(&self, topic: usize) -> bool {
        !self.gone.contains(&topic)
    }

    /// The topic is deleted, with all its records.
    pub fn delete(&mut self, topic: usize) {
        self.gone.insert(topic);
        for slot in self.logs[topic].iter_mut().filter_map(|lives| lives.last_mut()).flatten() {
            if let Slot::Record(kind) = *slot {
                *slot = Slot::Removed(kind);
            }
        }
    }

    /// A deleted topic is created again: another one of the same name.
    pub fn create(&mut self, topic: usize) {
        if self.gone.remove(&topic) {
            self.logs[topic].iter_mut().for_each(|lives| lives.push(Log::new()));
        }
    }

    /// A producer writes to one partition: some records, an aborted transaction, or a committed one
    /// with its marker.
    pub fn append(&mut self, rng: &mut Rng, topic: usize, partition: u32, plan: &Plan) {
        let log = self.logs[topic][partition as usize].last_mut().expect("each topic has had a life");
        let many = rng.between(1, 6);
        let kind = rng.below(6);
        for _ in 0..many {
            log.push(if kind == 0 { Slot::Gap } else { Slot::Record(record(rng, plan)) });
        }
        if kind <= 1 {
            log.push(Slot::Gap);
        }
    }

    /// What stands there; `None` above the high watermark.
    pub fn at(&self, topic: usize, partition: u32, at: i64) -> Option<Slot> {
        let log = self.logs[topic][partition as usize].get((at / LIFE) as usize)?;
        log.get((at % LIFE) as usize).copied()
    }

    fn slot(&mut self, topic: usize, partition: u32, at: i64) -> &mut Slot {
        &mut self.logs[topic][partition as usize][(at / LIFE) as usize][(at % LIFE) as usize]
    }

    /// The high watermark.
    pub fn end(&self, topic: usize, partition: u32) -> i64 {
        let log = self.logs[topic][partition as usize].last().expect("each topic has had a life");
        self.begin(topic) + log.len() as i64
    }

    /// Offsets in `first..end` that a reader finds records at.
    pub fn records(&self, topic: usize, partition: u32, first: i64, end: i64) -> Vec<i64> {
        (first..end).filter(|&at| self.is_read(topic, partition, at)).collect()
    }

    /// Whether a reader finds a record there.
    pub fn is_read(&self, topic: usize, partition: u32, at: i64) -> bool {
        matches!(self.at(topic, partition, at), Some(Slot::Record(_) | Slot::Rewritten))
    }

    /// Whether the record there cannot be decoded.
    pub fn is_undecodable(&self, topic: usize, partition: u32, at: i64) -> bool {
        self.at(topic, partition, at) == Some(Slot::Record(Kind::Undecodable))
    }

    /// Whether a committed record stands or stood there.
    pub fn was_record(&self, topic: usize, partition: u32, at: i64) -> bool {
        matches!(self.at(topic, partition, at), Some(Slot::Record(_) | Slot::Removed(_)))
    }

    /// What becomes of the record that stands or stood there.
    pub fn kind(&self, topic: usize, partition: u32, at: i64) -> Kind {
        match self.at(topic, partition, at) {
            Some(Slot::Record(kind) | Slot::Removed(kind)) => kind,
            Some(Slot::Rewritten | Slot::Gap) | None => Kind::Good,
        }
    }

    /// Compaction or retention takes a record away.
    pub fn remove(&mut self, topic: usize, partition: u32, at: i64) {
        let slot = self.slot(topic, partition, at);
        if let Slot::Record(kind) = *slot {
            *slot = Slot::Removed(kind);
        }
    }

    /// A record comes to stand where none was.
    pub fn rewrite(&mut self, topic: usize, partition: u32, at: i64) {
        *self.slot(topic, partition, at) = Slot::Rewritten;
    }
}

fn record(rng: &mut Rng, plan: &Plan) -> Kind {
    if rng.chance(plan.undecodable) {
        return Kind::Undecodable;
    }
    if !rng.chance(plan.poison) {
        return Kind::Good;
    }
    match rng.below(3) {
        0 if !plan.pure_checks => Kind::RefusedByTime,
        1 if plan.new_columns > 0 => Kind::RefusedByDefinition,
        _ => Kind::Refused,
    }
}
