//! Numbers of at most eighteen digits, which is nearly every one: read once, without a second look at
//! their text. Whatever does not fit goes the long way (`number.rs`), to the same value.
use pumphouse_columns::Column;

use crate::conversion::Conversion;
use crate::digits::{Digits, count_digits, eight_digits, first_word, leading_digits};
use crate::error::{DecodeReason, ValueKind};
use crate::fraction::POWERS_OF_TEN;

const DIGITS_MAX: usize = 18;

/// Whole numbers up to this one are floats exactly, and so are the powers of ten that may divide them;
/// the quotient of two exact floats is the nearest one (Clinger).
const EXACT_FLOAT_MAX: i64 = 1 << 53;

/// [`POWERS_OF_TEN`] as floats.
const EXACT_POWERS_OF_TEN: [f64; POWERS_OF_TEN.len()] = {
    let mut powers = [0.0; POWERS_OF_TEN.len()];
    let mut power = 0;
    while power < powers.len() {
        powers[power] = POWERS_OF_TEN[power] as f64;
        power += 1;
    }
    powers
};

const LOSSY: DecodeReason = DecodeReason::Lossy { found: ValueKind::Number };

/// A number without exponent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShortNumber {
    negative: bool,
    /// All digits, the point left out.
    digits: i64,
    /// How many of them stand behind the point.
    fraction: u8,
}

impl ShortNumber {
    /// The JSON number at the start, and its length. `None` for others, good or bad.
    #[inline(always)]
    pub(crate) fn parse(bytes: &[u8]) -> Option<(ShortNumber, usize)> {
        let (negative, text) = match bytes {
            [b'-', text @ ..] => (true, text),
            _ => (false, bytes),
        };
        let (digits, fraction, length) = magnitude_of_word(first_word(text)).or_else(|| magnitude(text))?;
        Some((ShortNumber { negative, digits, fraction }, usize::from(negative) + length))
    }

    /// [`ShortNumber::parse`] of a text that is nothing else.
    #[inline]
    pub(crate) fn parse_whole(text: &[u8]) -> Option<ShortNumber> {
        ShortNumber::parse(text).filter(|(_, length)| *length == text.len()).map(|(number, _)| number)
    }

    /// `None` if it was written with a point.
    #[inline]
    pub(crate) fn integer(self) -> Option<i64> {
        (self.fraction == 0).then_some(if self.negative { -self.digits } else { self.digits })
    }

    /// Times 10^`scale`; `None` where that is no whole number that fits, and where the long way has to look.
    #[inline]
    pub(crate) fn scaled(self, scale: u8) -> Option<i64> {
        let factor = *POWERS_OF_TEN.get(usize::from(scale.checked_sub(self.fraction)?))?;
        let value = self.digits.checked_mul(factor)?;
        Some(if self.negative { -value } else { value })
    }

    /// The nearest float; `None` where the long way has to look.
    #[inline]
    pub(crate) fn float(self) -> Option<f64> {
        if self.digits > EXACT_FLOAT_MAX {
            return None;
        }
        let value = self.digits as f64 / EXACT_POWERS_OF_TEN[usize::from(self.fraction)];
        Some(if self.negative { -value } else { value })
    }
}

/// The digits, how many of them are behind the point, and the length of a number that ends within its first
/// eight bytes. `None` for others.
#[inline(always)]
fn magnitude_of_word(word: u64) -> Option<(i64, u8, usize)> {
    let Digits { values, count: whole } = Digits::of_word(word);
    // With a point behind six digits, or seven without, the byte behind them is the last one.
    if whole.wrapping_sub(1) > 6 || (values & 0xff == 0 && whole > 1) {
        return None;
    }
    let behind = |length: usize| (word >> (8 * length)) as u8;
    if behind(whole) != b'.' {
        let ended = !matches!(behind(whole), b'e' | b'E');
        return ended.then(|| (eight_digits(values << (64 - 8 * whole)) as i64, 0, whole));
    }
    // Without the point; what moves in behind the last byte is no digit.
    let before_point = (1 << (8 * whole)) - 1;
    let joined = (values & before_point) | (values >> 8 & !before_point) | 0xff << 56;
    let all = count_digits(joined);
    if all == whole || all > 6 || matches!(behind(all + 1), b'e' | b'E') {
        return None;
    }
    Some((eight_digits(joined << (64 - 8 * all)) as i64, (all - whole) as u8, all + 1))
}

