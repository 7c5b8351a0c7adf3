//! ISO 8601 dates and times, by position: about ten nanoseconds without a time zone rule.
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::civil::{days_from_civil, days_in_month};
use crate::digits::above_nine;
use crate::fraction::Fraction;

const DAY_SECONDS: i64 = 86_400;

/// Offsets that ISO 8601 times may carry; real ones stay within 14 hours.
const OFFSET_HOURS_MAX: u32 = 23;

/// A date, with a time if one was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IsoTime {
    year: i32,
    month: u32,
    day: u32,
    second_of_day: u32,
    fraction: Fraction,
    offset: Option<i32>,
}

impl IsoTime {
    /// `None` if the text has another form or names a day or time that does not exist. Digits of
    /// the fraction behind the eighteenth must be zeros.
    #[inline]
    pub(crate) fn parse(text: &[u8]) -> Option<IsoTime> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, ref clock @ ..] = text else { return None };
        let year = (two_digits(y1, y2)? * 100 + two_digits(y3, y4)?) as i32;
        let (month, day) = (two_digits(m1, m2)?, two_digits(d1, d2)?);
        if !(1..=12).contains(&month) || day == 0 || (day > 28 && day > days_in_month(year, month)) {
            return None;
        }
        let mut time = IsoTime { year, month, day, second_of_day: 0, fraction: Fraction::NONE, offset: None };
        match clock {
            [] => {}
            [b'T' | b't' | b' ', clock @ ..] => time.read_clock(clock)?,
            _ => return None,
        }
        Some(time)
    }

    /// The time at the start of `text`, and its length, if it is written in full: `2013-01-01T10:00:00`, then
    /// any digits of a second, then `Z` or nothing. `None` for others, good or bad. Shape: what follows has
    /// still to be looked at.
    #[inline(always)]
    pub(crate) fn parse_usual(text: &[u8]) -> Option<(IsoTime, usize)> {
        const WHOLE_SECONDS: usize = 19;
        const DATE: u64 = u64::from_le_bytes(*b"0000-00-");
        const DATE_SIGNS: u64 = u64::from_le_bytes([0, 0, 0, 0, 0xff, 0, 0, 0xff]);
        const CLOCK: u64 = u64::from_le_bytes(*b"00T00:00");
        const CLOCK_SIGNS: u64 = u64::from_le_bytes([0, 0, 0xff, 0, 0, 0xff, 0, 0]);
        const BLANK_SIGN: u64 = (b'T' ^ b' ') as u64 * 0x1_0000;
        let (date, rest) = text.split_first_chunk::<8>()?;
        let (clock, rest) = rest.split_first_chunk::<8>()?;
        let &[b':', s1, s2, ref rest @ ..] = rest else { return None };
        let (date, clock) = (u64::from_le_bytes(*date) ^ DATE, u64::from_le_bytes(*clock) ^ CLOCK);
        let clock_sign = clock & CLOCK_SIGNS;
        let signs = date & DATE_SIGNS == 0 && (clock_sign == 0 || clock_sign == BLANK_SIGN);
        let clock = clock & !CLOCK_SIGNS;
        if !signs || (above_nine(date) | above_nine(clock)) != 0 {
            return None;
        }
        // In the byte of each number's first digit stands the number: at most 99, so nothing carries.
        let (date, clock) = (date * 10 + (date >> 8), clock * 10 + (clock >> 8));
        let number = |pairs: u64, at: u32| (pairs >> (8 * at)) as u32 & 0xff;
        let year = (number(date, 0) * 100 + number(date, 2)) as i32;
        let (month, day) = (number(date, 5), number(clock, 0));
        let (hour, minute, second) = (number(clock, 3), number(clock, 6), two_digits(s1, s2)?);
        let no_day = !(1..=12).contains(&month) || day == 0 || (day > 28 && day > days_in_month(year, month));
        if no_day || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let second_of_day = hour * 3600 + minute * 60 + second;
        let (mut fraction, mut length) = (Fraction::NONE, WHOLE_SECONDS);
        if let [b'.', digits @ ..] = rest {
            let (written, count) = Fraction::parse(digits)?;
            (fraction, length) = (written, length + 1 + count);
        }
        let utc = text.get(length) == Some(&b'Z');
        let offset = utc.then_some(0);
        Some((IsoTime { year, month, day, second_of_day, fraction, offset }, length + usize::from(utc)))
    }

    #[inline]
    fn read_clock(&mut self, text: &[u8]) -> Option<()> {
        let &[h1, h2, b':', m1, m2, ref rest @ ..] = text else { return None };
        let (hour, minute) = (two_digits(h1, h2)?, two_digits(m1, m2)?);
        let (mut second, mut rest) = (0, rest);
        if let &[b':', s1, s2, ref after @ ..] = rest {
            (second, rest) = (two_digits(s1, s2)?, after);
            if let [b'.' | b',', digits @ ..] = rest {
                let (fraction, length) = Fraction::parse(digits)?;
                (self.fraction, rest) = (fraction, &digits[length..]);
            }
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        self.second_of_day = hour * 3600 + minute * 60 + second;
        self.offset = read_offset(rest)?;
        Some(())
    }

    /// Itself if it is known to be of UTC. `zoned`: a time that does not say so is another zone's.
    #[inline]
    pub(crate) fn in_utc(&self, zoned: bool) -> Option<&IsoTime> {
        (!zoned || self.offset.is_some()).then_some(self)
    }

    /// Days since 1970 if it is midnight there and no zone but UTC was written.
    pub(crate) fn whole_days(&self) -> Option<i32> {
        let midnight = self.second_of_day == 0 && self.fraction.is_zero() && self.offset.unwrap_or(0) == 0;
        midnight.then(|| days_from_civil(self.year, self.month, self.day))
    }

    /// Seconds since 1970 UTC, without the fraction. `zone` counts where none was written; `None`
    /// is UTC. Errors: `None` for a local time that the zone skips.
    #[inline(always)]
    pub(crate) fn seconds(&self, zone: Option<&TimeZone>) -> Option<i64> {
        let local = i64::from(days_from_civil(self.year, self.month, self.day)) * DAY_SECONDS
            + i64::from(self.second_of_day);
        match (self.offset, zone) {
            (Some(offset), _) => Some(local - i64::from(offset)),
            (None, None) => Some(local),
            (None, Some(zone)) => Some(local - self.offset_in(zone)?),
        }
    }

    /// The fraction as a whole number of 10^-`precision` s; `None` if digits would be lost.
    #[inline(always)]
    pub(crate) fn subseconds(&self, precision: u8) -> Option<i64> {
        self.fraction.units(precision)
    }

    fn offset_in(&self, zone: &TimeZone) -> Option<i64> {
        let (hour, minute) = (self.second_of_day / 3600, self.second_of_day / 60 % 60);
        let local = jiff::civil::DateTime::new(
            self.year as i16,
            self.month as i8,
            self.day as i8,
            hour as i8,
            minute as i8,
            (self.second_of_day % 60) as i8,
            0,
        )
        .ok()?;
        match zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => Some(i64::from(offset.seconds())),
            // Twice on that day: the earlier one, as RFC 5545 says.
            AmbiguousOffset::Fold { before, .. } => Some(i64::from(before.seconds())),
            AmbiguousOffset::Gap { .. } => None,
        }
    }
}

