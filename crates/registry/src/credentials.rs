//! The `Authorization` header.
use http::HeaderValue;

use crate::address::Address;
use crate::error::RegistryError;
use crate::settings::{Authentication, Secret};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The header for one server. Marked as sensitive, so that no log prints it.
/// Errors: `Client` if the token has control characters.
pub(crate) fn authorization(
    authentication: &Authentication,
    address: &Address,
) -> Result<Option<HeaderValue>, RegistryError> {
    let text = match (authentication, &address.user_info) {
        (Authentication::Basic { user, password }, _) => basic(user, password),
        (Authentication::Bearer(token), _) => format!("Bearer {}", token.reveal()),
        (Authentication::FromUrl, Some((user, password))) => basic(user, password),
        (Authentication::FromUrl, None) => return Ok(None),
    };
    let mut header = HeaderValue::from_str(&text).map_err(|_| RegistryError::Client {
        why: "the token has characters that no header can carry".to_owned(),
    })?;
    header.set_sensitive(true);
    Ok(Some(header))
}

fn basic(user: &str, password: &Secret) -> String {
    format!("Basic {}", base64(format!("{user}:{}", password.reveal()).as_bytes()))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |group, &byte| group << 8 | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = ALPHABET[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(authentication: Authentication, url: &str) -> Option<HeaderValue> {
        authorization(&authentication, &Address::parse(url, 0).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_what_rfc_7617_and_6750_say() {
        let basic = |user: &str, password: &str| Authentication::Basic {
            user: user.to_owned(),
            password: Secret::new(password),
        };
        let aladdin = header(basic("Aladdin", "open sesame"), "http://r").unwrap();
        assert_eq!(aladdin, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        assert!(aladdin.is_sensitive() && !format!("{aladdin:?}").contains("QWx"));
        assert_eq!(header(Authentication::FromUrl, "http://a:b@r").unwrap(), "Basic YTpi");
        assert_eq!(header(Authentication::FromUrl, "http://r"), None);
        assert_eq!(header(Authentication::Bearer(Secret::new("tok")), "http://a:b@r").unwrap(), "Bearer tok");
        assert_eq!(header(basic("a", "ü"), "http://r").unwrap(), "Basic YTrDvA==");
    }

    #[test]
    fn a_token_that_would_break_the_request_is_refused() {
        let address = Address::parse("http://r", 0).unwrap();
        let error =
            authorization(&Authentication::Bearer(Secret::new("a\r\nhunter2: x")), &address).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }
}
