//! One JSON scalar into one column.
use core::net::{Ipv4Addr, Ipv6Addr};

use pumphouse_columns::{Column, Wide};

use crate::clock::{ClockTime, TIME_SECONDS_MAX};
use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::fraction::POWERS_OF_TEN;
use crate::iso::IsoTime;
use crate::number::{NumberError, exact, exact_signed, is_number, short_integer};
use crate::typed::decode_base64;
use crate::uuid_text;
use crate::wide::{signed_wide, unsigned_wide};

/// Last day of Date32 and first day of Date32, in days since 1970 (1900-01-01, 2299-12-31).
pub(crate) const DATE32_DAYS: std::ops::RangeInclusive<i64> = -25_567..=120_529;
/// What DateTime64 can hold on the server, in seconds since 1970 (1900-01-01 .. 2299-12-31 23:59:59).
pub(crate) const DATE_TIME64_SECONDS: std::ops::RangeInclusive<i64> = -2_208_988_800..=10_413_791_999;

/// Digits that a Decimal of 128 bits holds.
const DECIMAL128_DIGITS: u8 = 38;

/// A value that is neither object, array nor null.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar<'a> {
    Bool(bool),
    /// As written; a JSON number.
    Number(&'a [u8]),
    /// Without quotes and escapes; UTF-8.
    Text(&'a [u8]),
}

impl<'a> Scalar<'a> {
    fn kind(self) -> ValueKind {
        match self {
            Scalar::Bool(_) => ValueKind::Bool,
            Scalar::Number(_) => ValueKind::Number,
            Scalar::Text(_) => ValueKind::Text,
        }
    }

    pub(crate) fn wrong_kind(self) -> DecodeReason {
        DecodeReason::WrongKind { found: self.kind() }
    }

    pub(crate) fn lossy(self) -> DecodeReason {
        DecodeReason::Lossy { found: self.kind() }
    }

    fn number_error(self, error: NumberError) -> DecodeReason {
        match error {
            NumberError::NotANumber => self.wrong_kind(),
            NumberError::Lossy => self.lossy(),
        }
    }

    /// The digits of a number, or of a text that may be one.
    #[inline]
    fn digits(self) -> Result<&'a [u8], DecodeReason> {
        match self {
            Scalar::Number(text) | Scalar::Text(text) => Ok(text),
            Scalar::Bool(_) => Err(self.wrong_kind()),
        }
    }

    #[inline]
    pub(crate) fn integer<T: TryFrom<i64> + TryFrom<i128>>(self) -> Result<T, DecodeReason> {
        let text = self.digits()?;
        if let Some(short) = short_integer(text) {
            return T::try_from(short).map_err(|_| self.lossy());
        }
        let long = exact_signed(text, 0).map_err(|error| self.number_error(error))?;
        T::try_from(long).map_err(|_| self.lossy())
    }

    fn unsigned128(self) -> Result<u128, DecodeReason> {
        match exact(self.digits()?, 0) {
            Ok((false, magnitude)) => Ok(magnitude),
            Ok((true, _)) => Err(self.lossy()),
            Err(error) => Err(self.number_error(error)),
        }
    }

    /// To the nearest float. Lossy where a finite number becomes infinite, or one that is not 0 becomes 0.
    pub(crate) fn float<F: Float>(self) -> Result<F, DecodeReason> {
        let text = self.digits()?;
        if let Scalar::Text(word) = self {
            match word {
                b"NaN" => return Ok(F::NOT_A_NUMBER),
                b"Infinity" => return Ok(F::ENDLESS),
                b"-Infinity" => return Ok(F::MINUS_ENDLESS),
                _ if is_number(word) => {}
                _ => return Err(self.wrong_kind()),
            }
        }
        let value: F = fast_float2::parse(text).map_err(|_| self.wrong_kind())?;
        let vanished = value.is_zero() && has_digits_but_zero(text);
        if value.is_infinite() || vanished { Err(self.lossy()) } else { Ok(value) }
    }

    #[inline]
    fn time(self) -> Result<IsoTime, DecodeReason> {
        match self {
            Scalar::Text(text) => IsoTime::parse(text).ok_or(self.wrong_kind()),
            Scalar::Number(_) | Scalar::Bool(_) => Err(self.wrong_kind()),
        }
    }

    fn days(self) -> Result<i64, DecodeReason> {
        match self {
            Scalar::Number(_) => self.integer(),
            _ => self.time()?.whole_days().map(i64::from).ok_or(self.lossy()),
        }
    }

    fn seconds(self, zone: Option<&jiff::tz::TimeZone>) -> Result<i64, DecodeReason> {
        match self {
            Scalar::Number(_) => self.integer(),
            _ => seconds_of(&self.time()?, zone).ok_or(self.lossy()),
        }
    }

    fn ticks(self, precision: u8, zone: Option<&jiff::tz::TimeZone>) -> Result<i64, DecodeReason> {
        let ticks = match self {
            Scalar::Number(_) => Some(self.integer()?).filter(|ticks| holds_ticks(*ticks, precision)),
            _ => ticks_of(&self.time()?, precision, zone),
        };
        ticks.ok_or(self.lossy())
    }

    fn decimal(self, precision: u8, scale: u8) -> Result<i128, DecodeReason> {
        let value = exact_signed(self.digits()?, scale).map_err(|error| self.number_error(error))?;
        let bound = 10u128.pow(u32::from(precision));
        if value.unsigned_abs() < bound { Ok(value) } else { Err(self.lossy()) }
    }

    fn wide(self, read: impl FnOnce(&[u8]) -> Result<Wide, NumberError>) -> Result<Wide, DecodeReason> {
        read(self.digits()?).map_err(|error| self.number_error(error))
    }

    /// The bits of the nearest BFloat16 of the nearest Float64.
    fn bfloat16(self) -> Result<u16, DecodeReason> {
        let value: f64 = self.float()?;
        let bits = to_bfloat16(value);
        let (infinite, zero) = (bits & 0x7fff == 0x7f80, bits & 0x7fff == 0);
        let lossy = infinite && value.is_finite() || zero && value != 0.0;
        if lossy { Err(self.lossy()) } else { Ok(bits) }
    }

    /// Ticks of 10^-`precision` s: as a number, or as a time of day.
    fn clock_ticks(self, precision: u8) -> Result<i64, DecodeReason> {
        let ticks = match self {
            Scalar::Number(_) => self.integer()?,
            Scalar::Text(text) => {
                let time = ClockTime::parse(text).ok_or(self.wrong_kind())?;
                time.ticks(precision).ok_or(self.lossy())?
            }
            Scalar::Bool(_) => return Err(self.wrong_kind()),
        };
        let unit = 10u64.pow(u32::from(precision));
        let end = (TIME_SECONDS_MAX as u64 + 1) * unit;
        if ticks.unsigned_abs() < end { Ok(ticks) } else { Err(self.lossy()) }
    }

    /// An address as its usual text.
    fn address<A: std::str::FromStr>(self) -> Result<A, DecodeReason> {
        let Scalar::Text(text) = self else {
            return Err(self.wrong_kind());
        };
        std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(self.wrong_kind())
    }

    /// An IPv6 address; one of IPv4 is mapped into it, as the server does.
    fn ipv6(self) -> Result<u128, DecodeReason> {
        match self.address::<Ipv6Addr>() {
            Ok(address) => Ok(address.to_bits()),
            Err(wrong) => {
                let mapped = |address: Ipv4Addr| address.to_ipv6_mapped().to_bits();
                self.address().map(mapped).map_err(|_| wrong)
            }
        }
    }

    fn uuid(self) -> Result<u128, DecodeReason> {
        let Scalar::Text(text) = self else {
            return Err(self.wrong_kind());
        };
        uuid_text::parse(text).ok_or(self.wrong_kind())
    }
}

