//! One builder per kind of column. Kinds are what travels: a Date is a `U16`, a DateTime64 an
//! `I64`; what a value means is the decoder's business.
use crate::data_type::{DataType, TupleMember};
use crate::dynamic::DynamicColumn;
use crate::low::LowColumn;
use crate::nested::{ArrayColumn, MapColumn, NullableColumn};
use crate::text::{FixedColumn, TextColumn};
use crate::tuple::TupleColumn;
use crate::variant::VariantColumn;

/// Days from 1970-01-01 to 1900-01-01, the default value of Date32.
const DATE32_DEFAULT_DAYS: i32 = -25_567;

/// The text that stands in a JSON column where no value is.
const JSON_DEFAULT: &[u8] = b"{}";

/// 256 bits, lowest 64 first.
pub type Wide = [u64; 4];

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
    /// UInt16, Date (days since 1970), BFloat16 (its bits).
    U16(Vec<u16>),
    /// UInt32, DateTime (seconds since 1970 UTC), IPv4 (first byte highest).
    U32(Vec<u32>),
    U64(Vec<u64>),
    U128(Vec<u128>),
    /// UUID, as the number that its 32 hexadecimal digits write.
    Uuid(Vec<u128>),
    /// First byte highest.
    Ipv6(Vec<u128>),
    I8(Vec<i8>),
    I16(Vec<i16>),
    /// Int32, Decimal of up to 9 digits (units of the scale), Time (seconds).
    I32(Vec<i32>),
    /// Int64, Decimal of up to 18 digits, DateTime64 (ticks since 1970 UTC), Time64 (ticks), Interval.
    I64(Vec<i64>),
    /// Int128, Decimal of up to 38 digits.
    I128(Vec<i128>),
    /// UInt256, Int256 and Decimal of up to 76 digits in two's complement.
    Wide(Vec<Wide>),
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
    /// Tuple, Point.
    Tuple(Box<TupleColumn>),
    Variant(Box<VariantColumn>),
    Dynamic(Box<DynamicColumn>),
}

/// Runs one expression for whichever vector the column is, or another one for what is more than a
/// vector; all of those have the same methods.
macro_rules! for_kinds {
    ($column:expr, $values:ident => $plain:expr, $inner:ident => $compound:expr) => {
        match $column {
            Column::U8($values) => $plain,
            Column::U16($values) => $plain,
            Column::U32($values) => $plain,
            Column::U64($values) => $plain,
            Column::U128($values) | Column::Uuid($values) | Column::Ipv6($values) => $plain,
            Column::I8($values) => $plain,
            Column::I16($values) => $plain,
            Column::I32($values) | Column::Date32($values) => $plain,
            Column::I64($values) => $plain,
            Column::I128($values) => $plain,
            Column::Wide($values) => $plain,
            Column::F32($values) => $plain,
            Column::F64($values) => $plain,
            Column::Enum8 { values: $values, .. } => $plain,
            Column::Enum16 { values: $values, .. } => $plain,
            Column::Text($inner) | Column::Json($inner) => $compound,
            Column::Fixed($inner) => $compound,
            Column::Low($inner) => $compound,
            Column::Nullable($inner) => $compound,
            Column::Array($inner) => $compound,
            Column::Map($inner) => $compound,
            Column::Tuple($inner) => $compound,
            Column::Variant($inner) => $compound,
            Column::Dynamic($inner) => $compound,
        }
    };
}

