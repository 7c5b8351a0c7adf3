//! The block that a lane fills: of each partition its newest rows as columns, and those before them packed, which is
//! done beside the consuming thread. So a large block takes little memory, and columns that are filled again and
//! again stay where the processor has them at hand.
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pumphouse_columns::{Packed, Segment};
use pumphouse_types::Partition;
use tokio::sync::oneshot;

use super::block::Segments;
use super::encoder::Encoder;
use super::memory::of_columns;
use super::spare::Spare;

/// Column data of a partition that is worth packing: enough for a frame per column, little beside a block. Less where
/// many partitions share what may stay unpacked, once the records of another one come.
const PACK_BYTES_MAX: u64 = if cfg!(feature = "failpoints") { 8 << 10 } else { 1 << 20 };
const PACK_BYTES_MIN: u64 = if cfg!(feature = "failpoints") { 1 << 10 } else { 64 << 10 };

/// This part of what may stay unpacked is for the partition whose records come. A partition that others follow keeps as
/// much, divided by how many there are: with few of them that is more than is worth packing at once.
const FILLING_PART: u64 = 4;

/// Memory that changes hands between threads, in bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct HeldBytes(Arc<AtomicU64>);

impl HeldBytes {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn replace(&self, before: u64, after: u64) {
        // Wraps where it has become less, and so takes the difference off.
        self.0.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }
}

/// Rows of one partition, one after the other (R13).
pub(super) type PackedParts = BTreeMap<Partition, Vec<Packed>>;

/// What is being packed; an answer that does not come is that of a thread which died.
type Packing = BTreeMap<Partition, Vec<oneshot::Receiver<Packed>>>;

/// The open block of a lane.
#[derive(Default)]
pub(super) struct OpenBlock {
    rows: Segments,
    /// Where the newest rows went.
    filling: Option<Partition>,
    packing: Packing,
    /// Column data of all rows, packed or not.
    bytes: u64,
    /// Column data in `rows`.
    row_bytes: u64,
    /// What the segments in `rows` held before: memory that they keep, filled or not.
    reused_bytes: u64,
    /// Memory of everything in `packing`.
    packed: HeldBytes,
}

impl OpenBlock {
    /// Column data of all rows, as the batch's limit counts it.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Memory held.
    pub(super) fn held_bytes(&self) -> u64 {
        of_columns(self.row_bytes.max(self.reused_bytes)) + self.packed.get()
    }

    /// Where the partition's next rows go; `new` makes a segment where none is spare. To be followed by
    /// [`OpenBlock::grew`]. `unpacked_max`: column data of all partitions together that may stay as it is.
    pub(super) fn segment(
        &mut self,
        partition: Partition,
        unpacked_max: u64,
        (encoder, spare): (&Encoder, &Spare),
        new: impl FnOnce() -> Segment,
    ) -> &mut Segment {
        if let Some(left) = self.filling.replace(partition)
            && left != partition
        {
            self.leave(left, unpacked_max, encoder, spare);
        }
        self.rows.entry(partition).or_insert_with(|| match spare.take() {
            Some(kept) => {
                self.reused_bytes += kept.most_bytes() as u64;
                kept
            }
            None => new(),
        })
    }

    /// Records of another partition come: a broker answers with many of one after the other, and rows that wait for
    /// more of theirs are to take little, with as many such partitions as there are.
    fn leave(&mut self, left: Partition, unpacked_max: u64, encoder: &Encoder, spare: &Spare) {
        let each = (unpacked_max / FILLING_PART / self.rows.len().max(1) as u64)
            .clamp(PACK_BYTES_MIN, PACK_BYTES_MAX);
        let Some(segment) = self.rows.get_mut(&left) else { return };
        if segment.bytes() as u64 >= each {
            self.pack_rows_of(left, encoder, spare);
        } else if segment.most_bytes() as u64 >= 2 * each {
            let all = 0..segment.rows();
            let small = segment.select(std::slice::from_ref(&all));
            let mut large = std::mem::replace(segment, small);
            self.reused_bytes = self.reused_bytes.saturating_sub(large.most_bytes() as u64);
            large.clear();
            spare.keep(large);
        }
    }

    /// The partition's segment holds so many bytes more; packs it when it is large enough.
    pub(super) fn grew(
        &mut self,
        (partition, bytes): (Partition, u64),
        unpacked_max: u64,
        (encoder, spare): (&Encoder, &Spare),
    ) {
        self.bytes += bytes;
        self.row_bytes += bytes;
        let enough = (unpacked_max / FILLING_PART).clamp(PACK_BYTES_MIN, PACK_BYTES_MAX);
        if self.rows.get(&partition).is_some_and(|segment| segment.bytes() as u64 >= enough) {
            self.pack_rows_of(partition, encoder, spare);
        }
    }

    fn pack_rows_of(&mut self, partition: Partition, encoder: &Encoder, spare: &Spare) {
        if let Some(segment) = self.rows.remove(&partition) {
            self.pack(partition, segment, encoder, spare);
        }
    }

    fn pack(&mut self, partition: Partition, mut segment: Segment, encoder: &Encoder, spare: &Spare) {
        let (done, packing) = oneshot::channel();
        let before = segment.bytes() as u64;
        self.row_bytes -= before;
        self.reused_bytes = self.reused_bytes.saturating_sub(segment.most_bytes() as u64);
        self.packed.add(of_columns(before));
        self.packing.entry(partition).or_default().push(packing);
        let (held, spare, at) = (self.packed.clone(), spare.clone(), encoder.clone());
        encoder.run(move || {
            let packed = at.with_packer(|packer| packer.pack(&mut segment));
            held.replace(of_columns(before), packed.bytes() as u64);
            spare.keep(segment);
            // Nobody waits any more when the claim has ended.
            let _ = done.send(packed);
        });
    }

