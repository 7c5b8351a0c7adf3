//! Numbers of up to 256 bits, taken exactly.
use pumphouse_columns::Wide;

use crate::number::{NumberError, exponent, is_number};

/// Digits of the largest number of 256 bits.
const DIGITS_MAX: i64 = 78;

/// Sign and magnitude of the number times 10^`scale`; digits behind that must be zeros.
/// The same as `number::exact`, for twice as many bits.
fn exact_wide(text: &[u8], scale: u8) -> Result<(bool, Wide), NumberError> {
    if !is_number(text) {
        return Err(NumberError::NotANumber);
    }
    let (negative, unsigned) = match text {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let (digits, exponent) = match unsigned.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&unsigned[..at], exponent(&unsigned[at + 1..])),
        None => (unsigned, 0),
    };
    let mut magnitude = Wide::default();
    // Zeros count only once another digit follows, so any number of them may end the text.
    let (mut zeros, mut fraction_digits, mut in_fraction) = (0i64, 0i64, false);
    for &byte in digits {
        if byte == b'.' {
            in_fraction = true;
            continue;
        }
        fraction_digits += i64::from(in_fraction);
        if byte == b'0' {
            zeros += i64::from(magnitude != Wide::default());
            continue;
        }
        shift(&mut magnitude, zeros)?;
        times_ten_plus(&mut magnitude, u64::from(byte - b'0'))?;
        zeros = 0;
    }
    if magnitude == Wide::default() {
        return Ok((false, magnitude));
    }
    shift(&mut magnitude, exponent - fraction_digits + zeros + i64::from(scale))?;
    Ok((negative, magnitude))
}

/// Times 10^`power`. Errors: for a negative power, and above 256 bits.
fn shift(magnitude: &mut Wide, power: i64) -> Result<(), NumberError> {
    if !(0..=DIGITS_MAX).contains(&power) {
        return Err(NumberError::Lossy);
    }
    (0..power).try_for_each(|_| times_ten_plus(magnitude, 0))
}

fn times_ten_plus(magnitude: &mut Wide, digit: u64) -> Result<(), NumberError> {
    let mut carry = u128::from(digit);
    for word in magnitude.iter_mut() {
        let product = u128::from(*word) * 10 + carry;
        *word = product as u64;
        carry = product >> 64;
    }
    if carry == 0 { Ok(()) } else { Err(NumberError::Lossy) }
}

/// An unsigned number of 256 bits.
pub(crate) fn unsigned_wide(text: &[u8]) -> Result<Wide, NumberError> {
    match exact_wide(text, 0)? {
        (false, magnitude) => Ok(magnitude),
        (true, _) => Err(NumberError::Lossy),
    }
}

/// A signed number of 256 bits, in two's complement, times 10^`scale`. With `digits_max`, its
/// magnitude is below 10 to that power.
pub(crate) fn signed_wide(text: &[u8], scale: u8, digits_max: Option<u8>) -> Result<Wide, NumberError> {
    let (negative, magnitude) = exact_wide(text, scale)?;
    if let Some(digits) = digits_max {
        let mut bound: Wide = [1, 0, 0, 0];
        shift(&mut bound, i64::from(digits))?;
        if magnitude.iter().rev().ge(bound.iter().rev()) {
            return Err(NumberError::Lossy);
        }
    }
    const TOP: u64 = 1 << 63;
    let lowest = magnitude == [0, 0, 0, TOP];
    if magnitude[3] >= TOP && !(negative && lowest) {
        return Err(NumberError::Lossy);
    }
    Ok(if negative { negated(magnitude) } else { magnitude })
}

fn negated(magnitude: Wide) -> Wide {
    let mut carry = true;
    magnitude.map(|word| {
        let (word, overflowed) = (!word).overflowing_add(u64::from(carry));
        carry = overflowed;
        word
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::exact_signed;

    #[test]
    fn the_ends_of_the_ranges_are_taken_and_nothing_beyond() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        assert_eq!(unsigned_wide(max.as_bytes()), Ok([u64::MAX; 4]));
        assert_eq!(unsigned_wide(over.as_bytes()), Err(NumberError::Lossy));
        assert_eq!(unsigned_wide(b"-1"), Err(NumberError::Lossy));
        let min = "-57896044618658097711785492504343953926634992332820282019728792003956564819968";
        assert_eq!(signed_wide(min.as_bytes(), 0, None), Ok([0, 0, 0, 1 << 63]));
        assert_eq!(signed_wide(&min.as_bytes()[1..], 0, None), Err(NumberError::Lossy));
        let nines = "9".repeat(76);
        assert!(signed_wide(nines.as_bytes(), 0, Some(76)).is_ok());
        assert_eq!(signed_wide(b"1e76", 0, Some(76)), Err(NumberError::Lossy));
        assert_eq!(signed_wide(b"1.5", 0, Some(76)), Err(NumberError::Lossy));
        assert_eq!(signed_wide(b"1.50", 1, Some(76)), Ok([15, 0, 0, 0]));
        assert_eq!(signed_wide(b"1e999999999999", 0, None), Err(NumberError::Lossy));
        assert_eq!(signed_wide(b"01", 0, None), Err(NumberError::NotANumber));
    }

    proptest::proptest! {
        #[test]
        fn we_agree_with_128_bits(value: i128, fraction in 0u8..6, scale in 0u8..8) {
            let text = format!("{value}.{}", "0".repeat(usize::from(fraction) + 1));
            let short = exact_signed(text.as_bytes(), scale);
            if let Ok(short) = short {
                let wide = signed_wide(text.as_bytes(), scale, None).unwrap();
                let sign = if short < 0 { u64::MAX } else { 0 };
                proptest::prop_assert_eq!(wide, [short as u64, (short >> 64) as u64, sign, sign]);
            }
        }
    }
}
