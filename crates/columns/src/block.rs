//! One ClickHouse Native block from the segments of a batch.
use bytes::Bytes;

use crate::column::Column;
use crate::data_type::DataType;
use crate::frame::FrameWriter;
use crate::packed::{Packed, PackedStream};
use crate::segment::Segment;
use crate::stream::{Stream, encode_prefix, encode_values, put_stream, streams_of};
use crate::text::put_varuint;

/// The segments do not fit the block's description. Always a mistake of the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Names, types and the segments' columns are not equally many.
    #[error("COLUMNS-004: block of {names} names and {types} types, segment {segment} of {columns} columns")]
    Shape {
        /// Names given.
        names: usize,
        /// Types given.
        types: usize,
        /// Place of the segment in the list.
        segment: usize,
        /// Its columns.
        columns: usize,
    },
    /// A segment was built for another type.
    #[error("COLUMNS-005: column {name} of segment {segment} is not of type {wire_type}")]
    Kind {
        /// The column's name in the block.
        name: String,
        /// Place of the segment in the list.
        segment: usize,
        /// The type that the block announces.
        wire_type: String,
    },
}

/// Rows of a block, as they are held.
#[derive(Debug, Clone, Copy)]
pub enum Part<'a> {
    /// As columns.
    Rows(&'a Segment),
    /// Compressed already.
    Packed(&'a Packed),
}

impl Part<'_> {
    /// Rows held.
    pub fn rows(&self) -> usize {
        match self {
            Part::Rows(segment) => segment.rows(),
            Part::Packed(packed) => packed.rows(),
        }
    }
}

/// Appends exactly one Native block to `out`: the rows of all segments, one segment after the other.
/// Shape: `names`, `wire_types` and the columns of every segment stand in the same order.
/// Errors: [`EncodeError`]; `out` is then untouched.
/// Source: ClickHouse `NativeWriter`; golden bytes in `golden/`.
pub fn encode_block(
    names: &[&str],
    wire_types: &[DataType],
    segments: &[&Segment],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let parts: Vec<Part<'_>> = segments.iter().map(|segment| Part::Rows(segment)).collect();
    check(names, wire_types, &parts)?;
    out.reserve(segments.iter().map(|segment| segment.bytes()).sum::<usize>() + 64 * names.len());
    put_block(names, wire_types, &parts, &mut Body { raw: out, writer: None });
    Ok(())
}

/// Appends exactly one Native block to `writer`, as frames: the rows of all parts, one part after the other.
/// The block's bytes are never in memory all at once. Shape and errors: as for [`encode_block`].
pub fn frame_block(
    names: &[&str],
    wire_types: &[DataType],
    parts: &[Part<'_>],
    writer: &mut FrameWriter,
) -> Result<(), EncodeError> {
    check(names, wire_types, parts)?;
    let mut raw = Vec::new();
    put_block(names, wire_types, parts, &mut Body { raw: &mut raw, writer: Some(writer) });
    writer.put(&raw);
    Ok(())
}

/// Where a block's bytes go.
pub(crate) struct Body<'a> {
    /// What is not compressed.
    pub(crate) raw: &'a mut Vec<u8>,
    /// Takes the front of it when it has become much; `None`: all of it is wanted as it is.
    writer: Option<&'a mut FrameWriter>,
}

