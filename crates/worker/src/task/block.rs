//! A block on its way: filled on the consuming thread, packed and put together beside it, kept until
//! it has landed so that a retry sends the same bytes (R2).
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pumphouse_columns::{Compression, FrameWriter, Part, Segment, frame_block};
use pumphouse_decode::TablePlan;
use pumphouse_types::{Offset, Partition};
use tokio::sync::watch;

use super::encoder::Encoder;
use super::memory::of_columns;
use super::open_block::{HeldBytes, OpenBlock, PackedParts, all_packed};
use super::recipe::Recipe;
use super::spare::Spare;

/// Least pieces of a body, so that there is a middle.
const BODY_PIECES_MIN: usize = 4;

/// Rows as columns: a segment for each partition, so that they stand in the order (partition, offset)
/// whatever the order in which records came (R13).
pub(super) type Segments = BTreeMap<Partition, Segment>;

/// Offsets of rows, by partition and in order.
pub(super) type RowOffsets = BTreeMap<Partition, Vec<Offset>>;

/// The bytes of a block, as they travel, in pieces that are small enough for a slow server's back-pressure to be
/// felt.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    pub pieces: Arc<Vec<Bytes>>,
    pub bytes: u64,
}

/// A closed block; its frames come when they are ready.
#[derive(Clone)]
pub(super) struct Block {
    frames: watch::Receiver<Option<Frames>>,
    pub recipe: Arc<Recipe>,
    held: HeldBytes,
}

impl Block {
    /// Closes the open block: packs what is left of it and puts it together on a blocking thread. Emptied
    /// segments go to `spare`.
    pub(super) fn close(
        open: &mut OpenBlock,
        encoder: &Encoder,
        recipe: Arc<Recipe>,
        spare: &Spare,
    ) -> Block {
        let (ready, frames) = watch::channel(None);
        let (rows, packing, held) = open.take();
        let block = Block { frames, recipe, held };
        let (plan, held) = (Arc::clone(&block.recipe.plan), block.held.clone());
        let (compression, spare) = (encoder.compression, spare.clone());
        encoder.run_with(all_packed(packing), move |packed| {
            let Some(packed) = packed else { return };
            let packed_bytes: u64 = packed.values().flatten().map(|part| part.bytes() as u64).sum();
            let made = make_frames(&plan, &rows, &packed, compression);
            // The frames of what was packed are not copied, and their buffers are somewhat larger.
            held.set(packed_bytes.max(made.bytes));
            // Nobody waits any more when the claim has ended.
            let _ = ready.send(Some(made));
            for mut segment in rows.into_values() {
                segment.clear();
                spare.keep(segment);
            }
        });
        block
    }

    /// Memory held: of its rows until the frames are ready, of these from then on.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held.get()
    }

    /// Waits for the frames. `None` if the encoding thread died.
    pub(super) async fn frames(&self) -> Option<Frames> {
        let mut frames = self.frames.clone();
        let ready = frames.wait_for(Option::is_some).await.ok()?;
        ready.clone()
    }
}

/// The rows of a batch that was read again: parts of them can be sent (R7, R11).
pub(super) struct ReadRows {
    pub recipe: Arc<Recipe>,
    pub segments: Segments,
    /// Of every row, in the order of the segments.
    pub offsets: RowOffsets,
}

impl ReadRows {
    /// Encodes all rows (`None`), or these. Shape: `wanted` names rows that were read; panics if one was
    /// not.
    pub(super) fn encode(self: &Arc<ReadRows>, encoder: &Encoder, wanted: Option<&RowOffsets>) -> Block {
        let (ready, frames) = watch::channel(None);
        let selection = wanted.map(|wanted| self.selection(wanted));
        let rows = Arc::clone(self);
        let recipe = Arc::clone(&self.recipe);
        let compression = encoder.compression;
        encoder.run(move || {
            let of = |segments: &Segments| {
                make_frames(&rows.recipe.plan, segments, &PackedParts::new(), compression)
            };
            let made = match selection {
                None => of(&rows.segments),
                Some(selection) => {
                    let cut = |(partition, ranges): (Partition, Vec<Range<usize>>)| {
                        (partition, rows.segments[&partition].select(&ranges))
                    };
                    of(&selection.into_iter().map(cut).collect())
                }
            };
            // Nobody waits any more when the claim has ended.
            let _ = ready.send(Some(made));
        });
        // The rows are counted where they are kept.
        Block { frames, recipe, held: HeldBytes::default() }
    }

