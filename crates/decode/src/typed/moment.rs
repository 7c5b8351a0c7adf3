//! Dates, times of day, instants and local times, counted in ticks; UUIDs.
use pumphouse_columns::Column;

use super::{TextBuffer, mismatch, put_integer, put_text};
use crate::civil::civil_from_days;
use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::scalar::{DATE_TIME64_SECONDS, DATE32_DAYS};

const DAY_SECONDS: i64 = 86_400;

/// Times of day reach from minus to plus this, as the server's Time does.
const TIME_SECONDS_END: u64 = 1000 * 3600;

const LOSSY: DecodeReason = DecodeReason::Lossy { found: ValueKind::Logical };

/// What a number counts. `precision`: ticks of 10^-precision s, 0..=9.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Days since 1970-01-01.
    Date,
    /// Ticks since midnight.
    TimeOfDay { precision: u8 },
    /// Ticks since 1970-01-01T00:00:00Z.
    Instant { precision: u8 },
    /// Ticks since 1970-01-01T00:00:00 wherever the reader is: in a column with a zone, there.
    Local { precision: u8 },
}

/// Appends what `ticks` stand for. Integer columns take the ticks themselves.
/// Errors: `Lossy` for digits or years that the type does not have.
#[inline]
pub(crate) fn put_moment(
    conversion: &Conversion,
    column: &mut Column,
    ticks: i64,
    moment: Moment,
) -> Result<(), DecodeReason> {
    match (conversion, moment) {
        (Conversion::DateTime64 { precision: to, zone }, _) => {
            let from = match (moment, zone) {
                (Moment::Instant { precision }, _) | (Moment::Local { precision }, None) => precision,
                _ => return put_as_text(conversion, column, ticks, moment),
            };
            let Column::I64(values) = column else { mismatch() };
            let scaled = rescale(ticks, from, *to).ok_or(LOSSY)?;
            if !DATE_TIME64_SECONDS.contains(&scaled.div_euclid(unit(*to))) {
                return Err(LOSSY);
            }
            values.push(scaled);
            Ok(())
        }
        (Conversion::Nullable(inner), _) => {
            let Column::Nullable(nullable) = column else { mismatch() };
            put_moment(inner, nullable.values(), ticks, moment)?;
            nullable.value_pushed();
            Ok(())
        }
        _ => put_rarer(conversion, column, ticks, moment),
    }
}

fn put_rarer(
    conversion: &Conversion,
    column: &mut Column,
    ticks: i64,
    moment: Moment,
) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::Date, Column::U16(values)) => {
            let days = days(ticks, moment)?;
            values.push(u16::try_from(days).map_err(|_| LOSSY)?);
            Ok(())
        }
        (Conversion::Date32, Column::Date32(values)) => {
            let days = Some(days(ticks, moment)?).filter(|days| DATE32_DAYS.contains(days));
            values.push(days.and_then(|days| i32::try_from(days).ok()).ok_or(LOSSY)?);
            Ok(())
        }
        (Conversion::DateTime { zone }, column) => match (moment, zone) {
            (Moment::Instant { precision }, _) | (Moment::Local { precision }, None) => {
                let seconds = rescale(ticks, precision, 0).and_then(|seconds| u32::try_from(seconds).ok());
                let Column::U32(values) = column else { mismatch() };
                values.push(seconds.ok_or(LOSSY)?);
                Ok(())
            }
            _ => put_as_text(conversion, column, ticks, moment),
        },
        // Its own texts have a form; a moment needs none.
        (Conversion::Formatted(formatted), column) => put_moment(&formatted.inner, column, ticks, moment),
        (conversion, column) if conversion.is_integer() => put_integer(conversion, column, ticks),
        (conversion, column) => put_as_text(conversion, column, ticks, moment),
    }
}

fn put_as_text(
    conversion: &Conversion,
    column: &mut Column,
    ticks: i64,
    moment: Moment,
) -> Result<(), DecodeReason> {
    let text = moment_text(ticks, moment).ok_or(LOSSY)?;
    put_text(conversion, column, text.as_bytes())
}

/// Whole days since 1970, midnight in UTC.
fn days(ticks: i64, moment: Moment) -> Result<i64, DecodeReason> {
    match moment {
        Moment::Date => Ok(ticks),
        Moment::Instant { precision } | Moment::Local { precision } => {
            let day = DAY_SECONDS * unit(precision);
            if ticks % day == 0 { Ok(ticks / day) } else { Err(LOSSY) }
        }
        Moment::TimeOfDay { .. } => Err(DecodeReason::WrongKind { found: ValueKind::Logical }),
    }
}

fn unit(precision: u8) -> i64 {
    10i64.pow(u32::from(precision))
}

fn rescale(ticks: i64, from: u8, to: u8) -> Option<i64> {
    if to >= from {
        return ticks.checked_mul(unit(to - from));
    }
    let factor = unit(from - to);
    (ticks % factor == 0).then(|| ticks / factor)
}