#[inline]
fn two_digits(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

/// `Some(None)` where no zone is written, `None` where something else stands.
#[inline]
fn read_offset(text: &[u8]) -> Option<Option<i32>> {
    let (sign, digits) = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+', digits @ ..] => (1, digits),
        [b'-', digits @ ..] => (-1, digits),
        _ => return None,
    };
    let (hours, minutes) = match digits {
        [h1, h2] => (two_digits(*h1, *h2)?, 0),
        [h1, h2, m1, m2] | [h1, h2, b':', m1, m2] => (two_digits(*h1, *h2)?, two_digits(*m1, *m2)?),
        _ => return None,
    };
    (hours <= OFFSET_HOURS_MAX && minutes <= 59).then(|| Some(sign * (hours * 3600 + minutes * 60) as i32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i64> {
        IsoTime::parse(text.as_bytes())?.seconds(None)
    }

    #[test]
    fn the_usual_forms_are_read() {
        assert_eq!(seconds("2013-01-01T10:00:00Z"), Some(1_357_034_400));
        assert_eq!(seconds("2013-01-01 10:00:00"), Some(1_357_034_400));
        assert_eq!(seconds("2013-01-01T12:00+02:00"), Some(1_357_034_400));
        assert_eq!(seconds("2013-01-01T05:30:00-0430"), Some(1_357_034_400));
        assert_eq!(seconds("1969-12-31T23:59:59.5Z"), Some(-1));
        let time = IsoTime::parse(b"2013-01-01T10:00:00.120Z").unwrap();
        assert_eq!((time.subseconds(2), time.subseconds(1)), (Some(12), None));
    }

    proptest::proptest! {
        #[test]
        fn the_usual_way_agrees_with_the_other_one(
            text in "[0-2][0-9]{3}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{1,20})?Z?",
            place in 0usize..40, byte: u8, behind: Vec<u8>,
        ) {
            let mut broken = text.clone().into_bytes();
            if let Some(at) = broken.get_mut(place) {
                *at = byte;
            }
            for text in [text.into_bytes(), broken] {
                let whole = [&text[..], b"\"", &behind[..]].concat();
                if let Some((time, length)) = IsoTime::parse_usual(&whole) {
                    proptest::prop_assert_eq!(IsoTime::parse(&whole[..length]), Some(time));
                }
            }
        }
    }

    #[test]
    fn usual_forms_go_the_usual_way() {
        for text in ["2013-01-01T10:00:00Z", "2013-12-31 23:59:59", "2024-02-29T00:00:00.123456789Z"] {
            let usual = IsoTime::parse_usual(format!("{text}\",").as_bytes());
            assert_eq!(usual, IsoTime::parse(text.as_bytes()).map(|time| (time, text.len())), "{text}");
        }
    }

    #[test]
    fn days_and_times_that_do_not_exist_are_refused() {
        for text in [
            "2013-02-29",
            "2013-13-01",
            "2013-00-10",
            "2013-01-01T24:00:00",
            "2013-01-01T10:60",
            "2013-01-01T10:00:61Z",
            "2013-1-1",
            "20130101",
            "2013-01-01T10",
            "2013-01-01T10:00:00.Z",
            "2013-01-01T10:00:00+1",
            "2013-01-01T10:00:00 UTC",
            "2013-01-01x",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn zones_decide_where_the_text_does_not() {
        let berlin = jiff::tz::TimeZoneDatabase::bundled().get("Europe/Berlin").unwrap();
        let in_berlin = |text: &str| IsoTime::parse(text.as_bytes()).unwrap().seconds(Some(&berlin));
        assert_eq!(in_berlin("2013-07-01 12:00:00"), seconds("2013-07-01T10:00:00Z"));
        assert_eq!(in_berlin("2013-07-01 12:00:00Z"), seconds("2013-07-01T12:00:00Z"));
        assert_eq!(in_berlin("2013-03-31 02:30:00"), None, "skipped that night");
        assert_eq!(in_berlin("2013-10-27 02:30:00"), seconds("2013-10-27T00:30:00Z"), "twice that night");
    }
}
