//! Byte strings, and base64, which is how JSON writes them.
use pumphouse_columns::Column;

use crate::conversion::Conversion;
use crate::error::{DecodeReason, ValueKind};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the bytes as they are: to String of any length, to FixedString up to its width.
pub(crate) fn put_bytes(
    conversion: &Conversion,
    column: &mut Column,
    bytes: &[u8],
) -> Result<(), DecodeReason> {
    match (conversion, column) {
        (Conversion::String, Column::Text(text)) => text.push(bytes),
        (Conversion::FixedString, Column::Fixed(fixed)) => {
            if !fixed.push(bytes) {
                return Err(DecodeReason::Lossy { found: ValueKind::Bytes });
            }
        }
        (Conversion::Nullable(inner), Column::Nullable(nullable)) => {
            put_bytes(inner, nullable.values(), bytes)?;
            nullable.value_pushed();
        }
        (Conversion::Low(inner), Column::Low(low)) => {
            if let Conversion::String = **inner {
                low.push_text(bytes);
            } else {
                put_bytes(inner, low.staged(), bytes)?;
                low.push_staged();
            }
        }
        _ => return Err(DecodeReason::WrongKind { found: ValueKind::Bytes }),
    }
    Ok(())
}

/// Appends the bytes as base64 with padding (RFC 4648, section 4).
pub(crate) fn encode_base64(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(ALPHABET[(group >> (18 - 6 * place) & 63) as usize]);
            } else {
                out.push(b'=');
            }
        }
    }
}

/// Appends the bytes that a base64 text stands for; padding may be left out.
/// Errors: `None` for other characters, a wrong length, or bits that stand for nothing.
pub(crate) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let bare = match text {
        [bare @ .., b'=', b'='] if text.len().is_multiple_of(4) => bare,
        [bare @ .., b'='] if text.len().is_multiple_of(4) => bare,
        bare => bare,
    };
    for chunk in bare.chunks(4) {
        let mut group = 0u32;
        for &character in chunk {
            group = group << 6 | u32::from(value_of(character)?);
        }
        let bytes = match chunk.len() {
            4 => 3,
            3 => 2,
            2 => 1,
            _ => return None,
        };
        group <<= 6 * (4 - chunk.len());
        let whole = group.to_be_bytes();
        if whole[1 + bytes..].iter().any(|&rest| rest != 0) {
            return None;
        }
        out.extend_from_slice(&whole[1..1 + bytes]);
    }
    Some(())
}

fn value_of(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character - b'A',
        b'a'..=b'z' => character - b'a' + 26,
        b'0'..=b'9' => character - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode_base64(text.as_bytes(), &mut out).map(|()| out)
    }

    #[test]
    fn the_examples_of_the_rfc_hold() {
        for (plain, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let mut out = Vec::new();
            encode_base64(plain.as_bytes(), &mut out);
            assert_eq!(out, text.as_bytes());
            assert_eq!(decoded(text).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(decoded("Zg").as_deref(), Some(&b"f"[..]));
        for broken in ["Z", "Zg=", "Zh==", "Zm9v====", "Zm 9v", "=", "Zm9=v"] {
            assert_eq!(decoded(broken), None, "{broken}");
        }
    }

    proptest::proptest! {
        #[test]
        fn bytes_read_back(bytes: Vec<u8>) {
            let (mut text, mut back) = (Vec::new(), Vec::new());
            encode_base64(&bytes, &mut text);
            decode_base64(&text, &mut back).unwrap();
            proptest::prop_assert_eq!(back, bytes);
        }
    }
}
