//! Where the server is and who we are there.
use std::fmt;

/// A password: never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes any text, the empty one included.
    pub fn new(text: impl Into<String>) -> Password {
        Password(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// One host (PROTOCOL R8: plain MergeTree is proven through one host only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// HTTP port.
    pub port: u16,
    /// HTTPS instead of HTTP.
    pub ssl: bool,
    /// User.
    pub username: String,
    /// Password.
    pub password: Password,
}

impl Endpoint {
    pub(crate) fn base(&self) -> String {
        let scheme = if self.ssl { "https" } else { "http" };
        // An IPv6 address has colons of its own.
        if self.host.contains(':') {
            return format!("{scheme}://[{}]:{}", self.host, self.port);
        }
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(host: &str, ssl: bool) -> Endpoint {
        let (username, password) = ("alice".to_owned(), Password::new("hunter2"));
        Endpoint { host: host.to_owned(), port: 8443, ssl, username, password }
    }

    #[test]
    fn addresses_become_urls() {
        assert_eq!(endpoint("ch.local", true).base(), "https://ch.local:8443");
        assert_eq!(endpoint("::1", false).base(), "http://[::1]:8443");
    }

    #[test]
    fn a_password_is_not_printed() {
        let printed = format!("{:?}", endpoint("ch", false));
        assert!(printed.contains("****") && !printed.contains("hunter2"), "{printed}");
    }
}
