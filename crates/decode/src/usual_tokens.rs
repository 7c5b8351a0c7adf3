//! JSON's tokens as they usually are: without white space before them, texts without escapes, numbers
//! without exponents. Each function reads one at the start of the bytes and answers what follows it; `None`
//! for others, good or bad, which are the general way's (`scanner.rs`).
//! Nobody has to know before that the bytes are UTF-8: what is taken here was looked at.
use crate::digits::{Digits, eight_digits, first_word, ten_to};
use crate::iso::IsoTime;
use crate::scanner::special_in;
use crate::short_number::ShortNumber;
use crate::uuid_text;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Digits of a number that u64 holds for certain.
const INTEGER_DIGITS_MAX: usize = 19;

/// A text: the bytes behind its first quote, how many of them are the text, and what follows its last quote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) length: usize,
    pub(crate) behind: &'a [u8],
}

/// A text without escapes.
#[inline(always)]
pub(crate) fn text(bytes: &[u8]) -> Option<Text<'_>> {
    let [b'"', bytes @ ..] = bytes else { return None };
    let length = plain_length(bytes);
    match *bytes.get(length)? {
        b'"' => Some(Text { bytes, length, behind: &bytes[length + 1..] }),
        byte if byte >= 0x80 => wide_text(bytes, length),
        _ => None,
    }
}

/// A text whose first character behind `ascii` bytes is none of ASCII.
#[inline(never)]
fn wide_text(bytes: &[u8], ascii: usize) -> Option<Text<'_>> {
    let length = ascii + special_in(&bytes[ascii..]);
    let closed = bytes.get(length) == Some(&b'"');
    let whole = closed && std::str::from_utf8(&bytes[ascii..length]).is_ok();
    whole.then(|| Text { bytes, length, behind: &bytes[length + 1..] })
}

/// The position of the first quote, backslash, control character, or byte that ASCII does not have, else the
/// length.
#[inline(always)]
fn plain_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let found = not_plain(u64::from_le_bytes(*word));
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + last_plain_length(rest)
}

#[inline(never)]
fn last_plain_length(bytes: &[u8]) -> usize {
    let plain = |&byte: &u8| matches!(byte, b' '..=b'\x7f') && byte != b'"' && byte != b'\\';
    bytes.iter().take_while(|byte| plain(byte)).count()
}

/// Bits at the bytes that end a text's plain part. The lowest one is always a true one, since borrows only go
/// up. With its bit of 2 turned, a quote is 0x20, and control characters stay below that.
#[inline(always)]
fn not_plain(word: u64) -> u64 {
    let low = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (low | backslash | word) & HIGH
}

/// Whether a number of digits alone may end in front of `behind`: it does not go on there.
#[inline(always)]
fn ends_integer(behind: &[u8]) -> bool {
    match behind.first() {
        Some(b',') => true,
        Some(byte) => !matches!(byte, b'.' | b'e' | b'E'),
        None => false,
    }
}

/// A whole number: whether it is negative, and its magnitude.
#[inline(always)]
pub(crate) fn integer(bytes: &[u8]) -> Option<(bool, u64, &[u8])> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, bytes),
    };
    let Digits { values, count } = Digits::of_word(first_word(digits));
    if count == 0 || (values & 0xff == 0 && count > 1) {
        return None;
    }
    let (value, count) = match count {
        8 => long_integer(digits, values)?,
        _ => (eight_digits(values << (64 - 8 * count)), count),
    };
    let behind = digits.get(count..)?;
    ends_integer(behind).then_some((negative, value, behind))
}

/// Behind eight digits, which are counted, too.
#[inline(always)]
fn long_integer(bytes: &[u8], first: u64) -> Option<(u64, usize)> {
    let before = eight_digits(first);
    let Digits { values, count } = Digits::of_word(first_word(bytes.get(8..)?));
    match count {
        0 => Some((before, 8)),
        1..8 => Some((before * ten_to(count) + eight_digits(values << (64 - 8 * count)), 8 + count)),
        _ => {
            let (value, count) = crate::digits::leading_digits(&bytes[8..], before);
            (8 + count <= INTEGER_DIGITS_MAX).then_some((value, 8 + count))
        }
    }
}

/// A number.
#[inline(always)]
pub(crate) fn number(bytes: &[u8]) -> Option<(ShortNumber, &[u8])> {
    let (number, length) = ShortNumber::parse(bytes)?;
    Some((number, bytes.get(length..)?))
}

