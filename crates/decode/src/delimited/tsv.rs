//! TabSeparated: tabs between fields, backslashes before what would be read otherwise.
use super::decoder::{Fields, Found};
use crate::error::DecodeReason;

pub(super) struct Tsv<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Tsv<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Tsv<'a> {
        Tsv { bytes, at: 0 }
    }
}

impl<'a> Fields<'a> for Tsv<'a> {
    fn field<'s>(&mut self, text: &'s mut Vec<u8>, literal: bool) -> Result<Found<'s>, DecodeReason>
    where
        'a: 's,
    {
        let rest = &self.bytes[self.at..];
        let length = length_of(rest);
        let (raw, begin) = (&rest[..length], self.at);
        self.at += length;
        if raw == b"\\N" {
            return Ok(Found::Null);
        }
        if literal || !raw.contains(&b'\\') {
            return Ok(Found::Text(raw));
        }
        text.clear();
        unescape(raw, text).map_err(|at| DecodeReason::BrokenText { at: begin + at })?;
        // What stands for a byte may break the encoding.
        match std::str::from_utf8(text) {
            Ok(_) => Ok(Found::Text(text)),
            Err(_) => Err(DecodeReason::InvalidUtf8 { at: begin }),
        }
    }

    fn another(&mut self) -> bool {
        let another = self.bytes.get(self.at) == Some(&b'\t');
        self.at += usize::from(another);
        another
    }

    fn end(&mut self) -> Result<(), DecodeReason> {
        // Lines that end as on Windows: the server refuses them, too.
        if self.bytes[..self.at].last() == Some(&b'\r') {
            return Err(DecodeReason::BrokenText { at: self.at - 1 });
        }
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|byte| *byte != b'\n') {
            None => Ok(()),
            Some(ends) => Err(DecodeReason::SecondRow { at: self.at + ends }),
        }
    }
}

/// Up to the next tab or line's end that no backslash stands before.
fn length_of(rest: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = rest.get(at) {
        match byte {
            b'\t' | b'\n' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    rest.len()
}

/// Errors: where a backslash stands before nothing.
fn unescape(raw: &[u8], text: &mut Vec<u8>) -> Result<(), usize> {
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        if byte != b'\\' {
            text.push(byte);
            at += 1;
            continue;
        }
        let (stands_for, length) = escaped(&raw[at + 1..]).ok_or(at)?;
        text.push(stands_for);
        at += 1 + length;
    }
    Ok(())
}

/// The byte that stands behind a backslash, and how many bytes write it. `None`: nothing does.
pub(super) fn escaped(behind: &[u8]) -> Option<(u8, usize)> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    Some(match *behind {
        [b'b', ..] => (0x08, 1),
        [b'f', ..] => (0x0c, 1),
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'0', ..] => (0, 1),
        [b'a', ..] => (0x07, 1),
        [b'v', ..] => (0x0b, 1),
        [b'e', ..] => (0x1b, 1),
        [b'x', high, low, ..] => ((digit(high)? * 16 + digit(low)?) as u8, 3),
        [b'x', ..] | [] => return None,
        [other, ..] => (other, 1),
    })
}
