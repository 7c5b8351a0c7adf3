//! Writes JSON, for values that a column takes as JSON: JSON, Variant, Tuple, String and the like.

/// Appends a text with quotes and escapes. Shape: UTF-8.
pub(crate) fn append_json_text(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain_from = 0;
    for (at, &byte) in text.iter().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text[plain_from..at]);
        plain_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&text[plain_from..]);
    out.push(b'"');
}

/// Appends a float: a number where JSON has one, else the text that the conversions know.
pub(crate) fn append_json_float(finite: bool, text: &[u8], out: &mut Vec<u8>) {
    if finite {
        out.extend_from_slice(text);
    } else {
        append_json_text(text, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn texts_read_back(text: String) {
            let mut out = Vec::new();
            append_json_text(text.as_bytes(), &mut out);
            proptest::prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
