//! Names and texts inside SQL.

/// A name in backticks.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", escaped(name, '`'))
}

/// A text in single quotes.
pub(crate) fn string(text: &str) -> String {
    format!("'{}'", escaped(text, '\''))
}

fn escaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    for c in text.chars() {
        if c == '\\' || c == quote {
            out.push('\\');
        }
        if c == '\0' {
            out.push_str("\\0");
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(identifier("a`b\\c"), "`a\\`b\\\\c`");
        assert_eq!(string("it's\\"), "'it\\'s\\\\'");
        assert_eq!(string("x\0y"), "'x\\0y'");
    }
}
