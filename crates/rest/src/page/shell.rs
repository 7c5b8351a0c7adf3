//! What every page has around it.
use axum::http::StatusCode;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::guard;

/// Seconds between renewals where no script runs.
const RENEW_SECONDS: u32 = 5;

/// A whole page. `live`: it shows the present, and is renewed.
pub(super) fn whole(title: &str, live: bool, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" href="data:,";
                link rel="stylesheet" href="/page/style.css";
                @if live {
                    noscript { meta http-equiv="refresh" content=(RENEW_SECONDS); }
                    script src="/page/page.js" defer {}
                }
            }
            body { (content) }
        }
    }
}

/// As an answer.
pub(super) fn answer(status: StatusCode, markup: Markup) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
    guard::with_headers((status, kind, markup.into_string()).into_response())
}

/// A page that says why there is no other.
pub(super) fn refused(status: u16, message: &str) -> Response {
    let content = html! {
        header.top { h1 { a href="/" { "Pumphouse" } } }
        main {
            section.card {
                h2 { "That was not done" }
                p.trace { (super::errors::linked(message)) }
                p { a href="/" { "Back" } }
            }
        }
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, whole("Pumphouse: not done", false, &content))
}
