//! Tokens for SASL OAUTHBEARER: the client credentials grant (RFC 6749, 4.4), as Kafka's Java client asks for them. An
//! endpoint that does not answer is asked again; one that refuses is a login that is refused.
use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Settings that begin so are this file's, and librdkafka never hears of them.
pub(crate) const PREFIX: &str = "pumphouse.oauth.";
pub(crate) const URL: &str = "pumphouse.oauth.url";
pub(crate) const CLIENT_ID: &str = "pumphouse.oauth.client.id";
pub(crate) const CLIENT_SECRET: &str = "pumphouse.oauth.client.secret";
pub(crate) const SCOPE: &str = "pumphouse.oauth.scope";
pub(crate) const URL_ENCODE: &str = "pumphouse.oauth.urlencode";
pub(crate) const SUBJECT_CLAIM: &str = "pumphouse.oauth.subject.claim";

/// One question to the endpoint.
const ASK_LIMIT: Duration = Duration::from_secs(10);

/// Tokens have some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Characters of an endpoint's refusal in a message.
const REFUSAL_CHARS_MAX: usize = 300;

/// A token, for as long as it lives.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Milliseconds since 1970.
    pub(crate) expires_ms: i64,
    /// Whom it stands for; for librdkafka's logs only.
    pub(crate) principal: String,
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoToken {
    /// It may help to ask again.
    NotNow(String),
    /// The endpoint refuses, or answers what is no token.
    Refused(String),
}

/// Where tokens come from.
#[derive(Clone)]
pub(crate) struct TokenSource {
    endpoint: String,
    authorization: String,
    body: String,
    subject_claim: String,
}

impl TokenSource {
    /// `None`: the settings ask for no tokens.
    pub(crate) fn of(settings: &BTreeMap<String, String>) -> Option<TokenSource> {
        let endpoint = settings.get(URL)?.clone();
        let text = |name: &str| settings.get(name).map_or("", String::as_str);
        let (id, secret) = (text(CLIENT_ID), text(CLIENT_SECRET));
        // Kafka reads its booleans so.
        let pair = if text(URL_ENCODE).trim().eq_ignore_ascii_case("true") {
            format!("{}:{}", form_encoded(id), form_encoded(secret))
        } else {
            format!("{id}:{secret}")
        };
        let mut body = "grant_type=client_credentials".to_owned();
        if !text(SCOPE).is_empty() {
            body.push_str(&format!("&scope={}", form_encoded(text(SCOPE))));
        }
        Some(TokenSource {
            endpoint,
            authorization: format!("Basic {}", openssl::base64::encode_block(pair.as_bytes())),
            body,
            subject_claim: settings.get(SUBJECT_CLAIM).map_or("sub", String::as_str).to_owned(),
        })
    }

    /// Asks once. Blocks the thread.
    pub(crate) fn fetch(&self, now_ms: i64) -> Result<Token, NoToken> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| NoToken::NotNow(error.to_string()))?;
        let asked = runtime.block_on(async { tokio::time::timeout(ASK_LIMIT, self.ask()).await });
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        let late = |_| NoToken::NotNow(format!("no answer within {} s", ASK_LIMIT.as_secs()));
        let (status, body) = asked.map_err(late)??;
        let refusal = || {
            let text: String = String::from_utf8_lossy(&body).chars().take(REFUSAL_CHARS_MAX).collect();
            format!("HTTP {status}: {text}")
        };
        match status {
            200..300 => self.token(&body, now_ms).map_err(NoToken::Refused),
            408 | 429 | 500.. => Err(NoToken::NotNow(refusal())),
            _ => Err(NoToken::Refused(refusal())),
        }
    }

    async fn ask(&self) -> Result<(u16, Bytes), NoToken> {
        let uri: Uri = self.endpoint.parse().map_err(|_| NoToken::Refused("it is no URL".to_owned()))?;
        let request = Request::post(uri)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(self.body.clone())))
            // Not the words of the error: they quote the header.
            .map_err(|_| NoToken::Refused("the client's id and secret cannot be sent".to_owned()))?;
        // Redirects are not followed: they would carry the secret elsewhere.
        let answer = if self.endpoint.to_ascii_lowercase().starts_with("https:") {
            let provider = rustls::crypto::ring::default_provider();
            let connector = HttpsConnectorBuilder::new()
                .with_provider_and_native_roots(provider)
                .map_err(|error| NoToken::Refused(format!("the system's authorities: {error}")))?
                .https_only()
                .enable_http1()
                .build();
            Pool::builder(TokioExecutor::new()).build(connector).request(request).await
        } else {
            Pool::builder(TokioExecutor::new()).build(HttpConnector::new()).request(request).await
        };
        let answer = answer.map_err(|error| NoToken::NotNow(with_causes(&error)))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| NoToken::NotNow(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// The token of an answer. Errors: what is wrong with it, without the token.
    fn token(&self, answer: &[u8], now_ms: i64) -> Result<Token, String> {
        let answer: Value =
            serde_json::from_slice(answer).map_err(|_| "the answer is not JSON".to_owned())?;
        let text = answer["access_token"].as_str().ok_or("the answer has no access_token")?.to_owned();
        let claims = claims(&text);
        let claim = |name: &str| claims.as_ref().and_then(|claims| claims.get(name));
        let in_ms = |seconds: f64| (seconds * 1e3) as i64;
        // An opaque token says nothing of itself; the endpoint may.
        let expires_ms = claim("exp")
            .and_then(Value::as_f64)
            .map(in_ms)
            .or_else(|| Some(now_ms + in_ms(answer["expires_in"].as_f64()?)))
            .ok_or("neither the token (exp) nor the answer (expires_in) says how long it lives")?;
        if expires_ms <= now_ms {
            return Err("the token has expired already".to_owned());
        }
        let principal = claim(&self.subject_claim).and_then(Value::as_str).unwrap_or("unknown").to_owned();
        Ok(Token { text, expires_ms, principal })
    }
}

