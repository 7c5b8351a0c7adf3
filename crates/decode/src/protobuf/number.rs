//! Numbers of the wire: what the same 64 bits are for each kind of field.
use pumphouse_columns::Column;

use super::schema::{Kind, Schema};
use crate::conversion::Conversion;
use crate::error::DecodeReason;
use crate::typed::{put_boolean, put_double, put_float, put_integer, put_text, put_unsigned};
use crate::varint::zigzag;

/// Whole numbers of more than 32 bits are cut, as Protobuf's own readers do it.
pub(super) fn int32(raw: u64) -> i32 {
    raw as u32 as i32
}

/// A kind whose numbers an i64 holds.
/// Shape: of `Uint64`, `Fixed64`, `Double` and `Float` the bits, so the upper half of the first two is negative.
#[inline]
pub(super) fn number_of(kind: Kind, raw: u64) -> i64 {
    match kind {
        Kind::Int32 | Kind::Sfixed32 | Kind::Enum(_) => i64::from(int32(raw)),
        Kind::Uint32 | Kind::Fixed32 => i64::from(raw as u32),
        Kind::Sint32 => zigzag(u64::from(raw as u32)),
        Kind::Sint64 => zigzag(raw),
        Kind::Int64
        | Kind::Sfixed64
        | Kind::Uint64
        | Kind::Fixed64
        | Kind::Bool
        | Kind::Double
        | Kind::Float
        | Kind::String
        | Kind::Bytes
        | Kind::Message(_)
        | Kind::Group(_) => raw as i64,
    }
}

/// Appends a number. A number that an enum has no name for stays one: Protobuf keeps those, too.
#[inline]
pub(super) fn put_number(
    schema: &Schema,
    kind: Kind,
    raw: u64,
    conversion: &Conversion,
    column: &mut Column,
) -> Result<(), DecodeReason> {
    match kind {
        Kind::Double => put_double(conversion, column, f64::from_bits(raw)),
        Kind::Float => put_float(conversion, column, f32::from_bits(raw as u32)),
        Kind::Bool => put_boolean(conversion, column, raw != 0),
        Kind::Uint64 | Kind::Fixed64 => put_unsigned(conversion, column, raw),
        Kind::Enum(id) => match schema.enum_name(id, int32(raw)) {
            Some(name) => put_text(conversion, column, name.as_bytes()),
            None => put_integer(conversion, column, i64::from(int32(raw))),
        },
        _ => put_integer(conversion, column, number_of(kind, raw)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bits_are_other_numbers() {
        assert_eq!(number_of(Kind::Sint32, 1), -1);
        assert_eq!(number_of(Kind::Sint64, u64::MAX), i64::MIN);
        assert_eq!(number_of(Kind::Int32, u64::MAX), -1);
        assert_eq!(number_of(Kind::Uint32, u64::MAX), i64::from(u32::MAX));
        assert_eq!(number_of(Kind::Sfixed32, 0xffff_ffff), -1);
        assert_eq!(number_of(Kind::Int64, u64::MAX), -1);
    }
}