/// The same for numbers of any length.
#[inline(never)]
fn magnitude(text: &[u8]) -> Option<(i64, u8, usize)> {
    let (mut value, whole) = leading_digits(text, 0);
    if whole == 0 || (whole > 1 && text[0] == b'0') {
        return None;
    }
    let (mut end, mut fraction) = (whole, 0);
    if text.get(end) == Some(&b'.') {
        (value, fraction) = leading_digits(&text[end + 1..], value);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if whole + fraction > DIGITS_MAX || matches!(text.get(end), Some(b'e' | b'E')) {
        return None;
    }
    Some((value as i64, fraction as u8, end))
}

/// Appends a number to a column that usually takes numbers. `false`, and nothing appended: the long way
/// knows. Errors: out of the type's range.
#[inline]
pub(crate) fn put_short(
    conversion: &Conversion,
    column: &mut Column,
    number: ShortNumber,
) -> Result<bool, DecodeReason> {
    macro_rules! integer {
        ($kind:ident) => {
            match (column, number.integer()) {
                (Column::$kind(values), Some(value)) => values.push(value.try_into().map_err(|_| LOSSY)?),
                _ => return Ok(false),
            }
        };
    }
    match conversion {
        Conversion::Int64 => integer!(I64),
        Conversion::UInt64 => integer!(U64),
        Conversion::Int32 => integer!(I32),
        Conversion::UInt32 => integer!(U32),
        Conversion::Int16 => integer!(I16),
        Conversion::UInt16 => integer!(U16),
        Conversion::Int8 => integer!(I8),
        Conversion::UInt8 => integer!(U8),
        Conversion::Float64 => match (column, number.float()) {
            (Column::F64(values), Some(value)) => values.push(value),
            _ => return Ok(false),
        },
        Conversion::Decimal { precision, scale } => {
            let bound = POWERS_OF_TEN.get(usize::from(*precision)).copied().unwrap_or(i64::MAX);
            match (column, number.scaled(*scale).filter(|value| value.abs() < bound)) {
                (Column::I64(values), Some(value)) => values.push(value),
                (Column::I32(values), Some(value)) => values.push(value.try_into().map_err(|_| LOSSY)?),
                _ => return Ok(false),
            }
        }
        Conversion::Nullable(inner) => {
            let Column::Nullable(nullable) = column else { return Ok(false) };
            if !put_short(inner, nullable.values(), number)? {
                return Ok(false);
            }
            nullable.value_pushed();
        }
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{exact, number_length};

    proptest::proptest! {
        #[test]
        fn the_short_way_agrees_with_the_long_one(
            text in "-?[0-9]{0,12}\\.?[0-9]{0,8}[eE,.]?[0-9]{0,2}", scale in 0u8..12,
        ) {
            if let Some((number, length)) = ShortNumber::parse(text.as_bytes()) {
                proptest::prop_assert_eq!(length, number_length(text.as_bytes()), "{}", text);
                let text = &text[..length];
                proptest::prop_assert_eq!(number.float(), text.parse().ok().filter(|_| number.float().is_some()));
                if let Some(scaled) = number.scaled(scale) {
                    let (negative, magnitude) = exact(text.as_bytes(), scale).unwrap();
                    let long = magnitude as i128 * if negative { -1 } else { 1 };
                    proptest::prop_assert_eq!(i128::from(scaled), long, "{}", text);
                }
            }
        }

        #[test]
        fn floats_are_the_nearest_ones(digits in 0i64..1 << 54, fraction in 0usize..18) {
            let text = format!("{digits:0>20}");
            let (whole, rest) = text.split_at(20 - fraction);
            let whole = whole.trim_start_matches('0');
            let whole = if whole.is_empty() { "0" } else { whole };
            let text = if fraction == 0 { whole.to_owned() } else { format!("{whole}.{rest}") };
            if let Some(float) = ShortNumber::parse_whole(text.as_bytes()).and_then(ShortNumber::float) {
                proptest::prop_assert_eq!(float.to_bits(), text.parse::<f64>().unwrap().to_bits(), "{}", text);
            }
        }
    }

    #[test]
    fn what_is_not_short_goes_the_long_way() {
        for text in
            ["", "-", "01", "-00", "1.", "1.e1", "1e1", "1E1", "1234567890123456789", "0.1234567890123456789"]
        {
            assert_eq!(ShortNumber::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(ShortNumber::parse_whole(b"-0").unwrap().integer(), Some(0));
        assert!(ShortNumber::parse_whole(b"-0").unwrap().float().unwrap().is_sign_negative());
        assert_eq!(ShortNumber::parse_whole(b"1.0").unwrap().integer(), None);
    }
}
