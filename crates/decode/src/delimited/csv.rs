//! CSV: double quotes, doubled inside of themselves; white space around fields does not count.
use super::decoder::{Fields, Found};
use crate::error::DecodeReason;

pub(super) struct Csv<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Csv<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Csv<'a> {
        Csv { bytes, at: 0 }
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    /// Takes what stands between quotes, the first of which was taken.
    fn quoted(&mut self, text: &mut Vec<u8>) -> Result<(), DecodeReason> {
        loop {
            let rest = &self.bytes[self.at..];
            let Some(length) = rest.iter().position(|byte| *byte == b'"') else {
                return Err(DecodeReason::BrokenText { at: self.bytes.len() });
            };
            text.extend_from_slice(&rest[..length]);
            self.at += length + 1;
            if self.bytes.get(self.at) != Some(&b'"') {
                return Ok(());
            }
            text.push(b'"');
            self.at += 1;
        }
    }
}

impl<'a> Fields<'a> for Csv<'a> {
    fn field<'s>(&mut self, text: &'s mut Vec<u8>, _literal: bool) -> Result<Found<'s>, DecodeReason>
    where
        'a: 's,
    {
        self.skip_blanks();
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            text.clear();
            self.quoted(text)?;
            self.skip_blanks();
            return match self.bytes.get(self.at) {
                None | Some(b',' | b'\n' | b'\r') => Ok(Found::Text(text)),
                Some(_) => Err(DecodeReason::BrokenText { at: self.at }),
            };
        }
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b'\n' | b'\r')).unwrap_or(rest.len());
        self.at += length;
        Ok(match rest[..length].trim_ascii_end() {
            b"" => Found::Empty,
            b"\\N" => Found::Null,
            plain => Found::Text(plain),
        })
    }

    fn another(&mut self) -> bool {
        let another = self.bytes.get(self.at) == Some(&b',');
        self.at += usize::from(another);
        another
    }

    fn end(&mut self) -> Result<(), DecodeReason> {
        let rest = &self.bytes[self.at..];
        match rest.iter().position(|byte| !matches!(byte, b'\n' | b'\r')) {
            None => Ok(()),
            Some(0) => Err(DecodeReason::BrokenText { at: self.at }),
            Some(ends) => Err(DecodeReason::SecondRow { at: self.at + ends }),
        }
    }
}
