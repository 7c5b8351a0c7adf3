//! Messages as serializers write them: plain fields, lists of plain values and instants, in the schema's order, each
//! at most once. They go into the columns in one pass; all others take the general way (`program.rs`), to the same
//! values.
use pumphouse_columns::Column;

use super::known::Known;
use super::number::{number_of, put_number};
use super::schema::{Field, Kind, Message, Schema};
use super::times::usual_instant;
use super::usual_list::{can_be_packed, each, is_usual_list, put_list, put_texts};
use super::wire::{Wire, wire_of};
use crate::conversion::Conversion;
use crate::json_decoder::put_mask;
use crate::plan::{ColumnPlan, TablePlan};
use crate::short_number::ShortNumber;
use crate::source_row::{Binding, conversion_of, put_null_field};
use crate::typed::{Fit, put_bytes, put_moment, put_usual_text};
use crate::utf8::{check_utf8, starts_as_utf8};
use crate::uuid_text;
use crate::varint::{take_short_varint, take_varint};

/// How a field's bytes become a value of its column: decided once per schema and plan.
#[derive(Debug)]
enum Way {
    /// No column takes it.
    Skip(Wire),
    /// Nor any of them.
    SkipList,
    Varint(Kind, Fit),
    Fixed32(Kind, Fit),
    Fixed64(Fit),
    Boolean,
    Double,
    Float,
    Text,
    LowText,
    /// A text that writes a number, which is taken times 10^`scale`.
    DecimalText {
        scale: u8,
        fit: Fit,
    },
    UuidText,
    /// A list of texts.
    Texts,
    /// A list of other values, each of which says how.
    List(Kind),
    /// Google's Timestamp.
    Timestamp,
    /// The value says how.
    Other(Kind),
}

/// A field of the message, in order.
#[derive(Debug)]
struct UsualField {
    tag: u64,
    /// The place in the plan's columns; of no use to a field that is skipped.
    target: usize,
    wire: usize,
    /// The column is Nullable, and the way goes to what is in it.
    nullable: bool,
    /// Whether absent and zero differ.
    presence: bool,
    way: Way,
}

/// The fields of a message that has none but such ones.
#[derive(Debug)]
pub(super) struct InOrder {
    fields: Vec<UsualField>,
}

impl InOrder {
    /// `None`: not all fields that go to columns are such ones.
    pub(super) fn new(
        schema: &Schema,
        message: &Message,
        binding: &Binding,
        plan: &TablePlan,
    ) -> Option<InOrder> {
        let usual = |(place, field): (usize, &Field)| match binding.targets[place] {
            Some(target) => UsualField::new(schema, field, target, &plan.columns[target]),
            None => binding.group_of(place).is_none().then(|| UsualField::skipped(field)),
        };
        let fields: Option<Vec<UsualField>> = message.fields.iter().enumerate().map(usual).collect();
        Some(InOrder { fields: fields? })
    }

    /// Appends one row to the columns of the message's fields. `None`: it is none of the usual messages, or has
    /// an error; the columns may then hold part of a row.
    pub(super) fn put(
        &self,
        schema: &Schema,
        plan: &TablePlan,
        columns: &mut [Column],
        message: &[u8],
    ) -> Option<()> {
        let mut rest = message;
        let mut fields = self.fields.iter();
        while !rest.is_empty() {
            let tag = take_short_varint(&mut rest)?;
            loop {
                // `None`: unknown, or before one that was there already.
                let field = fields.next()?;
                if field.tag == tag {
                    field.put(schema, plan, columns, &mut rest)?;
                    break;
                }
                field.put_absent(schema, plan, columns)?;
            }
        }
        fields.try_for_each(|field| field.put_absent(schema, plan, columns))
    }
}

impl UsualField {
    fn skipped(field: &Field) -> UsualField {
        let way = match wire_of(field.kind) {
            Wire::Group => Way::Skip(Wire::Group),
            _ if field.repeated => Way::SkipList,
            wire => Way::Skip(wire),
        };
        UsualField { tag: tag_of(field), target: 0, wire: 0, nullable: false, presence: field.presence, way }
    }

    fn new(schema: &Schema, field: &Field, target: usize, column_plan: &ColumnPlan) -> Option<UsualField> {
        if field.oneof.is_some() {
            return None;
        }
        let (nullable, way) = match (conversion_of(column_plan), field.kind) {
            (Conversion::Array(inner), kind) if field.repeated && column_plan.mask.is_none() => {
                if !is_usual_list(kind) {
                    return None;
                }
                (
                    false,
                    Some(if kind == Kind::String && is_text(inner) { Way::Texts } else { Way::List(kind) }),
                )
            }
            (_, Kind::Message(id)) if !field.repeated && is_timestamp(schema.message(id)) => {
                (false, Some(Way::Timestamp))
            }
            (_, Kind::Message(_) | Kind::Group(_)) => return None,
            _ if field.repeated => return None,
            _ if column_plan.mask.is_some() => (false, None),
            (Conversion::Nullable(inner), kind) => (true, usual_way(kind, inner)),
            (conversion, kind) => (false, usual_way(kind, conversion)),
        };
        Some(UsualField {
            tag: tag_of(field),
            target,
            wire: column_plan.wire,
            nullable: nullable && way.is_some(),
            presence: field.presence,
            way: way.unwrap_or(Way::Other(field.kind)),
        })
    }

