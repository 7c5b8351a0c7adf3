//! The properties format, as `java.util.Properties` reads it.
//!
//! Lines end with LF, CR or CRLF. A line whose first visible character is `#` or `!` is a comment.
//! An odd number of backslashes at the end of a line continues it, and the blanks that begin the next
//! line are dropped. The name ends at the first unescaped `=`, `:` or blank. `\t \n \r \f \uXXXX` are
//! the escapes; a backslash before anything else is dropped.
//! One difference: Java reads the file as Latin-1; here it is UTF-8 where it is valid UTF-8, so that
//! a password with an umlaut is what the editor showed.
use std::iter::Peekable;
use std::str::Chars;

use crate::error::{ConfigCode, ConfigError};
use crate::raw::RawConfig;

/// Reads a properties file. A name that occurs twice keeps its last text.
///
/// Errors: CONFIG-001 for an incomplete `\u` escape, with the line's number.
pub fn parse_properties(file: &[u8]) -> Result<RawConfig, ConfigError> {
    let text = match std::str::from_utf8(file) {
        Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
        Err(_) => file.iter().map(|&byte| char::from(byte)).collect(),
    };
    let mut config = RawConfig::new();
    for (line_number, line) in logical_lines(&text) {
        let (name, value) = split_name(&line);
        let unescape_at = |part: &str| {
            unescape(part).ok_or_else(|| {
                ConfigError::new(
                    ConfigCode::File,
                    format!("line {line_number}"),
                    "a \\u escape needs four hexadecimal digits",
                    "Write \\uXXXX, or double the backslash if you mean a backslash.",
                )
            })
        };
        config.set(unescape_at(name)?, unescape_at(value)?);
    }
    Ok(config)
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Natural lines joined at their continuations, without comments and empty lines, each with the number
/// of its first line. Escapes are still in place.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, natural) in text.split('\n').enumerate() {
        let natural = natural.trim_start_matches(is_blank);
        // Only a line that continues nothing can be a comment.
        if open.is_none() && (natural.is_empty() || natural.starts_with(['#', '!'])) {
            continue;
        }
        let backslashes = natural.chars().rev().take_while(|&c| c == '\\').count();
        let continues = backslashes % 2 == 1;
        let body = if continues { &natural[..natural.len() - 1] } else { natural };
        let (first, mut line) = open.take().unwrap_or_else(|| (i + 1, String::new()));
        line.push_str(body);
        if continues {
            open = Some((first, line));
        } else {
            lines.push((first, line));
        }
    }
    lines.extend(open);
    // A continuation into nothing leaves an empty line behind, which holds no option.
    lines.retain(|(_, line)| !line.is_empty());
    lines
}

/// The name and the value of a logical line, both still escaped.
fn split_name(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|&(_, c)| {
            let ends = !escaped && (matches!(c, '=' | ':') || is_blank(c));
            escaped = c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let rest = line[end..].trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (&line[..end], rest.trim_start_matches(is_blank))
}

fn unescape(text: &str) -> Option<String> {
    // Java's escapes are UTF-16 units; a pair of them may make one character.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let c = match (c, c == '\\') {
            (c, false) => c,
            (_, true) => match chars.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some('f') => '\u{c}',
                Some('u') => {
                    units.push(four_hex_digits(&mut chars)?);
                    continue;
                }
                Some(other) => other,
                None => continue,
            },
        };
        units.extend_from_slice(c.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

fn four_hex_digits(chars: &mut Peekable<Chars<'_>>) -> Option<u16> {
    let mut unit = 0u16;
    for _ in 0..4 {
        let digit = u16::try_from(chars.next()?.to_digit(16)?).ok()?;
        unit = unit << 4 | digit;
    }
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: &[(&str, &str)]) {
        let parsed = parse_properties(file.as_bytes()).unwrap();
        let expected: RawConfig = expected.iter().copied().collect();
        assert!(parsed == expected, "{:?}", parsed.iter().collect::<Vec<_>>());
    }

    #[test]
    fn separators_and_blanks() {
        check(
            "a=1\nb : 2\n c  3\nd\ne =  x y \nf:=z\n",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", ""), ("e", "x y "), ("f", "=z")],
        );
    }

    #[test]
    fn comments_and_empty_lines() {
        check("# a=1\n  ! b=2\n\n\t\nc=3#4\n", &[("c", "3#4")]);
    }

    #[test]
    fn continued_lines_drop_their_leading_blanks() {
        check("topics=a,\\\n   b,\\\r\n\tc\nx=1\\\\\ny=2", &[("topics", "a,b,c"), ("x", "1\\"), ("y", "2")]);
    }

    #[test]
    fn a_comment_sign_in_a_continued_line_is_text() {
        check("a=1\\\n#2\n", &[("a", "1#2")]);
    }

    #[test]
    fn a_comment_does_not_continue() {
        check("# comment \\\na=1\n", &[("a", "1")]);
    }

    #[test]
    fn escapes() {
        check("a\\ b\\=c\\:d=\\t\\u00e9\\ud83d\\ude00\\q\\\\\n", &[("a b=c:d", "\té😀q\\")]);
    }

    #[test]
    fn the_last_of_two_wins() {
        check("a=1\na=2\n", &[("a", "2")]);
    }

    #[test]
    fn line_ends_of_every_system() {
        check("a=1\rb=2\r\nc=3", &[("a", "1"), ("b", "2"), ("c", "3")]);
    }

    #[test]
    fn latin_1_where_it_is_not_utf_8() {
        let parsed = parse_properties(b"password=\xe9").unwrap();
        assert_eq!(parsed.get("password"), Some("é"));
    }

    #[test]
    fn a_short_escape_names_its_line() {
        let error = parse_properties(b"a=1\nb=\\u12\n").unwrap_err();
        assert_eq!((error.code, error.option.as_str()), (ConfigCode::File, "line 2"));
    }
}
