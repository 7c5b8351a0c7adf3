//! Emptied segments, whose memory the next block is filled into.
use std::collections::BTreeMap;

use pumphouse_columns::Segment;
use pumphouse_types::Partition;

use super::block::Segments;

/// A partition gets its own segment back, which is as large as its share of a block is. What is kept is
/// bounded: partitions that take turns at filling whole blocks would else keep a block's memory each.
pub(super) struct Spare {
    kept: BTreeMap<Partition, Segment>,
    bytes: u64,
    bytes_max: u64,
}

impl Spare {
    /// `bytes_max`: what segments may have held that are kept.
    pub(super) fn new(bytes_max: u64) -> Spare {
        Spare { kept: BTreeMap::new(), bytes: 0, bytes_max }
    }

    pub(super) fn take(&mut self, partition: Partition) -> Option<Segment> {
        let segment = self.kept.remove(&partition)?;
        self.bytes -= segment.most_bytes() as u64;
        Some(segment)
    }

    /// What the kept segments may have held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives all of it back.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.bytes = 0;
    }

    /// What finds no room is dropped.
    pub(super) fn keep(&mut self, segments: Segments) {
        for (partition, segment) in segments {
            let bytes = segment.most_bytes() as u64;
            if self.bytes + bytes <= self.bytes_max && !self.kept.contains_key(&partition) {
                self.bytes += bytes;
                self.kept.insert(partition, segment);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumphouse_columns::DataType;

    fn used(rows: usize) -> Segment {
        let mut segment = Segment::new(&["UInt64".parse::<DataType>().unwrap()]).unwrap();
        for _ in 0..rows {
            segment.columns_mut()[0].push_default();
            segment.commit_row();
        }
        segment.clear();
        segment
    }

    #[test]
    fn what_is_kept_is_bounded_and_goes_back_to_its_partition() {
        let mut spare = Spare::new(1_000);
        spare.keep(Segments::from([
            (Partition(0), used(50)),
            (Partition(1), used(70)),
            (Partition(2), used(75)),
        ]));
        assert_eq!(spare.take(Partition(0)).unwrap().most_bytes(), 400);
        assert_eq!(spare.take(Partition(1)).unwrap().most_bytes(), 560);
        assert!(spare.take(Partition(2)).is_none(), "there was no room");
        spare.keep(Segments::from([(Partition(2), used(75))]));
        assert!(spare.take(Partition(2)).is_some());
        assert!(spare.take(Partition(0)).is_none());
    }
}