impl<'a> Body<'a> {
    /// All bytes are wanted as they are.
    pub(crate) fn plain(raw: &'a mut Vec<u8>) -> Body<'a> {
        Body { raw, writer: None }
    }

    /// To be called when something was appended.
    pub(crate) fn step(&mut self) {
        if let Some(writer) = &mut self.writer {
            writer.take_full(self.raw);
        }
    }

    /// Appends frames that are ready.
    fn frames(&mut self, frames: Bytes) {
        let writer = self.writer.as_mut().expect("packed rows only go where frames go");
        writer.put(self.raw);
        self.raw.clear();
        writer.put_ready(frames);
    }
}

/// Shape: `check` saw the parts.
fn put_block(names: &[&str], wire_types: &[DataType], parts: &[Part<'_>], body: &mut Body<'_>) {
    let rows: usize = parts.iter().map(Part::rows).sum();
    let parts: Vec<Part<'_>> = parts.iter().filter(|part| part.rows() > 0).copied().collect();
    put_varuint(names.len() as u64, body.raw);
    put_varuint(rows as u64, body.raw);
    for (index, (name, wire_type)) in names.iter().zip(wire_types).enumerate() {
        put_text(name, body.raw);
        put_text(&wire_type.to_string(), body.raw);
        // Without rows the server writes no body, and reads none.
        if rows > 0 {
            put_column(&parts, index, body);
            body.step();
        }
    }
}

/// Appends the column with number `index`.
fn put_column(parts: &[Part<'_>], index: usize, body: &mut Body<'_>) {
    let held: Option<Vec<&Column>> = parts
        .iter()
        .map(|part| match part {
            Part::Rows(segment) => Some(&segment.columns()[index]),
            Part::Packed(packed) => packed.unpacked(index),
        })
        .collect();
    if let Some(columns) = held {
        encode_prefix(&columns, body.raw);
        return encode_values(&columns, body);
    }
    let streams: Vec<Vec<PartStream<'_>>> = parts
        .iter()
        .map(|part| match part {
            Part::Rows(segment) => {
                streams_of(&segment.columns()[index]).into_iter().map(PartStream::Rows).collect()
            }
            Part::Packed(packed) => packed.streams(index).map(PartStream::Packed).collect(),
        })
        .collect();
    match parts[0] {
        Part::Rows(segment) => encode_prefix(&[&segment.columns()[index]], body.raw),
        Part::Packed(packed) => body.raw.extend_from_slice(packed.prefix(index)),
    }
    for number in 0..streams[0].len() {
        let mut values = 0;
        for part in &streams {
            match &part[number] {
                PartStream::Rows(stream) => put_stream(&[*stream], &mut values, body),
                PartStream::Packed(PackedStream::Frames(frames)) => body.frames(frames.clone()),
                PartStream::Packed(PackedStream::ValueEnds(ends)) => {
                    put_stream(&[Stream::ValueEnds(ends)], &mut values, body);
                }
            }
        }
    }
}

/// One of a column's streams, of one part.
enum PartStream<'a> {
    Rows(Stream<'a>),
    Packed(PackedStream<'a>),
}

fn check(names: &[&str], wire_types: &[DataType], parts: &[Part<'_>]) -> Result<(), EncodeError> {
    let width = |part: &Part<'_>| match part {
        Part::Rows(segment) => segment.columns().len(),
        Part::Packed(packed) => packed.width(),
    };
    let shape = |segment, columns| EncodeError::Shape {
        names: names.len(),
        types: wire_types.len(),
        segment,
        columns,
    };
    if names.len() != wire_types.len() {
        return Err(shape(0, parts.first().map_or(0, width)));
    }
    for (place, part) in parts.iter().enumerate() {
        if width(part) != names.len() {
            return Err(shape(place, width(part)));
        }
        // Packed rows were columns of the same plan; what they were is not seen any more.
        let Part::Rows(segment) = part else { continue };
        for ((column, wire_type), name) in segment.columns().iter().zip(wire_types).zip(names) {
            let fits = Column::new(wire_type).is_ok_and(|wanted| same_kind(column, &wanted));
            if !fits {
                return Err(EncodeError::Kind {
                    name: (*name).to_owned(),
                    segment: place,
                    wire_type: wire_type.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn same_kind(a: &Column, b: &Column) -> bool {
    match (a, b) {
        (Column::Nullable(a), Column::Nullable(b)) => same_kind(&a.values, &b.values),
        (Column::Array(a), Column::Array(b)) => same_kind(&a.values, &b.values),
        (Column::Map(a), Column::Map(b)) => same_kind(&a.keys, &b.keys) && same_kind(&a.values, &b.values),
        (Column::Fixed(a), Column::Fixed(b)) => a.width() == b.width(),
        (Column::Low(a), Column::Low(b)) => a.same_kind(b),
        (Column::Tuple(a), Column::Tuple(b)) => all_same_kind(&a.members, &b.members),
        (Column::Variant(a), Column::Variant(b)) => all_same_kind(&a.members, &b.members),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

fn all_same_kind(a: &[Column], b: &[Column]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_kind(a, b))
}

pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_varuint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_le_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}
