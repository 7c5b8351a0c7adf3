//! What keeps a page of somebody else's from using this one: orders are taken only from forms of this page, and
//! browsers are told to run nothing but its own script, to load nothing from elsewhere, and to frame it nowhere.
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::answers;
use crate::herder::Refusal;

/// No inline script and no inline style at all: text that escapes from where it belongs stays text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// `same-origin` for referrers, not `no-referrer`: that one makes browsers hide the origin of forms, too.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::VARY, "accept"),
];

/// Around every path of the page.
pub(super) async fn protected(request: Request, next: Next) -> Response {
    with_headers(next.run(request).await)
}

/// An answer to browsers.
pub(super) fn with_headers(mut answer: Response) -> Response {
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// Around everything: a browser that carries a change here on behalf of another site's page is refused. Kafka
/// Connect has no such check; its clients, which are no browsers, send neither header and notice nothing.
pub(crate) async fn not_from_elsewhere(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && origin(request.headers(), request.uri()) == Some(false) {
        let why = "Requests of other sites' pages are refused".to_owned();
        return answers::error(StatusCode::FORBIDDEN, why);
    }
    next.run(request).await
}

/// A form of this page says where it comes from; who does not say so is no browser, and has the API.
/// Errors: 403.
pub(super) fn check_form(headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
    match origin(headers, uri) {
        Some(true) => Ok(()),
        Some(false) | None => Err(Refusal::new(
            403,
            "This form takes orders from the worker's own page only. Programs use the REST API.".to_owned(),
        )),
    }
}

/// Whether the request comes from a page of this very address; `None`: nothing says so.
fn origin(headers: &HeaderMap, uri: &Uri) -> Option<bool> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    // Browsers send it to addresses that they trust: https, and this machine.
    let site = text(HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|site| site != "same-origin") {
        return Some(false);
    }
    let host = text(header::HOST).or_else(|| uri.authority().map(|authority| authority.as_str()));
    match text(header::ORIGIN) {
        // The scheme is not compared: a proxy may speak https in front of this worker.
        Some(origin) => {
            let from = origin.split_once("://").map(|(_, authority)| authority);
            Some(from.is_some_and(|from| host.is_some_and(|host| host.eq_ignore_ascii_case(from))))
        }
        None => site.map(|_| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Option<bool> {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        origin(&headers, &Uri::from_static("/page/act"))
    }

    #[test]
    fn only_this_very_address_counts() {
        let host = ("host", "worker:8083");
        assert_eq!(of(&[host]), None);
        assert_eq!(of(&[host, ("origin", "http://worker:8083")]), Some(true));
        assert_eq!(
            of(&[host, ("origin", "https://worker:8083"), ("sec-fetch-site", "same-origin")]),
            Some(true)
        );
        assert_eq!(of(&[host, ("sec-fetch-site", "same-origin")]), Some(true));
        for elsewhere in
            ["http://worker", "http://worker:8084", "http://evil.example", "null", "worker:8083", ""]
        {
            assert_eq!(of(&[host, ("origin", elsewhere)]), Some(false), "{elsewhere}");
        }
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(
                of(&[host, ("origin", "http://worker:8083"), ("sec-fetch-site", site)]),
                Some(false),
                "{site}"
            );
        }
        assert_eq!(of(&[("origin", "http://worker:8083")]), Some(false));
    }
}