/// Whole seconds since 1970; `None` if the time has parts of one, or does not exist in its zone.
#[inline(always)]
pub(crate) fn seconds_of(time: &IsoTime, zone: Option<&jiff::tz::TimeZone>) -> Option<i64> {
    time.subseconds(0).and(time.seconds(zone))
}

/// Ticks of 10^-`precision` s since 1970; `None` for what a DateTime64 does not hold exactly.
#[inline(always)]
pub(crate) fn ticks_of(time: &IsoTime, precision: u8, zone: Option<&jiff::tz::TimeZone>) -> Option<i64> {
    let unit = POWERS_OF_TEN[usize::from(precision)];
    let seconds = time.seconds(zone).filter(|seconds| DATE_TIME64_SECONDS.contains(seconds))?;
    seconds.checked_mul(unit)?.checked_add(time.subseconds(precision)?)
}

/// The value, if a Decimal of at most 18 digits holds it.
#[inline]
pub(crate) fn decimal_fits(value: i64, precision: u8) -> Option<i64> {
    let bound = *POWERS_OF_TEN.get(usize::from(precision))?;
    (value.unsigned_abs() < bound.unsigned_abs()).then_some(value)
}

pub(crate) trait Float: fast_float2::FastFloat {
    const NOT_A_NUMBER: Self;
    const ENDLESS: Self;
    const MINUS_ENDLESS: Self;
    fn is_zero(self) -> bool;
    fn is_infinite(self) -> bool;
}

macro_rules! float {
    ($float:ident) => {
        impl Float for $float {
            const NOT_A_NUMBER: $float = $float::NAN;
            const ENDLESS: $float = $float::INFINITY;
            const MINUS_ENDLESS: $float = $float::NEG_INFINITY;
            fn is_zero(self) -> bool {
                self == 0.0
            }
            fn is_infinite(self) -> bool {
                $float::is_infinite(self)
            }
        }
    };
}
float!(f32);
float!(f64);

