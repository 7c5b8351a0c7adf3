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
    fn field<'s>(&mut self, text: &'s mut Vec<u8>) -> Result<Found<'s>, DecodeReason>
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
        if !raw.contains(&b'\\') {
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
        let stands_for = match *raw.get(at + 1).ok_or(at)? {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'a' => 0x07,
            b'v' => 0x0b,
            b'e' => 0x1b,
            b'x' => {
                let digit = |place: usize| (*raw.get(at + place)? as char).to_digit(16);
                let (high, low) = (digit(2).ok_or(at)?, digit(3).ok_or(at)?);
                at += 2;
                (high * 16 + low) as u8
            }
            other => other,
        };
        text.push(stands_for);
        at += 2;
    }
    Ok(())
}
