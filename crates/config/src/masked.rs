//! Options for printing.
use std::collections::BTreeMap;

use crate::option::Scope;
use crate::options::is_secret;
use crate::raw::RawConfig;
use crate::secret::MASK;

/// The options as given; secrets are replaced by the mask, also empty ones, so that the mask does not
/// tell whether there is one.
pub(crate) fn masked(raw: &RawConfig, file: Scope) -> BTreeMap<String, String> {
    raw.iter()
        .map(|(name, value)| {
            let value = if is_secret(name, file) { MASK } else { value };
            (name.to_owned(), value.to_owned())
        })
        .collect()
}
