//! A change goes to the worker that carries it out: as it came, once, and the answer comes back as it was. A worker
//! that was asked in another's stead (`forward=false`) passes nothing on, so that no request goes round in circles.
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, Uri, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::herder::{Place, Refusal};
use crate::others::{Others, Unanswered};
use crate::routes::{Context, blocking};

/// What axum takes of a body by default.
const BODY_BYTES_MAX: usize = 2 << 20;

/// A change of offsets may settle an open batch first (docs/rest.md).
const ANSWER_TIMEOUT: Duration = Duration::from_secs(90);

/// How often it is looked whether the worker that was asked is still the one to ask.
const MOVED_LOOK: Duration = Duration::from_millis(500);

/// Headers that say who asks for what; the others belong to the connection.
const PASSED_ON: [header::HeaderName; 4] =
    [header::CONTENT_TYPE, header::ACCEPT, header::AUTHORIZATION, header::HOST];

/// Headers of an answer that belong to what it says.
const PASSED_BACK: [header::HeaderName; 3] =
    [header::CONTENT_TYPE, header::LOCATION, header::WWW_AUTHENTICATE];

pub(crate) async fn to_its_place(State(context): State<Context>, request: Request, next: Next) -> Response {
    match passed_on(context, request, next).await {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_response(),
    }
}

async fn passed_on(context: Context, request: Request, next: Next) -> Result<Response, Refusal> {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(next.run(request).await);
    }
    let Some((name, task)) = subject(request.uri()) else { return Ok(next.run(request).await) };
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|error| Refusal::new(413, format!("The body cannot be read: {error}")))?;
    // A body that names no connector is refused wherever it is read.
    let name = name.or_else(|| name_in(&body));
    let Some(name) = name else {
        return Ok(next.run(Request::from_parts(parts, Body::from(body))).await);
    };
    match at_its_place(&context, &name, task, &parts, &body).await? {
        Some(answer) => Ok(answer),
        None => Ok(next.run(Request::from_parts(parts, Body::from(body))).await),
    }
}

/// What the worker answers that carries the change out; `None`: it is for this one to carry out.
/// Errors: 409 while nobody is known who would; 500 where the other one is not understood.
async fn at_its_place(
    context: &Context,
    name: &str,
    task: Option<usize>,
    parts: &Parts,
    body: &Bytes,
) -> Result<Option<Response>, Refusal> {
    match place_of(context, name, task).await? {
        Place::Here => Ok(None),
        Place::Unknown => Err(conflict(
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        )),
        Place::At(_) if has_been_passed_on(&parts.uri) => Err(conflict(
            "Cannot complete request because of a conflicting operation (e.g. worker rebalance)",
        )),
        Place::At(base) => {
            let answer = tokio::select! {
                answer = ask(&context.others, &base, parts, body.clone()) => answer?,
                gone = has_moved(context, name, task, &base) => return Err(gone),
            };
            if answer.status().is_success() {
                // What it changed is to be seen here by whoever asks next.
                blocking(context, |herder| {
                    herder.catch_up();
                    Ok(())
                })
                .await?;
            }
            Ok(Some(answer))
        }
    }
}

/// An order of the page: the same change as `method` on `path_and_query` of the API, for whoever sent `headers`.
/// False: it is for this worker to carry out. Errors: what the other worker says, and those of a request.
pub(crate) async fn order(
    context: &Context,
    name: &str,
    (method, path_and_query): (Method, String),
    headers: &HeaderMap,
) -> Result<bool, Refusal> {
    let mut request = Request::builder().method(method).uri(path_and_query);
    for value in headers.get_all(header::AUTHORIZATION) {
        request = request.header(header::AUTHORIZATION, value);
    }
    let (parts, ()) = request.body(()).map_err(|error| Refusal::new(400, error.to_string()))?.into_parts();
    let Some(answer) = at_its_place(context, name, None, &parts, &Bytes::new()).await? else {
        return Ok(false);
    };
    let status = answer.status();
    if status.is_success() {
        return Ok(true);
    }
    let body = to_bytes(answer.into_body(), BODY_BYTES_MAX).await.unwrap_or_default();
    let said: Option<Value> = serde_json::from_slice(&body).ok();
    let message = said.as_ref().and_then(|said| said.get("message")?.as_str());
    Err(Refusal::new(
        status.as_u16(),
        message.unwrap_or("The worker that has the connector refused").to_owned(),
    ))
}

async fn place_of(context: &Context, name: &str, task: Option<usize>) -> Result<Place, Refusal> {
    let name = name.to_owned();
    blocking(context, move |herder| Ok(herder.place_of(&name, task))).await
}