/// What a JWT says; its signature is the broker's to check.
fn claims(token: &str) -> Option<Value> {
    let mut encoded = token.split('.').nth(1)?.replace('-', "+").replace('_', "/");
    while !encoded.len().is_multiple_of(4) {
        encoded.push('=');
    }
    serde_json::from_slice(&openssl::base64::decode_block(&encoded).ok()?).ok()
}

/// As a form's value.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => encoded.push(byte.into()),
            b' ' => encoded.push('+'),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(pairs: &[(&str, &str)]) -> TokenSource {
        let pairs = [(URL, "http://h/t"), (CLIENT_ID, "i d"), (CLIENT_SECRET, "s:x")].iter().chain(pairs);
        TokenSource::of(&pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
            .unwrap()
    }

    #[test]
    fn the_question_is_that_of_rfc_6749() {
        let decoded = |source: &TokenSource| {
            let encoded = source.authorization.strip_prefix("Basic ").unwrap();
            String::from_utf8(openssl::base64::decode_block(encoded).unwrap()).unwrap()
        };
        let plain = source(&[]);
        assert_eq!(
            (decoded(&plain).as_str(), plain.body.as_str()),
            ("i d:s:x", "grant_type=client_credentials")
        );
        let encoded = source(&[(URL_ENCODE, "true"), (SCOPE, "a b&c")]);
        assert_eq!(decoded(&encoded), "i+d:s%3Ax");
        assert_eq!(encoded.body, "grant_type=client_credentials&scope=a+b%26c");
        assert!(TokenSource::of(&BTreeMap::new()).is_none());
    }

    #[test]
    fn a_token_lives_as_long_as_it_says() {
        let encode = |text: &str| {
            openssl::base64::encode_block(text.as_bytes())
                .replace('+', "-")
                .replace('/', "_")
                .replace('=', "")
        };
        let jwt = format!("{}.{}.sig", encode("{}"), encode(r#"{"sub": "böb", "exp": 2.5}"#));
        let answer = format!(r#"{{"access_token": "{jwt}", "expires_in": 9}}"#);
        let token = source(&[]).token(answer.as_bytes(), 1_000).unwrap();
        assert_eq!((token.text, token.expires_ms, token.principal.as_str()), (jwt, 2_500, "böb"));
        let opaque = source(&[]).token(br#"{"access_token": "x", "expires_in": 9}"#, 1_000).unwrap();
        assert_eq!((opaque.expires_ms, opaque.principal.as_str()), (10_000, "unknown"));
        for bad in
            ["x", "{}", r#"{"access_token": "geheim"}"#, r#"{"access_token": "geheim", "expires_in": -1}"#]
        {
            let why = source(&[]).token(bad.as_bytes(), 1_000).err().unwrap();
            assert!(!why.contains("geheim"), "{why}");
        }
    }

    #[test]
    fn an_endpoint_that_is_not_there_is_asked_again() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("http://{nobody}/t");
        let failed = source(&[(URL, &url)]).fetch(0).err().unwrap();
        assert!(matches!(failed, NoToken::NotNow(_)), "{failed:?}");
    }
}