impl Column {
    /// An empty column for a type.
    pub fn new(data_type: &DataType) -> Result<Column, UnsupportedType> {
        let unsupported = || UnsupportedType { part: data_type.to_string() };
        Ok(match data_type {
            DataType::Bool | DataType::UInt8 => Column::U8(Vec::new()),
            DataType::UInt16 | DataType::Date | DataType::BFloat16 => Column::U16(Vec::new()),
            DataType::UInt32 | DataType::DateTime(_) | DataType::Ipv4 => Column::U32(Vec::new()),
            DataType::UInt64 => Column::U64(Vec::new()),
            DataType::UInt128 => Column::U128(Vec::new()),
            DataType::UInt256 | DataType::Int256 => Column::Wide(Vec::new()),
            DataType::Uuid => Column::Uuid(Vec::new()),
            DataType::Ipv6 => Column::Ipv6(Vec::new()),
            DataType::Int8 => Column::I8(Vec::new()),
            DataType::Int16 => Column::I16(Vec::new()),
            DataType::Int32 | DataType::Time => Column::I32(Vec::new()),
            DataType::Int64 | DataType::DateTime64 { .. } => Column::I64(Vec::new()),
            DataType::Time64(_) | DataType::Interval(_) => Column::I64(Vec::new()),
            DataType::Int128 => Column::I128(Vec::new()),
            DataType::Decimal { precision: 0..=9, .. } => Column::I32(Vec::new()),
            DataType::Decimal { precision: 10..=18, .. } => Column::I64(Vec::new()),
            DataType::Decimal { precision: 19..=38, .. } => Column::I128(Vec::new()),
            DataType::Decimal { .. } => Column::Wide(Vec::new()),
            DataType::Float32 => Column::F32(Vec::new()),
            DataType::Float64 => Column::F64(Vec::new()),
            DataType::Date32 => Column::Date32(Vec::new()),
            DataType::Enum8(values) => Column::Enum8 {
                values: Vec::new(),
                default: i8::try_from(values.default_number()).map_err(|_| unsupported())?,
            },
            DataType::Enum16(values) => {
                Column::Enum16 { values: Vec::new(), default: values.default_number() }
            }
            DataType::String => Column::Text(TextColumn::default()),
            DataType::FixedString(width) => Column::Fixed(FixedColumn::new(*width)),
            DataType::Json(json) => {
                // The server parses the text, but whoever writes it has to know what a typed path takes.
                for (_, data_type) in &json.typed_paths {
                    Column::new(data_type)?;
                }
                Column::Json(TextColumn::default())
            }
            DataType::LowCardinality(inner) => {
                let low = LowColumn::new(inner).ok_or_else(unsupported)?;
                Column::Low(Box::new(low))
            }
            DataType::Nullable(inner) if inner.stands_in_nullable() => {
                Column::Nullable(Box::new(NullableColumn::new(Column::new(inner)?)))
            }
            DataType::Array(inner) => Column::Array(Box::new(ArrayColumn::new(Column::new(inner)?))),
            DataType::Map(key, value) => {
                Column::Map(Box::new(MapColumn::new(Column::new(key)?, Column::new(value)?)))
            }
            DataType::Tuple(members) => Column::Tuple(Box::new(TupleColumn::new(columns_of(members)?))),
            DataType::Nested(members) => {
                let tuple = Column::Tuple(Box::new(TupleColumn::new(columns_of(members)?)));
                Column::Array(Box::new(ArrayColumn::new(tuple)))
            }
            DataType::Variant(members) => {
                let members = members.iter().map(Column::new).collect::<Result<_, _>>()?;
                Column::Variant(Box::new(VariantColumn::new(members).ok_or_else(unsupported)?))
            }
            DataType::Dynamic(_) => Column::Dynamic(Box::default()),
            DataType::SimpleAggregateFunction { value, .. } => Column::new(value)?,
            DataType::Geo(geo) => Column::new(&geo.structure())?,
            DataType::Nullable(_) | DataType::AggregateFunction(_) | DataType::Unsupported(_) => {
                return Err(unsupported());
            }
        })
    }

    /// Rows held.
    #[inline]
    pub fn len(&self) -> usize {
        for_kinds!(self, values => values.len(), inner => inner.len())
    }

    /// Whether no row is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory of the data held, without spare capacity. Costs a match per level of nesting.
    pub fn bytes(&self) -> usize {
        for_kinds!(self, values => size_of_val(values.as_slice()), inner => inner.bytes())
    }

    /// Drops all rows from `rows` on, and whatever stands behind the last whole row of a nested
    /// column: a half-decoded record leaves no trace.
    pub fn truncate(&mut self, rows: usize) {
        for_kinds!(self, values => values.truncate(rows), inner => inner.truncate(rows));
    }

    /// Drops all rows and keeps the memory for the next ones; dictionaries and the types of Dynamic
    /// columns are given up.
    pub fn clear(&mut self) {
        for_kinds!(self, values => values.clear(), inner => inner.clear());
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
            Column::U128(values) | Column::Uuid(values) | Column::Ipv6(values) => values.push(0),
            Column::Wide(values) => values.push(Wide::default()),
            Column::Tuple(tuple) => tuple.push_default(),
            Column::Variant(variant) => variant.push_null(),
            Column::Dynamic(dynamic) => dynamic.push_null(),
            Column::I8(values) => values.push(0),
            Column::I16(values) => values.push(0),
            Column::I32(values) => values.push(0),
            Column::I64(values) => values.push(0),
            Column::I128(values) => values.push(0),
            Column::F32(values) => values.push(0.0),
            Column::F64(values) => values.push(0.0),
        }
    }

    /// Appends what stands where NULL hides it: zero bytes, as the server's own columns have it, also where
    /// the type's default value is another. Nobody sees them, but a block is then the server's, byte for byte.
    #[inline]
    pub(crate) fn push_under_null(&mut self) {
        match self {
            Column::Date32(values) => values.push(0),
            Column::Enum8 { values, .. } => values.push(0),
            Column::Enum16 { values, .. } => values.push(0),
            Column::Tuple(tuple) => tuple.push_under_null(),
            other => other.push_default(),
        }
    }

    /// Appends NULL. `false`, and nothing appended, if the column cannot hold one.
    #[inline]
    #[must_use]
    pub fn push_null(&mut self) -> bool {
        match self {
            Column::Nullable(nullable) => nullable.push_null(),
            Column::Low(low) if low.is_nullable() => low.push_null(),
            Column::Variant(variant) => variant.push_null(),
            Column::Dynamic(dynamic) => dynamic.push_null(),
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
            Column::Ipv6(values) => put_all(values, u128::to_be_bytes, out),
            Column::Wide(values) => values.iter().for_each(|value| put_all(value, u64::to_le_bytes, out)),
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
            Column::Tuple(_) | Column::Variant(_) | Column::Dynamic(_) => {
                unreachable!("nested columns are encoded by block.rs")
            }
        }
    }
}

fn columns_of(members: &[TupleMember]) -> Result<Vec<Column>, UnsupportedType> {
    members.iter().map(|member| Column::new(&member.data_type)).collect()
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
