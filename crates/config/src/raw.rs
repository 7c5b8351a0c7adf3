//! A configuration as it was written: names and texts, nothing understood yet.
use std::collections::BTreeMap;
use std::fmt;

use crate::secret::MASK;

/// Option names and their texts. Debug output hides every value, because nothing says yet which of
/// them are secret.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct RawConfig(BTreeMap<String, String>);

impl RawConfig {
    /// An empty configuration.
    pub fn new() -> RawConfig {
        RawConfig::default()
    }

    /// The text of an option, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets an option; a later text replaces an earlier one, as in a properties file.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.insert(name.into(), value.into());
    }

    /// All options, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for RawConfig {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> RawConfig {
        RawConfig(pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect())
    }
}

impl fmt::Debug for RawConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|name| (name, MASK))).finish()
    }
}
