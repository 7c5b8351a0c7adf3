//! What a connector's records may take of this process's memory (`pumphouse.memory.bytes.max`), shared by all
//! lanes of its tasks. Nothing is paused and nothing is thrown away: a lane that finds no room leaves its
//! records in the queue, which then fills up, and fetching stops.
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use pumphouse_conduct::FILLING_MAX;
use pumphouse_kafka::Settings;

use super::encoder::Slots;

/// What the process takes beside records: its code, threads, clients and the allocator's own tables, for which 25
/// to 45 MiB were measured, and answers of the broker that are received and decompressed beyond a queue's limit.
const PROCESS_BYTES: u64 = 64 << 20;

/// What another task adds to that: a client of its own, with buffers and threads, and an answer on its way in. Measured
/// with two tasks; many may take half of all at most.
const TASK_BYTES: u64 = 64 << 20;

/// What is left for records.
fn for_records(total: u64, tasks: usize) -> u64 {
    let more_tasks = tasks.saturating_sub(1) as u64 * TASK_BYTES;
    total.saturating_sub(PROCESS_BYTES + more_tasks).max(total / 2)
}

/// Frames of blocks that have landed, kept for the next ones; part of what the process takes beside records.
const IDLE_FRAMES_BYTES_MAX: usize = 8 << 20;

/// Of what is left, one part in so many is for records that were fetched but not taken.
const QUEUES_PART: u64 = 4;

/// What columns take that hold so much data: they grow by doubling, so a byte stands for up to two of memory; those
/// that are filled again have grown before, and hold little more than they need. Frames are as large as they are.
pub(super) const fn of_columns(data_bytes: u64) -> u64 {
    data_bytes + data_bytes / 2
}

/// A task's queues are no larger than if there were so many: a larger one makes nothing faster, and its records take more memory
/// than their bytes.
const QUEUES_MIN: usize = 3;

/// A queue's size at most, and at least: below it, a lane waits for the broker between two fetches.
const QUEUE_BYTES_MAX: u64 = 32 << 20;
const QUEUE_BYTES_MIN: u64 = 512 << 10;

/// One answer of a broker, compressed.
const FETCH_BYTES_MAX: u64 = 4 << 20;
const FETCH_BYTES_MIN: u64 = 1 << 20;

/// Messages at which a queue counts as full whatever their size: each costs a few hundred bytes beside its data.
const BYTES_PER_QUEUED_MESSAGE: u64 = 800;
const QUEUED_MESSAGES_MIN: u64 = 500;
const QUEUED_MESSAGES_MAX: u64 = 50_000;

/// Of one partition in one answer: there is one answer of a broker at a time, so small ones leave the consumer
/// waiting. Records come out of it several times as large as they were sent.
const FETCH_PARTITION_BYTES_MAX: u64 = 1 << 20;
const FETCH_PARTITION_BYTES_MIN: u64 = 64 << 10;

/// The shares of a connector's memory, and what its lanes hold of them.
pub(crate) struct Memory {
    queues: u64,
    blocks_max: u64,
    held: AtomicU64,
    /// What lanes hold beyond their fair shares.
    beyond: AtomicU64,
    lanes: AtomicUsize,
    /// Lanes that fill large blocks at a time.
    filling_max: usize,
    encoding: Slots,
}

/// Whether a lane may take records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Yes.
    Free,
    /// No: other lanes hold it, and what this one has filled is not worth a batch of its own yet.
    Wait,
    /// No: what it has filled is to be sealed, so that memory comes back.
    Seal,
}

impl Memory {
    /// `total`: all that the process may take, in bytes, with so many tasks.
    pub(crate) fn new(total: u64, tasks: usize) -> Arc<Memory> {
        let records = for_records(total, tasks);
        let queues = records / QUEUES_PART;
        let blocks_max = records - queues;
        Arc::new(Memory {
            queues,
            blocks_max,
            held: AtomicU64::new(0),
            beyond: AtomicU64::new(0),
            lanes: AtomicUsize::new(0),
            filling_max: FILLING_MAX * tasks.max(1),
            encoding: Slots::new(IDLE_FRAMES_BYTES_MAX),
        })
    }

