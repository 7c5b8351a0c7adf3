//! Whether bytes are UTF-8. Most texts are short and ASCII, which a few words tell.

/// One bit of every byte that ASCII does not have.
const HIGH_BITS: u64 = 0x8080_8080_8080_8080;

/// Errors: how many bytes from the beginning are UTF-8.
#[inline]
pub(crate) fn check_utf8(bytes: &[u8]) -> Result<(), usize> {
    if is_ascii(bytes) {
        return Ok(());
    }
    std::str::from_utf8(bytes).map(|_| ()).map_err(|error| error.valid_up_to())
}

/// Of the first `length` bytes: what stands behind them lets those of a short text be read as one word.
/// `false`: they are not UTF-8. Shape: so many are there.
#[inline(always)]
pub(crate) fn starts_as_utf8(bytes: &[u8], length: usize) -> bool {
    if let Some(word) = bytes.first_chunk::<8>()
        && length.wrapping_sub(1) < 8
        && u64::from_le_bytes(*word) << (64 - 8 * length) & HIGH_BITS == 0
    {
        return true;
    }
    check_utf8(&bytes[..length]).is_ok()
}

/// The last word may overlap the one before it.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let words = bytes.as_chunks::<8>().0.iter();
        let high = words.fold(u64::from_le_bytes(*last), |high, word| high | u64::from_le_bytes(*word));
        return high & HIGH_BITS == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_le_bytes(*first) | u32::from_le_bytes(*last)) & HIGH_BITS as u32 == 0;
    }
    match *bytes {
        [] => true,
        [first, .., last] => (first | bytes[1] | last) < 0x80,
        [only] => only < 0x80,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_what_the_standard_library_says(
            bytes in prop::collection::vec(prop_oneof![8 => 0u8..128, 1 => any::<u8>()], 0..40),
            text in "\\PC{0,20}",
        ) {
            for length in 0..=bytes.len() {
                let expected = std::str::from_utf8(&bytes[..length]).is_ok();
                prop_assert_eq!(starts_as_utf8(&bytes, length), expected);
            }
            for bytes in [&bytes[..], text.as_bytes()] {
                let expected = std::str::from_utf8(bytes).map(|_| ()).map_err(|error| error.valid_up_to());
                prop_assert_eq!(check_utf8(bytes), expected);
            }
        }
    }
}