/// A worker that hangs keeps its connections open: its answer is waited for only as long as it is its to give.
async fn has_moved(context: &Context, name: &str, task: Option<usize>, base: &str) -> Refusal {
    loop {
        tokio::time::sleep(MOVED_LOOK).await;
        match place_of(context, name, task).await {
            Ok(Place::At(now)) if now == base => {}
            Ok(Place::At(_) | Place::Here | Place::Unknown) => {
                return conflict(
                    "Cannot complete request because of a conflicting operation (e.g. worker rebalance): the worker \
                     that was asked has not answered, and another one has taken its place",
                );
            }
            Err(refusal) => return refusal,
        }
    }
}

fn conflict(message: &str) -> Refusal {
    Refusal::new(409, message.to_owned())
}

/// The connector (`Some(None)`: its name is in the body) and the task that a path is about; `None`: it is about
/// none.
fn subject(uri: &Uri) -> Option<(Option<String>, Option<usize>)> {
    let mut segments = uri.path().trim_matches('/').split('/');
    if segments.next() != Some("connectors") {
        return None;
    }
    let Some(name) = segments.next() else { return Some((None, None)) };
    let task = match (segments.next(), segments.next()) {
        (Some("tasks"), Some(number)) => number.parse().ok(),
        _ => None,
    };
    Some((Some(percent_decoded(name)), task))
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut decoded, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

fn name_in(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    Some(body.get("name")?.as_str()?.trim().to_owned())
}

fn has_been_passed_on(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| pair.eq_ignore_ascii_case("forward=false"))
}

async fn ask(others: &Others, base: &str, parts: &Parts, body: Bytes) -> Result<Response, Refusal> {
    let failed = |why: String| Refusal::new(500, format!("IO Error trying to forward REST request: {why}"));
    let path = parts.uri.path();
    let separator = if parts.uri.query().is_some_and(|query| !query.is_empty()) { "&" } else { "" };
    let query = parts.uri.query().unwrap_or_default();
    let uri = format!("{base}{path}?{query}{separator}forward=false");
    let mut request = Request::builder().method(parts.method.clone()).uri(uri);
    for name in PASSED_ON {
        for value in parts.headers.get_all(&name) {
            request = request.header(&name, value);
        }
    }
    let request = request.body(Body::from(body)).map_err(|error| failed(error.to_string()))?;
    let asked = tokio::time::timeout(ANSWER_TIMEOUT, others.ask(request)).await;
    let answer = match asked {
        Ok(Ok(answer)) => answer,
        // Nobody has heard of the request, so it can be made again.
        Ok(Err(Unanswered::Unreached)) => {
            return Err(conflict(
                "Cannot complete request momentarily: the worker that the connector belongs to does not answer. \
                 Another one takes its place within session.timeout.ms",
            ));
        }
        Ok(Err(Unanswered::Failed(why))) => return Err(failed(why)),
        Err(_) => return Err(failed("the other worker has not answered in time".to_owned())),
    };
    let (head, body) = answer.into_parts();
    let mut headers = HeaderMap::new();
    for name in PASSED_BACK {
        head.headers.get_all(&name).iter().for_each(|value| {
            headers.append(&name, value.clone());
        });
    }
    Ok((head.status, headers, Body::new(body)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(path: &str) -> Option<(Option<String>, Option<usize>)> {
        subject(&path.parse().unwrap())
    }

    #[test]
    fn what_a_path_is_about() {
        let named = |name: &str, task| Some((Some(name.to_owned()), task));
        assert_eq!(about("/connectors"), Some((None, None)));
        assert_eq!(about("/connectors/c/config"), named("c", None));
        assert_eq!(about("/connectors/a%20b%2Fc/tasks/7/restart"), named("a b/c", Some(7)));
        assert_eq!(about("/connectors/100%/pause"), named("100%", None));
        assert_eq!(about("/connector-plugins/x/config/validate"), None);
        assert_eq!(about("/admin/loggers/root"), None);
    }

    #[test]
    fn a_request_is_passed_on_once() {
        let passed = |uri: &str| has_been_passed_on(&uri.parse().unwrap());
        assert!(passed("/connectors/c/restart?includeTasks=true&forward=false"));
        assert!(!passed("/connectors/c/restart?forward=true"));
        assert!(!passed("/connectors/c/restart"));
    }

    #[test]
    fn the_name_of_a_new_connector_stands_in_its_body() {
        assert_eq!(name_in(br#"{"name": " c ", "config": {}}"#).as_deref(), Some("c"));
        assert_eq!(name_in(br#"{"config": {"name": "c"}}"#), None);
        assert_eq!(name_in(b"no JSON"), None);
    }
}