/// Whether a DateTime64 holds so many ticks since 1970.
#[inline]
pub(crate) fn holds_ticks(ticks: i64, precision: u8) -> bool {
    let unit = POWERS_OF_TEN[usize::from(precision)];
    DATE_TIME64_SECONDS.contains(&ticks.div_euclid(unit))
}

fn has_digits_but_zero(number: &[u8]) -> bool {
    number.iter().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9'))
}

/// Pushes to the vector of the kind that the plan built for the conversion.
macro_rules! push {
    ($column:expr, $kind:ident, $value:expr) => {
        match $column {
            Column::$kind(values) => values.push($value),
            _ => mismatch(),
        }
    };
}

#[cold]
fn mismatch() -> ! {
    unreachable!("segments are built by the plan that also compiled the conversions")
}

/// Appends one value. After an error the column may hold half a row; the caller undoes the record.
#[inline]
pub(crate) fn put_scalar(
    conversion: &Conversion,
    column: &mut Column,
    scalar: Scalar<'_>,
) -> Result<(), DecodeReason> {
    match conversion {
        Conversion::String => {
            let Column::Text(text) = column else { mismatch() };
            text.push(as_text(scalar));
        }
        Conversion::DateTime64 { precision, zone } => {
            push!(column, I64, scalar.ticks(*precision, zone.as_ref())?);
        }
        Conversion::Int64 => push!(column, I64, scalar.integer()?),
        Conversion::UInt32 => push!(column, U32, scalar.integer()?),
        Conversion::Nullable(inner) => {
            let Column::Nullable(nullable) = column else { mismatch() };
            put_scalar(inner, nullable.values(), scalar)?;
            nullable.value_pushed();
        }
        Conversion::Low(inner) => {
            let Column::Low(low) = column else { mismatch() };
            if let Conversion::String = **inner {
                low.push_text(as_text(scalar));
            } else {
                put_scalar(inner, low.staged(), scalar)?;
                low.push_staged();
            }
        }
        _ => return put_rarer(conversion, column, scalar),
    }
    Ok(())
}

