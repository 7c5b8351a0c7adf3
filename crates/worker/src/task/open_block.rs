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

/// Column data of a partition that is worth packing: enough for a frame per column, little beside a block; less where
/// many partitions share what may stay unpacked.
const PACK_BYTES_MAX: u64 = if cfg!(feature = "failpoints") { 8 << 10 } else { 1 << 20 };
const PACK_BYTES_MIN: u64 = if cfg!(feature = "failpoints") { 1 << 10 } else { 64 << 10 };

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
    /// [`OpenBlock::grew`].
    pub(super) fn segment(
        &mut self,
        partition: Partition,
        spare: &Spare,
        new: impl FnOnce() -> Segment,
    ) -> &mut Segment {
        self.rows.entry(partition).or_insert_with(|| match spare.take() {
            Some(kept) => {
                self.reused_bytes += kept.most_bytes() as u64;
                kept
            }
            None => new(),
        })
    }

    /// The partition's segment holds so many bytes more; packs it when it is large enough. `unpacked_max`: column data
    /// of all partitions together that may stay as it is.
    pub(super) fn grew(
        &mut self,
        (partition, bytes): (Partition, u64),
        unpacked_max: u64,
        encoder: &Encoder,
        spare: &Spare,
    ) {
        self.bytes += bytes;
        self.row_bytes += bytes;
        let each = unpacked_max / self.rows.len().max(1) as u64;
        let pack_bytes = each.clamp(PACK_BYTES_MIN, PACK_BYTES_MAX);
        let is_full = |segment: &Segment| segment.bytes() as u64 >= pack_bytes;
        if self.rows.get(&partition).is_some_and(is_full)
            && let Some(segment) = self.rows.remove(&partition)
        {
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