/// A number, or a text that is nothing else.
#[inline(always)]
pub(crate) fn quoted_number(bytes: &[u8]) -> Option<(ShortNumber, &[u8])> {
    let [b'"', quoted @ ..] = bytes else { return number(bytes) };
    let (number, length) = ShortNumber::parse(quoted)?;
    let [b'"', behind @ ..] = quoted.get(length..)? else { return None };
    Some((number, behind))
}

/// A text that is a time in its usual form.
#[inline(always)]
pub(crate) fn time(bytes: &[u8]) -> Option<(IsoTime, &[u8])> {
    let [b'"', quoted @ ..] = bytes else { return None };
    let (time, length) = IsoTime::parse_usual(quoted)?;
    let [b'"', behind @ ..] = quoted.get(length..)? else { return None };
    Some((time, behind))
}

/// A text that is a UUID with hyphens.
#[inline(always)]
pub(crate) fn uuid(bytes: &[u8]) -> Option<(u128, &[u8])> {
    let [b'"', quoted @ ..] = bytes else { return None };
    let (text, [b'"', behind @ ..]) = quoted.split_first_chunk()? else { return None };
    Some((uuid_text::parse_hyphened(text)?, behind))
}

/// True or false.
#[inline(always)]
pub(crate) fn boolean(bytes: &[u8]) -> Option<(bool, &[u8])> {
    // Four bytes are compared as one word.
    let (word, behind) = bytes.split_first_chunk()?;
    let word = u32::from_le_bytes(*word);
    if word == u32::from_le_bytes(*b"true") {
        return Some((true, behind));
    }
    match behind {
        [b'e', behind @ ..] if word == u32::from_le_bytes(*b"fals") => Some((false, behind)),
        _ => None,
    }
}

/// null.
#[inline(always)]
pub(crate) fn null(bytes: &[u8]) -> Option<&[u8]> {
    let (word, behind) = bytes.split_first_chunk()?;
    (u32::from_le_bytes(*word) == u32::from_le_bytes(*b"null")).then_some(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn plain_bytes_are_counted_as_by_a_plain_loop(
            start in "[a-z!#\\[\\]~]{0,20}", byte: u8, behind: Vec<u8>,
        ) {
            let bytes = [start.as_bytes(), &[byte], &behind[..]].concat();
            let special = |&b: &u8| b == b'"' || b == b'\\' || !(0x20..0x80).contains(&b);
            let plain = bytes.iter().position(special).unwrap_or(bytes.len());
            proptest::prop_assert_eq!(plain_length(&bytes), plain);
        }

        #[test]
        fn texts_are_whole_and_utf8(inner in "[a-zé€\\\\\u{7f}]{0,20}", place in 0usize..40, byte: u8) {
            let mut bytes = [b"\"", inner.as_bytes(), b"\",1"].concat();
            if let Some(at) = bytes.get_mut(place) {
                *at = byte;
            }
            if let Some(text) = text(&bytes) {
                let taken = &text.bytes[..text.length];
                let parsed: String = serde_json::from_slice(&[b"\"", taken, b"\""].concat()).unwrap();
                proptest::prop_assert_eq!(parsed.as_bytes(), taken);
                proptest::prop_assert_eq!(text.behind.len(), bytes.len() - taken.len() - 2);
            } else if !inner.contains('\\') {
                proptest::prop_assert!(bytes.get(place) == Some(&byte), "{:?}", inner);
            }
        }

        #[test]
        fn integers_are_those_of_the_standard_library(text in "-?[0-9]{0,22}", behind in "[,}\\] .eE]?[0-9.]{0,9}") {
            let bytes = text.clone() + &behind;
            let whole = bytes.find([',', '}', ']', ' ']).map(|end| &bytes[..end]);
            if let Some((negative, value, rest)) = integer(bytes.as_bytes()) {
                let written = &bytes[..bytes.len() - rest.len()];
                proptest::prop_assert_eq!(i128::from(value) * if negative { -1 } else { 1 }, written.parse::<i128>().unwrap());
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(written).is_ok(), "{}", written);
                if let Some(whole) = whole {
                    proptest::prop_assert_eq!(whole, written);
                }
            } else if let Some(whole) = whole {
                let short = whole.trim_start_matches('-').len() <= INTEGER_DIGITS_MAX;
                proptest::prop_assert!(!short || serde_json::from_str::<i128>(whole).is_err(), "{}", whole);
            }
        }
    }
}
