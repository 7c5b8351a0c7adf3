//! The fraction of a second, as its digits.
use crate::digits::leading_digits;

/// Powers of ten that an i64 holds.
pub(crate) const POWERS_OF_TEN: [i64; 19] = {
    let mut powers = [1; 19];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};

/// Digits that are kept; those behind them must be zeros.
const DIGITS_MAX: usize = 18;

/// So many units of 10^-`count` s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fraction {
    digits: i64,
    count: u8,
}

impl Fraction {
    pub(crate) const NONE: Fraction = Fraction { digits: 0, count: 0 };

    /// The digits at the start of `text`, and how many there are; `None` for none, and where one behind the
    /// eighteenth is not 0.
    #[inline(always)]
    pub(crate) fn parse(text: &[u8]) -> Option<(Fraction, usize)> {
        let (digits, length) = leading_digits(text, 0);
        if length > DIGITS_MAX {
            return Fraction::parse_long(text, length);
        }
        (length > 0).then_some((Fraction { digits: digits as i64, count: length as u8 }, length))
    }

    #[cold]
    fn parse_long(text: &[u8], length: usize) -> Option<(Fraction, usize)> {
        let (kept, others) = text[..length].split_at(DIGITS_MAX);
        let (digits, _) = leading_digits(kept, 0);
        let zeros = others.iter().all(|&byte| byte == b'0');
        zeros.then_some((Fraction { digits: digits as i64, count: DIGITS_MAX as u8 }, length))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.digits == 0
    }

    /// Units of 10^-`precision` s; `None` if digits would be lost. Shape: `precision` at most 18.
    #[inline(always)]
    pub(crate) fn units(self, precision: u8) -> Option<i64> {
        match precision.checked_sub(self.count) {
            Some(more) => Some(self.digits * POWERS_OF_TEN[usize::from(more)]),
            None => {
                let unit = POWERS_OF_TEN[usize::from(self.count - precision)];
                (self.digits % unit == 0).then(|| self.digits / unit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_digit_is_lost_and_none_is_made_up() {
        let units = |text: &str, precision| Fraction::parse(text.as_bytes())?.0.units(precision);
        assert_eq!(units("5", 3), Some(500));
        assert_eq!(units("000", 0), Some(0));
        assert_eq!(units("120000", 2), Some(12));
        assert_eq!(units("12345", 4), None);
        assert_eq!(units("999999999999999999", 18), Some(999_999_999_999_999_999));
        assert_eq!(units("1000000000000000000000", 1), Some(1));
        assert_eq!(units("0000000000000000001", 9), None);
        assert_eq!(units("", 3), None);
        assert_eq!(Fraction::parse(b"12Z").map(|(_, length)| length), Some(2));
    }
}
