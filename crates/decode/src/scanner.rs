//! A strict JSON scanner over the bytes of one record. It finds where values begin and end and
//! checks the grammar of RFC 8259; what values mean is `scalar.rs`.
//! The bytes were checked to be UTF-8 before, so only escapes can still break a text.
use crate::error::{DecodeReason, ValueKind};
use crate::short_number::ShortNumber;

/// Arrays and objects nest at most this deep: it bounds the stack, real records stay below twenty.
pub const JSON_DEPTH_MAX: usize = 128;

/// A text as it stands between its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawText<'a> {
    pub(crate) raw: &'a [u8],
    /// Byte position of `raw` in the record.
    pub(crate) at: usize,
    pub(crate) escaped: bool,
}

pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner { bytes, at: 0 }
    }

    /// Behind the first `at` bytes, which are something else.
    pub(crate) fn starting_at(bytes: &'a [u8], at: usize) -> Scanner<'a> {
        Scanner { bytes, at }
    }

    /// Another one over the same bytes. Shape: a value that was taken before begins at `at`.
    pub(crate) fn again_at(&self, at: usize) -> Scanner<'a> {
        Scanner { bytes: self.bytes, at }
    }

    #[cold]
    pub(crate) fn broken<T>(&self) -> Result<T, DecodeReason> {
        Err(DecodeReason::BrokenJson { at: self.at })
    }

    /// The next byte that is not white space, without taking it; 0 at the end.
    #[inline]
    pub(crate) fn peek(&mut self) -> u8 {
        while let Some(&byte) = self.bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
        0
    }

    /// Byte position of what comes next.
    #[inline]
    pub(crate) fn next_at(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Byte position of what was not taken yet, white space included.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where [`Scanner::next_at`] was asked: another reading of the same value is tried.
    pub(crate) fn go_back(&mut self, at: usize) {
        debug_assert!(at <= self.at);
        self.at = at;
    }

    /// What was taken since [`Scanner::next_at`] was asked, as written.
    pub(crate) fn taken_since(&self, at: usize) -> &'a [u8] {
        &self.bytes[at..self.at]
    }

    /// Takes the text `name` if it comes next, written without escapes. Much cheaper than taking
    /// any text and comparing. Shape: `name` was taken without escapes from a record before.
    #[inline]
    pub(crate) fn eat_name(&mut self, name: &[u8]) -> bool {
        let Some([b'"', rest @ ..]) = self.bytes.get(self.at..) else {
            return false;
        };
        let found = rest.len() > name.len() && rest[name.len()] == b'"' && &rest[..name.len()] == name;
        if found {
            self.at += name.len() + 2;
        }
        found
    }

    /// What was not taken yet, white space included.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Goes on with `rest`. Shape: the end of what [`Scanner::rest`] was.
    #[inline]
    pub(crate) fn go_on(&mut self, rest: &[u8]) {
        self.at = self.bytes.len() - rest.len();
    }

    /// Takes `object` if its bytes come next. Shape: a whole object or list, taken from a record before.
    pub(crate) fn eat_value(&mut self, object: &[u8]) -> bool {
        let found = matches!(object.last(), Some(b'}' | b']')) && self.bytes[self.at..].starts_with(object);
        self.at += if found { object.len() } else { 0 };
        found
    }

    /// Takes `wanted`, which must come next.
    #[inline]
    pub(crate) fn expect(&mut self, wanted: u8) -> Result<(), DecodeReason> {
        if self.peek() == wanted && self.at < self.bytes.len() {
            self.at += 1;
            Ok(())
        } else {
            self.broken()
        }
    }

    /// After a member: `true` if another one follows, `false` if `close` ended the list.
    #[inline]
    pub(crate) fn another(&mut self, close: u8) -> Result<bool, DecodeReason> {
        match self.peek() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => self.broken(),
        }
    }

    /// After `[` or `{`: takes `close` if the list is empty.
    #[inline]
    pub(crate) fn empty(&mut self, close: u8) -> bool {
        let empty = self.peek() == close;
        self.at += usize::from(empty);
        empty
    }

    /// Only white space may follow the record's object.
    pub(crate) fn end(&mut self) -> Result<(), DecodeReason> {
        self.peek();
        if self.at == self.bytes.len() { Ok(()) } else { self.broken() }
    }

    /// What kind of value comes next, by its first byte.
    #[inline]
    pub(crate) fn kind(&mut self) -> Result<ValueKind, DecodeReason> {
        Ok(match self.peek() {
            b'"' => ValueKind::Text,
            b'-' | b'0'..=b'9' => ValueKind::Number,
            b't' | b'f' => ValueKind::Bool,
            b'n' => ValueKind::Null,
            b'{' => ValueKind::Object,
            b'[' => ValueKind::Array,
            _ => return self.broken(),
        })
    }

    /// Takes a text if it is one without escapes, and whole.
    #[inline]
    pub(crate) fn plain_text(&mut self) -> Option<&'a [u8]> {
        let [b'"', rest @ ..] = &self.bytes[self.at..] else { return None };
        let length = special_in(rest);
        (rest.get(length) == Some(&b'"')).then(|| {
            self.at += length + 2;
            &rest[..length]
        })
    }

    /// Takes a text, its escapes checked but left as they are.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<RawText<'a>, DecodeReason> {
        self.expect(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += special_in(&self.bytes[self.at..]);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    let raw = &self.bytes[start..self.at];
                    self.at += 1;
                    return Ok(RawText { raw, at: start, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                // A control character, or the end of the record.
                _ => return self.broken(),
            }
        }
    }

    fn escape(&mut self) -> Result<(), DecodeReason> {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return self.broken();
                }
                self.at += 6;
            }
            _ => return self.broken(),
        }
        Ok(())
    }

    /// Takes a number if it is a short one.
    #[inline]
    pub(crate) fn short_number(&mut self) -> Option<ShortNumber> {
        let (number, length) = ShortNumber::parse(&self.bytes[self.at..])?;
        self.at += length;
        Some(number)
    }

    /// Takes a number and returns it as written.
    #[inline]
    pub(crate) fn number(&mut self) -> Result<&'a [u8], DecodeReason> {
        let rest = &self.bytes[self.at..];
        match crate::number::number_length(rest) {
            0 => self.broken(),
            length => {
                self.at += length;
                Ok(&rest[..length])
            }
        }
    }

    /// Takes true or false.
    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, DecodeReason> {
        if self.bytes[self.at..].starts_with(b"t") {
            self.literal(b"true").map(|()| true)
        } else {
            self.literal(b"false").map(|()| false)
        }
    }

    /// Takes null.
    pub(crate) fn null(&mut self) -> Result<(), DecodeReason> {
        self.literal(b"null")
    }

    #[inline]
    fn literal(&mut self, word: &[u8]) -> Result<(), DecodeReason> {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.broken()
        }
    }

    /// Takes one value of any kind and returns it as written. `depth`: levels it already lies in.
    pub(crate) fn raw_value(&mut self, depth: usize) -> Result<&'a [u8], DecodeReason> {
        self.peek();
        let start = self.at;
        self.skip(depth)?;
        Ok(&self.bytes[start..self.at])
    }

    fn skip(&mut self, depth: usize) -> Result<(), DecodeReason> {
        if depth > JSON_DEPTH_MAX {
            return Err(DecodeReason::TooDeep);
        }
        match self.kind()? {
            ValueKind::Text => self.text().map(drop),
            ValueKind::Number => self.number().map(drop),
            ValueKind::Bool => self.boolean().map(drop),
            ValueKind::Null => self.null(),
            ValueKind::Bytes | ValueKind::Logical => unreachable!("JSON has no such values"),
            ValueKind::Array => {
                self.at += 1;
                if self.empty(b']') {
                    return Ok(());
                }
                loop {
                    self.skip(depth + 1)?;
                    if !self.another(b']')? {
                        return Ok(());
                    }
                }
            }
            ValueKind::Object => {
                self.at += 1;
                if self.empty(b'}') {
                    return Ok(());
                }
                loop {
                    self.text()?;
                    self.expect(b':')?;
                    self.skip(depth + 1)?;
                    if !self.another(b'}')? {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// The position of the first quote, backslash or control character, else the length.
/// Eight bytes at a time; the lowest flagged byte is always a true one, since borrows only go up.
/// With its bit of 2 turned, a quote is 0x20, and control characters stay below that.
#[inline]
pub(crate) fn special_in(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let backslashes = word ^ (ONES * b'\\' as u64);
        let low = (word ^ (ONES * 2)).wrapping_sub(ONES * 0x21);
        let found = (low & !word | backslashes.wrapping_sub(ONES) & !backslashes) & HIGH;
        if found != 0 {
            return number * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let special = |&byte: &u8| byte == b'"' || byte == b'\\' || byte < 0x20;
    bytes.len() - rest.len() + rest.iter().position(special).unwrap_or(rest.len())
}

/// Replaces `out` by what `text` stands for.
/// Errors: DECODE-008 for half of a surrogate pair.
pub(crate) fn unescape(text: RawText<'_>, out: &mut Vec<u8>) -> Result<(), DecodeReason> {
    out.clear();
    let mut rest = text.raw;
    while let Some(position) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..position]);
        let escape = rest[position + 1];
        let mut taken = position + 2;
        match escape {
            b'b' => out.push(0x08),
            b'f' => out.push(0x0c),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let at = text.at + (text.raw.len() - rest.len()) + position;
                let (c, units) = unicode_escape(&rest[position..]).ok_or(DecodeReason::InvalidUtf8 { at })?;
                taken = position + 6 * units;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            itself => out.push(itself),
        }
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
    Ok(())
}

/// The character of one `\uXXXX`, or of two that form a pair, and how many it took.
fn unicode_escape(escapes: &[u8]) -> Option<(char, usize)> {
    let first = code_unit(escapes)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 1));
    }
    let second = code_unit(escapes.get(6..)?)?;
    if !(0xd800..0xdc00).contains(&first) || !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).map(|c| (c, 2))
}