    /// Takes the value at the start of `rest` and appends it.
    #[inline(always)]
    fn put(&self, schema: &Schema, plan: &TablePlan, columns: &mut [Column], rest: &mut &[u8]) -> Option<()> {
        let mut column = columns.get_mut(self.wire)?;
        if self.nullable {
            let Column::Nullable(nullable) = column else { return None };
            let (values, given) = nullable.parts();
            given.value_pushed();
            column = values;
        }
        match (&self.way, column) {
            (Way::Varint(kind, fit), column) => fit.put(number_of(*kind, take_varint(rest)?), column),
            (Way::Text, Column::Text(texts)) => {
                let (bytes, length) = take_text(rest)?;
                texts.push_start(bytes, length);
                true
            }
            (Way::LowText, Column::Low(low)) => {
                let (bytes, length) = take_text(rest)?;
                low.push_text_start(bytes, length);
                true
            }
            (Way::Double, Column::F64(values)) => {
                values.push(f64::from_le_bytes(take_array(rest)?));
                true
            }
            (Way::Boolean, Column::U8(values)) => {
                values.push(u8::from(take_varint(rest)? != 0));
                true
            }
            (Way::DecimalText { scale, fit }, column) => fit.put(take_number(rest)?.scaled(*scale)?, column),
            (Way::Texts, Column::Array(array)) => return put_texts(self.tag, array, rest),
            (Way::UuidText, Column::Uuid(values)) => {
                let (bytes, length) = take_bytes(rest)?;
                values.push(uuid_text::parse_hyphened(bytes[..length].try_into().ok()?)?);
                true
            }
            (Way::Fixed64(fit), column) => fit.put(i64::from_le_bytes(take_array(rest)?), column),
            (Way::Fixed32(kind, fit), column) => {
                fit.put(number_of(*kind, u32::from_le_bytes(take_array(rest)?).into()), column)
            }
            (Way::Float, Column::F32(values)) => {
                values.push(f32::from_le_bytes(take_array(rest)?));
                true
            }
            (Way::List(kind), Column::Array(array)) => {
                let Conversion::Array(inner) = conversion_of(&plan.columns[self.target]) else { return None };
                return put_list(self.tag, (schema, *kind, inner), array, rest);
            }
            (Way::Timestamp, _) => {
                let (bytes, length) = take_bytes(rest)?;
                self.put_timestamp(&bytes[..length], plan, columns)
            }
            (Way::Skip(wire), _) => take_value(*wire, rest).is_some(),
            (Way::SkipList, _) => return each(self.tag, rest, |rest| take_bytes(rest).map(drop)),
            (Way::Other(kind), _) => {
                let value = take_value(wire_of(*kind), rest)?;
                self.put_other(*kind, value, schema, plan, columns)
            }
            _ => false,
        }
        .then_some(())
    }

    /// What the field stands for where it is not in the message.
    #[inline(never)]
    fn put_absent(&self, schema: &Schema, plan: &TablePlan, columns: &mut [Column]) -> Option<()> {
        if let Way::Skip(_) | Way::SkipList = self.way {
            return Some(());
        }
        if self.presence {
            return put_null_field(&plan.columns[self.target], columns).ok();
        }
        match self.way {
            Way::Other(kind) => {
                return self.put_other(kind, (0, b""), schema, plan, columns).then_some(());
            }
            Way::Texts | Way::List(_) => {
                let Column::Array(array) = columns.get_mut(self.wire)? else { return None };
                array.row_pushed();
                return Some(());
            }
            _ => {}
        }
        // Zero, as it would be written.
        self.put(schema, plan, columns, &mut &[0; 8][..])
    }

    #[inline(never)]
    fn put_timestamp(&self, message: &[u8], plan: &TablePlan, columns: &mut [Column]) -> bool {
        let Some((ticks, moment)) = usual_instant(message) else { return false };
        let column_plan = &plan.columns[self.target];
        let put = put_moment(conversion_of(column_plan), &mut columns[self.wire], ticks, moment).is_ok();
        put_mask(column_plan, columns, 1);
        put
    }

