//! Times without a day, for Time and Time64: `[-]HHH:MM:SS[.fraction]`.

use crate::fraction::{Fraction, POWERS_OF_TEN};

/// Hours that a Time may have; so many and 59 minutes and 59 seconds are the last one.
const HOURS_MAX: i64 = 999;

/// Last second of a Time, in either direction.
pub(crate) const TIME_SECONDS_MAX: i64 = HOURS_MAX * 3600 + 59 * 60 + 59;

/// A time as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockTime {
    negative: bool,
    seconds: i64,
    fraction: Fraction,
}

impl ClockTime {
    /// `None` for every other form. Hours have one to three digits, seconds may be left out; digits of
    /// the fraction behind the eighteenth must be zeros.
    pub(crate) fn parse(text: &[u8]) -> Option<ClockTime> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let colon = text.iter().position(|byte| *byte == b':')?;
        let hours = digits(&text[..colon], 1..=3)?;
        let rest = &text[colon + 1..];
        let minutes = digits(rest.get(..2)?, 2..=2)?;
        let (mut seconds, mut fraction) = (0, Fraction::NONE);
        match &rest[2..] {
            [] => {}
            [b':', rest @ ..] => {
                seconds = digits(rest.get(..2)?, 2..=2)?;
                match &rest[2..] {
                    [] => {}
                    [b'.' | b',', digits @ ..] => {
                        let length;
                        (fraction, length) = Fraction::parse(digits)?;
                        if length < digits.len() {
                            return None;
                        }
                    }
                    _ => return None,
                }
            }
            _ => return None,
        }
        if minutes > 59 || seconds > 59 {
            return None;
        }
        Some(ClockTime { negative, seconds: hours * 3600 + minutes * 60 + seconds, fraction })
    }

    /// Ticks of 10^-`precision` s; `None` if digits would be lost.
    pub(crate) fn ticks(self, precision: u8) -> Option<i64> {
        // At most 3,599,999 s in 10^-9 s.
        let ticks = self.seconds * POWERS_OF_TEN[usize::from(precision)] + self.fraction.units(precision)?;
        Some(if self.negative { -ticks } else { ticks })
    }
}

fn digits(text: &[u8], lengths: std::ops::RangeInclusive<usize>) -> Option<i64> {
    let all = lengths.contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    all.then(|| text.iter().fold(0, |value, digit| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticks(text: &str, precision: u8) -> Option<i64> {
        ClockTime::parse(text.as_bytes())?.ticks(precision)
    }

    #[test]
    fn the_usual_forms_are_read_and_others_refused() {
        assert_eq!(ticks("12:13:14", 0), Some(43_994));
        assert_eq!(ticks("-999:59:59", 0), Some(-TIME_SECONDS_MAX));
        assert_eq!(ticks("7:05", 0), Some(25_500));
        assert_eq!(ticks("00:00:00.120", 2), Some(12));
        assert_eq!(ticks("-00:00:00.120", 3), Some(-120));
        assert_eq!(ticks("00:00:00.125", 2), None);
        for text in
            ["", "12", "12:60:00", "12:00:60", "1000:00:00", ":00:00", "12:0:0", "12:00:00.", "12:00:00Z"]
        {
            assert_eq!(ticks(text, 9), None, "{text}");
        }
    }
}