fn code_unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<(), DecodeReason> {
        let mut scanner = Scanner::new(text.as_bytes());
        scanner.raw_value(0)?;
        scanner.end()
    }

    #[test]
    fn the_grammar_is_strict() {
        for good in [
            "1",
            "-0.5e+3",
            "[]",
            "[1,2]",
            "{}",
            " {\"a\" : [true,false,null] } ",
            "\"\\u00e9\\n\"",
            "0",
            "-0",
        ] {
            assert_eq!(whole(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "nul",
            "tru",
            "\"",
            "\"\\q\"",
            "\"\\u12g4\"",
            "\"\n\"",
            "[1 2]",
            "{\"a\" 1}",
            "1 1",
            "NaN",
            "'a'",
            "\u{0}",
        ] {
            assert!(matches!(whole(bad), Err(DecodeReason::BrokenJson { .. })), "{bad:?}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert_eq!(whole(&"[".repeat(1_000_000)), Err(DecodeReason::TooDeep));
        let deepest = format!("{}1{}", "[".repeat(JSON_DEPTH_MAX), "]".repeat(JSON_DEPTH_MAX));
        assert_eq!(whole(&deepest), Ok(()));
    }

    #[test]
    fn escapes_become_their_characters() {
        let unescaped = |raw: &str| {
            let mut out = Vec::new();
            unescape(RawText { raw: raw.as_bytes(), at: 0, escaped: true }, &mut out)
                .map(|()| String::from_utf8(out).unwrap())
        };
        assert_eq!(unescaped(r#"a\n\"\\\/\u00e9\ud83d\ude00z"#).unwrap(), "a\n\"\\/é😀z");
        for lone in [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\u0041"] {
            assert!(matches!(unescaped(lone), Err(DecodeReason::InvalidUtf8 { .. })), "{lone}");
        }
    }

    proptest::proptest! {
        #[test]
        fn specials_are_found_where_a_plain_loop_finds_them(bytes: Vec<u8>) {
            let plain = bytes.iter().position(|&b| b == b'"' || b == b'\\' || b < 0x20).unwrap_or(bytes.len());
            proptest::prop_assert_eq!(special_in(&bytes), plain);
        }

        #[test]
        fn we_agree_with_serde_json_on_what_is_json(text in "[\\[\\]{},:\"\\\\0-9eE.+ntrufalse -]{0,24}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            // serde_json refuses numbers beyond f64 and looks into escapes of surrogates; the
            // alphabet has neither in this length but for exponents.
            if !text.contains(['e', 'E', 'u']) {
                proptest::prop_assert_eq!(whole(&text).is_ok(), theirs, "{}", text);
            }
        }
    }
}