    /// As the value's kind says. The value: a number's bits, or bytes.
    #[inline(never)]
    fn put_other(
        &self,
        kind: Kind,
        (raw, bytes): (u64, &[u8]),
        schema: &Schema,
        plan: &TablePlan,
        columns: &mut [Column],
    ) -> bool {
        let column_plan = &plan.columns[self.target];
        let (conversion, column) = (conversion_of(column_plan), &mut columns[self.wire]);
        let put = match kind {
            Kind::String => check_utf8(bytes).is_ok() && put_usual_text(conversion, column, bytes).is_ok(),
            Kind::Bytes => put_bytes(conversion, column, bytes).is_ok(),
            kind => put_number(schema, kind, raw, conversion, column).is_ok(),
        };
        put_mask(column_plan, columns, 1);
        put
    }
}

/// The number that stands before the field's value, in its usual form: lists are packed that can be.
fn tag_of(field: &Field) -> u64 {
    let form = match wire_of(field.kind) {
        _ if field.repeated && can_be_packed(field.kind) => 2,
        Wire::Varint => 0,
        Wire::Fixed64 => 1,
        Wire::Bytes => 2,
        Wire::Group => 3,
        Wire::Fixed32 => 5,
    };
    u64::from(field.number) << 3 | form
}

/// Google's Timestamp, with the fields that it has: a schema's file may bring another one of that name.
fn is_timestamp(message: &Message) -> bool {
    let fields = message.fields.iter().map(|field| (field.number, field.kind, field.repeated));
    message.known == Some(Known::Timestamp) && fields.eq([(1, Kind::Int64, false), (2, Kind::Int32, false)])
}

/// Texts as they are, listed or not.
fn is_text(conversion: &Conversion) -> bool {
    match conversion {
        Conversion::Low(inner) => matches!(**inner, Conversion::String),
        conversion => matches!(conversion, Conversion::String),
    }
}

fn usual_way(kind: Kind, conversion: &Conversion) -> Option<Way> {
    Some(match (kind, conversion) {
        (Kind::Int64 | Kind::Int32 | Kind::Uint32 | Kind::Sint64 | Kind::Sint32, _) => {
            Way::Varint(kind, Fit::of_integers(conversion)?)
        }
        (Kind::Uint64, _) => Way::Varint(kind, Fit::of_unsigned(conversion)?),
        (Kind::Fixed32 | Kind::Sfixed32, _) => Way::Fixed32(kind, Fit::of_integers(conversion)?),
        (Kind::Sfixed64, _) => Way::Fixed64(Fit::of_integers(conversion)?),
        (Kind::Fixed64, _) => Way::Fixed64(Fit::of_unsigned(conversion)?),
        (Kind::Bool, Conversion::Bool | Conversion::UInt8) => Way::Boolean,
        (Kind::Double, Conversion::Float64) => Way::Double,
        (Kind::Float, Conversion::Float32) => Way::Float,
        (Kind::String, Conversion::String) => Way::Text,
        (Kind::String, Conversion::Low(_)) if is_text(conversion) => Way::LowText,
        (Kind::String, Conversion::Uuid) => Way::UuidText,
        (Kind::String, Conversion::Decimal { scale, .. }) => {
            Way::DecimalText { scale: *scale, fit: Fit::of_decimals(i32::from(*scale), conversion)? }
        }
        _ => return None,
    })
}

#[inline(always)]
pub(super) fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (array, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*array)
}

/// A length, then that many bytes: they, with all that stands behind them, and the length.
#[inline(always)]
pub(super) fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], usize)> {
    let length = usize::try_from(take_short_varint(rest)?).ok()?;
    let bytes = *rest;
    *rest = bytes.get(length..)?;
    Some((bytes, length))
}

#[inline(always)]
pub(super) fn take_text<'a>(rest: &mut &'a [u8]) -> Option<(&'a [u8], usize)> {
    let (bytes, length) = take_bytes(rest)?;
    starts_as_utf8(bytes, length).then_some((bytes, length))
}

/// A text that is a number. It is read together with what stands behind it, in whole words; where that goes on
/// with digits, it is read by itself.
#[inline(always)]
fn take_number(rest: &mut &[u8]) -> Option<ShortNumber> {
    let (bytes, length) = take_bytes(rest)?;
    match ShortNumber::parse(bytes) {
        Some((number, end)) if end == length => Some(number),
        _ => ShortNumber::parse_whole(&bytes[..length]),
    }
}

/// A value of any kind but a group: a number's bits, or bytes.
#[inline(never)]
fn take_value<'a>(wire: Wire, rest: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    Some(match wire {
        Wire::Varint => (take_varint(rest)?, b""),
        Wire::Fixed64 => (u64::from_le_bytes(take_array(rest)?), b""),
        Wire::Fixed32 => (u32::from_le_bytes(take_array(rest)?).into(), b""),
        Wire::Bytes => {
            let (bytes, length) = take_bytes(rest)?;
            (0, &bytes[..length])
        }
        Wire::Group => return None,
    })
}
