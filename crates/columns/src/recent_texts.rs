//! The short texts that a dictionary was asked for lately, found without hashing and comparing bytes.
use crate::dictionary::Dictionary;

/// A power of two. Few enough for every partition's segment to have them; columns of low cardinality
/// mostly have fewer values at a time, or so many that most are looked up anyway.
const SLOTS: usize = 64;

/// Longer texts are not kept.
const TEXT_BYTES_MAX: usize = 16;

/// Spreads what differs in any bit over the highest ones: 2^64 divided by the golden ratio, odd.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// All bits of so many bytes, as two words.
const MASKS: [[u64; 2]; TEXT_BYTES_MAX + 1] = {
    let mut masks = [[0, 0]; TEXT_BYTES_MAX + 1];
    let mut length = 1;
    while length <= TEXT_BYTES_MAX {
        let mask = u128::MAX >> (u128::BITS as usize - 8 * length);
        masks[length] = [mask as u64, (mask >> 64) as u64];
        length += 1;
    }
    masks
};

/// A text of at most sixteen bytes, with zeros behind it; its length says which of them are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key {
    start: u64,
    end: u64,
    length: u32,
}

impl Key {
    /// In no text.
    const NONE: Key = Key { start: 0, end: 0, length: u32::MAX };

    /// Of the first `length` bytes.
    #[inline(always)]
    fn of(bytes: &[u8], length: usize) -> Option<Key> {
        let [start_mask, end_mask] = MASKS.get(length)?;
        let Some((start, end)) = bytes.first_chunk::<16>().and_then(|both| {
            let (start, rest) = both.split_first_chunk::<8>()?;
            Some((u64::from_le_bytes(*start), u64::from_le_bytes(*rest.first_chunk()?)))
        }) else {
            return Some(Key::of_whole(&bytes[..length]));
        };
        Some(Key { start: start & start_mask, end: end & end_mask, length: length as u32 })
    }

    /// Of a text with nothing to read behind it: from words that overlap.
    #[inline(never)]
    fn of_whole(text: &[u8]) -> Key {
        let length = text.len();
        let (start, end) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
            (Some(start), Some(end)) => {
                let own = u64::from_le_bytes(*end).checked_shr(8 * (TEXT_BYTES_MAX - length) as u32);
                (u64::from_le_bytes(*start), own.unwrap_or(0))
            }
            _ => match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
                (Some(start), Some(end)) => {
                    let [start, end] = [*start, *end].map(|half| u64::from(u32::from_le_bytes(half)));
                    (start | end << (8 * (length - 4)), 0)
                }
                _ => (text.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)), 0),
            },
        };
        Key { start, end, length: length as u32 }
    }

    #[inline(always)]
    fn slot(self) -> usize {
        let mixed = (self.start ^ self.end.rotate_left(32)).wrapping_mul(SPREAD);
        // Its pair is the other one with the same higher bits.
        (mixed >> (u64::BITS - SLOTS.ilog2())) as usize & !1
    }
}

/// A text and its number, side by side without a gap.
#[derive(Debug, Clone, Copy)]
struct Slot {
    start: u64,
    end: u64,
    length: u32,
    number: u32,
}

impl Slot {
    const EMPTY: Slot = Slot::new(Key::NONE, 0);

    const fn new(Key { start, end, length }: Key, number: u32) -> Slot {
        Slot { start, end, length, number }
    }

    #[inline(always)]
    fn is_of(&self, key: Key) -> bool {
        self.start == key.start && self.end == key.end && self.length == key.length
    }
}

/// Texts with their numbers in one dictionary. What it finds is what the dictionary would say, so a block
/// does not depend on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecentTexts {
    /// None before the first text.
    slots: Option<Box<[Slot; SLOTS]>>,
}

impl RecentTexts {
    /// The number that the first `length` of `bytes` have in the dictionary, which is always the same one;
    /// they are added if they are new.
    #[inline(always)]
    pub(crate) fn number_of(&mut self, bytes: &[u8], length: usize, dictionary: &mut Dictionary) -> u32 {
        let Some(key) = Key::of(bytes, length) else { return dictionary.number_of(&bytes[..length]) };
        if let Some(slots) = &self.slots {
            for slot in [key.slot(), key.slot() ^ 1] {
                if slots[slot].is_of(key) {
                    return slots[slot].number;
                }
            }
        }
        self.number_of_other(key, &bytes[..length], dictionary)
    }

    /// Two texts that want one slot stand side by side, the newer one first.
    #[inline(never)]
    fn number_of_other(&mut self, key: Key, text: &[u8], dictionary: &mut Dictionary) -> u32 {
        let slots = self.slots.get_or_insert_with(|| Box::new([Slot::EMPTY; SLOTS]));
        let number = dictionary.number_of(text);
        slots[key.slot() ^ 1] = slots[key.slot()];
        slots[key.slot()] = Slot::new(key, number);
        number
    }

    /// The dictionary was cleared.
    pub(crate) fn clear(&mut self) {
        if let Some(slots) = &mut self.slots {
            slots.fill(Slot::EMPTY);
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
            behind: Vec<u8>,
        ) {
            let (mut recent, mut dictionary) = (RecentTexts::default(), Dictionary::new());
            let mut plain = Dictionary::new();
            for (place, text) in texts.iter().enumerate() {
                if place == clear_at {
                    recent.clear();
                    dictionary.clear();
                    plain.clear();
                }
                let behind = [text.as_bytes(), &behind[..]].concat();
                let bytes = if place % 2 == 0 { &behind[..] } else { text.as_bytes() };
                let number = recent.number_of(bytes, text.len(), &mut dictionary);
                proptest::prop_assert_eq!(number, plain.number_of(text.as_bytes()), "{}", text);
                proptest::prop_assert_eq!(dictionary.get(number), text.as_bytes());
            }
        }

        #[test]
        fn keys_tell_texts_apart(
            one in "[ab\\x00]{0,17}", other in "[ab\\x00]{0,17}", behind in "[a-c]{0,17}",
        ) {
            let both = one.clone() + &behind;
            let key = |bytes: &str, length| Key::of(bytes.as_bytes(), length);
            proptest::prop_assert_eq!(key(&both, one.len()), key(&one, one.len()));
            if let (Some(a), Some(b)) = (key(&both, one.len()), key(&other, other.len())) {
                proptest::prop_assert_eq!(a == b, one == other);
            }
        }
    }
}
