//! Whole numbers that a column holds as they are, or times a power of ten: integers, ticks, days and decimals.
//! Which ones do is decided once per schema and plan; what is left per value is one comparison.
use std::ops::RangeInclusive;

use pumphouse_columns::Column;

use super::Moment;
use crate::conversion::Conversion;
use crate::fraction::POWERS_OF_TEN;
use crate::scalar::{DATE_TIME64_SECONDS, DATE32_DAYS};

/// What fits: `least..=least + span`, which goes to the column times `factor`.
/// Shape: none of them overflows the column's kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    least: i64,
    span: u64,
    factor: i64,
}

impl Fit {
    fn new(range: RangeInclusive<i64>, factor: i64) -> Option<Fit> {
        let (least, most) = range.into_inner();
        (least <= most).then(|| Fit { least, span: most.wrapping_sub(least) as u64, factor })
    }

    /// Plain numbers. `None`: they do not go into the column as they are.
    pub(crate) fn of_integers(conversion: &Conversion) -> Option<Fit> {
        let range = match conversion {
            Conversion::Int8 => i64::from(i8::MIN)..=i64::from(i8::MAX),
            Conversion::Int16 => i64::from(i16::MIN)..=i64::from(i16::MAX),
            Conversion::Int32 => i64::from(i32::MIN)..=i64::from(i32::MAX),
            Conversion::Int64 | Conversion::Int128 => i64::MIN..=i64::MAX,
            Conversion::UInt8 => 0..=i64::from(u8::MAX),
            Conversion::UInt16 => 0..=i64::from(u16::MAX),
            Conversion::UInt32 | Conversion::DateTime { .. } => 0..=i64::from(u32::MAX),
            Conversion::UInt64 | Conversion::UInt128 => 0..=i64::MAX,
            Conversion::DateTime64 { precision, .. } => return Fit::of_ticks(*precision, *precision),
            Conversion::Decimal { .. } => return Fit::of_decimals(0, conversion),
            _ => return None,
        };
        Fit::new(range, 1)
    }

    /// The bits of unsigned numbers of 64 bits.
    pub(crate) fn of_unsigned(conversion: &Conversion) -> Option<Fit> {
        match conversion {
            Conversion::UInt64 => Some(Fit { least: 0, span: u64::MAX, factor: 1 }),
            _ => Fit::of_integers(conversion)?.within(0..=i64::MAX),
        }
    }

    /// What `moment` counts.
    pub(crate) fn of_moments(moment: Moment, conversion: &Conversion) -> Option<Fit> {
        match (conversion, moment) {
            (Conversion::DateTime64 { precision: to, .. }, Moment::Instant { precision })
            | (Conversion::DateTime64 { precision: to, zone: None }, Moment::Local { precision }) => {
                Fit::of_ticks(precision, *to)
            }
            (Conversion::DateTime { .. }, Moment::Instant { precision: 0 })
            | (Conversion::DateTime { zone: None }, Moment::Local { precision: 0 }) => {
                Fit::new(0..=i64::from(u32::MAX), 1)
            }
            (Conversion::Date, Moment::Date) => Fit::new(0..=i64::from(u16::MAX), 1),
            (Conversion::Date32, Moment::Date) => Fit::new(DATE32_DAYS, 1),
            (conversion, _) if conversion.is_integer() => Fit::of_integers(conversion),
            _ => None,
        }
    }

    /// Units of 10^-`scale`.
    pub(crate) fn of_decimals(scale: i32, conversion: &Conversion) -> Option<Fit> {
        let Conversion::Decimal { precision: precision @ ..=38, scale: to } = conversion else { return None };
        let more = usize::try_from(i32::from(*to).checked_sub(scale)?).ok()?;
        let factor = *POWERS_OF_TEN.get(more)?;
        let most = (10i128.pow(u32::from(*precision)) - 1).min(i64::MAX.into()) / i128::from(factor);
        let most = i64::try_from(most).ok()?;
        Fit::new(-most..=most, factor)
    }

    /// Ticks of 10^-`from` s since 1970 for a DateTime64 with ticks of 10^-`to` s.
    fn of_ticks(from: u8, to: u8) -> Option<Fit> {
        let factor = *POWERS_OF_TEN.get(usize::from(to.checked_sub(from)?))?;
        let unit = i128::from(*POWERS_OF_TEN.get(usize::from(from))?);
        let (least, end) = (*DATE_TIME64_SECONDS.start(), *DATE_TIME64_SECONDS.end() + 1);
        let held = |ticks: i128| {
            let factor = i128::from(factor);
            ticks.clamp(i128::from(i64::MIN) / factor, i128::from(i64::MAX) / factor) as i64
        };
        Fit::new(held(i128::from(least) * unit)..=held(i128::from(end) * unit - 1), factor)
    }

    /// Only those of a range.
    pub(crate) fn within(self, range: RangeInclusive<i64>) -> Option<Fit> {
        let most = self.least.wrapping_add_unsigned(self.span);
        Fit::new(self.least.max(*range.start())..=most.min(*range.end()), self.factor)
    }

    /// `false`, and nothing appended, if it does not fit.
    #[inline(always)]
    pub(crate) fn put(self, value: i64, column: &mut Column) -> bool {
        if value.wrapping_sub(self.least) as u64 > self.span {
            return false;
        }
        let value = value.wrapping_mul(self.factor);
        match column {
            Column::I64(values) => values.push(value),
            Column::U64(values) => values.push(value as u64),
            Column::I32(values) | Column::Date32(values) => values.push(value as i32),
            Column::U32(values) => values.push(value as u32),
            Column::I16(values) => values.push(value as i16),
            Column::U16(values) => values.push(value as u16),
            Column::I8(values) => values.push(value as i8),
            Column::U8(values) => values.push(value as u8),
            Column::I128(values) => values.push(i128::from(value)),
            Column::U128(values) => values.push(value as u128),
            _ => return false,
        }
        true
    }
}
