//! A request's body, read as Kafka Connect's runtime (Jersey, Jackson) reads it. Its answers to bodies that are
//! not what they should be are 500s with Java's words; the statuses and the first line of the words are kept,
//! for tools that know them.
use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

use crate::answers;
use crate::herder::Refusal;

/// JSON; `None`: no body, or `null`.
pub(crate) struct Body(pub Option<Value>);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Body, Response> {
        let kind = request.headers().get(header::CONTENT_TYPE).cloned();
        let bytes = Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        if bytes.is_empty() {
            return Ok(Body(None));
        }
        let kind = kind.as_ref().and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| !is_json(kind)) {
            return Err(answers::bare_error(StatusCode::UNSUPPORTED_MEDIA_TYPE));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Null) => Ok(Body(None)),
            Ok(value) => Ok(Body(Some(value))),
            Err(error) => Err(Refusal::new(500, format!("The body is not JSON: {error}")).into_response()),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/json")
}

/// What Java says of a null that it did not expect.
pub(crate) fn null(call: &str, name: &str) -> Refusal {
    Refusal::new(500, format!("Cannot invoke \"{call}\" because \"{name}\" is null"))
}

/// The fields of an object that is to become a `class`. Errors: it is none, or has other fields than `known`.
pub(crate) fn object(value: Value, class: &str, known: &[&str]) -> Result<Map<String, Value>, Refusal> {
    let object = match value {
        Value::Object(object) => object,
        other => return Err(cannot_become(class, &other)),
    };
    if let Some(strange) = object.keys().find(|field| !known.contains(&field.as_str())) {
        let listed: Vec<String> = known.iter().map(|field| format!("\"{field}\"")).collect();
        let count = match known.len() {
            1 => "one known property".to_owned(),
            count => format!("{count} known properties"),
        };
        return Err(Refusal::new(
            500,
            format!(
                "Unrecognized field \"{strange}\" (class {class}), not marked as ignorable ({count}: {}])",
                listed.join(", ")
            ),
        ));
    }
    Ok(object)
}

/// A configuration: texts by name. Numbers and booleans count as their text; a null is a null.
pub(crate) fn texts(value: Value) -> Result<BTreeMap<String, Option<String>>, Refusal> {
    const CLASS: &str = "java.util.LinkedHashMap<java.lang.String,java.lang.String>";
    let object = match value {
        Value::Object(object) => object,
        other => return Err(cannot_become(CLASS, &other)),
    };
    object.into_iter().map(|(name, value)| Ok((name, text(value)?))).collect()
}

/// One text. Errors: it is a list or an object.
pub(crate) fn text(value: Value) -> Result<Option<String>, Refusal> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Number(number) => Ok(Some(number.to_string())),
        other @ (Value::Array(_) | Value::Object(_)) => Err(cannot_become("java.lang.String", &other)),
    }
}

fn cannot_become(class: &str, value: &Value) -> Refusal {
    let (kind, token) = match value {
        Value::Array(_) => ("Array value", "START_ARRAY"),
        Value::Object(_) => ("Object value", "START_OBJECT"),
        Value::String(_) => ("String value", "VALUE_STRING"),
        Value::Bool(true) => ("Boolean value", "VALUE_TRUE"),
        Value::Bool(false) => ("Boolean value", "VALUE_FALSE"),
        Value::Null => ("Null value", "VALUE_NULL"),
        Value::Number(number) if number.is_f64() => ("Floating-point value", "VALUE_NUMBER_FLOAT"),
        Value::Number(_) => ("Integer value", "VALUE_NUMBER_INT"),
    };
    Refusal::new(
        500,
        format!("Cannot deserialize value of type `{class}` from {kind} (token `JsonToken.{token}`)"),
    )
}
