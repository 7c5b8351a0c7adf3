//! The source: topics whose partitions grow, with the gaps that markers, aborted transactions and
//! compaction leave.
use crate::rng::Rng;

/// What stands at a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A committed record; `poison` = the table refuses it.
    Record {
        /// Whether the table refuses it.
        poison: bool,
    },
    /// Nothing that a reader of committed records sees.
    Gap,
    /// A committed record that was compacted away later.
    Removed,
}

/// All topics, by topic and partition index.
#[derive(Debug)]
pub struct Source {
    slots: Vec<Vec<Vec<Slot>>>,
}

impl Source {
    /// Empty topics.
    pub fn new(topics: usize, partitions: u32) -> Source {
        Source { slots: vec![vec![Vec::new(); partitions as usize]; topics] }
    }

    /// A producer writes to one partition: some records, an aborted transaction, or a committed one
    /// with its marker.
    pub fn append(&mut self, rng: &mut Rng, topic: usize, partition: u32, poison: u64) {
        let log = &mut self.slots[topic][partition as usize];
        let many = rng.between(1, 6);
        let kind = rng.below(6);
        for _ in 0..many {
            log.push(if kind == 0 { Slot::Gap } else { Slot::Record { poison: rng.chance(poison) } });
        }
        if kind <= 1 {
            log.push(Slot::Gap);
        }
    }

    /// What stands there; `None` above the high watermark.
    pub fn at(&self, topic: usize, partition: u32, offset: i64) -> Option<Slot> {
        self.slots[topic][partition as usize].get(offset as usize).copied()
    }

    /// The high watermark.
    pub fn end(&self, topic: usize, partition: u32) -> i64 {
        self.slots[topic][partition as usize].len() as i64
    }

    /// Offsets of the records in `first..end` that can still be read.
    pub fn records(&self, topic: usize, partition: u32, first: i64, end: i64) -> Vec<i64> {
        (first..end)
            .filter(|&offset| matches!(self.at(topic, partition, offset), Some(Slot::Record { .. })))
            .collect()
    }

    /// Whether a committed record stands or stood there.
    pub fn was_record(&self, topic: usize, partition: u32, offset: i64) -> bool {
        matches!(self.at(topic, partition, offset), Some(Slot::Record { .. } | Slot::Removed))
    }

    /// Compaction takes a record away.
    pub fn remove(&mut self, topic: usize, partition: u32, offset: i64) {
        let slot = &mut self.slots[topic][partition as usize][offset as usize];
        if matches!(slot, Slot::Record { .. }) {
            *slot = Slot::Removed;
        }
    }
}
