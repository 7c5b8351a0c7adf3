//! A block on its way: filled on the consuming thread, encoded and compressed beside it, kept until
//! it has landed so that a retry sends the same bytes (R2).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use pumphouse_columns::{Segment, compress_lz4, encode_block};
use pumphouse_decode::TablePlan;
use pumphouse_types::Partition;
use tokio::runtime::Handle;
use tokio::sync::watch;

/// Most bytes per piece that is handed to the connection: large enough to cost nothing per piece, small
/// enough that a slow server's back-pressure is felt.
const BODY_PIECE_BYTES_MAX: usize = 1 << 20;

/// Least pieces of a body, so that there is a middle.
const BODY_PIECES_MIN: usize = 4;

/// The open block of a lane: a segment for each partition, so that rows stand in the order
/// (partition, offset) whatever the order in which records came (R13).
pub(super) type Segments = BTreeMap<Partition, Segment>;

/// The bytes of a block, as they travel.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    pub pieces: Arc<Vec<Bytes>>,
    pub bytes: u64,
}

/// A closed block; its frames come when they are ready.
#[derive(Clone)]
pub(super) struct Block {
    frames: watch::Receiver<Option<Frames>>,
    /// Column data, for the memory metric.
    pub column_bytes: u64,
}

impl Block {
    /// Encodes and compresses `segments` on a blocking thread; gives the emptied segments back
    /// through `recycle`.
    pub(super) fn encode(
        runtime: &Handle,
        plan: Arc<TablePlan>,
        segments: Segments,
        recycle: impl FnOnce(Segments) + Send + 'static,
    ) -> Block {
        let (ready, frames) = watch::channel(None);
        let column_bytes = segments.values().map(|segment| segment.bytes() as u64).sum();
        runtime.spawn_blocking(move || {
            let made = make_frames(&plan, &segments);
            // Nobody waits any more when the claim has ended.
            let _ = ready.send(Some(made));
            let mut segments = segments;
            segments.values_mut().for_each(Segment::clear);
            recycle(segments);
        });
        Block { frames, column_bytes }
    }

    /// Waits for the frames. `None` if the encoding thread died.
    pub(super) async fn frames(&self) -> Option<Frames> {
        let mut frames = self.frames.clone();
        let ready = frames.wait_for(Option::is_some).await.ok()?;
        ready.clone()
    }
}

fn make_frames(plan: &TablePlan, segments: &Segments) -> Frames {
    let began = Instant::now();
    let shape = plan.shape();
    let parts: Vec<&Segment> = segments.values().filter(|segment| segment.rows() > 0).collect();
    let rows: usize = parts.iter().map(|segment| segment.rows()).sum();
    let mut raw = Vec::new();
    encode_block(&shape.wire_names(), &shape.wire_types(), &parts, &mut raw)
        .expect("the plan made the segments, so names, types and columns agree");
    let mut framed = Vec::with_capacity(raw.len() / 2);
    compress_lz4(&raw, &mut framed);
    let framed = Bytes::from(framed);
    let bytes = framed.len() as u64;
    let piece_bytes = framed.len().div_ceil(BODY_PIECES_MIN).clamp(1, BODY_PIECE_BYTES_MAX);
    let pieces = (0..framed.len())
        .step_by(piece_bytes)
        .map(|at| framed.slice(at..framed.len().min(at + piece_bytes)))
        .collect();
    tracing::debug!(
        rows,
        bytes,
        raw_bytes = raw.len(),
        ms = began.elapsed().as_millis() as u64,
        "block encoded"
    );
    Frames { pieces: Arc::new(pieces), bytes }
}
