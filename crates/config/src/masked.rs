//! Options for printing.
use std::collections::BTreeMap;

use crate::option::Scope;
use crate::options::is_secret;
use crate::providers::is_placeholder;
use crate::raw::RawConfig;
use crate::secret::MASK;

/// The options as given; secrets are replaced by the mask, also empty ones, so that the mask does not
/// tell whether there is one. A placeholder is no secret, and shown.
pub(crate) fn masked(raw: &RawConfig, file: Scope) -> BTreeMap<String, String> {
    raw.iter()
        .map(|(name, value)| {
            let shown = if is_placeholder(value) {
                value.to_owned()
            } else if is_secret(name, file) {
                MASK.to_owned()
            } else {
                without_user_info(value)
            };
            (name.to_owned(), shown)
        })
        .collect()
}

/// A connector's options for printing, whether they can be understood or not.
pub fn masked_connector(raw: &RawConfig) -> BTreeMap<String, String> {
    masked(raw, Scope::Connector)
}

/// Hides what stands between `://` and `@` in each URL of a text; rather too much of an odd one than too
/// little.
pub(crate) fn without_user_info(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find([',', ' ']).unwrap_or(part.len());
        shown.push_str("://");
        match part[..end].rfind('@') {
            Some(at) => {
                shown.push_str(MASK);
                shown.push_str(&part[at..]);
            }
            None => shown.push_str(part),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        let shown = |text| without_user_info(text);
        assert_eq!(
            shown("http://u:hunter2@r:8081/a, https://v@s"),
            format!("http://{MASK}@r:8081/a, https://{MASK}@s")
        );
        for text in ["http://r:8081/ab", "a@b", "", "x=http://r, y@z"] {
            assert_eq!(shown(text), text);
        }
    }
}
