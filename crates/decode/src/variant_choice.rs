//! Which member of a Variant a JSON value becomes: the first that takes it, in an order that only the
//! type and the kind of the value decide.
use pumphouse_columns::{Column, DataType, TupleMember, VariantColumn};

use crate::conversion::{Conversion, ZoneError};
use crate::error::{DecodeReason, ValueKind};
use crate::json_decoder::put_value;
use crate::plan::UnknownFields;
use crate::scalar::{Scalar, put_scalar};
use crate::scanner::Scanner;

/// Length of a date that has no time, which alone may become a Date here.
const DATE_BYTES: usize = 10;

/// What orders differ for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Bool,
    /// A number written without point and exponent.
    Whole,
    Fraction,
    Text,
    Array,
    Object,
}

const FORMS: [Form; 6] = [Form::Bool, Form::Whole, Form::Fraction, Form::Text, Form::Array, Form::Object];

/// A Variant's members and, per form of value, the order in which they are tried.
#[derive(Debug)]
pub(crate) struct VariantChoice {
    members: Vec<Conversion>,
    orders: [Box<[u8]>; FORMS.len()],
}

impl VariantChoice {
    pub(crate) fn compile(types: &[DataType]) -> Result<VariantChoice, ZoneError> {
        // A Tuple that passed over what it does not know would take every object.
        let compiled = types.iter().map(|member| Conversion::compile(member, UnknownFields::Refuse));
        Ok(VariantChoice {
            members: compiled.collect::<Result<_, _>>()?,
            orders: FORMS.map(|form| {
                let mut ranked: Vec<(u32, u8)> = (0u8..)
                    .zip(types)
                    .filter_map(|(number, member)| Some((rank(member, form)?, number)))
                    .collect();
                ranked.sort_unstable();
                ranked.into_iter().map(|(_, number)| number).collect()
            }),
        })
    }

    pub(crate) fn put_scalar(
        &self,
        variant: &mut VariantColumn,
        scalar: Scalar<'_>,
    ) -> Result<(), DecodeReason> {
        let form = match scalar {
            Scalar::Bool(_) => Form::Bool,
            Scalar::Text(_) => Form::Text,
            Scalar::Number(text) if text.iter().all(|b| b.is_ascii_digit() || *b == b'-') => Form::Whole,
            Scalar::Number(_) => Form::Fraction,
        };
        self.first(variant, form, scalar.wrong_kind(), |conversion, column| match (conversion, scalar) {
            (Conversion::Date | Conversion::Date32, Scalar::Text(text)) if text.len() != DATE_BYTES => {
                Err(scalar.wrong_kind())
            }
            _ => put_scalar(conversion, column, scalar),
        })
    }

    /// Takes an array or an object.
    pub(crate) fn put_compound(
        &self,
        kind: ValueKind,
        variant: &mut VariantColumn,
        scanner: &mut Scanner<'_>,
        scratch: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), DecodeReason> {
        let form = if kind == ValueKind::Array { Form::Array } else { Form::Object };
        let start = scanner.next_at();
        // Broken JSON is found here, so that it is not taken for a member's refusal.
        scanner.raw_value(depth)?;
        self.first(variant, form, DecodeReason::WrongKind { found: kind }, |conversion, column| {
            scanner.go_back(start);
            put_value(conversion, column, scanner, scratch, depth)
        })
    }

    /// Errors: what the only candidate says, or `none` where there is none or several.
    fn first(
        &self,
        variant: &mut VariantColumn,
        form: Form,
        none: DecodeReason,
        mut put: impl FnMut(&Conversion, &mut Column) -> Result<(), DecodeReason>,
    ) -> Result<(), DecodeReason> {
        let order = &self.orders[form as usize];
        let mut refusal = none;
        for &number in order {
            let member = usize::from(number);
            match put(&self.members[member], &mut variant.members()[member]) {
                Ok(()) => {
                    variant.value_pushed(member);
                    return Ok(());
                }
                Err(reason) => {
                    variant.undo_value(member);
                    refusal = if order.len() == 1 { reason } else { none };
                }
            }
        }
        Err(refusal)
    }
}

/// The place of a type among those that are tried for a form, lowest first; `None`: it is not tried.
/// Types of one rank stand in the order of the Variant.
fn rank(data_type: &DataType, form: Form) -> Option<u32> {
    use DataType as T;
    match data_type {
        T::LowCardinality(inner) | T::Nullable(inner) => return rank(inner, form),
        T::SimpleAggregateFunction { value, .. } => return rank(value, form),
        T::Geo(geo) => return rank(&geo.structure(), form),
        // Whatever else fails, these take it.
        T::String => return Some(TEXT_RANK),
        T::Dynamic(_) | T::Variant(_) => return Some(TEXT_RANK - 1),
        _ => {}
    }
    match form {
        Form::Bool => match data_type {
            T::Bool => Some(0),
            T::UInt8 => Some(1),
            _ => None,
        },
        Form::Whole => integer_bits(data_type).or_else(|| Some(1000 + real_rank(data_type)?)),
        Form::Fraction => real_rank(data_type).or_else(|| Some(1000 + integer_bits(data_type)?)),
        Form::Text => text_rank(data_type).or_else(|| {
            // Behind String: a text of digits is a text where it can be one.
            Some(TEXT_RANK + 1 + integer_bits(data_type).or_else(|| Some(1000 + real_rank(data_type)?))?)
        }),
        Form::Array => match data_type {
            T::Array(_) | T::Nested(_) => Some(0),
            T::Tuple(members) if !named(members) => Some(0),
            T::Tuple(_) => Some(1),
            _ => None,
        },
        Form::Object => match data_type {
            T::Tuple(members) if named(members) => Some(0),
            T::Nested(_) => Some(1),
            T::Map(..) => Some(2),
            T::Json(_) => Some(3),
            _ => None,
        },
    }
}

const TEXT_RANK: u32 = 10_000;

fn named(members: &[TupleMember]) -> bool {
    members.first().is_some_and(|first| first.name.is_some())
}

/// Narrow before wide, signed before unsigned.
fn integer_bits(data_type: &DataType) -> Option<u32> {
    use DataType as T;
    Some(match data_type {
        T::Int8 => 8,
        T::UInt8 => 9,
        T::Int16 => 16,
        T::UInt16 => 17,
        T::Int32 => 32,
        T::UInt32 => 33,
        T::Int64 => 64,
        T::UInt64 => 65,
        T::Int128 => 128,
        T::UInt128 => 129,
        T::Int256 => 256,
        T::UInt256 => 257,
        _ => return None,
    })
}

/// What is exact before what is nearest.
fn real_rank(data_type: &DataType) -> Option<u32> {
    use DataType as T;
    Some(match data_type {
        T::Decimal { precision, .. } => u32::from(*precision),
        T::Float64 => 100,
        T::Float32 => 101,
        T::BFloat16 => 102,
        _ => return None,
    })
}

fn text_rank(data_type: &DataType) -> Option<u32> {
    use DataType as T;
    Some(match data_type {
        T::Enum8(_) | T::Enum16(_) => 0,
        T::Uuid => 1,
        T::Ipv4 => 2,
        T::Ipv6 => 3,
        T::Date => 4,
        T::Date32 => 5,
        T::DateTime(_) => 6,
        T::DateTime64 { precision, .. } => 10 + u32::from(*precision),
        T::Time => 20,
        T::Time64(precision) => 30 + u32::from(*precision),
        T::FixedString(_) => TEXT_RANK,
        _ => return None,
    })
}
