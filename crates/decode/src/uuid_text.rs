//! UUIDs as texts.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x80 * ONES;

/// What a UUID with hyphens has.
pub(crate) const HYPHENED_BYTES: usize = 36;

/// The number that 32 hexadecimal digits write, with all four hyphens or with none.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<u128> {
    if let Ok(text) = text.try_into() {
        return parse_hyphened(text);
    }
    let (words, []) = text.as_chunks::<8>() else { return None };
    let &[a, b, c, d] = words else { return None };
    number([a, b, c, d].map(u64::from_le_bytes))
}

/// With all four hyphens.
#[inline]
pub(crate) fn parse_hyphened(text: &[u8; HYPHENED_BYTES]) -> Option<u128> {
    let quad =
        |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    if [text[8], text[13], text[18], text[23]] != *b"----" {
        return None;
    }
    number([
        quad(0) | quad(4) << 32,
        quad(9) | quad(14) << 32,
        quad(19) | quad(24) << 32,
        quad(28) | quad(32) << 32,
    ])
}

#[inline(always)]
fn number(words: [u64; 4]) -> Option<u128> {
    let digits = words.iter().fold(HIGH, |all, word| all & hexadecimal(*word));
    let high_bits = words.iter().fold(0, |any, word| any | word) & HIGH;
    if digits != HIGH || high_bits != 0 {
        return None;
    }
    Some(words.iter().fold(0, |number, word| number << 32 | u128::from(eight_digits(*word))))
}

/// The bits that are set where a byte is a hexadecimal digit. Shape: right if all bytes are ASCII, since
/// nothing is carried then.
#[inline(always)]
fn hexadecimal(word: u64) -> u64 {
    let from = |word: u64, byte: u8| word.wrapping_add(u64::from(0x80 - byte) * ONES);
    let small = word | (0x20 * ONES);
    let decimal = from(word, b'0') & !from(word, b'9' + 1);
    let letter = from(small, b'a') & !from(small, b'f' + 1);
    (decimal | letter) & HIGH
}

/// The number of eight hexadecimal digits, the first in the lowest byte: pairs, then fours, then all.
#[inline(always)]
fn eight_digits(word: u64) -> u32 {
    let digits = (word & (0x0f * ONES)) + 9 * (word >> 6 & ONES);
    let pairs = (digits << 4 | digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs << 8 | pairs >> 16) & 0x0000_ffff_0000_ffff;
    (fours << 16 | fours >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn digits_are_read_with_and_without_hyphens(value: u128, upper: bool, place in 0usize..36, byte: u8) {
            let plain = if upper { format!("{value:032X}") } else { format!("{value:032x}") };
            let parts = [&plain[..8], &plain[8..12], &plain[12..16], &plain[16..20], &plain[20..]];
            let hyphened = parts.join("-");
            proptest::prop_assert_eq!(parse(plain.as_bytes()), Some(value));
            proptest::prop_assert_eq!(parse(hyphened.as_bytes()), Some(value));
            let mut broken = hyphened.into_bytes();
            broken[place] = byte;
            let fits = if [8, 13, 18, 23].contains(&place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
            proptest::prop_assert_eq!(parse(&broken).is_some(), fits);
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        for length in (0..40).filter(|length| ![32, 36].contains(length)) {
            assert_eq!(parse("0".repeat(length).as_bytes()), None, "{length}");
        }
        assert_eq!(parse("0".repeat(36).as_bytes()), None);
    }
}
