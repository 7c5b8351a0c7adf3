//! One builder per kind of column. Kinds are what travels: a Date is a `U16`, a DateTime64 an
//! `I64`; what a value means is the decoder's business.
use crate::data_type::DataType;
use crate::low::LowColumn;
use crate::nested::{ArrayColumn, MapColumn, NullableColumn};
use crate::text::{FixedColumn, TextColumn};

/// Days from 1970-01-01 to 1900-01-01, the default value of Date32.
const DATE32_DEFAULT_DAYS: i32 = -25_567;

/// The text that stands in a JSON column where no value is.
const JSON_DEFAULT: &[u8] = b"{}";

/// There is no builder for a type, or for a part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("COLUMNS-003: type {part} is not supported")]
pub struct UnsupportedType {
    /// The part of the type that has no builder, as the server prints it.
    pub part: String,
}

/// The values of one table column, for some rows.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum Column {
    /// UInt8, Bool.
    U8(Vec<u8>),
    /// UInt16, Date (days since 1970).
    U16(Vec<u16>),
    /// UInt32, DateTime (seconds since 1970 UTC).
    U32(Vec<u32>),
    U64(Vec<u64>),
    U128(Vec<u128>),
    /// UUID, as the number that its 32 hexadecimal digits write.
    Uuid(Vec<u128>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    /// Int32, Decimal of up to 9 digits (units of the scale).
    I32(Vec<i32>),
    /// Int64, Decimal of up to 18 digits, DateTime64 (ticks since 1970 UTC).
    I64(Vec<i64>),
    /// Int128, Decimal of up to 38 digits.
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Days since 1970, negative before.
    Date32(Vec<i32>),
    Enum8 {
        values: Vec<i8>,
        default: i8,
    },
    Enum16 {
        values: Vec<i16>,
        default: i16,
    },
    Text(TextColumn),
    Fixed(FixedColumn),
    /// The texts of JSON objects; the server parses them.
    Json(TextColumn),
    Low(Box<LowColumn>),
    Nullable(Box<NullableColumn>),
    Array(Box<ArrayColumn>),
    Map(Box<MapColumn>),
}

/// Runs one expression for whichever vector the column is.
macro_rules! for_kinds {
    ($column:expr, $values:ident => $plain:expr, $inner:ident => $nested:expr, $text:ident => $texts:expr,
     $nullable:ident => $on_nullable:expr, $array:ident => $on_array:expr, $map:ident => $on_map:expr) => {
        match $column {
            Column::U8($values) => $plain,
            Column::U16($values) => $plain,
            Column::U32($values) => $plain,
            Column::U64($values) => $plain,
            Column::U128($values) | Column::Uuid($values) => $plain,
            Column::I8($values) => $plain,
            Column::I16($values) => $plain,
            Column::I32($values) | Column::Date32($values) => $plain,
            Column::I64($values) => $plain,
            Column::I128($values) => $plain,
            Column::F32($values) => $plain,
            Column::F64($values) => $plain,
            Column::Enum8 { values: $values, .. } => $plain,
            Column::Enum16 { values: $values, .. } => $plain,
            Column::Text($text) | Column::Json($text) => $texts,
            Column::Fixed($inner) => $nested,
            Column::Low($inner) => $nested,
            Column::Nullable($nullable) => $on_nullable,
            Column::Array($array) => $on_array,
            Column::Map($map) => $on_map,
        }
    };
}

