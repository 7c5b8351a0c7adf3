//! One ClickHouse Native block from the segments of a batch.
use crate::column::Column;
use crate::data_type::DataType;
use crate::dynamic::{encode_dynamic, encode_dynamic_prefix};
use crate::low;
use crate::segment::Segment;
use crate::text::put_varuint;

/// Serialization version of a JSON column whose values travel as texts.
const JSON_TEXT_VERSION: u64 = 1;

/// Serialization mode of a Variant: a member's number for every row.
pub(crate) const DISCRIMINATORS_BASIC: u64 = 0;

/// What the server writes for a row of a Tuple without members.
const EMPTY_TUPLE_ROW: u8 = b'0';

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
    out.reserve(segments.iter().map(|segment| segment.bytes()).sum::<usize>() + 64 * names.len());
    encode_block_in_steps(names, wire_types, segments, out, |_| {})
}

/// Most bytes of texts that are appended at a time.
const STEP_BYTES: usize = 1 << 20;

/// The same, bit by bit: after each one `step` may take bytes from the front of `out`, so that the block's bytes
/// are never in memory all at once.
pub fn encode_block_in_steps(
    names: &[&str],
    wire_types: &[DataType],
    segments: &[&Segment],
    out: &mut Vec<u8>,
    mut step: impl FnMut(&mut Vec<u8>),
) -> Result<(), EncodeError> {
    check(names, wire_types, segments)?;
    let rows: usize = segments.iter().map(|segment| segment.rows()).sum();
    put_varuint(names.len() as u64, out);
    put_varuint(rows as u64, out);
    for (index, (name, wire_type)) in names.iter().zip(wire_types).enumerate() {
        put_text(name, out);
        put_text(&wire_type.to_string(), out);
        // Without rows the server writes no body, and reads none.
        if rows > 0 {
            let parts: Vec<&Column> = segments.iter().map(|segment| &segment.columns()[index]).collect();
            encode_prefix(&parts, out);
            encode_values(&parts, out, &mut step);
            step(out);
        }
    }
    Ok(())
}

fn check(names: &[&str], wire_types: &[DataType], segments: &[&Segment]) -> Result<(), EncodeError> {
    let shape = |segment, columns| EncodeError::Shape {
        names: names.len(),
        types: wire_types.len(),
        segment,
        columns,
    };
    if names.len() != wire_types.len() {
        return Err(shape(0, segments.first().map_or(0, |first| first.columns().len())));
    }
    for (place, segment) in segments.iter().enumerate() {
        if segment.columns().len() != names.len() {
            return Err(shape(place, segment.columns().len()));
        }
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

/// The compound columns of all parts.
macro_rules! inside {
    ($parts:expr, $kind:ident) => {
        $parts
            .iter()
            .map(|part| match part {
                Column::$kind(inner) => &**inner,
                _ => unreachable!("check() compared the kinds"),
            })
            .collect::<Vec<_>>()
    };
}

/// Appends what stands before a column's body: versions of the serializations inside, outermost
/// first. Shape: as for [`encode_values`].
pub(crate) fn encode_prefix(parts: &[&Column], out: &mut Vec<u8>) {
    let Some(first) = parts.first() else { return };
    match first {
        Column::Low(_) => low::encode_prefix(out),
        Column::Json(_) => put_le_u64(JSON_TEXT_VERSION, out),
        Column::Nullable(_) => encode_prefix(&each(&inside!(parts, Nullable), |part| &part.values), out),
        Column::Array(_) => encode_prefix(&each(&inside!(parts, Array), |part| &part.values), out),
        Column::Map(_) => {
            let maps = inside!(parts, Map);
            encode_prefix(&each(&maps, |map| &map.keys), out);
            encode_prefix(&each(&maps, |map| &map.values), out);
        }
        Column::Tuple(first) => {
            let tuples = inside!(parts, Tuple);
            for member in 0..first.members.len() {
                encode_prefix(&each(&tuples, |tuple| &tuple.members[member]), out);
            }
        }
        Column::Variant(first) => {
            put_le_u64(DISCRIMINATORS_BASIC, out);
            let variants = inside!(parts, Variant);
            for member in 0..first.members.len() {
                encode_prefix(&each(&variants, |variant| &variant.members[member]), out);
            }
        }
        Column::Dynamic(_) => encode_dynamic_prefix(&inside!(parts, Dynamic), out),
        _ => {}
    }
}

/// Takes what it likes from the front of what was appended.
pub(crate) type Step<'a> = &'a mut dyn FnMut(&mut Vec<u8>);

/// Appends a column's body. Shape: all parts are of the same kind; `check` saw to that.
pub(crate) fn encode_values(parts: &[&Column], out: &mut Vec<u8>, step: Step<'_>) {
    let Some(first) = parts.first() else { return };
    match first {
        Column::Nullable(_) => {
            let nullable = inside!(parts, Nullable);
            nullable.iter().for_each(|part| out.extend_from_slice(&part.nulls));
            encode_values(&each(&nullable, |part| &part.values), out, step);
        }
        Column::Array(_) => {
            let arrays = inside!(parts, Array);
            put_value_ends(arrays.iter().map(|array| array.value_ends.as_slice()), out);
            encode_values(&each(&arrays, |array| &array.values), out, step);
        }
        Column::Map(_) => {
            let maps = inside!(parts, Map);
            put_value_ends(maps.iter().map(|map| map.value_ends.as_slice()), out);
            encode_values(&each(&maps, |map| &map.keys), out, step);
            encode_values(&each(&maps, |map| &map.values), out, step);
        }
        Column::Tuple(first) => {
            let tuples = inside!(parts, Tuple);
            if first.members.is_empty() {
                let rows = tuples.iter().map(|tuple| tuple.rows).sum::<usize>();
                out.resize(out.len() + rows, EMPTY_TUPLE_ROW);
            }
            for member in 0..first.members.len() {
                encode_values(&each(&tuples, |tuple| &tuple.members[member]), out, step);
            }
        }
        Column::Variant(first) => {
            let variants = inside!(parts, Variant);
            variants.iter().for_each(|variant| out.extend_from_slice(variant.numbers()));
            for member in 0..first.members.len() {
                encode_values(&each(&variants, |variant| &variant.members[member]), out, step);
            }
        }
        Column::Dynamic(_) => encode_dynamic(&inside!(parts, Dynamic), out, step),
        Column::Low(_) => low::encode_low(&inside!(parts, Low), out),
        _ => {
            for part in parts {
                match part {
                    // The longest ones by far.
                    Column::Text(text) | Column::Json(text) => {
                        for bit in text.wire().chunks(STEP_BYTES) {
                            out.extend_from_slice(bit);
                            step(out);
                        }
                    }
                    other => other.append_wire(out),
                }
                step(out);
            }
        }
    }
}

fn each<'a, A>(parts: &[&'a A], pick: impl Fn(&'a A) -> &'a Column) -> Vec<&'a Column> {
    parts.iter().map(|part| pick(part)).collect()
}

/// Each segment counts its values from zero; the block counts through.
fn put_value_ends<'a>(segments: impl Iterator<Item = &'a [u64]>, out: &mut Vec<u8>) {
    let mut base = 0;
    for value_ends in segments {
        crate::column::put_all(value_ends, |end| (base + end).to_le_bytes(), out);
        base += value_ends.last().copied().unwrap_or(0);
    }
}

pub(crate) fn put_text(text: &str, out: &mut Vec<u8>) {
    put_varuint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_le_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}
