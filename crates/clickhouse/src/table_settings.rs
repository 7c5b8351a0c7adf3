//! Settings of a table, read from `engine_full` of `system.tables`.

/// The value of `name` in the SETTINGS at the end of `engine_full`; `None` if the table does not set
/// it. Text inside quotes (a partition key's literals, a replica's path) is not looked at.
pub(crate) fn setting_in_engine<'a>(engine_full: &'a str, name: &str) -> Option<&'a str> {
    let settings = outside_quotes(engine_full, " SETTINGS ").last()?;
    let mut rest = &engine_full[settings + " SETTINGS ".len()..];
    loop {
        let end = outside_quotes(rest, ", ").next().unwrap_or(rest.len());
        let (key, value) = rest[..end].split_once(" = ")?;
        if key == name {
            return Some(value.trim_matches('\''));
        }
        rest = rest.get(end + 2..)?;
    }
}

/// Places of `wanted` that do not lie between quotes.
fn outside_quotes<'a>(text: &'a str, wanted: &'a str) -> impl Iterator<Item = usize> + 'a {
    let mut quote = None;
    let mut escaped = false;
    text.char_indices().filter_map(move |(at, c)| match quote {
        Some(open) => {
            if escaped {
                escaped = false;
            } else if c == '\\' {
                escaped = true;
            } else if c == open {
                quote = None;
            }
            None
        }
        None if matches!(c, '\'' | '`' | '"') => {
            quote = Some(c);
            None
        }
        None => text[at..].starts_with(wanted).then_some(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: &str = "non_replicated_deduplication_window";

    #[test]
    fn the_tables_own_setting_is_found() {
        let full = "MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 1000, index_granularity = 8192";
        assert_eq!(setting_in_engine(full, WINDOW), Some("1000"));
        assert_eq!(setting_in_engine(full, "index_granularity"), Some("8192"));
        assert_eq!(setting_in_engine(full, "granularity"), None);
        assert_eq!(setting_in_engine("MergeTree ORDER BY a", WINDOW), None);
    }

    #[test]
    fn settings_in_literals_are_none() {
        let full = "ReplicatedMergeTree('/x SETTINGS non_replicated_deduplication_window = 7', 'it\\'s') ORDER BY `a SETTINGS b` \
                    SETTINGS disk = 'x, non_replicated_deduplication_window = 9', index_granularity = 1";
        assert_eq!(setting_in_engine(full, WINDOW), None);
        assert_eq!(setting_in_engine(full, "index_granularity"), Some("1"));
    }
}
