//! Which names a DEFAULT expression mentions. Only lexical: a name too many costs an expression
//! that is longer than needed, never a wrong value.

/// Whether `expression` mentions `name` as a word or between backticks or double quotes.
pub(crate) fn mentions(expression: &str, name: &str) -> bool {
    let mut chars = expression.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        match c {
            '\'' => {
                quoted(&mut chars, '\'');
            }
            '`' | '"' => {
                let found = quoted(&mut chars, c);
                if found == name {
                    return true;
                }
            }
            c if is_word(c) => {
                let mut end = start + c.len_utf8();
                while let Some(&(at, next)) = chars.peek() {
                    // Dots too: `nested.part` is a column's name.
                    if !is_word(next) && next != '.' {
                        break;
                    }
                    end = at + next.len_utf8();
                    chars.next();
                }
                let word = &expression[start..end];
                let column_of_path = word.strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
                if word == name || column_of_path {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn quoted(chars: &mut std::iter::Peekable<std::str::CharIndices<'_>>, quote: char) -> String {
    let mut text = String::new();
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' => text.extend(chars.next().map(|(_, escaped)| escaped)),
            c if c == quote => break,
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::mentions;

    #[test]
    fn names_are_found_as_words_only() {
        assert!(mentions("[1, id]", "id"));
        assert!(mentions("concat(`a b`, 'x')", "a b"));
        assert!(mentions("n.x + 1", "n.x"));
        assert!(mentions("id.size0", "id"));
        assert!(!mentions("'id'", "id"));
        assert!(!mentions("idx + valid", "id"));
    }
}