    /// A consumer's settings with limits for its queues, where the operator has set none: one queue per topic,
    /// and as many consumers as tasks. Of lanes that fill, as much is in hand while their queues fill up again; what lanes that are
    /// held back have in hand is a few records (`MESSAGES_IN_HAND` of all together).
    pub(crate) fn bounded(&self, given: &Settings, tasks: usize, topics: usize) -> Settings {
        let taken = topics.clamp(1, FILLING_MAX);
        let queues = (tasks.max(1) * (topics + taken).max(QUEUES_MIN)) as u64;
        let all = self.queues;
        let each = (all / queues).clamp(QUEUE_BYTES_MIN, QUEUE_BYTES_MAX);
        let messages = (each / BYTES_PER_QUEUED_MESSAGE).clamp(QUEUED_MESSAGES_MIN, QUEUED_MESSAGES_MAX);
        let answer = (all / tasks.max(1) as u64 / 12).clamp(FETCH_BYTES_MIN, FETCH_BYTES_MAX);
        let partition = (each / 8).min(all / 56).clamp(FETCH_PARTITION_BYTES_MIN, FETCH_PARTITION_BYTES_MAX);
        let mut settings = given.clone();
        for (name, value) in [
            ("queued.max.messages.kbytes", each >> 10),
            ("queued.min.messages", messages),
            ("fetch.max.bytes", answer),
            ("max.partition.fetch.bytes", partition),
        ] {
            settings.entry(name.to_owned()).or_insert_with(|| value.to_string());
        }
        settings
    }

    /// Where its blocks are encoded.
    pub(super) fn encoding(&self) -> &Slots {
        &self.encoding
    }

    /// A new lane's share, which holds nothing yet.
    pub(super) fn share(self: &Arc<Memory>) -> Share {
        self.lanes.fetch_add(1, Ordering::Relaxed);
        Share { memory: Arc::clone(self), held: 0, beyond: 0 }
    }

    /// What the open blocks of so many lanes may hold together before the largest one goes: sooner than for want of
    /// memory, so that lanes which fill side by side do not all send at once, and the others' blocks can grow.
    pub(super) fn open_max(&self, lanes: usize) -> u64 {
        self.blocks_max / self.lanes() as u64 * lanes as u64 * OPEN_PERCENT / 100
    }

    /// What a lane may always hold: with all of them at it there is still room for as much in flight. Of more than two, few
    /// hold much at a time.
    fn fair(&self) -> u64 {
        let lanes = self.lanes();
        self.fair_shares() / lanes as u64
    }

    /// What all lanes may always hold together.
    fn fair_shares(&self) -> u64 {
        self.blocks_max / if self.lanes() > 2 { 4 } else { 2 }
    }

    fn lanes(&self) -> usize {
        self.lanes.load(Ordering::Relaxed).max(1)
    }
}

/// Of what a task's lanes may hold, so many per cent in open blocks are enough: the largest one goes.
const OPEN_PERCENT: u64 = 60;

/// The part of what a filling lane may hold that columns may take before they are packed: blocks are meant to hold the
/// rest.
const UNPACKED_PART: u64 = 4;

/// What one lane holds.
pub(super) struct Share {
    memory: Arc<Memory>,
    held: u64,
    beyond: u64,
}

impl Share {
    /// The lane holds so many bytes of memory now: filled, on their way and spare.
    pub(super) fn holds(&mut self, bytes: u64) {
        let beyond = bytes.saturating_sub(self.memory.fair());
        for (all, own, now) in
            [(&self.memory.held, &mut self.held, bytes), (&self.memory.beyond, &mut self.beyond, beyond)]
        {
            // Wraps where it has become less, and so takes the difference off.
            all.fetch_add(now.wrapping_sub(*own), Ordering::Relaxed);
            *own = now;
        }
    }

    /// What a lane may always hold, and what makes a block large enough to go for want of memory.
    pub(super) fn fair(&self) -> u64 {
        self.memory.fair()
    }

    /// Column data of all partitions together beyond which rows are better packed. `is_behind`: the lane has much to
    /// take, which few of them do at a time.
    pub(super) fn unpacked_max(&self, is_behind: bool) -> u64 {
        let lanes = self.memory.lanes();
        let sharing = if is_behind { lanes.min(self.memory.filling_max) } else { lanes };
        self.memory.blocks_max / 2 / sharing as u64 / UNPACKED_PART
    }

