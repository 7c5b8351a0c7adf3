//! A block on its way: filled on the consuming thread, encoded and compressed beside it, kept until
//! it has landed so that a retry sends the same bytes (R2).
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pumphouse_columns::{Compression, FrameWriter, Segment, encode_block_in_steps};
use pumphouse_decode::TablePlan;
use pumphouse_types::{Offset, Partition};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::recipe::Recipe;

/// Least pieces of a body, so that there is a middle.
const BODY_PIECES_MIN: usize = 4;

/// The open block of a lane: a segment for each partition, so that rows stand in the order
/// (partition, offset) whatever the order in which records came (R13).
pub(super) type Segments = BTreeMap<Partition, Segment>;

/// Offsets of rows, by partition and in order.
pub(super) type RowOffsets = BTreeMap<Partition, Vec<Offset>>;

/// The bytes of a block, as they travel: a frame per piece, which is large enough to cost nothing per piece,
/// and small enough that a slow server's back-pressure is felt.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    pub pieces: Arc<Vec<Bytes>>,
    pub bytes: u64,
}

/// Where blocks are encoded, and how they are compressed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoder<'a> {
    pub runtime: &'a Handle,
    pub compression: Compression,
    pub slots: &'a Arc<Semaphore>,
}

impl Encoder<'_> {
    /// On a blocking thread, when one of the slots is free.
    fn run(self, work: impl FnOnce() + Send + 'static) {
        let slots = Arc::clone(self.slots);
        self.runtime.spawn(async move {
            // Never closed.
            let Ok(slot) = slots.acquire_owned().await else { return };
            tokio::task::spawn_blocking(move || {
                work();
                drop(slot);
            });
        });
    }
}

/// A closed block; its frames come when they are ready.
#[derive(Clone)]
pub(super) struct Block {
    frames: watch::Receiver<Option<Frames>>,
    pub recipe: Arc<Recipe>,
    /// What its columns, and frames that are not ready, take at most.
    encoding_bytes: u64,
}

impl Block {
    /// Encodes and compresses `segments` on a blocking thread; gives the emptied segments back
    /// through `recycle`.
    pub(super) fn encode(
        encoder: Encoder<'_>,
        recipe: Arc<Recipe>,
        segments: Segments,
        recycle: impl FnOnce(Segments) + Send + 'static,
    ) -> Block {
        let (ready, frames) = watch::channel(None);
        let column_bytes: u64 = segments.values().map(|segment| segment.bytes() as u64).sum();
        let plan = Arc::clone(&recipe.plan);
        let compression = encoder.compression;
        encoder.run(move || {
            let made = make_frames(&plan, &segments, compression);
            // Nobody waits any more when the claim has ended.
            let _ = ready.send(Some(made));
            let mut segments = segments;
            segments.values_mut().for_each(Segment::clear);
            recycle(segments);
        });
        // What is not compressed is there twice while it is encoded.
        let encoding_bytes = if compression == Compression::None { 2 * column_bytes } else { column_bytes };
        Block { frames, recipe, encoding_bytes }
    }

    /// What it takes: its columns until they are encoded, its frames from then on.
    pub(super) fn held_bytes(&self) -> u64 {
        self.frames.borrow().as_ref().map_or(self.encoding_bytes, |frames| frames.bytes)
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
    pub(super) fn encode(self: &Arc<ReadRows>, encoder: Encoder<'_>, wanted: Option<&RowOffsets>) -> Block {
        let (ready, frames) = watch::channel(None);
        let selection = wanted.map(|wanted| self.selection(wanted));
        let rows = Arc::clone(self);
        let recipe = Arc::clone(&self.recipe);
        let compression = encoder.compression;
        encoder.run(move || {
            let made = match selection {
                None => make_frames(&rows.recipe.plan, &rows.segments, compression),
                Some(selection) => {
                    let cut = |(partition, ranges): (Partition, Vec<Range<usize>>)| {
                        (partition, rows.segments[&partition].select(&ranges))
                    };
                    make_frames(&rows.recipe.plan, &selection.into_iter().map(cut).collect(), compression)
                }
            };
            // Nobody waits any more when the claim has ended.
            let _ = ready.send(Some(made));
        });
        // The rows are counted where they are kept.
        Block { frames, recipe, encoding_bytes: 0 }
    }

    pub(super) fn column_bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes() as u64).sum()
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

fn make_frames(plan: &TablePlan, segments: &Segments, compression: Compression) -> Frames {
    let began = Instant::now();
    let shape = plan.shape();
    let parts: Vec<&Segment> = segments.values().filter(|segment| segment.rows() > 0).collect();
    let rows: usize = parts.iter().map(|segment| segment.rows()).sum();
    let (mut raw, mut writer) = (Vec::new(), FrameWriter::new(compression));
    // A batch of dead letters alone has no rows, and is not sent.
    if rows > 0 {
        let (names, types) = (shape.wire_names(), shape.wire_types());
        encode_block_in_steps(&names, &types, &parts, &mut raw, |raw| writer.take_full(raw))
            .expect("the plan made the segments, so names, types and columns agree");
    }
    let raw_bytes = writer.raw_bytes() + raw.len() as u64;
    let frames = writer.finish(&raw);
    let bytes = frames.iter().map(|frame| frame.len() as u64).sum();
    let pieces_per_frame = BODY_PIECES_MIN.div_ceil(frames.len().max(1));
    let pieces = frames.into_iter().flat_map(|frame| cut(Bytes::from(frame), pieces_per_frame)).collect();
    tracing::debug!(rows, bytes, raw_bytes, ms = began.elapsed().as_millis() as u64, "block encoded");
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