impl Column {
    /// An empty column for a type.
    pub fn new(data_type: &DataType) -> Result<Column, UnsupportedType> {
        let unsupported = |part: &DataType| UnsupportedType { part: part.to_string() };
        Ok(match data_type {
            DataType::Bool | DataType::UInt8 => Column::U8(Vec::new()),
            DataType::UInt16 | DataType::Date => Column::U16(Vec::new()),
            DataType::UInt32 | DataType::DateTime(_) => Column::U32(Vec::new()),
            DataType::UInt64 => Column::U64(Vec::new()),
            DataType::UInt128 => Column::U128(Vec::new()),
            DataType::Uuid => Column::Uuid(Vec::new()),
            DataType::Int8 => Column::I8(Vec::new()),
            DataType::Int16 => Column::I16(Vec::new()),
            DataType::Int32 => Column::I32(Vec::new()),
            DataType::Int64 | DataType::DateTime64 { .. } => Column::I64(Vec::new()),
            DataType::Int128 => Column::I128(Vec::new()),
            DataType::Decimal { precision: 1..=9, .. } => Column::I32(Vec::new()),
            DataType::Decimal { precision: 10..=18, .. } => Column::I64(Vec::new()),
            DataType::Decimal { precision: 19..=38, .. } => Column::I128(Vec::new()),
            DataType::Float32 => Column::F32(Vec::new()),
            DataType::Float64 => Column::F64(Vec::new()),
            DataType::Date32 => Column::Date32(Vec::new()),
            DataType::Enum8(values) => Column::Enum8 {
                values: Vec::new(),
                default: i8::try_from(values.default_number()).map_err(|_| unsupported(data_type))?,
            },
            DataType::Enum16(values) => {
                Column::Enum16 { values: Vec::new(), default: values.default_number() }
            }
            DataType::String => Column::Text(TextColumn::default()),
            DataType::FixedString(width) => Column::Fixed(FixedColumn::new(*width)),
            DataType::Json(_) => Column::Json(TextColumn::default()),
            DataType::LowCardinality(inner) => {
                let low = LowColumn::new(inner)
                    .ok_or_else(|| unsupported(inner.unsupported_part().unwrap_or(data_type)))?;
                Column::Low(Box::new(low))
            }
            DataType::Nullable(inner) if inner.can_be_nullable() => {
                Column::Nullable(Box::new(NullableColumn::new(Column::new(inner)?)))
            }
            DataType::Array(inner) => Column::Array(Box::new(ArrayColumn::new(Column::new(inner)?))),
            DataType::Map(key, value) => {
                Column::Map(Box::new(MapColumn::new(Column::new(key)?, Column::new(value)?)))
            }
            DataType::Nullable(_)
            | DataType::Int256
            | DataType::UInt256
            | DataType::Decimal { .. }
            | DataType::Unsupported(_) => {
                return Err(unsupported(data_type.unsupported_part().unwrap_or(data_type)));
            }
        })
    }

