//! UUIDs as texts.

/// What is no hexadecimal digit: its upper half shows.
const NONE: u8 = 0xff;

const DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        digits[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

/// The number that 32 hexadecimal digits write, with all four hyphens or with none.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<u128> {
    let mut halves = [0u64; 2];
    let mut seen = 0;
    let mut take = |half: usize, digits: &[u8]| {
        for &byte in digits {
            let digit = DIGITS[usize::from(byte)];
            seen |= digit;
            halves[half] = halves[half] << 4 | u64::from(digit & 0xf);
        }
    };
    match text.len() {
        36 => {
            if [text[8], text[13], text[18], text[23]] != *b"----" {
                return None;
            }
            take(0, &text[..8]);
            take(0, &text[9..13]);
            take(0, &text[14..18]);
            take(1, &text[19..23]);
            take(1, &text[24..]);
        }
        32 => {
            take(0, &text[..16]);
            take(1, &text[16..]);
        }
        _ => return None,
    }
    (seen <= 0xf).then(|| u128::from(halves[0]) << 64 | u128::from(halves[1]))
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
