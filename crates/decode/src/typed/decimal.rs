//! Decimals: a whole number in two's complement, and a scale.
use std::fmt::Write;

use pumphouse_columns::Column;

use super::TextBuffer;
use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};
use crate::scalar::{Scalar, put_scalar};

/// The longest whole number that is taken: 512 bits, twice what the widest column holds.
const UNSCALED_BYTES_MAX: usize = 64;

/// Decimals with a scale in this range are written without exponent.
const PLAIN_SCALES: std::ops::RangeInclusive<i32> = 0..=100;

/// Digits of 512 bits, sign, point and leading zeros of the largest plain scale.
type DecimalText = TextBuffer<300>;

const LOSSY: DecodeReason = DecodeReason::Lossy { found: ValueKind::Logical };

/// The whole number of a decimal.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Unscaled<'a> {
    Short(i128),
    /// Two's complement, highest byte first; more than sixteen bytes that all count.
    Long(&'a [u8]),
}

impl<'a> Unscaled<'a> {
    /// Shape: two's complement, highest byte first; no byte stands for zero.
    pub(crate) fn of(bytes: &'a [u8]) -> Unscaled<'a> {
        let mut bytes = bytes;
        // Bytes that only repeat the sign.
        while let [0, next, ..] | [0xff, next, ..] = bytes
            && (next >> 7 == 1) == (bytes[0] == 0xff)
        {
            bytes = &bytes[1..];
        }
        if bytes.len() > 16 {
            return Unscaled::Long(bytes);
        }
        let sign = bytes.first().map_or(0, |first| (*first as i8 >> 7) as i128);
        Unscaled::Short(bytes.iter().fold(sign, |value, &byte| value << 8 | i128::from(byte)))
    }
}

/// Exactly, or `Lossy`.
pub(crate) fn put_decimal(
    conversion: &Conversion,
    column: &mut Column,
    unscaled: Unscaled<'_>,
    scale: i32,
) -> Result<(), DecodeReason> {
    match (conversion, column, unscaled) {
        (Conversion::Nullable(inner), Column::Nullable(nullable), _) => {
            put_decimal(inner, nullable.values(), unscaled, scale)?;
            nullable.value_pushed();
        }
        (Conversion::Decimal { precision, scale: target }, column, Unscaled::Short(value))
            if matches!(column, Column::I32(_) | Column::I64(_) | Column::I128(_)) =>
        {
            let value = rescale(value, scale, i32::from(*target))
                .filter(|value| value.unsigned_abs() < 10u128.pow(u32::from(*precision)))
                .ok_or(LOSSY)?;
            match column {
                Column::I32(values) => values.push(value.try_into().map_err(|_| LOSSY)?),
                Column::I64(values) => values.push(value.try_into().map_err(|_| LOSSY)?),
                Column::I128(values) => values.push(value),
                _ => super::mismatch(),
            }
        }
        (conversion, column, unscaled) => {
            let text = decimal_text(unscaled, scale).ok_or(LOSSY)?;
            put_scalar(conversion, column, Scalar::Number(text.as_bytes()))?;
        }
    }
    Ok(())
}

fn rescale(value: i128, from: i32, to: i32) -> Option<i128> {
    let more = to.checked_sub(from)?;
    let factor = 10i128.checked_pow(more.unsigned_abs());
    match (more >= 0, factor) {
        (true, Some(factor)) => value.checked_mul(factor),
        (false, Some(factor)) => (value % factor == 0).then(|| value / factor),
        (_, None) => (value == 0).then_some(0),
    }
}

/// As a JSON number. `None` above 512 bits.
pub(crate) fn decimal_text(unscaled: Unscaled<'_>, scale: i32) -> Option<DecimalText> {
    let mut digits = TextBuffer::<160>::new();
    let negative = match unscaled {
        Unscaled::Short(value) => {
            write!(digits, "{}", value.unsigned_abs()).ok()?;
            value < 0
        }
        Unscaled::Long(bytes) => {
            long_digits(bytes, &mut digits)?;
            bytes[0] >> 7 == 1
        }
    };
    let digits = std::str::from_utf8(digits.as_bytes()).ok()?;
    let mut text = DecimalText::new();
    if negative {
        text.write_str("-").ok()?;
    }
    if !PLAIN_SCALES.contains(&scale) {
        write!(text, "{digits}e{}", -i64::from(scale)).ok()?;
        return Some(text);
    }
    let scale = scale as usize;
    match digits.len().checked_sub(scale) {
        _ if scale == 0 => text.write_str(digits).ok()?,
        Some(whole @ 1..) => write!(text, "{}.{}", &digits[..whole], &digits[whole..]).ok()?,
        _ => write!(text, "0.{digits:0>scale$}").ok()?,
    }
    Some(text)
}

/// Writes the magnitude's decimal digits: division by 10^9 over 32-bit limbs.
fn long_digits(bytes: &[u8], out: &mut TextBuffer<160>) -> Option<()> {
    const LIMBS: usize = UNSCALED_BYTES_MAX / 4;
    const BILLION: u64 = 1_000_000_000;
    if bytes.len() > UNSCALED_BYTES_MAX {
        return None;
    }
    let negative = bytes[0] >> 7 == 1;
    let mut whole = [if negative { 0xff } else { 0 }; UNSCALED_BYTES_MAX];
    whole[UNSCALED_BYTES_MAX - bytes.len()..].copy_from_slice(bytes);
    let mut limbs = [0u32; LIMBS];
    for (limb, chunk) in limbs.iter_mut().zip(whole.as_chunks::<4>().0) {
        *limb = u32::from_be_bytes(*chunk);
    }
    if negative {
        let mut carry = true;
        for limb in limbs.iter_mut().rev() {
            (*limb, carry) = (!*limb).overflowing_add(u32::from(carry));
        }
    }
    // 18 groups of nine digits cover 512 bits.
    let mut groups = [0u32; 18];
    let mut used = 0;
    while limbs.iter().any(|&limb| limb != 0) {
        let mut rest = 0u64;
        for limb in &mut limbs {
            let value = rest << 32 | u64::from(*limb);
            *limb = (value / BILLION) as u32;
            rest = value % BILLION;
        }
        groups[used] = rest as u32;
        used += 1;
    }
    for (place, group) in groups[..used].iter().rev().enumerate() {
        let width = if place == 0 { 1 } else { 9 };
        write!(out, "{group:0>width$}").ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], scale: i32) -> String {
        let text = decimal_text(Unscaled::of(bytes), scale).unwrap();
        String::from_utf8(text.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn scales_move_the_point() {
        assert_eq!(text(&[0x30, 0x39], 2), "123.45");
        assert_eq!(text(&[0xff], 3), "-0.001");
        assert_eq!(text(&[], 0), "0");
        assert_eq!(text(&[0, 0, 0, 7], -2), "7e2");
        assert_eq!(text(&[5], 1), "0.5");
        assert_eq!(text(&(-12345i32).to_be_bytes(), 4), "-1.2345");
    }

    #[test]
    fn numbers_above_128_bits_keep_their_digits() {
        // 2^255 - 1 and -2^255.
        let mut most = [0xff; 32];
        most[0] = 0x7f;
        let mut least = [0; 32];
        least[0] = 0x80;
        assert_eq!(
            text(&most, 0),
            "57896044618658097711785492504343953926634992332820282019728792003956564819967"
        );
        assert_eq!(
            text(&least, 0),
            "-57896044618658097711785492504343953926634992332820282019728792003956564819968"
        );
        assert!(decimal_text(Unscaled::of(&[0x55; 65]), 0).is_none());
        assert!(decimal_text(Unscaled::of(&[0x80; 64]), 100).is_some());
    }

    proptest::proptest! {
        #[test]
        fn numbers_read_back_whatever_sign_bytes_precede_them(value: i128, padding in 0usize..8) {
            let mut bytes = vec![if value < 0 { 0xff } else { 0 }; padding];
            bytes.extend(value.to_be_bytes());
            let Unscaled::Short(short) = Unscaled::of(&bytes) else { panic!("it has 128 bits") };
            proptest::prop_assert_eq!(short, value);
        }

        #[test]
        fn rescaling_is_exact_or_nothing(value in -1_000_000i128..1_000_000, from in 0i32..10, to in 0i32..10) {
            if let Some(scaled) = rescale(value, from, to) {
                proptest::prop_assert_eq!(scaled * 10i128.pow(from as u32), value * 10i128.pow(to as u32));
            } else {
                proptest::prop_assert!(to < from && value % 10i128.pow((from - to) as u32) != 0);
            }
        }
    }
}
