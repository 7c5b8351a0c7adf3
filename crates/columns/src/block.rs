//! One ClickHouse Native block from the segments of a batch.
use crate::column::Column;
use crate::data_type::DataType;
use crate::low;
use crate::segment::Segment;
use crate::text::put_varuint;

/// Serialization version of a JSON column whose values travel as texts.
const JSON_TEXT_VERSION: u64 = 1;

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
    check(names, wire_types, segments)?;
    let rows: usize = segments.iter().map(|segment| segment.rows()).sum();
    out.reserve(segments.iter().map(|segment| segment.bytes()).sum::<usize>() + 64 * names.len());
    put_varuint(names.len() as u64, out);
    put_varuint(rows as u64, out);
    for (index, (name, wire_type)) in names.iter().zip(wire_types).enumerate() {
        put_text(name, out);
        put_text(&wire_type.to_string(), out);
        // Without rows the server writes no body, and reads none.
        if rows > 0 {
            let parts: Vec<&Column> = segments.iter().map(|segment| &segment.columns()[index]).collect();
            encode_prefix(wire_type, out);
            encode_values(&parts, out);
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
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

/// What stands before a column's body: versions of the serializations inside, outermost first.
fn encode_prefix(wire_type: &DataType, out: &mut Vec<u8>) {
    match wire_type {
        DataType::LowCardinality(_) => low::encode_prefix(out),
        DataType::Json(_) => put_le_u64(JSON_TEXT_VERSION, out),
        DataType::Nullable(inner) | DataType::Array(inner) => encode_prefix(inner, out),
        DataType::Map(key, value) => {
            encode_prefix(key, out);
            encode_prefix(value, out);
        }
        _ => {}
    }
}

/// All parts are of the same kind and not none; `check` saw to that.
fn encode_values(parts: &[&Column], out: &mut Vec<u8>) {
    let Some(first) = parts.first() else { return };
    match first {
        Column::Nullable(_) => {
            let nullable = each(parts, |column| match column {
                Column::Nullable(nullable) => Some(&**nullable),
                _ => None,
            });
            for part in &nullable {
                out.extend_from_slice(&part.nulls);
            }
            encode_values(&each(&nullable, |part| Some(&part.values)), out);
        }
        Column::Array(_) => {
            let arrays = each(parts, |column| match column {
                Column::Array(array) => Some(&**array),
                _ => None,
            });
            put_value_ends(arrays.iter().map(|array| array.value_ends.as_slice()), out);
            encode_values(&each(&arrays, |array| Some(&array.values)), out);
        }
        Column::Map(_) => {
            let maps = each(parts, |column| match column {
                Column::Map(map) => Some(&**map),
                _ => None,
            });
            put_value_ends(maps.iter().map(|map| map.value_ends.as_slice()), out);
            encode_values(&each(&maps, |map| Some(&map.keys)), out);
            encode_values(&each(&maps, |map| Some(&map.values)), out);
        }
        Column::Low(_) => {
            let lows = each(parts, |column| match column {
                Column::Low(low) => Some(&**low),
                _ => None,
            });
            low::encode_low(&lows, out);
        }
        _ => parts.iter().for_each(|part| part.append_wire(out)),
    }
}

fn each<'a, A, B>(parts: &[&'a A], pick: impl Fn(&'a A) -> Option<&'a B>) -> Vec<&'a B> {
    parts.iter().map(|part| pick(part).expect("check() compared the kinds")).collect()
}

/// Each segment counts its values from zero; the block counts through.
fn put_value_ends<'a>(segments: impl Iterator<Item = &'a [u64]>, out: &mut Vec<u8>) {
    let mut base = 0;
    for value_ends in segments {
        crate::column::put_all(value_ends, |end| (base + end).to_le_bytes(), out);
        base += value_ends.last().copied().unwrap_or(0);
    }
}

fn put_text(text: &str, out: &mut Vec<u8>) {
    put_varuint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn put_le_u64(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&value.to_le_bytes());
}
