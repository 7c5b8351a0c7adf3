//! What can be wrong with a configuration, and what to do about it.
//!
//! A configuration is read to its end: everything that is wrong with it is reported at once. No
//! message holds the value of a secret option.
use std::fmt;

/// The kinds of mistake. A code never changes its meaning and has a page in `docs/errors/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfigCode {
    /// CONFIG-001: the file is neither well-formed JSON nor well-formed properties.
    File,
    /// CONFIG-002: an option that has no default is missing.
    Missing,
    /// CONFIG-003: a value is not of the option's type, or out of its range.
    Value,
    /// CONFIG-004: nobody knows an option of this name.
    Unknown,
    /// CONFIG-005: the option, or this value of it, is known but not built yet.
    NotYet,
    /// CONFIG-006: two options contradict each other.
    Conflict,
    /// CONFIG-007: exactly-once needs this setting at another value.
    Forced,
    /// CONFIG-008: a `${provider:..}` in a value cannot be filled.
    Placeholder,
}

impl ConfigCode {
    /// Every code, in order of its number.
    pub const ALL: [ConfigCode; 8] = [
        ConfigCode::File,
        ConfigCode::Missing,
        ConfigCode::Value,
        ConfigCode::Unknown,
        ConfigCode::NotYet,
        ConfigCode::Conflict,
        ConfigCode::Forced,
        ConfigCode::Placeholder,
    ];

    /// The code as messages and file names carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConfigCode::File => "CONFIG-001",
            ConfigCode::Missing => "CONFIG-002",
            ConfigCode::Value => "CONFIG-003",
            ConfigCode::Unknown => "CONFIG-004",
            ConfigCode::NotYet => "CONFIG-005",
            ConfigCode::Conflict => "CONFIG-006",
            ConfigCode::Forced => "CONFIG-007",
            ConfigCode::Placeholder => "CONFIG-008",
        }
    }
}

impl fmt::Display for ConfigCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that is wrong. The operator changes the configuration; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {option}: {message}. {remedy}")]
pub struct ConfigError {
    /// Which kind of mistake.
    pub code: ConfigCode,
    /// The option as the operator wrote it, or the place in the file (`line 3`).
    pub option: String,
    /// What is wrong, without a full stop.
    pub message: String,
    /// What to do, as a sentence.
    pub remedy: String,
}

impl ConfigError {
    /// Puts an error together.
    pub fn new(
        code: ConfigCode,
        option: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> ConfigError {
        ConfigError { code, option: option.into(), message: message.into(), remedy: remedy.into() }
    }

    /// The option that is wrong.
    pub(crate) fn option(&self) -> &str {
        &self.option
    }
}

/// Everything that is wrong with one configuration; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// One error per line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> ConfigErrors {
        ConfigErrors(vec![error])
    }
}

/// Something the operator should know once, although it stops nothing: an option without effect, or one
/// with an effect that may not be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The option as the operator wrote it.
    pub option: String,
    /// Why it has no effect, or what it does, as a sentence.
    pub message: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.option, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_has_a_page_that_begins_with_it() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        for code in ConfigCode::ALL {
            let page = std::fs::read_to_string(pages.join(format!("{code}.md"))).unwrap();
            assert!(page.starts_with(&format!("# {code}: ")), "{code}");
        }
    }

    #[test]
    fn all_errors_are_shown_one_per_line() {
        let error = |option: &str| ConfigError::new(ConfigCode::Value, option, "it is wrong", "Correct it.");
        assert_eq!(
            ConfigErrors(vec![error("a"), error("b")]).to_string(),
            "CONFIG-003: a: it is wrong. Correct it.\nCONFIG-003: b: it is wrong. Correct it."
        );
    }
}
