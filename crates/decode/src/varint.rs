//! Numbers in groups of seven bits, lowest first, as Avro and Protobuf write them.

const MORE: u64 = 0x8080_8080_8080_8080;

/// Takes the number at the start of `rest`. `None`, and nothing taken, for one of more than 64 bits or without
/// an end.
#[inline(always)]
pub(crate) fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    match **rest {
        [byte, ref behind @ ..] if byte < 0x80 => {
            *rest = behind;
            Some(u64::from(byte))
        }
        _ => {
            let (value, length) = varint_of_word(rest).or_else(|| varint_of_bytes(rest))?;
            *rest = rest.get(length..)?;
            Some(value)
        }
    }
}

/// As [`take_varint`], for numbers that seldom have a second byte: lengths, and what fields begin with.
#[inline(always)]
pub(crate) fn take_short_varint(rest: &mut &[u8]) -> Option<u64> {
    match **rest {
        [byte, ref behind @ ..] if byte < 0x80 => {
            *rest = behind;
            Some(u64::from(byte))
        }
        _ => take_longer(rest),
    }
}

#[inline(never)]
fn take_longer(rest: &mut &[u8]) -> Option<u64> {
    take_varint(rest)
}

/// The number at the start of `bytes` and its length.
#[inline(never)]
fn varint_of_bytes(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (place, &byte) in bytes.iter().take(10).enumerate() {
        // The tenth byte holds one bit.
        if place == 9 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte < 0x80 {
            return Some((value, place + 1));
        }
    }
    None
}

/// Whole numbers that are small on both sides of zero: 0, -1, 1, -2, ..
#[inline(always)]
pub(crate) fn zigzag(raw: u64) -> i64 {
    (raw >> 1) as i64 ^ -((raw & 1) as i64)
}

/// The number at the start of `bytes` and its length, if it has at most eight bytes and eight are left.
#[inline(always)]
fn varint_of_word(bytes: &[u8]) -> Option<(u64, usize)> {
    let word = u64::from_le_bytes(*bytes.first_chunk()?);
    let last = !word & MORE;
    if last == 0 {
        return None;
    }
    // All bits up to the top one of the last byte, without the top bits; then pairs, fours and all close up.
    let groups = word & (last ^ (last - 1)) & !MORE;
    let pairs = groups & 0x007f_007f_007f_007f | (groups & 0x7f00_7f00_7f00_7f00) >> 1;
    let fours = pairs & 0x0000_3fff_0000_3fff | (pairs & 0x3fff_0000_3fff_0000) >> 2;
    let value = fours & 0x0fff_ffff | (fours & 0x0fff_ffff_0000_0000) >> 4;
    Some((value, last.trailing_zeros() as usize / 8 + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(bytes: &[u8]) -> Option<(u64, usize)> {
        let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
        let value = |value, (place, byte): (usize, &u8)| value | u64::from(byte & 0x7f) << (7 * place);
        let fits = length < 10 || length == 10 && bytes[9] < 2;
        fits.then(|| (bytes[..length].iter().enumerate().fold(0, value), length))
    }

    proptest::proptest! {
        #[test]
        fn it_is_what_a_plain_loop_reads(
            longer in proptest::collection::vec(0x80u8.., 0..11), last in 0u8..0x80, behind: Vec<u8>,
        ) {
            let bytes = [&longer[..], &[last], &behind].concat();
            let (mut rest, mut other) = (&bytes[..], &bytes[..]);
            let taken = take_varint(&mut rest);
            proptest::prop_assert_eq!((taken, rest), (take_short_varint(&mut other), other));
            match (taken, plain(&bytes)) {
                (Some(value), Some((expected, length))) => {
                    proptest::prop_assert_eq!(value, expected);
                    proptest::prop_assert_eq!(rest, &bytes[length..]);
                }
                (taken, expected) => {
                    proptest::prop_assert_eq!((taken, expected), (None, None));
                    proptest::prop_assert_eq!(rest, &bytes[..]);
                }
            }
        }
    }

    #[test]
    fn a_number_without_end_is_none() {
        for bytes in [&[0x80; 20][..], &[0x80; 3], &[]] {
            assert_eq!(take_varint(&mut &*bytes), None);
        }
    }

    #[test]
    fn zigzag_goes_to_both_ends() {
        assert_eq!([0, 1, 2, u64::MAX - 1, u64::MAX].map(zigzag), [0, -1, 1, i64::MAX, i64::MIN]);
    }
}
