//! A server's base address, taken apart so that credentials in it are never printed.
use http::Uri;
use percent_encoding::percent_decode_str;

use crate::error::RegistryError;
use crate::settings::Secret;

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// Scheme, host, port and path, without credentials and without a slash at the end.
    pub(crate) base: String,
    pub(crate) https: bool,
    /// User and password from the URL.
    pub(crate) user_info: Option<(String, Secret)>,
}

impl Address {
    /// Errors: `Client`; the message never holds the address, which may hold a password.
    pub(crate) fn parse(text: &str, place: usize) -> Result<Address, RegistryError> {
        let bad = |what: &str| RegistryError::Client { why: format!("address {} {what}", place + 1) };
        let (scheme, rest) =
            text.trim().split_once("://").ok_or_else(|| bad("does not begin with http:// or https://"))?;
        let https = match scheme {
            "http" => false,
            "https" => true,
            _ => return Err(bad("does not begin with http:// or https://")),
        };
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (user_info, host) = match authority.rsplit_once('@') {
            Some((user_info, host)) => (Some(user_info), host),
            None => (None, authority),
        };
        let base = format!("{scheme}://{host}{}", path.trim_end_matches('/'));
        let uri: Uri = base.parse().map_err(|_| bad("is not a URL"))?;
        if uri.host().is_none_or(str::is_empty) || uri.query().is_some() {
            return Err(bad("is not a URL of a host and a path"));
        }
        let decode = |part: &str| {
            percent_decode_str(part)
                .decode_utf8()
                .map(|text| text.into_owned())
                .map_err(|_| bad("has credentials that are not UTF-8"))
        };
        let user_info = match user_info {
            None => None,
            Some(both) => {
                let (user, password) = both.split_once(':').unwrap_or((both, ""));
                Some((decode(user)?, Secret::new(decode(password)?)))
            }
        };
        Ok(Address { base, https, user_info })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_the_address() {
        let address = Address::parse("https://al%40ice:s%2Fcret@r.example:8081/apis/v7/", 0).unwrap();
        assert_eq!(address.base, "https://r.example:8081/apis/v7");
        let (user, password) = address.user_info.unwrap();
        assert_eq!((user.as_str(), password.reveal()), ("al@ice", "s/cret"));
        assert!(address.https);
        let plain = Address::parse("http://[::1]:8081", 0).unwrap();
        assert_eq!((plain.base.as_str(), plain.https), ("http://[::1]:8081", false));
        assert!(plain.user_info.is_none());
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_shown() {
        for text in [
            "",
            "registry:8081",
            "ftp://hunter2@r",
            "http://",
            "http://u:hunter2@",
            "http://u:hunter2@r r",
            "http://u:hunter2@r/?a=b",
            "http://u:hunter2%ff@r",
        ] {
            let error = Address::parse(text, 1).unwrap_err().to_string();
            assert!(error.starts_with("REGISTRY-005: ") && error.contains("address 2"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
