//! What stands between two values of a record, compared with what stood there in the last one.

/// Bytes that a record is expected to go on with. Up to 32 of them are compared as one or two words of 16
/// bytes, without a loop and without a call.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    bytes: Vec<u8>,
    words: [u128; 2],
    /// All bits of the bytes that count.
    masks: [u128; 2],
}

impl Marks {
    /// Replaces them.
    pub(crate) fn set(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        let (mut words, mut masks) = ([[0; 16]; 2], [[0; 16]; 2]);
        let places = words.as_flattened_mut().iter_mut().zip(masks.as_flattened_mut());
        for ((word, mask), byte) in places.zip(bytes) {
            (*word, *mask) = (*byte, 0xff);
        }
        self.words = words.map(u128::from_le_bytes);
        self.masks = masks.map(u128::from_le_bytes);
    }

    /// What follows them, if `text` begins with them.
    #[inline(always)]
    pub(crate) fn before<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let differs = |number: usize, word: &[u8; 16]| {
            (u128::from_le_bytes(*word) ^ self.words[number]) & self.masks[number] != 0
        };
        let length = self.bytes.len();
        if length <= 16
            && let Some(first) = text.first_chunk()
        {
            return if differs(0, first) { None } else { text.get(length..) };
        }
        if length <= 32
            && let Some(both) = text.first_chunk::<32>()
            && let ([first, second], []) = both.as_chunks()
        {
            return if differs(0, first) | differs(1, second) { None } else { text.get(length..) };
        }
        text.strip_prefix(&self.bytes[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn they_begin_a_text_where_the_standard_library_says_so(
            text: Vec<u8>, length in 0usize..48, place in 0usize..48, other: u8,
        ) {
            let mut marks = Marks::default();
            let mut start = text[..length.min(text.len())].to_vec();
            marks.set(&start);
            proptest::prop_assert_eq!(marks.before(&text), Some(&text[start.len()..]));
            if let Some(byte) = start.get_mut(place) {
                *byte = other;
            }
            marks.set(&start);
            proptest::prop_assert_eq!(marks.before(&text), text.strip_prefix(&start[..]));
            start = text.clone();
            start.push(other);
            marks.set(&start);
            proptest::prop_assert_eq!(marks.before(&text), None);
        }
    }
}
