//! Numbers in groups of seven bits, lowest first, as Avro and Protobuf write them.

const MORE: u64 = 0x8080_8080_8080_8080;

/// The number at the start of `bytes` and its length, if it is one of those that nearly all are: one byte,
/// or at most eight of which as many are left. `None` for others, good or bad.
#[inline(always)]
pub(crate) fn usual_varint(bytes: &[u8]) -> Option<(u64, usize)> {
    match *bytes {
        [byte, ..] if byte < 0x80 => Some((u64::from(byte), 1)),
        _ => varint_of_word(bytes),
    }
}

#[inline]
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
        (length <= 8).then(|| (bytes[..length].iter().enumerate().fold(0, value), length))
    }

    proptest::proptest! {
        #[test]
        fn it_is_what_a_plain_loop_reads(
            longer in proptest::collection::vec(0x80u8.., 0..10), last in 0u8..0x80, behind: Vec<u8>,
        ) {
            let bytes = [&longer[..], &[last], &behind].concat();
            let expected = plain(&bytes).filter(|(_, length)| *length == 1 || bytes.len() >= 8);
            proptest::prop_assert_eq!(usual_varint(&bytes), expected);
        }
    }

    #[test]
    fn a_number_without_end_is_none() {
        assert_eq!(usual_varint(&[0x80; 20]), None);
        assert_eq!(usual_varint(&[0x80; 3]), None);
        assert_eq!(usual_varint(&[]), None);
    }
}