    /// Whether what lanes may have beyond their fair shares is used up.
    pub(super) fn is_tight(&self) -> bool {
        self.memory.beyond.load(Ordering::Relaxed) >= self.memory.blocks_max - self.memory.fair_shares()
    }

    /// Whether the lane may take records, when its open block has `open_bytes`.
    /// A lane's fair share is its own, whatever the others hold: one whose table takes nothing for hours stands
    /// still by itself. What is beyond is what the shares leave of all.
    pub(super) fn room(&self, open_bytes: u64) -> Room {
        if self.held < self.memory.fair() || !self.is_tight() {
            Room::Free
        } else if open_bytes >= self.memory.fair() {
            Room::Seal
        } else {
            Room::Wait
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.holds(0);
        self.memory.lanes.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn lanes_share_and_the_one_that_holds_much_seals() {
        let memory = Memory::new(256 * MIB, 1);
        let memory = Arc::new(Memory { blocks_max: 80 * MIB, ..Arc::into_inner(memory).unwrap() });
        let (mut one, mut other) = (memory.share(), memory.share());
        one.holds(58 * MIB);
        assert_eq!(other.room(0), Room::Free);
        other.holds(19 * MIB);
        assert_eq!([one.room(58 * MIB), other.room(5 * MIB)], [Room::Free, Room::Free]);
        other.holds(22 * MIB);
        assert_eq!([one.room(58 * MIB), other.room(5 * MIB)], [Room::Seal, Room::Wait]);
        one.holds(7 * MIB);
        assert_eq!(other.room(5 * MIB), Room::Free);
        drop(one);
        drop(other);
        assert_eq!(memory.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn tasks_beyond_the_first_take_some_of_it_and_never_more_than_half() {
        assert_eq!(Memory::new(256 * MIB, 1).blocks_max, 144 * MIB);
        assert_eq!(Memory::new(256 * MIB, 2).blocks_max, 96 * MIB);
        assert_eq!(Memory::new(512 * MIB, 2).blocks_max, 288 * MIB);
        assert_eq!(Memory::new(256 * MIB, 50).blocks_max, 96 * MIB);
        assert_eq!(Memory::new(128 * MIB, 1).blocks_max, 48 * MIB);
    }

    /// A table that is in trouble keeps its lane's memory, and no other one's.
    #[test]
    fn a_lane_that_never_lands_leaves_the_others_their_shares() {
        let memory = Memory::new(256 * MIB, 1);
        let (mut stuck, mut other) = (memory.share(), memory.share());
        stuck.holds(memory.blocks_max);
        assert_eq!([stuck.room(0), other.room(0)], [Room::Wait, Room::Free]);
        other.holds(memory.fair());
        assert_eq!(other.room(memory.fair()), Room::Seal);
    }

    /// Whatever lanes hold open when the memory is full: with nothing sealed, one of them is told to seal.
    #[test]
    fn open_blocks_alone_never_wait_for_one_another() {
        for lanes in 1..40 {
            let memory = Memory::new(256 * MIB, 1);
            let mut shares: Vec<Share> = (0..lanes).map(|_| memory.share()).collect();
            let each = memory.blocks_max / lanes + 1;
            shares.iter_mut().for_each(|share| share.holds(each));
            assert!(shares.iter().any(|share| share.room(each) == Room::Seal), "{lanes} lanes");
        }
    }

    #[test]
    fn queues_are_smaller_where_there_are_more_of_them() {
        let of = |tasks, topics, name: &str| {
            Memory::new(256 * MIB, tasks).bounded(&Settings::new(), tasks, topics)[name].clone()
        };
        assert_eq!(of(1, 1, "queued.max.messages.kbytes"), "16384");
        assert_eq!(of(1, 1, "queued.min.messages"), "20971");
        assert_eq!(of(1, 1, "max.partition.fetch.bytes"), "898779");
        assert_eq!(of(1, 1, "fetch.max.bytes"), "4194304");
        assert_eq!(of(4, 1, "fetch.max.bytes"), "1048576");
        assert_eq!(of(1, 20, "queued.max.messages.kbytes"), "1890");
        assert_eq!(of(4, 20, "queued.max.messages.kbytes"), "512");
        let memory = Memory::new(256 * MIB, 1);
        let given = Settings::from([("queued.min.messages".to_owned(), "7".to_owned())]);
        assert_eq!(memory.bounded(&given, 1, 20)["queued.min.messages"], "7");
    }
}