/// ISO 8601: `YYYY-MM-DD`, `HH:MM:SS[.fraction]`, both with `T` between; instants end in `Z`. The
/// fraction has as many digits as the ticks, and none if it is zero. `None` outside of the years
/// 0000 to 9999 and of 1000 hours.
pub(crate) fn moment_text(ticks: i64, moment: Moment) -> Option<TextBuffer<48>> {
    let (precision, end) = match moment {
        Moment::Date => {
            let (year, month, day) = civil_from_days(ticks)?;
            return Some(TextBuffer::of(format_args!("{year:04}-{month:02}-{day:02}")));
        }
        Moment::TimeOfDay { precision } => {
            let size = ticks.unsigned_abs();
            let seconds = size / unit(precision) as u64;
            let sign = if ticks < 0 { "-" } else { "" };
            return (seconds < TIME_SECONDS_END).then(|| {
                let fraction = Fraction { ticks: size % unit(precision) as u64, precision };
                let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
                TextBuffer::of(format_args!("{sign}{hour:02}:{minute:02}:{second:02}{fraction}"))
            });
        }
        Moment::Instant { precision } => (precision, "Z"),
        Moment::Local { precision } => (precision, ""),
    };
    let seconds = ticks.div_euclid(unit(precision));
    let fraction = Fraction { ticks: ticks.rem_euclid(unit(precision)) as u64, precision };
    let (year, month, day) = civil_from_days(seconds.div_euclid(DAY_SECONDS))?;
    let second_of_day = seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60);
    Some(TextBuffer::of(format_args!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{end}"
    )))
}

struct Fraction {
    ticks: u64,
    precision: u8,
}

impl std::fmt::Display for Fraction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.ticks == 0 {
            return Ok(());
        }
        let width = usize::from(self.precision);
        write!(f, ".{:0>width$}", self.ticks)
    }
}

/// Appends a UUID, the number that its 32 hexadecimal digits write.
pub(crate) fn put_uuid(conversion: &Conversion, column: &mut Column, uuid: u128) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::Uuid, Column::Uuid(values)) => values.push(uuid),
        (Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            put_uuid(inner, nullable.values(), uuid)?;
            nullable.value_pushed();
        }
        (conversion, column) => return put_text(conversion, column, uuid_text(uuid).as_bytes()),
    }
    Ok(())
}

/// With hyphens, in small letters.
pub(crate) fn uuid_text(uuid: u128) -> TextBuffer<36> {
    let part = |shift: u32, bits: u32| uuid >> shift & ((1 << bits) - 1);
    TextBuffer::of(format_args!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        part(96, 32),
        part(80, 16),
        part(64, 16),
        part(48, 16),
        part(0, 48)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ticks: i64, moment: Moment) -> Option<String> {
        moment_text(ticks, moment).map(|text| String::from_utf8(text.as_bytes().to_vec()).unwrap())
    }

    #[test]
    fn moments_are_written_in_iso_8601() {
        let instant = |precision| Moment::Instant { precision };
        assert_eq!(text(-1, Moment::Date).as_deref(), Some("1969-12-31"));
        assert_eq!(text(1_357_034_400_123, instant(3)).as_deref(), Some("2013-01-01T10:00:00.123Z"));
        assert_eq!(text(-1, instant(9)).as_deref(), Some("1969-12-31T23:59:59.999999999Z"));
        assert_eq!(text(0, Moment::Local { precision: 6 }).as_deref(), Some("1970-01-01T00:00:00"));
        assert_eq!(
            text(36_000_000_001, Moment::TimeOfDay { precision: 6 }).as_deref(),
            Some("10:00:00.000001")
        );
        assert_eq!(text(-3_599_000, Moment::TimeOfDay { precision: 3 }).as_deref(), Some("-00:59:59"));
        assert_eq!(text(i64::MAX, instant(0)), None);
        assert_eq!(text(i64::MIN, Moment::Date), None);
        assert_eq!(text(i64::MIN, Moment::TimeOfDay { precision: 0 }), None);
    }

    #[test]
    fn uuids_are_written_with_hyphens() {
        let uuid = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff;
        assert_eq!(uuid_text(uuid).as_bytes(), b"00112233-4455-6677-8899-aabbccddeeff");
    }

    proptest::proptest! {
        #[test]
        fn texts_read_back(ticks in -62_135_596_800_000i64..253_402_300_800_000) {
            let text = text(ticks, Moment::Instant { precision: 3 }).unwrap();
            let time = crate::iso::IsoTime::parse(text.as_bytes()).unwrap();
            let seconds = time.seconds(None).unwrap();
            proptest::prop_assert_eq!(seconds * 1000 + time.subseconds(3).unwrap(), ticks);
        }
    }
}
