//! Numbers as JSON writes them, taken exactly.
use crate::short_number::ShortNumber;

/// Why a text is not the number that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NumberError {
    /// Not a JSON number.
    NotANumber,
    /// A number, but not one that the type can hold exactly.
    Lossy,
}

/// How far exponents are followed; beyond, a number is 0 or out of every range anyway.
const EXPONENT_MAX: i64 = 1_000_000;

/// Bytes of the JSON number at the start of `bytes`; 0 if there is none.
#[inline]
pub(crate) fn number_length(bytes: &[u8]) -> usize {
    let digits_from =
        |from: usize| from + bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let sign = usize::from(bytes.first() == Some(&b'-'));
    let mut end = match bytes.get(sign) {
        Some(b'0') => sign + 1,
        Some(b'1'..=b'9') => digits_from(sign + 1),
        _ => return 0,
    };
    match bytes.get(end) {
        Some(b'0'..=b'9') => return 0,
        Some(b'.') => {
            let fraction_end = digits_from(end + 1);
            if fraction_end == end + 1 {
                return 0;
            }
            end = fraction_end;
        }
        _ => {}
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent_end = digits_from(end + 1 + sign);
        if exponent_end == end + 1 + sign {
            return 0;
        }
        end = exponent_end;
    }
    end
}

/// Whether the whole text is one JSON number.
pub(crate) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && number_length(text) == text.len()
}

/// An integer of at most 18 digits without fraction or exponent, which is nearly every one.
#[inline]
pub(crate) fn short_integer(text: &[u8]) -> Option<i64> {
    ShortNumber::parse_whole(text).and_then(ShortNumber::integer)
}

/// Sign and magnitude of the number times 10^`scale`; digits behind that must be zeros.
pub(crate) fn exact(text: &[u8], scale: u8) -> Result<(bool, u128), NumberError> {
    if !is_number(text) {
        return Err(NumberError::NotANumber);
    }
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let exponent_at = unsigned.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let (digits, exponent) = match exponent_at {
        Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])),
        None => (unsigned, 0),
    };
    let mut magnitude = 0u128;
    // Zeros count only once another digit follows, so any number of them may end the text.
    let mut zeros = 0u32;
    let mut fraction_digits = 0i64;
    let mut in_fraction = false;
    for &byte in digits {
        if byte == b'.' {
            in_fraction = true;
            continue;
        }
        fraction_digits += i64::from(in_fraction);
        if byte == b'0' {
            zeros += u32::from(magnitude != 0);
            continue;
        }
        let shifted = checked_pow10(zeros + 1).and_then(|factor| magnitude.checked_mul(factor));
        magnitude = shifted
            .and_then(|shifted| shifted.checked_add(u128::from(byte - b'0')))
            .ok_or(NumberError::Lossy)?;
        zeros = 0;
    }
    if magnitude == 0 {
        return Ok((false, 0));
    }
    let power = exponent - fraction_digits + i64::from(zeros) + i64::from(scale);
    u32::try_from(power)
        .ok()
        .and_then(checked_pow10)
        .and_then(|factor| magnitude.checked_mul(factor))
        .map(|magnitude| (negative, magnitude))
        .ok_or(NumberError::Lossy)
}

pub(crate) fn exponent(text: &[u8]) -> i64 {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let value =
        digits.iter().fold(0i64, |value, byte| (value * 10 + i64::from(byte - b'0')).min(EXPONENT_MAX));
    if negative { -value } else { value }
}

fn checked_pow10(power: u32) -> Option<u128> {
    10u128.checked_pow(power)
}

/// [`exact`] as a signed number.
pub(crate) fn exact_signed(text: &[u8], scale: u8) -> Result<i128, NumberError> {
    if let Some(short) = ShortNumber::parse_whole(text).and_then(|number| number.scaled(scale)) {
        return Ok(i128::from(short));
    }
    let (negative, magnitude) = exact(text, scale)?;
    if negative {
        0i128.checked_sub_unsigned(magnitude).ok_or(NumberError::Lossy)
    } else {
        i128::try_from(magnitude).map_err(|_| NumberError::Lossy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_behind_the_scale_must_be_zeros() {
        assert_eq!(exact_signed(b"1.50", 1), Ok(15));
        assert_eq!(exact_signed(b"-1.5e1", 0), Ok(-15));
        assert_eq!(exact_signed(b"100", 2), Ok(10_000));
        assert_eq!(exact_signed(b"0.0010", 3), Ok(1));
        assert_eq!(exact_signed(b"1.51", 1), Err(NumberError::Lossy));
        assert_eq!(exact_signed(b"1e-1", 0), Err(NumberError::Lossy));
        assert_eq!(exact_signed(b"1e99999999999999999999", 0), Err(NumberError::Lossy));
        assert_eq!(exact_signed(b"0e99999999999999999999", 0), Ok(0));
        assert_eq!(exact_signed(format!("1.{}", "0".repeat(500)).as_bytes(), 0), Ok(1));
        assert_eq!(exact_signed(b"-170141183460469231731687303715884105728", 0), Ok(i128::MIN));
        assert_eq!(exact_signed(b"170141183460469231731687303715884105728", 0), Err(NumberError::Lossy));
    }

    #[test]
    fn other_forms_are_not_numbers() {
        for text in ["", "-", "007", "+1", " 1", "1 ", "1.", ".1", "0x1", "1_000", "--1", "٣"] {
            assert_eq!(exact_signed(text.as_bytes(), 0), Err(NumberError::NotANumber), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn integers_read_back(value: i128) {
            proptest::prop_assert_eq!(exact_signed(value.to_string().as_bytes(), 0), Ok(value));
        }

        #[test]
        fn scaled_integers_read_back(value in -1_000_000_000_000i64..1_000_000_000_000, zeros in 0usize..5) {
            let text = format!("{}{}.{:06}{}", if value < 0 { "-" } else { "" }, value.abs() / 1_000_000, value.abs() % 1_000_000, "0".repeat(zeros));
            proptest::prop_assert_eq!(exact_signed(text.as_bytes(), 6), Ok(i128::from(value)));
        }
    }
}
