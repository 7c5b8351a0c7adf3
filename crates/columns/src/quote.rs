//! How names and texts are written into SQL so that nothing in them can end the quotation.

/// `name` between backticks, with backslashes, backticks and control characters escaped.
/// Source: ClickHouse `backQuote`; checked against a server with hostile names.
pub fn quote_identifier(name: &str) -> String {
    quoted(name, '`')
}

/// `text` as a string literal between single quotes.
pub fn quote_string(text: &str) -> String {
    quoted(text, '\'')
}

fn quoted(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    escape_into(text, quote, &mut out);
    out.push(quote);
    out
}

/// Appends `text` with the escapes that the server itself prints in type names and literals.
pub(crate) fn escape_into(text: &str, quote: char, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_cannot_be_left_from_inside() {
        assert_eq!(quote_identifier("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(quote_identifier(""), "``");
        assert_eq!(quote_string("'; DROP TABLE t --\\'"), "'\\'; DROP TABLE t --\\\\\\''");
        assert_eq!(quote_string("a`\n\0"), "'a`\\n\\0'");
        assert_eq!(quote_identifier("it's"), "`it's`");
    }

    #[test]
    fn every_quote_inside_has_an_odd_run_of_backslashes_before_it() {
        for text in ["'", "\\'", "\\\\'", "'\\", "a'b\\'c\\\\"] {
            let quoted = quote_string(text);
            let inner = &quoted.as_bytes()[1..quoted.len() - 1];
            let mut escaped = false;
            for &byte in inner {
                assert!(escaped || byte != b'\'', "{quoted}");
                escaped = !escaped && byte == b'\\';
            }
            assert!(!escaped, "{quoted}");
        }
    }
}
