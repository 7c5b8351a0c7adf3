//! The short texts that a dictionary was asked for lately, found without hashing and comparing bytes.
use crate::dictionary::Dictionary;

/// A power of two. Few enough for every partition's segment to have them; columns of low cardinality
/// mostly have fewer values at a time, or so many that most are looked up anyway.
const SLOTS: usize = 32;

/// Longer texts are not kept.
const TEXT_BYTES_MAX: usize = 16;

/// Spreads what differs in any bit over the highest ones: 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A text of at most sixteen bytes: with its length, the two words say what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    start: u64,
    end: u64,
    length: usize,
}

impl Key {
    /// In no text.
    const NONE: Key = Key { start: 0, end: 0, length: usize::MAX };

    /// The first and the last bytes, which overlap where there are fewer than two words of them.
    #[inline]
    fn of(text: &[u8]) -> Option<Key> {
        let length = text.len();
        let (start, end) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(start), Some(end)) if length <= TEXT_BYTES_MAX => {
                (u64::from_le_bytes(*start), u64::from_le_bytes(*end))
            }
            (Some(_), _) => return None,
            (None, _) => match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
                (Some(start), Some(end)) => {
                    (u64::from(u32::from_le_bytes(*start)), u64::from(u32::from_le_bytes(*end)))
                }
                _ => match *text {
                    [] => (0, 0),
                    [only] => (u64::from(only), 0),
                    [first, second] => (u64::from(first), u64::from(second)),
                    [first, second, third, ..] => (u64::from(first) << 8 | u64::from(second), third.into()),
                },
            },
        };
        Some(Key { start, end, length })
    }

    #[inline]
    fn slot(self) -> usize {
        let mixed = (self.start ^ self.end.rotate_left(32) ^ self.length as u64).wrapping_mul(SPREAD);
        (mixed >> (u64::BITS - SLOTS.ilog2())) as usize
    }
}

/// Texts with their numbers in one dictionary. What it finds is what the dictionary would say, so a block
/// does not depend on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentTexts {
    /// None before the first text.
    slots: Option<Box<[(Key, u32); SLOTS]>>,
}

impl RecentTexts {
    /// The number of `text` in the dictionary, which is always the same one; it is added if it is new.
    #[inline]
    pub(crate) fn number_of(&mut self, text: &[u8], dictionary: &mut Dictionary) -> u32 {
        let Some(key) = Key::of(text) else { return dictionary.number_of(text) };
        match &self.slots {
            Some(slots) if slots[key.slot()].0 == key => slots[key.slot()].1,
            _ => self.number_of_other(key, text, dictionary),
        }
    }

    /// Two texts that want one slot stand side by side, the newer one first.
    #[inline(never)]
    fn number_of_other(&mut self, key: Key, text: &[u8], dictionary: &mut Dictionary) -> u32 {
        let slots = self.slots.get_or_insert_with(|| Box::new([(Key::NONE, 0); SLOTS]));
        let (first, second) = (key.slot(), key.slot() ^ 1);
        slots.swap(first, second);
        if slots[first].0 != key {
            slots[first] = (key, dictionary.number_of(text));
        }
        slots[first].1
    }

    /// The dictionary was cleared.
    pub(crate) fn clear(&mut self) {
        if let Some(slots) = &mut self.slots {
            slots.fill((Key::NONE, 0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn numbers_are_those_of_the_dictionary(
            texts in proptest::collection::vec("[ab]{0,4}|[abc]{7,18}|\\\\PC{0,6}", 0..200), clear_at in 0usize..200,
        ) {
            let (mut recent, mut dictionary) = (RecentTexts::default(), Dictionary::new());
            let mut plain = Dictionary::new();
            for (place, text) in texts.iter().enumerate() {
                if place == clear_at {
                    recent.clear();
                    dictionary.clear();
                    plain.clear();
                }
                let number = recent.number_of(text.as_bytes(), &mut dictionary);
                proptest::prop_assert_eq!(number, plain.number_of(text.as_bytes()), "{}", text);
                proptest::prop_assert_eq!(dictionary.get(number), text.as_bytes());
            }
        }

        #[test]
        fn keys_tell_texts_apart(one in "[ab\\x00]{0,17}", other in "[ab\\x00]{0,17}") {
            if let (Some(a), Some(b)) = (Key::of(one.as_bytes()), Key::of(other.as_bytes())) {
                proptest::prop_assert_eq!(a == b, one == other);
            }
        }
    }
}
