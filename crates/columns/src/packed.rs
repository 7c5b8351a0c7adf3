//! Rows that wait for their block compressed, column by column, so that a block may be large while little of it is
//! in memory, and the memory of columns is small enough to be filled again and again.
//!
//! A Native block says each column's rows in one stretch, but a reader sees neither where frames begin nor,
//! for LowCardinality, how many dictionaries a stretch has: frames of several parts stand behind one another.
//! Source: ClickHouse `CompressedReadBufferBase`, `SerializationLowCardinality`.
use std::mem;
use std::ops::Range;

use bytes::Bytes;

use crate::block::Body;
use crate::column::Column;
use crate::frame::{Compression, FrameMaker};
use crate::frame_buffers::{FrameBuffers, size_for};
use crate::segment::Segment;
use crate::stream::{Stream, encode_prefix, put_stream, streams_of};

/// The rows of a segment, encoded and compressed.
#[derive(Debug)]
pub struct Packed {
    rows: usize,
    columns: Vec<PackedColumn>,
    /// All frames of all columns.
    frames: Bytes,
    bytes: usize,
}

#[derive(Debug)]
enum PackedColumn {
    Streams {
        prefix: Vec<u8>,
        streams: Vec<Held>,
    },
    /// What travels depends on all rows of the block.
    Unpacked(Column),
}

#[derive(Debug)]
enum Held {
    /// Where they stand in `frames`.
    Frames(Range<usize>),
    /// Where the values of each row end, counted from this part's first one: the block counts through.
    ValueEnds(Vec<u64>),
}

/// One stream of a packed column.
pub(crate) enum PackedStream<'a> {
    Frames(Bytes),
    ValueEnds(&'a [u64]),
}

impl Packed {
    /// Rows held.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The column, where it could not be packed.
    pub(crate) fn unpacked(&self, index: usize) -> Option<&Column> {
        match &self.columns[index] {
            PackedColumn::Unpacked(column) => Some(column),
            PackedColumn::Streams { .. } => None,
        }
    }

    /// What stands before the column's body.
    pub(crate) fn prefix(&self, index: usize) -> &[u8] {
        match &self.columns[index] {
            PackedColumn::Streams { prefix, .. } => prefix,
            PackedColumn::Unpacked(_) => &[],
        }
    }

    /// The column's streams; none where it could not be packed.
    pub(crate) fn streams(&self, index: usize) -> impl Iterator<Item = PackedStream<'_>> {
        let streams = match &self.columns[index] {
            PackedColumn::Streams { streams, .. } => streams.as_slice(),
            PackedColumn::Unpacked(_) => &[],
        };
        streams.iter().map(|held| match held {
            Held::Frames(range) => PackedStream::Frames(self.frames.slice(range.clone())),
            Held::ValueEnds(ends) => PackedStream::ValueEnds(ends),
        })
    }
}

/// Packs one segment after the other in the same memory.
pub struct Packer {
    maker: FrameMaker,
    buffers: FrameBuffers,
    raw: Vec<u8>,
    frames: Vec<u8>,
}

impl Packer {
    /// Packs with this compression, which has to be the block's. `buffers`: where memory for frames comes from,
    /// and goes back to when they are dropped.
    pub fn new(compression: Compression, buffers: FrameBuffers) -> Packer {
        let maker = FrameMaker::new(compression);
        Packer { maker, buffers, raw: Vec::new(), frames: Vec::new() }
    }

    /// Takes all rows out of `segment`, which keeps its memory.
    pub fn pack(&mut self, segment: &mut Segment) -> Packed {
        self.frames.clear();
        let rows = segment.rows();
        let columns: Vec<PackedColumn> =
            segment.columns_mut().iter_mut().map(|column| self.pack_column(column)).collect();
        segment.clear();
        let bytes = size_for(self.frames.len()) + columns.iter().map(PackedColumn::bytes).sum::<usize>();
        let frames = self.buffers.lend(&self.frames);
        Packed { rows, columns, frames, bytes }
    }

    fn pack_column(&mut self, column: &mut Column) -> PackedColumn {
        let streams = streams_of(column);
        if streams.iter().any(|stream| matches!(stream, Stream::Dynamic(_))) {
            let empty = column.select(&[]);
            return PackedColumn::Unpacked(mem::replace(column, empty));
        }
        let mut prefix = Vec::new();
        encode_prefix(&[column], &mut prefix);
        PackedColumn::Streams {
            prefix,
            streams: streams.into_iter().map(|stream| self.pack_stream(stream)).collect(),
        }
    }

    fn pack_stream(&mut self, stream: Stream<'_>) -> Held {
        if let Stream::ValueEnds(ends) = stream {
            return Held::ValueEnds(ends.to_vec());
        }
        let start = self.frames.len();
        if let Some(wire) = stream.as_wire() {
            self.maker.put(wire, &mut self.frames);
        } else {
            self.raw.clear();
            put_stream(&[stream], &mut 0, &mut Body::plain(&mut self.raw));
            self.maker.put(&self.raw, &mut self.frames);
        }
        Held::Frames(start..self.frames.len())
    }
}

impl PackedColumn {
    fn bytes(&self) -> usize {
        match self {
            PackedColumn::Streams { streams, .. } => streams.iter().map(Held::bytes).sum(),
            PackedColumn::Unpacked(column) => column.bytes(),
        }
    }
}

impl Held {
    fn bytes(&self) -> usize {
        let beside = match self {
            Held::Frames(_) => 0,
            Held::ValueEnds(ends) => size_of_val(ends.as_slice()),
        };
        size_of::<Held>() + beside
    }
}
