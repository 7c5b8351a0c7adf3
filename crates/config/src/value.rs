//! Texts as values: numbers, booleans, lists, pairs.
use crate::option::Kind;

/// `true` or `false`, in any case, as Kafka reads them.
pub fn boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// The texts of a comma-separated list, trimmed; empty ones are left out.
pub fn list(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// The pairs of `name=value,name=value`, trimmed. A value may hold `=`, but no comma.
/// Errors: what is wrong, without the value.
pub fn pairs(text: &str) -> Result<Vec<(&str, &str)>, String> {
    list(text)
        .into_iter()
        .enumerate()
        .map(|(i, pair)| match pair.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => Ok((name.trim(), value.trim())),
            Some(_) | None => Err(format!("part {} is not `name=value`", i + 1)),
        })
        .collect()
}

/// Whether a text is a value of its kind.
/// Errors: what is wrong with it, without a full stop; never for a secret, so that none is quoted.
pub fn check_kind(kind: Kind, text: &str) -> Result<(), String> {
    match kind {
        Kind::Text | Kind::Secret | Kind::List => Ok(()),
        Kind::Boolean => match boolean(text) {
            Some(_) => Ok(()),
            None => Err(format!("{text:?} is neither true nor false")),
        },
        Kind::Integer { min, max } => match text.trim().parse::<i64>() {
            Ok(number) if (min..=max).contains(&number) => Ok(()),
            Ok(_) | Err(_) => Err(format!("{text:?} is not a whole number between {min} and {max}")),
        },
        Kind::Pairs => pairs(text).map(drop),
        Kind::OneOf(values) => {
            if values.iter().any(|value| value.eq_ignore_ascii_case(text.trim())) {
                Ok(())
            } else {
                Err(format!("{text:?} is none of {}", values.join(", ")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_in_any_case() {
        assert_eq!([" TRUE ", "False", "yes", ""].map(boolean), [Some(true), Some(false), None, None]);
    }

    #[test]
    fn pairs_keep_what_the_official_sink_drops() {
        assert_eq!(pairs(" a=1 , b = x=y,"), Ok(vec![("a", "1"), ("b", "x=y")]));
        assert_eq!(pairs("a=1,b"), Err("part 2 is not `name=value`".to_owned()));
        assert_eq!(pairs("=1"), Err("part 1 is not `name=value`".to_owned()));
    }

    #[test]
    fn integers_have_both_ends_in_range() {
        let kind = Kind::Integer { min: 1, max: 3 };
        let good: Vec<bool> =
            ["0", "1", " 3 ", "4", "1.0", ""].iter().map(|t| check_kind(kind, t).is_ok()).collect();
        assert_eq!(good, [false, true, true, false, false, false]);
    }
}
