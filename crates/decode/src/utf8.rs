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

#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let high = words.iter().fold(0, |high, word| high | u64::from_le_bytes(*word));
    let high_rest = rest.iter().fold(0, |high, byte| high | byte);
    high & HIGH_BITS == 0 && high_rest < 0x80
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
            for bytes in [&bytes[..], text.as_bytes()] {
                let expected = std::str::from_utf8(bytes).map(|_| ()).map_err(|error| error.valid_up_to());
                prop_assert_eq!(check_utf8(bytes), expected);
            }
        }
    }
}
