//! Basic authentication, as Kafka Connect's extension for it does it: every request shows a user and a password of
//! the file, or is told 401. Kafka Connect lets two internal requests of its workers pass, which do not exist here.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openssl::sha::sha256;
use pumphouse_config::parse_properties;

use crate::server::ServeError;

/// Kafka Connect's words.
const REFUSAL: &str = "User cannot access the resource.";

/// Kafka Connect leaves this out; without it browsers do not ask for the password.
const CHALLENGE: &str = "Basic realm=\"Pumphouse\", charset=\"UTF-8\"";

/// Thousands of users.
const FILE_BYTES_MAX: usize = 1 << 20;

/// Who may do everything; nobody else may do anything.
pub(crate) struct Users(BTreeMap<String, [u8; 32]>);

impl Users {
    /// Reads `user=password` lines, the file of Kafka Connect's `PropertyFileLoginModule`.
    /// Errors: [`ServeError::Users`], without a word of the file's.
    pub(crate) fn read(path: &str) -> Result<Users, ServeError> {
        let failed = |what: &str| ServeError::Users { path: path.to_owned(), what: what.to_owned() };
        let bytes = std::fs::read(path).map_err(|error| failed(&error.to_string()))?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(failed("it has more than a megabyte"));
        }
        let lines = parse_properties(&bytes).map_err(|_| failed("it is not a properties file"))?;
        let users: BTreeMap<String, [u8; 32]> =
            lines.iter().map(|(user, password)| (user.to_owned(), sha256(password.as_bytes()))).collect();
        // Kafka Connect lets everybody in then, which nobody can have meant.
        if users.is_empty() {
            return Err(failed("it names no user"));
        }
        if lines.iter().any(|(user, password)| user.is_empty() || password.is_empty()) {
            return Err(failed("a user or a password in it is empty"));
        }
        Ok(Users(users))
    }

    fn knows(&self, headers: &HeaderMap) -> bool {
        let Some((user, password)) = credentials(headers) else { return false };
        let given = sha256(password.as_bytes());
        // As long for a user that is not known, and for a password that is nearly right.
        let expected = self.0.get(&user).copied().unwrap_or([0; 32]);
        openssl::memcmp::eq(&given, &expected)
    }
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = given.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(openssl::base64::decode_block(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Around every path.
pub(crate) async fn authenticated(State(users): State<Arc<Users>>, request: Request, next: Next) -> Response {
    if users.knows(request.headers()) {
        return next.run(request).await;
    }
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, CHALLENGE)], REFUSAL).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Users {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "# people\nalice=wonder:land\nb\\u00f6b = grün\n").unwrap();
        Users::read(file.path().to_str().unwrap()).unwrap()
    }

    fn knows(header: &str) -> bool {
        users().knows(&[(header::AUTHORIZATION, header.parse().unwrap())].into_iter().collect())
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", openssl::base64::encode_block(text.as_bytes()))
    }

    #[test]
    fn only_the_right_password_of_a_known_user_opens() {
        assert!(knows(&basic("alice:wonder:land")) && knows(&basic("böb:grün")));
        assert!(knows(&basic("alice:wonder:land").replace("Basic", "basic")));
        for wrong in
            ["alice:wonder", "alice:", "bob:wonder:land", "alice", ":wonder:land", "alice:wonder:land "]
        {
            assert!(!knows(&basic(wrong)), "{wrong}");
        }
        for malformed in ["", "Basic", "Basic %%%", "Bearer YWxpY2U6d29uZGVyOmxhbmQ="] {
            assert!(!knows(malformed), "{malformed}");
        }
        assert!(!users().knows(&HeaderMap::new()));
    }

    #[test]
    fn a_file_that_protects_nothing_is_refused_and_not_quoted() {
        for text in ["", "# nobody\n", "alice=\n"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let error = Users::read(file.path().to_str().unwrap()).err().unwrap().to_string();
            assert!(error.starts_with("REST-003: ") && !error.contains("alice"), "{error}");
        }
        assert!(Users::read("/no/such/file").err().unwrap().to_string().contains("/no/such/file"));
    }
}