fn put_rarer(conversion: &Conversion, column: &mut Column, scalar: Scalar<'_>) -> Result<(), DecodeReason> {
    match conversion {
        Conversion::Bool => push!(column, U8, boolean(scalar)?),
        Conversion::UInt8 => match scalar {
            Scalar::Bool(value) => push!(column, U8, u8::from(value)),
            _ => push!(column, U8, scalar.integer()?),
        },
        Conversion::UInt16 => push!(column, U16, scalar.integer()?),
        Conversion::UInt32 => push!(column, U32, scalar.integer()?),
        Conversion::UInt64 => push!(column, U64, scalar.integer()?),
        Conversion::UInt128 => push!(column, U128, scalar.unsigned128()?),
        Conversion::Int8 => push!(column, I8, scalar.integer()?),
        Conversion::Int16 => push!(column, I16, scalar.integer()?),
        Conversion::Int32 => push!(column, I32, scalar.integer()?),
        Conversion::Int64 => push!(column, I64, scalar.integer()?),
        Conversion::Int128 => push!(column, I128, scalar.integer()?),
        Conversion::Float32 => push!(column, F32, scalar.float()?),
        Conversion::Float64 => push!(column, F64, scalar.float()?),
        Conversion::FixedString => {
            let (Column::Fixed(fixed), Scalar::Text(text)) = (column, scalar) else {
                return Err(scalar.wrong_kind());
            };
            if !fixed.push(text) {
                return Err(scalar.lossy());
            }
        }
        Conversion::Decimal { precision, scale } if *precision > DECIMAL128_DIGITS => {
            push!(column, Wide, scalar.wide(|text| signed_wide(text, *scale, Some(*precision)))?);
        }
        Conversion::Decimal { precision, scale } => {
            let value = scalar.decimal(*precision, *scale)?;
            const FITS: &str = "the precision bounds the value";
            match column {
                Column::I32(values) => values.push(i32::try_from(value).expect(FITS)),
                Column::I64(values) => values.push(i64::try_from(value).expect(FITS)),
                Column::I128(values) => values.push(value),
                _ => mismatch(),
            }
        }
        Conversion::Date => {
            push!(column, U16, u16::try_from(scalar.days()?).map_err(|_| scalar.lossy())?);
        }
        Conversion::Date32 => {
            let days = Some(scalar.days()?).filter(|days| DATE32_DAYS.contains(days));
            let days = days.and_then(|days| i32::try_from(days).ok());
            push!(column, Date32, days.ok_or(scalar.lossy())?);
        }
        Conversion::DateTime { zone } => {
            let seconds = scalar.seconds(zone.as_ref())?;
            push!(column, U32, u32::try_from(seconds).map_err(|_| scalar.lossy())?);
        }
        Conversion::Uuid => push!(column, Uuid, scalar.uuid()?),
        Conversion::Enum(lookup) => {
            let unknown = DecodeReason::UnknownEnumValue { found: scalar.kind() };
            let number = match scalar {
                Scalar::Text(name) => lookup.by_name(name).ok_or(unknown)?,
                Scalar::Number(_) => {
                    let number: i16 = scalar.integer().map_err(|_| unknown)?;
                    Some(number).filter(|number| lookup.has_number(*number)).ok_or(unknown)?
                }
                Scalar::Bool(_) => return Err(scalar.wrong_kind()),
            };
            match column {
                Column::Enum8 { values, .. } => values.push(number as i8),
                Column::Enum16 { values, .. } => values.push(number),
                _ => mismatch(),
            }
        }
        Conversion::Int256 => push!(column, Wide, scalar.wide(|text| signed_wide(text, 0, None))?),
        Conversion::UInt256 => push!(column, Wide, scalar.wide(unsigned_wide)?),
        Conversion::BFloat16 => push!(column, U16, scalar.bfloat16()?),
        Conversion::Time => {
            let seconds = scalar.clock_ticks(0)?;
            push!(column, I32, i32::try_from(seconds).expect("a Time has fewer than 2^22 seconds"));
        }
        Conversion::Time64 { precision } => push!(column, I64, scalar.clock_ticks(*precision)?),
        Conversion::Interval => push!(column, I64, scalar.integer()?),
        Conversion::Ipv4 => push!(column, U32, scalar.address::<Ipv4Addr>()?.to_bits()),
        Conversion::Ipv6 => push!(column, Ipv6, scalar.ipv6()?),
        Conversion::State => {
            let (Column::Text(state), Scalar::Text(text)) = (column, scalar) else {
                return Err(scalar.wrong_kind());
            };
            let mut bytes = Vec::new();
            decode_base64(text, &mut bytes).ok_or(scalar.wrong_kind())?;
            state.push(&bytes);
        }
        Conversion::Variant(choice) => {
            let Column::Variant(variant) = column else { mismatch() };
            choice.put_scalar(variant, scalar)?;
        }
        Conversion::Dynamic(kinds) => {
            let Column::Dynamic(dynamic) = column else { mismatch() };
            kinds.put_scalar(dynamic, scalar)?;
        }
        Conversion::Formatted(formatted) => match scalar {
            Scalar::Text(text) => {
                let iso = formatted.format.rewrite(text).ok_or(scalar.wrong_kind())?;
                return put_scalar(&formatted.inner, column, Scalar::Text(iso.as_bytes()));
            }
            Scalar::Number(_) | Scalar::Bool(_) => return put_scalar(&formatted.inner, column, scalar),
        },
        Conversion::Json(_) | Conversion::Array(_) | Conversion::Map(..) => {
            return Err(scalar.wrong_kind());
        }
        Conversion::Tuple(_) | Conversion::Nested(_) => return Err(scalar.wrong_kind()),
        Conversion::String | Conversion::Low(_) | Conversion::Nullable(_) | Conversion::DateTime64 { .. } => {
            return put_scalar(conversion, column, scalar);
        }
    }
    Ok(())
}

/// To the nearest, ties to even. The way over Float32 rounds to odd, so that it does not round twice.
fn to_bfloat16(value: f64) -> u16 {
    if value.is_nan() {
        return 0x7fc0;
    }
    let near = value as f32;
    let below = if f64::from(near).abs() > value.abs() { near.to_bits() - 1 } else { near.to_bits() };
    let inexact = u32::from(f64::from(f32::from_bits(below)) != value);
    let odd = below | inexact;
    let even = (odd >> 16) & 1;
    ((odd + 0x7fff + even) >> 16) as u16
}

fn boolean(scalar: Scalar<'_>) -> Result<u8, DecodeReason> {
    match scalar {
        Scalar::Bool(value) => Ok(u8::from(value)),
        Scalar::Text(b"true") => Ok(1),
        Scalar::Text(b"false") => Ok(0),
        Scalar::Text(_) => Err(scalar.wrong_kind()),
        Scalar::Number(_) => {
            let number: i64 = scalar.integer()?;
            u8::try_from(number).ok().filter(|bit| *bit <= 1).ok_or(scalar.lossy())
        }
    }
}

#[inline]
fn as_text(scalar: Scalar<'_>) -> &[u8] {
    match scalar {
        Scalar::Text(text) | Scalar::Number(text) => text,
        Scalar::Bool(true) => b"true",
        Scalar::Bool(false) => b"false",
    }
}