    /// Rows held.
    #[inline]
    pub fn len(&self) -> usize {
        for_kinds!(self, values => values.len(), inner => inner.len(), text => text.len(),
            nullable => nullable.nulls.len(), array => array.value_ends.len(), map => map.value_ends.len())
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory of the data held, without spare capacity. Costs a match per level of nesting.
    pub fn bytes(&self) -> usize {
        for_kinds!(self, values => size_of_val(values.as_slice()),
            inner => inner.bytes(), text => text.bytes(),
            nullable => nullable.nulls.len() + nullable.values.bytes(),
            array => size_of_val(array.value_ends.as_slice()) + array.values.bytes(),
            map => size_of_val(map.value_ends.as_slice()) + map.keys.bytes() + map.values.bytes())
    }

    /// Drops all rows from `rows` on, and whatever stands behind the last whole row of a nested
    /// column: a half-decoded record leaves no trace.
    pub fn truncate(&mut self, rows: usize) {
        for_kinds!(self, values => values.truncate(rows), inner => inner.truncate(rows),
            text => text.truncate(rows),
            nullable => { nullable.nulls.truncate(rows); nullable.values.truncate(rows) },
            array => array.truncate(rows), map => map.truncate(rows));
    }

    /// Drops all rows and keeps the memory for the next ones.
    pub fn clear(&mut self) {
        match self {
            // A dictionary is given up with its rows; everything else is empty at zero rows.
            Column::Low(low) => low.clear(),
            Column::Nullable(nullable) => {
                nullable.nulls.clear();
                nullable.values.clear();
            }
            Column::Array(array) => {
                array.value_ends.clear();
                array.values.clear();
            }
            Column::Map(map) => {
                map.value_ends.clear();
                map.keys.clear();
                map.values.clear();
            }
            plain => plain.truncate(0),
        }
    }

    /// Appends the type's default value (NULL for Nullable).
    #[inline]
    pub fn push_default(&mut self) {
        match self {
            Column::Text(text) => text.push(b""),
            Column::Json(text) => text.push(JSON_DEFAULT),
            Column::Fixed(fixed) => {
                let fits = fixed.push(b"");
                debug_assert!(fits, "the empty text fits every width");
            }
            Column::Date32(values) => values.push(DATE32_DEFAULT_DAYS),
            Column::Enum8 { values, default } => values.push(*default),
            Column::Enum16 { values, default } => values.push(*default),
            Column::Low(low) => low.push_default(),
            Column::Nullable(nullable) => nullable.push_null(),
            Column::Array(array) => array.row_pushed(),
            Column::Map(map) => map.row_pushed(),
            Column::U8(values) => values.push(0),
            Column::U16(values) => values.push(0),
            Column::U32(values) => values.push(0),
            Column::U64(values) => values.push(0),
            Column::U128(values) | Column::Uuid(values) => values.push(0),
            Column::I8(values) => values.push(0),
            Column::I16(values) => values.push(0),
            Column::I32(values) => values.push(0),
            Column::I64(values) => values.push(0),
            Column::I128(values) => values.push(0),
            Column::F32(values) => values.push(0.0),
            Column::F64(values) => values.push(0.0),
        }
    }

    /// Appends NULL. `false`, and nothing appended, if the column cannot hold one.
    #[inline]
    #[must_use]
    pub fn push_null(&mut self) -> bool {
        match self {
            Column::Nullable(nullable) => nullable.push_null(),
            Column::Low(low) if low.is_nullable() => low.push_null(),
            _ => return false,
        }
        true
    }

    /// Appends the values of a column that has neither dictionary nor nesting, as they travel.
    pub(crate) fn append_wire(&self, out: &mut Vec<u8>) {
        match self {
            Column::U8(values) => out.extend_from_slice(values),
            Column::I8(values) | Column::Enum8 { values, .. } => {
                out.extend(values.iter().map(|&value| value as u8));
            }
            Column::U16(values) => put_all(values, u16::to_le_bytes, out),
            Column::U32(values) => put_all(values, u32::to_le_bytes, out),
            Column::U64(values) => put_all(values, u64::to_le_bytes, out),
            Column::U128(values) => put_all(values, u128::to_le_bytes, out),
            // The halves of a UUID travel high one first, each little-endian.
            Column::Uuid(values) => put_all(values, |value| value.rotate_left(64).to_le_bytes(), out),
            Column::I16(values) | Column::Enum16 { values, .. } => put_all(values, i16::to_le_bytes, out),
            Column::I32(values) | Column::Date32(values) => put_all(values, i32::to_le_bytes, out),
            Column::I64(values) => put_all(values, i64::to_le_bytes, out),
            Column::I128(values) => put_all(values, i128::to_le_bytes, out),
            Column::F32(values) => put_all(values, f32::to_le_bytes, out),
            Column::F64(values) => put_all(values, f64::to_le_bytes, out),
            Column::Text(text) | Column::Json(text) => out.extend_from_slice(text.wire()),
            Column::Fixed(fixed) => out.extend_from_slice(fixed.wire()),
            Column::Low(_) | Column::Nullable(_) | Column::Array(_) | Column::Map(_) => {
                unreachable!("nested columns are encoded by block.rs")
            }
        }
    }
}

/// Writes into a slice of known length, which compiles to a plain copy on little-endian machines.
pub(crate) fn put_all<T: Copy, const N: usize>(
    values: &[T],
    to_bytes: impl Fn(T) -> [u8; N],
    out: &mut Vec<u8>,
) {
    let start = out.len();
    out.resize(start + values.len() * N, 0);
    for (slot, &value) in out[start..].chunks_exact_mut(N).zip(values) {
        slot.copy_from_slice(&to_bytes(value));
    }
}
