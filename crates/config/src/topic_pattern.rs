//! `topics.regex`: which topics of the cluster a connector reads.
use regex::Regex;

/// A pattern that a topic's whole name has to match, as Java's `Pattern.matches` has it.
#[derive(Debug, Clone)]
pub struct TopicPattern {
    text: String,
    whole: Regex,
}

impl TopicPattern {
    /// Errors: what is wrong with the pattern, in one line. Look-around and references to groups, which Java
    /// has, are not to be had.
    pub(crate) fn parse(text: &str) -> Result<TopicPattern, String> {
        // Alone first: a bracket too many must not close the group around it.
        let first_line = |error: regex::Error| {
            let text = error.to_string();
            text.lines().last().unwrap_or("it is no pattern").trim().trim_start_matches("error: ").to_owned()
        };
        Regex::new(text).map_err(first_line)?;
        let whole = Regex::new(&format!(r"\A(?:{text})\z")).map_err(first_line)?;
        Ok(TopicPattern { text: text.to_owned(), whole })
    }

    /// Whether a topic of this name is meant. Kafka's internal topics never are.
    pub fn matches(&self, topic: &str) -> bool {
        !topic.starts_with("__") && self.whole.is_match(topic)
    }

    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_name_has_to_match() {
        let pattern = TopicPattern::parse("orders-.*|clicks").unwrap();
        let found: Vec<&str> =
            ["orders-eu", "clicks", "my-orders-eu", "clicks2", "orders", "__consumer_offsets"]
                .into_iter()
                .filter(|topic| pattern.matches(topic))
                .collect();
        assert_eq!(found, ["orders-eu", "clicks"]);
        assert!(!TopicPattern::parse(".*").unwrap().matches("__consumer_offsets"));
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        for bad in ["x[", "a)", "(?=x)y", r"(a)\1", "*"] {
            let why = TopicPattern::parse(bad).unwrap_err();
            assert!(!why.is_empty() && !why.contains('\n'), "{bad}: {why}");
        }
    }
}