    /// Memory held.
    pub(super) fn held_bytes(&self) -> u64 {
        of_columns(self.segments.values().map(|segment| segment.bytes() as u64).sum())
    }

    fn selection(&self, wanted: &RowOffsets) -> BTreeMap<Partition, Vec<Range<usize>>> {
        wanted
            .iter()
            .map(|(partition, wanted)| (*partition, row_ranges(&self.offsets[partition], wanted)))
            .collect()
    }
}

/// Where the `wanted` offsets stand among `held`; both ascend. Panics if one is not held.
fn row_ranges(held: &[Offset], wanted: &[Offset]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    let mut from = 0;
    for offset in wanted {
        let at = held[from..]
            .binary_search(offset)
            .map(|at| from + at)
            .unwrap_or_else(|_| panic!("R2: the row of {offset} was not read"));
        from = at + 1;
        match ranges.last_mut() {
            Some(last) if last.end == at => last.end = from,
            Some(_) | None => ranges.push(at..from),
        }
    }
    ranges
}

/// Of each partition what is packed, then what is not.
fn make_frames(plan: &TablePlan, rows: &Segments, packed: &PackedParts, compression: Compression) -> Frames {
    let began = Instant::now();
    let shape = plan.shape();
    let partitions: BTreeSet<Partition> = rows.keys().chain(packed.keys()).copied().collect();
    let parts_of = |partition: Partition| {
        let packed = packed.get(&partition).into_iter().flatten().map(Part::Packed);
        packed.chain(rows.get(&partition).map(Part::Rows))
    };
    let parts: Vec<Part<'_>> = partitions.into_iter().flat_map(parts_of).collect();
    let count: usize = parts.iter().map(Part::rows).sum();
    let mut writer = FrameWriter::new(compression);
    // A batch of dead letters alone has no rows, and is not sent.
    if count > 0 {
        frame_block(&shape.wire_names(), &shape.wire_types(), &parts, &mut writer)
            .expect("the plan made the segments, so names, types and columns agree");
    }
    let frames = writer.finish();
    let bytes = frames.iter().map(|frames| frames.len() as u64).sum();
    let pieces_each = BODY_PIECES_MIN.div_ceil(frames.len().max(1));
    let pieces = frames.into_iter().flat_map(|frames| cut(frames, pieces_each)).collect();
    tracing::debug!(rows = count, bytes, ms = began.elapsed().as_millis() as u64, "block put together");
    Frames { pieces: Arc::new(pieces), bytes }
}

/// `pieces` pieces of one size, the last one smaller; less if there are not so many bytes.
fn cut(whole: Bytes, pieces: usize) -> impl Iterator<Item = Bytes> {
    let step = whole.len().div_ceil(pieces).max(1);
    (0..whole.len()).step_by(step).map(move |at| whole.slice(at..whole.len().min(at + step)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(numbers: &[i64]) -> Vec<Offset> {
        numbers.iter().map(|number| Offset::new(*number).unwrap()).collect()
    }

    #[test]
    fn rows_are_found_by_their_offsets() {
        let held = offsets(&[5, 6, 9, 12, 13, 14]);
        let all = 0..6;
        assert_eq!(row_ranges(&held, &held), [all]);
        assert_eq!(row_ranges(&held, &offsets(&[6, 9, 13])), [1..3, 4..5]);
        assert_eq!(row_ranges(&held, &[]), Vec::<std::ops::Range<usize>>::new());
    }

    #[test]
    #[should_panic(expected = "R2: the row of 7 was not read")]
    fn a_row_that_was_not_read_is_never_left_out_silently() {
        row_ranges(&offsets(&[5, 6, 9]), &offsets(&[6, 7]));
    }
}
