//! How much of a lane's records is still to come, as far as is known without asking: at the brokers, or in the queue.
use std::collections::BTreeMap;

use pumphouse_conduct::BEHIND_RECORDS;
use pumphouse_types::{Millis, Offset, Partition};

/// How often it is counted.
const WAITING_MS: u64 = 50;

/// A lane's count.
pub(super) struct Waiting {
    records: u64,
    counted_at: Millis,
    /// Where each partition stood, and since when.
    progress: BTreeMap<Partition, (Offset, Millis)>,
    linger_ms: u64,
}

impl Waiting {
    /// Nothing is counted yet. `linger_ms`: how long a partition that does not come forward counts.
    pub(super) fn new(linger_ms: u64) -> Waiting {
        Waiting { records: 0, counted_at: Millis::default(), progress: BTreeMap::new(), linger_ms }
    }

    /// When it was last counted.
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// Whether the lane has much to take.
    pub(super) fn is_behind(&self) -> bool {
        self.records >= BEHIND_RECORDS
    }

    /// Whether it may be counted again.
    pub(super) fn is_old(&self, now: Millis) -> bool {
        now.since(self.counted_at) >= WAITING_MS
    }

    /// Counts partitions that have come forward within the linger. Others may stand before a transaction that is open for
    /// hours. `positions`: the next record of each; `known_end`: what lies behind a partition's last one.
    pub(super) fn count(
        &mut self,
        positions: impl Iterator<Item = (Partition, Offset)>,
        known_end: impl Fn(Partition) -> Option<Offset>,
        now: Millis,
    ) {
        self.counted_at = now;
        self.records = 0;
        for (partition, next) in positions {
            let (at, since) = self.progress.entry(partition).or_insert((next, now));
            let end = known_end(partition);
            // A partition of which nothing waits does not stand still.
            if *at != next || end.is_none_or(|end| end <= next) {
                (*at, *since) = (next, now);
            }
            if now.since(*since) < self.linger_ms {
                self.records += end.map_or(0, |end| end.get().saturating_sub(next.get()).max(0) as u64);
            }
        }
    }

    /// No partition could come forward until now: nothing was taken.
    pub(super) fn begin_anew(&mut self) {
        self.progress.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn partition(number: i32) -> Partition {
        Partition::from_protocol(number).unwrap()
    }

    /// Counts two partitions that end at 100 and at 50,000.
    fn counted(waiting: &mut Waiting, first: i64, second: i64, now: u64) -> u64 {
        let positions = [(partition(0), at(first)), (partition(1), at(second))];
        let ends = BTreeMap::from([(partition(0), at(100)), (partition(1), at(50_000))]);
        waiting.count(positions.into_iter(), |partition| ends.get(&partition).copied(), Millis(now));
        waiting.records()
    }

    #[test]
    fn a_partition_that_stands_still_counts_for_a_linger() {
        let mut waiting = Waiting::new(1_000);
        assert_eq!(counted(&mut waiting, 40, 0, 0), 60 + 50_000);
        assert!(waiting.is_behind());
        assert_eq!(counted(&mut waiting, 40, 10, 999), 60 + 49_990);
        assert_eq!(
            counted(&mut waiting, 40, 10, 1_000),
            49_990,
            "the first stands before an open transaction"
        );
        assert_eq!(counted(&mut waiting, 40, 10, 1_999), 0);
        assert!(!waiting.is_behind());
        assert_eq!(counted(&mut waiting, 41, 10, 2_000), 59);
        waiting.begin_anew();
        assert_eq!(counted(&mut waiting, 41, 10, 9_000), 59 + 49_990);
    }

    #[test]
    fn a_partition_of_which_nothing_waits_does_not_stand_still() {
        let mut waiting = Waiting::new(1_000);
        assert_eq!(counted(&mut waiting, 100, 50_000, 0), 0);
        assert_eq!(counted(&mut waiting, 100, 50_000, 5_000), 0);
        let later = |partition: Partition| Some(at(if partition == self::partition(0) { 130 } else { 0 }));
        waiting.count([(partition(0), at(100))].into_iter(), later, Millis(5_900));
        assert_eq!(waiting.records(), 30);
        waiting.count([(partition(0), at(100))].into_iter(), |_| None, Millis(5_950));
        assert_eq!(waiting.records(), 0, "nothing is known of its end");
        assert!(!waiting.is_old(Millis(5_999)) && waiting.is_old(Millis(6_000)));
    }
}
