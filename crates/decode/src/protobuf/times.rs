//! Instants, dates, times of day and durations, which Google's types spread over several fields.
use super::known::Known;
use super::number::int32;
use super::program::{Entries, LOSSY, Run};
use super::schema::MessageId;
use crate::civil::{days_from_civil, days_in_month};
use crate::error::DecodeReason;
use crate::typed::{Moment, TextBuffer};
use crate::varint::take_varint;

const NANOS: i64 = 1_000_000_000;

/// What stands before a Timestamp's numbers.
const SECONDS_TAG: u8 = 1 << 3;
const NANOS_TAG: u8 = 2 << 3;

impl Run<'_> {
    /// What a Timestamp, Date or TimeOfDay counts. Shape: the message is one of these.
    /// Errors: `Lossy` for what is no such moment, or lies too far away.
    pub(super) fn moment(
        &mut self,
        id: MessageId,
        given: Entries,
        depth: usize,
    ) -> Result<(i64, Moment), DecodeReason> {
        match self.schema.message(id).known {
            Some(Known::Timestamp) => {
                let [seconds, nanos] = self.numbers(id, given, depth)?;
                instant(seconds, nanos)
            }
            Some(Known::Date) => {
                let [year, month, day] = self.numbers(id, given, depth)?;
                date(year, month, day)
            }
            _ => {
                let [hours, minutes, seconds, nanos] = self.numbers(id, given, depth)?;
                time_of_day(hours, minutes, seconds, nanos)
            }
        }
    }

    /// A Duration as a number of seconds.
    pub(super) fn duration(
        &mut self,
        id: MessageId,
        given: Entries,
        depth: usize,
    ) -> Result<TextBuffer<32>, DecodeReason> {
        let [seconds, nanos] = self.numbers(id, given, depth)?;
        duration_text(seconds, nanos)
    }
}

/// A Timestamp whose two numbers come in order, each at most once. `None`: it is another one, or none.
pub(super) fn usual_instant(message: &[u8]) -> Option<(i64, Moment)> {
    let (mut rest, mut seconds, mut nanos) = (message, 0, 0);
    if let [SECONDS_TAG, behind @ ..] = rest {
        rest = behind;
        seconds = take_varint(&mut rest)? as i64;
    }
    if let [NANOS_TAG, behind @ ..] = rest {
        rest = behind;
        nanos = int32(take_varint(&mut rest)?);
    }
    rest.is_empty().then(|| instant(seconds, nanos.into()).ok())?
}

fn instant(seconds: i64, nanos: i64) -> Result<(i64, Moment), DecodeReason> {
    if !(0..NANOS).contains(&nanos) {
        return Err(LOSSY);
    }
    // In the finest unit that holds it: nanoseconds reach from 1677 to 2262 only.
    let in_unit = |unit: i64| match nanos % (NANOS / unit) {
        0 => seconds.checked_mul(unit)?.checked_add(nanos / (NANOS / unit)),
        _ => None,
    };
    [(9, NANOS), (6, 1_000_000), (3, 1_000), (0, 1)]
        .into_iter()
        .find_map(|(precision, unit)| Some((in_unit(unit)?, Moment::Instant { precision })))
        .ok_or(LOSSY)
}

/// Google allows dates without year, month or day, which no column holds.
fn date(year: i64, month: i64, day: i64) -> Result<(i64, Moment), DecodeReason> {
    let year = i32::try_from(year).ok().filter(|year| (1..=9999).contains(year)).ok_or(LOSSY)?;
    let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month)).ok_or(LOSSY)?;
    let day = u32::try_from(day).ok().filter(|day| (1..=days_in_month(year, month)).contains(day));
    Ok((i64::from(days_from_civil(year, month, day.ok_or(LOSSY)?)), Moment::Date))
}

fn time_of_day(hours: i64, minutes: i64, seconds: i64, nanos: i64) -> Result<(i64, Moment), DecodeReason> {
    let fits = (0..=24).contains(&hours)
        && (0..60).contains(&minutes)
        && (0..=60).contains(&seconds)
        && (0..NANOS).contains(&nanos);
    if !fits {
        return Err(LOSSY);
    }
    let ticks = ((hours * 60 + minutes) * 60 + seconds) * NANOS + nanos;
    Ok((ticks, Moment::TimeOfDay { precision: 9 }))
}

fn duration_text(seconds: i64, nanos: i64) -> Result<TextBuffer<32>, DecodeReason> {
    // Both have the same sign.
    if nanos.abs() >= NANOS || (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0) {
        return Err(LOSSY);
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Ok(match nanos {
        0 => TextBuffer::of(format_args!("{seconds}")),
        _ => TextBuffer::of(format_args!("{sign}{}.{:09}", seconds.unsigned_abs(), nanos.unsigned_abs())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_counted_in_the_finest_unit_that_holds_them() {
        let at = |seconds, nanos| instant(seconds, nanos).ok();
        assert_eq!(at(1, 5), Some((1_000_000_005, Moment::Instant { precision: 9 })));
        assert_eq!(at(-1, 999_999_999), Some((-1, Moment::Instant { precision: 9 })));
        assert_eq!(at(253_402_300_799, 0).map(|(_, moment)| moment), Some(Moment::Instant { precision: 6 }));
        // Sub-microseconds of a year that nanoseconds do not reach.
        assert_eq!((at(253_402_300_799, 1), at(0, -1), at(0, NANOS)), (None, None, None));
    }

    #[test]
    fn dates_have_all_their_parts() {
        assert_eq!(date(1970, 1, 2), Ok((1, Moment::Date)));
        for (year, month, day) in [(0, 1, 1), (2023, 0, 1), (2023, 2, 29), (2023, 13, 1), (2024, 2, 30)] {
            assert!(date(year, month, day).is_err(), "{year}-{month}-{day}");
        }
    }

    #[test]
    fn durations_are_seconds() {
        let text = |seconds, nanos| {
            duration_text(seconds, nanos)
                .ok()
                .map(|text| String::from_utf8(text.as_bytes().to_vec()).unwrap())
        };
        assert_eq!(text(-1, -500_000_000).as_deref(), Some("-1.500000000"));
        assert_eq!(text(0, -1).as_deref(), Some("-0.000000001"));
        assert_eq!(text(3, 0).as_deref(), Some("3"));
        assert_eq!(text(1, -1), None);
    }
}
