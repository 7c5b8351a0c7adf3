//! Decimal digits, eight at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH_BITS: u64 = 0x80 * ONES;
const ZEROS: u64 = b'0' as u64 * ONES;

/// Ten to the power of how many digits a word has.
const WORD_POWERS: [u64; 9] = {
    let mut powers = [1; 9];
    let mut power = 1;
    while power < powers.len() {
        powers[power] = powers[power - 1] * 10;
        power += 1;
    }
    powers
};

/// The bits that are set where a byte is more than 9; above the lowest of them they may be wrong, since
/// carries only go up.
#[inline]
pub(crate) fn above_nine(values: u64) -> u64 {
    (values.wrapping_add(0x76 * ONES) | values) & HIGH_BITS
}

/// The number that the digits at the start of `bytes` write behind those of `before`, and how many they
/// are. Wraps, so beyond nineteen digits only their count is right.
#[inline(always)]
pub(crate) fn leading_digits(bytes: &[u8], before: u64) -> (u64, usize) {
    let Some(word) = bytes.first_chunk() else { return last_digits(bytes, before) };
    let (value, count) = digits_of_word(word, before);
    if count < 8 { (value, count) } else { more_digits(&bytes[8..], value) }
}

#[inline(always)]
fn digits_of_word(word: &[u8; 8], before: u64) -> (u64, usize) {
    let values = u64::from_le_bytes(*word) ^ ZEROS;
    let count = above_nine(values).trailing_zeros() as usize / 8;
    // The digits move to where the last ones of eight stand, with zeros before them.
    let eight = values.checked_shl(64 - 8 * count as u32).unwrap_or(0);
    (before.wrapping_mul(WORD_POWERS[count]).wrapping_add(eight_digits(eight)), count)
}

/// Behind eight digits, which are counted, too.
#[inline(never)]
fn more_digits(bytes: &[u8], before: u64) -> (u64, usize) {
    let (mut value, mut rest) = (before, bytes);
    while let Some((word, after)) = rest.split_first_chunk() {
        let count;
        (value, count) = digits_of_word(word, value);
        if count < 8 {
            return (value, 8 + bytes.len() - rest.len() + count);
        }
        rest = after;
    }
    let (value, last) = last_digits(rest, value);
    (value, 8 + bytes.len() - rest.len() + last)
}

/// Digit by digit.
#[inline(never)]
fn last_digits(bytes: &[u8], before: u64) -> (u64, usize) {
    let mut value = before;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return (value, at);
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
    }
    (value, bytes.len())
}

/// Eight bytes as digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Digits {
    /// What each digit stands for, the first in the lowest byte; behind them anything.
    pub(crate) values: u64,
    /// How many there are at the start, at most eight.
    pub(crate) count: usize,
}

impl Digits {
    /// Of a text's next eight bytes.
    #[inline(always)]
    pub(crate) fn of_word(word: u64) -> Digits {
        let values = word ^ ZEROS;
        Digits { values, count: count_digits(values) }
    }
}

/// How many values at the start are those of digits.
#[inline(always)]
pub(crate) fn count_digits(values: u64) -> usize {
    above_nine(values).trailing_zeros() as usize / 8
}

/// The first eight bytes, with zeros behind those that are there.
#[inline(always)]
pub(crate) fn first_word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => last_word(bytes),
    }
}

#[inline(never)]
fn last_word(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Ten to the power of at most eight.
#[inline(always)]
pub(crate) fn ten_to(power: usize) -> u64 {
    WORD_POWERS[power]
}

/// The number of eight digits, the first in the lowest byte: pairs, then fours, then all.
#[inline(always)]
pub(crate) fn eight_digits(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let outer = (pairs & PAIRS).wrapping_mul(100 + (1_000_000 << 32));
    let inner = (pairs >> 16 & PAIRS).wrapping_mul(1 + (10_000 << 32));
    outer.wrapping_add(inner) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn it_is_what_a_plain_loop_reads(text in "[0-9]{0,19}", behind: Vec<u8>, before in 0u64..10) {
            let bytes = [text.as_bytes(), &behind[..]].concat();
            let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
            let plain = |value: u64, byte: &u8| value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            let value = bytes[..count].iter().fold(before, plain);
            proptest::prop_assert_eq!(leading_digits(&bytes, before), (value, count));
        }
    }

    #[test]
    fn neighbours_of_the_digits_are_none() {
        for byte in (0..=255u8).filter(|byte| !byte.is_ascii_digit()) {
            let text = [b'1', b'2', byte, b'3', b'4', b'5', b'6', b'7', b'8', b'9'];
            assert_eq!(leading_digits(&text, 0), (12, 2), "{byte}");
        }
    }
}
