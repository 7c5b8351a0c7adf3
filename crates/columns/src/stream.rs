//! A column as the streams that travel for it, one behind the other: each of them holds something of every row,
//! and those of several segments stand one after the other.
use crate::block::{Body, put_le_u64};
use crate::column::{Column, put_all};
use crate::dynamic::{DynamicColumn, encode_dynamic, encode_dynamic_prefix};
use crate::low::{self, LowColumn};

/// Serialization version of a JSON column whose values travel as texts.
const JSON_TEXT_VERSION: u64 = 1;

/// Serialization mode of a Variant: a member's number for every row.
pub(crate) const DISCRIMINATORS_BASIC: u64 = 0;

/// What the server writes for a row of a Tuple without members.
const EMPTY_TUPLE_ROW: u8 = b'0';

/// Most bytes of texts that are appended at a time.
const STEP_BYTES: usize = 1 << 20;

/// One of the streams of a column.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stream<'a> {
    /// The values of a column that has neither dictionary nor nesting.
    Values(&'a Column),
    /// A byte per row: whether it is NULL, or which member's it is.
    Bytes(&'a [u8]),
    /// Where the values of each row end. Each segment counts its values from zero; the block counts through.
    ValueEnds(&'a [u64]),
    /// Rows of a tuple without members.
    EmptyTuples(usize),
    /// Dictionary and row numbers.
    Low(&'a LowColumn),
    /// What travels for one row depends on all rows of the block.
    Dynamic(&'a DynamicColumn),
}

impl<'a> Stream<'a> {
    /// The stream, if it is held as it travels.
    pub(crate) fn as_wire(self) -> Option<&'a [u8]> {
        match self {
            Stream::Values(Column::Text(text) | Column::Json(text)) => Some(text.wire()),
            Stream::Values(Column::Fixed(fixed)) => Some(fixed.wire()),
            Stream::Values(Column::U8(bytes)) => Some(bytes),
            Stream::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// The streams of a column, in the order in which they travel: the same kinds for columns of one kind.
pub(crate) fn streams_of(column: &Column) -> Vec<Stream<'_>> {
    let mut streams = Vec::new();
    add_streams(column, &mut streams);
    streams
}

fn add_streams<'a>(column: &'a Column, streams: &mut Vec<Stream<'a>>) {
    match column {
        Column::Nullable(nullable) => {
            streams.push(Stream::Bytes(&nullable.nulls));
            add_streams(&nullable.values, streams);
        }
        Column::Array(array) => {
            streams.push(Stream::ValueEnds(&array.value_ends));
            add_streams(&array.values, streams);
        }
        Column::Map(map) => {
            streams.push(Stream::ValueEnds(&map.value_ends));
            add_streams(&map.keys, streams);
            add_streams(&map.values, streams);
        }
        Column::Tuple(tuple) if tuple.members.is_empty() => streams.push(Stream::EmptyTuples(tuple.rows)),
        Column::Tuple(tuple) => tuple.members.iter().for_each(|member| add_streams(member, streams)),
        Column::Variant(variant) => {
            streams.push(Stream::Bytes(variant.numbers()));
            variant.members.iter().for_each(|member| add_streams(member, streams));
        }
        Column::Low(low) => streams.push(Stream::Low(low)),
        Column::Dynamic(dynamic) => streams.push(Stream::Dynamic(dynamic)),
        plain => streams.push(Stream::Values(plain)),
    }
}

/// Appends what stands before a column's body: versions of the serializations inside, outermost
/// first. Shape: as for [`encode_values`].
pub(crate) fn encode_prefix(parts: &[&Column], out: &mut Vec<u8>) {
    let Some(first) = parts.first() else { return };
    /// The same part of all columns.
    macro_rules! inside {
        ($kind:ident, $inner:ident => $pick:expr) => {
            parts
                .iter()
                .map(|part| match part {
                    Column::$kind($inner) => $pick,
                    _ => unreachable!("check() compared the kinds"),
                })
                .collect::<Vec<_>>()
        };
    }
    match first {
        Column::Low(_) => low::encode_prefix(out),
        Column::Json(_) => put_le_u64(JSON_TEXT_VERSION, out),
        Column::Nullable(_) => encode_prefix(&inside!(Nullable, part => &part.values), out),
        Column::Array(_) => encode_prefix(&inside!(Array, part => &part.values), out),
        Column::Map(_) => {
            encode_prefix(&inside!(Map, part => &part.keys), out);
            encode_prefix(&inside!(Map, part => &part.values), out);
        }
        Column::Tuple(first) => {
            for member in 0..first.members.len() {
                encode_prefix(&inside!(Tuple, part => &part.members[member]), out);
            }
        }
        Column::Variant(first) => {
            put_le_u64(DISCRIMINATORS_BASIC, out);
            for member in 0..first.members.len() {
                encode_prefix(&inside!(Variant, part => &part.members[member]), out);
            }
        }
        Column::Dynamic(_) => encode_dynamic_prefix(&inside!(Dynamic, part => &**part), out),
        _ => {}
    }
}

/// Appends the body of a column. Shape: all parts are of the same kind; `check` saw to that.
pub(crate) fn encode_values(parts: &[&Column], body: &mut Body<'_>) {
    let streams: Vec<Vec<Stream<'_>>> = parts.iter().map(|part| streams_of(part)).collect();
    for number in 0..streams.first().map_or(0, Vec::len) {
        let parts: Vec<Stream<'_>> = streams.iter().map(|streams| streams[number]).collect();
        put_stream(&parts, &mut 0, body);
    }
}

/// Appends one stream of some segments that stand one after the other. `values`: how many values the rows
/// before them have, and afterwards these too. Shape: streams of one kind.
pub(crate) fn put_stream(parts: &[Stream<'_>], values: &mut u64, body: &mut Body<'_>) {
    /// The columns of all parts, whose kind decides about the block as a whole.
    macro_rules! all {
        ($kind:ident) => {
            parts
                .iter()
                .map(|part| match part {
                    Stream::$kind(column) => *column,
                    _ => unreachable!("columns of one kind have the same streams"),
                })
                .collect::<Vec<_>>()
        };
    }
    match parts.first() {
        Some(Stream::Low(_)) => low::encode_low(&all!(Low), body.raw),
        Some(Stream::Dynamic(_)) => encode_dynamic(&all!(Dynamic), body),
        _ => parts.iter().for_each(|part| put_plain(*part, values, body)),
    }
}

fn put_plain(part: Stream<'_>, values: &mut u64, body: &mut Body<'_>) {
    match part {
        Stream::Values(column) if part.as_wire().is_none() => column.append_wire(body.raw),
        Stream::Values(_) | Stream::Bytes(_) => {
            // Texts are the longest ones by far.
            for bit in part.as_wire().into_iter().flat_map(|wire| wire.chunks(STEP_BYTES)) {
                body.raw.extend_from_slice(bit);
                body.step();
            }
        }
        Stream::ValueEnds(ends) => {
            put_all(ends, |end| (*values + end).to_le_bytes(), body.raw);
            *values += ends.last().copied().unwrap_or(0);
        }
        Stream::EmptyTuples(rows) => body.raw.resize(body.raw.len() + rows, EMPTY_TUPLE_ROW),
        Stream::Low(_) | Stream::Dynamic(_) => unreachable!("put_stream sees them first"),
    }
    body.step();
}
