//! Error codes become links, and the links lead to the pages of `docs/errors/` that this worker was built with.
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};

use super::shell;

/// Code and page, sorted by code.
const PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

fn page_of(code: &str) -> Option<&'static str> {
    let at = PAGES.binary_search_by_key(&code, |(known, _)| known).ok()?;
    Some(PAGES[at].1)
}

pub(super) async fn page(Path(code): Path<String>) -> Response {
    let Some(text) = page_of(&code) else {
        return shell::refused(404, "There is no page about this code.");
    };
    let content = html! {
        header.top { h1 { a href="/" { "Pumphouse" } } }
        main { section.card.text { (marked_up(text)) } }
    };
    shell::answer(StatusCode::OK, shell::whole(&format!("Pumphouse: {code}"), false, &content))
}

/// A text with its error codes as links.
pub(super) fn linked(text: &str) -> Markup {
    html! {
        @for (at, word) in text.split_inclusive(|c: char| c.is_whitespace()).enumerate() {
            @let code = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            @if at < WORDS_LINKED_MAX && page_of(code).is_some() {
                @let (before, after) = word.split_once(code).unwrap_or(("", ""));
                (before) a href={ "/page/errors/" (code) } { (code) } (after)
            } @else {
                (word)
            }
        }
    }
}

/// A trace can be long; its code is at its beginning.
const WORDS_LINKED_MAX: usize = 500;

/// The little of Markdown that these pages use: headings, paragraphs, lists, code and bold words.
fn marked_up(text: &str) -> Markup {
    let (mut blocks, mut code) = (Vec::<(Kind, String)>::new(), false);
    for line in text.lines() {
        let last = blocks.last_mut();
        match line {
            fence if fence.trim_start().starts_with("```") => {
                code = !code;
                blocks.push((if code { Kind::Code } else { Kind::Gap }, String::new()));
            }
            line if code => last.expect("a fence was pushed").1.push_str(&format!("{line}\n")),
            "" => blocks.push((Kind::Gap, String::new())),
            line if line.starts_with('#') => {
                blocks.push((Kind::Heading, line.trim_start_matches('#').trim().to_owned()));
            }
            line if line.starts_with("- ") => blocks.push((Kind::Item, line[2..].to_owned())),
            line if line.starts_with('|') => blocks.push((Kind::Code, format!("{line}\n"))),
            line => match last {
                Some((Kind::Text | Kind::Item, text)) => text.push_str(&format!(" {}", line.trim())),
                _ => blocks.push((Kind::Text, line.to_owned())),
            },
        }
    }
    html! {
        @for (kind, text) in &blocks {
            @match kind {
                Kind::Heading => h2 { (linked(text)) },
                Kind::Text => p { (inline(text)) },
                Kind::Item => p.item { "• " (inline(text)) },
                Kind::Code => pre { (text) },
                Kind::Gap => {},
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Heading,
    Text,
    Item,
    Code,
    Gap,
}

/// `` `code` `` and `**bold**`.
fn inline(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code { (linked(part)) } } @else {
                @for (at, part) in part.split("**").enumerate() {
                    @if at % 2 == 1 { b { (linked(part)) } } @else { (linked(part)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_become_links_and_all_else_stays_text() {
        let linked = linked("CONFIG-001: <b> why\n(see REST-001)").into_string();
        assert_eq!(
            linked,
            "<a href=\"/page/errors/CONFIG-001\">CONFIG-001</a>: &lt;b&gt; why\n(see <a href=\"/page/errors/REST-001\">REST-001</a>)"
        );
        assert_eq!(super::linked("X-999 CONFIG-001x").into_string(), "X-999 CONFIG-001x");
    }

    #[test]
    fn every_page_is_found_and_understood() {
        assert!(PAGES.len() > 100 && PAGES.is_sorted());
        for (code, text) in PAGES {
            let page = marked_up(text).into_string();
            assert!(
                page.starts_with("<h2>") && page.contains("<p>") && page.contains(code),
                "{code}: {page}"
            );
            assert!(!page.contains("**"), "{code}: {page}");
        }
    }
}
