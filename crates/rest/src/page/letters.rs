//! A look into a connector's dead letters: read only, bounded, and shown as text whatever they hold.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use pumphouse_config::PageAccess;

use super::{errors, format, shell};
use crate::figures::{Excerpt, LetterSample, SampledLetter};
use crate::herder::Refusal;
use crate::routes::{Context, blocking};

pub(super) async fn page(
    State(context): State<Context>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    let name = query.get("connector").cloned().unwrap_or_default();
    match sample(&context, name.clone()).await {
        Ok(sample) => {
            let title = format!("Pumphouse: dead letters of {name}");
            shell::answer(StatusCode::OK, shell::whole(&title, false, &content(&name, &sample, context.page)))
        }
        Err(refusal) => shell::refused(refusal.status, &refusal.message),
    }
}

/// One look at a time: each is a consumer of its own.
async fn sample(context: &Context, name: String) -> Result<LetterSample, Refusal> {
    let busy =
        || Refusal::new(503, "Somebody else is looking at dead letters: try again in a moment.".to_owned());
    let one = Arc::clone(&context.looks).try_acquire_owned().map_err(|_| busy())?;
    blocking(context, move |herder| {
        // A browser that goes away does not end the look.
        let _until_it_has_ended = one;
        herder.dead_letters(&name)
    })
    .await
}

fn content(name: &str, sample: &LetterSample, access: PageAccess) -> Markup {
    html! {
        header.top { h1 { a href="/" { "Pumphouse" } } p { "Dead letters of " b { (name) } } }
        main {
            p.summary {
                "Topic " b { (sample.topic) } " holds " (format::count(sample.positions)) " positions. Of the newest "
                (format::count(sample.looked_at)) ", " b { (sample.letters.len()) } " are letters of this connector. "
                "Nothing was changed by looking."
            }
            @if let Some(why) = &sample.cut_short { p.warning { "Not all could be read: " (errors::linked(why)) } }
            @for letter in &sample.letters { (one(letter, access)) }
            @if sample.letters.is_empty() { p.empty { "There are none." } }
            p { a href="/" { "Back" } }
        }
    }
}

fn one(letter: &SampledLetter, access: PageAccess) -> Markup {
    html! {
        section.card.letter {
            p.trace { (errors::linked(reason(letter, access))) }
            p.coordinates {
                @if let Some(origin) = &letter.origin { "Record " b { (origin) } ". " }
                "Letter " (letter.partition) "@" (letter.offset)
                @if let Some(ms) = letter.timestamp_ms { ", " (format::moment(ms)) }
            }
            @if access == PageAccess::Full {
                (part("Key", letter.key.as_ref()))
                (part("Value", letter.value.as_ref()))
            }
        }
    }
}

/// Why the record is a letter. ClickHouse's own words about a row quote its values.
fn reason(letter: &SampledLetter, access: PageAccess) -> &str {
    let reason = letter.reason.as_deref().unwrap_or("The letter does not say why it is here.");
    match access {
        PageAccess::Full => reason,
        _ => reason.split_once("Column values:").map_or(reason, |(before, _)| before.trim_end()),
    }
}

fn part(of: &str, excerpt: Option<&Excerpt>) -> Markup {
    html! {
        @match excerpt {
            Some(excerpt) => { p.part { (of) ", " (format::count(excerpt.length as u64)) " bytes" } pre { (format::excerpt(excerpt)) } },
            None => p.part { (of) ": none" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_record_stays_text() {
        let hostile = "</pre><script>alert(1)</script>";
        let excerpt = Some(Excerpt::of(hostile.as_bytes(), 2_000));
        let letter = SampledLetter {
            origin: Some(hostile.to_owned()),
            reason: Some(format!("DECODE-005: {hostile}")),
            key: excerpt.clone(),
            value: excerpt,
            ..SampledLetter::default()
        };
        let sample =
            LetterSample { topic: hostile.to_owned(), letters: vec![letter], ..LetterSample::default() };
        let markup = content(hostile, &sample, PageAccess::Full).into_string();
        assert!(!markup.contains("<script"), "{markup}");
        assert_eq!(markup.matches("&lt;script&gt;alert(1)").count(), 6, "{markup}");
        assert!(markup.contains("<a href=\"/page/errors/DECODE-005\">"), "{markup}");
        let without = content("c", &sample, PageAccess::WithoutRecords).into_string();
        assert!(!without.contains("<pre>") && without.contains("DECODE-005"), "{without}");
    }
}
