//! The page on `/`: what an operator wants to see first, and four buttons. Made on the server for each request; a
//! script renews it, and it works without. It takes orders by forms of its own only (`guard.rs`).
mod actions;
mod errors;
mod format;
mod guard;
mod letters;
mod overview;
mod shell;

use axum::Router;
use axum::http::{HeaderMap, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

use crate::routes::Context;

pub(crate) use guard::not_from_elsewhere;
pub(crate) use overview::page as overview;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("page.js");

/// Everything of the page but `/` itself.
pub(crate) fn routes() -> Router<Context> {
    Router::new()
        .route("/page/live", get(overview::live))
        .route("/page/act", post(actions::act))
        .route("/page/letters", get(letters::page))
        .route("/page/errors/{code}", get(errors::page))
        .route("/page/style.css", get(async || file("text/css; charset=utf-8", STYLE)))
        .route("/page/page.js", get(async || file("text/javascript; charset=utf-8", SCRIPT)))
        .route_layer(from_fn(guard::protected))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Whether who asks for `/` is a browser. Kafka Connect's clients ask for JSON, or for anything.
pub(crate) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let (mut html, mut json) = (0.0, 0.0);
    for kind in accepts.flat_map(|accept| accept.split(',')) {
        let (kind, weight) = weighed(kind);
        match kind.as_str() {
            "text/html" | "application/xhtml+xml" => html = f32::max(html, weight),
            "application/json" => json = f32::max(json, weight),
            _ => {}
        }
    }
    html > json
}

/// `text/html;q=0.9`, taken apart.
fn weighed(kind: &str) -> (String, f32) {
    let mut parts = kind.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
    (kind, weight.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_the_page_and_everybody_else_json() {
        let wanted =
            |accept: &str| is_wanted(&[(header::ACCEPT, accept.parse().unwrap())].into_iter().collect());
        assert!(wanted("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(wanted("text/html"));
        for json in [
            "*/*",
            "application/json",
            "",
            "application/json, text/html;q=0.5",
            "text/plain",
            "text/html;q=0",
        ] {
            assert!(!wanted(json), "{json}");
        }
        assert!(!wanted("application/json, text/html"));
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
