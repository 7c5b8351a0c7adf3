//! Lists, maps and tuples as ClickHouse writes them in texts, into JSON: `['a', NULL]`, `{'k': 1}`,
//! `(1, 'x')`. Texts stand in single quotes with backslash escapes.
use super::tsv::escaped;
use crate::error::{DecodeReason, ValueKind};
use crate::number::is_number;
use crate::scanner::JSON_DEPTH_MAX;
use crate::typed::append_json_text;

const WRONG: DecodeReason = DecodeReason::WrongKind { found: ValueKind::Text };

/// Appends the JSON of a whole text. Errors: it has another form; DECODE-010.
pub(super) fn append_literal(text: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeReason> {
    let mut reader = Reader { rest: text, unescaped: Vec::new() };
    reader.value(out, false, 0)?;
    if reader.next().is_none() { Ok(()) } else { Err(WRONG) }
}

struct Reader<'a> {
    rest: &'a [u8],
    unescaped: Vec<u8>,
}

impl Reader<'_> {
    /// The next byte that is no blank, without taking it.
    fn next(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_ascii_start();
        self.rest.first().copied()
    }

    fn eat(&mut self, wanted: u8) -> bool {
        let found = self.next() == Some(wanted);
        if found {
            self.rest = &self.rest[1..];
        }
        found
    }

    /// `as_name`: a map's key, which JSON wants to be a text.
    fn value(&mut self, out: &mut Vec<u8>, as_name: bool, depth: usize) -> Result<(), DecodeReason> {
        if depth > JSON_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        match self.next() {
            Some(b'\'') => self.text(out),
            Some(b'[') if !as_name => self.list(b']', out, depth),
            Some(b'(') if !as_name => self.list(b')', out, depth),
            Some(b'{') if !as_name => self.map(out, depth),
            Some(_) => self.word(out, as_name),
            None => Err(WRONG),
        }
    }

    fn list(&mut self, close: u8, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeReason> {
        self.rest = &self.rest[1..];
        out.push(b'[');
        let mut first = true;
        while !self.eat(close) {
            if !first {
                if !self.eat(b',') {
                    return Err(WRONG);
                }
                // A tuple of one member is written (1,).
                if close == b')' && self.eat(close) {
                    break;
                }
                out.push(b',');
            }
            first = false;
            self.value(out, false, depth + 1)?;
        }
        out.push(b']');
        Ok(())
    }

    fn map(&mut self, out: &mut Vec<u8>, depth: usize) -> Result<(), DecodeReason> {
        self.rest = &self.rest[1..];
        out.push(b'{');
        let mut first = true;
        while !self.eat(b'}') {
            if !first {
                if !self.eat(b',') {
                    return Err(WRONG);
                }
                out.push(b',');
            }
            first = false;
            self.value(out, true, depth + 1)?;
            if !self.eat(b':') && !self.eat(b'=') {
                return Err(WRONG);
            }
            out.push(b':');
            self.value(out, false, depth + 1)?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Takes a text in single quotes.
    fn text(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeReason> {
        self.unescaped.clear();
        let mut at = 1;
        loop {
            match (self.rest.get(at), self.rest.get(at + 1)) {
                (Some(b'\''), Some(b'\'')) => {
                    self.unescaped.push(b'\'');
                    at += 2;
                }
                (Some(b'\''), _) => break,
                (Some(b'\\'), _) => {
                    let (byte, length) = escaped(&self.rest[at + 1..]).ok_or(WRONG)?;
                    self.unescaped.push(byte);
                    at += 1 + length;
                }
                (Some(&byte), _) => {
                    self.unescaped.push(byte);
                    at += 1;
                }
                (None, _) => return Err(WRONG),
            }
        }
        self.rest = &self.rest[at + 1..];
        // What stands for a byte may break the encoding.
        if std::str::from_utf8(&self.unescaped).is_err() {
            return Err(WRONG);
        }
        append_json_text(&self.unescaped, out);
        Ok(())
    }

    /// Takes a number, NULL, true or false; other words, such as `nan` or a day, become texts.
    fn word(&mut self, out: &mut Vec<u8>, as_name: bool) -> Result<(), DecodeReason> {
        let ends =
            |byte: &u8| matches!(byte, b',' | b']' | b')' | b'}' | b'{' | b'[' | b'(' | b':' | b'=' | b'\'');
        let length = self.rest.iter().position(ends).unwrap_or(self.rest.len());
        let word = self.rest[..length].trim_ascii_end();
        self.rest = &self.rest[length..];
        match word {
            b"" => return Err(WRONG),
            b"NULL" if !as_name => out.extend_from_slice(b"null"),
            b"true" | b"false" if !as_name => out.extend_from_slice(word),
            number if !as_name && is_number(number) => out.extend_from_slice(number),
            b"nan" => out.extend_from_slice(b"\"NaN\""),
            b"inf" => out.extend_from_slice(b"\"Infinity\""),
            b"-inf" => out.extend_from_slice(b"\"-Infinity\""),
            other => append_json_text(other, out),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Option<String> {
        let mut out = Vec::new();
        append_literal(text.as_bytes(), &mut out).ok()?;
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn literals_become_json() {
        assert_eq!(json("['a', NULL,'it\\'s', '']").as_deref(), Some(r#"["a",null,"it's",""]"#));
        assert_eq!(json("[[1,2],[]]").as_deref(), Some("[[1,2],[]]"));
        assert_eq!(json("{'k':[1.5],2:true}").as_deref(), Some(r#"{"k":[1.5],"2":true}"#));
        assert_eq!(json("(1,'x',nan)").as_deref(), Some(r#"[1,"x","NaN"]"#));
        assert_eq!(json("(1,)").as_deref(), Some("[1]"));
        for broken in ["", "[", "[1", "['a", "[1 2", "{'a'}", "{[1]:2}", "[1]]", "[,1]", "[1,"] {
            assert_eq!(
                json(broken).filter(|json| serde_json::from_str::<serde_json::Value>(json).is_ok()),
                None,
                "{broken}"
            );
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(append_literal(deep.as_bytes(), &mut Vec::new()), Err(DecodeReason::TooDeep));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_json_or_refused(text: String) {
            if let Some(json) = json(&text) {
                // Words with blanks inside become texts, so what is taken is always JSON.
                proptest::prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{json}");
            }
        }
    }
}