    /// Takes everything out: rows that are not packed, and what comes to hold the others, with the memory of both.
    pub(super) fn take(&mut self) -> (Segments, Packing, HeldBytes) {
        let OpenBlock { rows, packing, row_bytes, packed, .. } = std::mem::take(self);
        packed.add(of_columns(row_bytes));
        (rows, packing, packed)
    }
}

/// Waits for everything that is being packed. `None`: a thread died.
pub(super) async fn all_packed(packing: Packing) -> Option<PackedParts> {
    let mut all = PackedParts::new();
    for (partition, parts) in packing {
        let packed = all.entry(partition).or_default();
        for part in parts {
            packed.push(part.await.ok()?);
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pumphouse_columns::{Compression, DataType};
    use tokio::runtime::Runtime;

    use super::super::encoder::Slots;

    const UNPACKED_MAX: u64 = 4 * PACK_BYTES_MAX;
    const ROW_BYTES: u64 = 8;

    struct Bench {
        open: OpenBlock,
        spare: Spare,
        encoder: Encoder,
        runtime: Runtime,
    }

    fn bench() -> Bench {
        let runtime = Runtime::new().unwrap();
        let slots = Slots::new(0);
        let encoder = Encoder { runtime: runtime.handle().clone(), compression: Compression::Lz4, slots };
        let spare = Spare::default();
        spare.bound(UNPACKED_MAX);
        Bench { open: OpenBlock::default(), spare, encoder, runtime }
    }

    impl Bench {
        fn fill(&mut self, partition: u32, bytes: u64) {
            let partition = Partition(partition);
            let at = (&self.encoder, &self.spare);
            let new = || Segment::new(&["UInt64".parse::<DataType>().unwrap()]).unwrap();
            let segment = self.open.segment(partition, UNPACKED_MAX, at, new);
            for _ in 0..bytes / ROW_BYTES {
                segment.columns_mut()[0].push_default();
                segment.commit_row();
            }
            self.open.grew((partition, bytes), UNPACKED_MAX, at);
        }

        /// Rows of each partition: packed parts, then what is not packed.
        fn taken(mut self) -> Vec<Vec<usize>> {
            let (rows, packing, _) = self.open.take();
            let packed = self.runtime.block_on(all_packed(packing)).unwrap();
            let of = |partition: Partition| {
                let parts = packed.get(&partition).into_iter().flatten().map(Packed::rows);
                parts.chain(rows.get(&partition).map(Segment::rows)).collect()
            };
            (0..64).map(Partition).map(of).collect()
        }

        fn unpacked_partitions(&self) -> usize {
            self.open.rows.len()
        }
    }

    #[test]
    fn a_partition_is_packed_when_it_has_much_whoever_comes_next() {
        let mut bench = bench();
        bench.fill(0, PACK_BYTES_MAX - ROW_BYTES);
        assert_eq!(bench.unpacked_partitions(), 1);
        bench.fill(0, 4 * ROW_BYTES);
        assert_eq!(bench.unpacked_partitions(), 0);
        bench.fill(0, ROW_BYTES);
        assert_eq!(bench.taken()[0], [(PACK_BYTES_MAX / ROW_BYTES) as usize + 3, 1]);
    }

    #[test]
    fn partitions_that_others_follow_keep_little_unpacked() {
        let mut bench = bench();
        for partition in 0..64 {
            bench.fill(partition, PACK_BYTES_MAX / 4);
        }
        // From the fourth on: PACK_BYTES_MAX / 4 for each of them.
        assert!(bench.unpacked_partitions() <= 5, "{}", bench.unpacked_partitions());
        for partition in 0..64 {
            bench.fill(partition, ROW_BYTES);
        }
        let rows = (PACK_BYTES_MAX / 4 / ROW_BYTES) as usize;
        for parts in bench.taken() {
            assert_eq!(parts.iter().sum::<usize>(), rows + 1);
        }
    }

    #[test]
    fn few_rows_do_not_keep_the_memory_of_many() {
        let mut bench = bench();
        let mut much = Segment::new(&["UInt64".parse::<DataType>().unwrap()]).unwrap();
        for _ in 0..2 * PACK_BYTES_MAX / ROW_BYTES {
            much.columns_mut()[0].push_default();
            much.commit_row();
        }
        much.clear();
        bench.spare.keep(much);
        bench.fill(0, ROW_BYTES);
        assert_eq!((bench.spare.bytes(), bench.open.reused_bytes), (0, 2 * PACK_BYTES_MAX));
        bench.fill(1, ROW_BYTES);
        // The second one has it now, and the first what it needs.
        assert_eq!((bench.spare.bytes(), bench.open.reused_bytes), (0, 2 * PACK_BYTES_MAX));
        assert_eq!(bench.open.rows[&Partition(0)].most_bytes(), 0);
        bench.fill(0, ROW_BYTES);
        assert_eq!(bench.spare.bytes(), 2 * PACK_BYTES_MAX);
        assert_eq!(bench.taken()[..2], [[2], [1]]);
    }
}
