//! `/connectors`, and a connector's configuration: listed, created, read, changed, deleted.
use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;

use crate::answers::{self, Expanded};
use crate::body::{self, Body};
use crate::doors::Arrival;
use crate::herder::{Refusal, TargetState};
use crate::routes::{Context, blocking, flag, percent_encoded};

const REQUEST: &str = "org.apache.kafka.connect.runtime.rest.entities.CreateConnectorRequest";

#[derive(Serialize)]
struct ActiveTopics {
    topics: Vec<String>,
}

pub(crate) async fn list(State(context): State<Context>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let herder = &context.herder;
    let wants = |what: &str| query.split('&').any(|pair| pair == format!("expand={what}"));
    let names = herder.connectors();
    if !query.split('&').any(|pair| pair.starts_with("expand=")) {
        return Json(names).into_response();
    }
    let expanded: BTreeMap<String, Expanded> = names
        .iter()
        .filter_map(|name| herder.connector(name))
        .map(|found| {
            let status = wants("status").then(|| answers::status(&found, &**herder));
            let info = wants("info").then(|| answers::info(&found));
            (found.name.clone(), Expanded { status, info })
        })
        .collect();
    Json(expanded).into_response()
}

pub(crate) async fn create(
    State(context): State<Context>,
    ConnectInfo(arrival): ConnectInfo<Arrival>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let body = body.ok_or_else(|| body::null(&format!("{REQUEST}.name()"), "createRequest"))?;
    let mut request = body::object(body, REQUEST, &["config", "name", "initial_state"])?;
    let mut field = |name: &str| request.remove(name).filter(|value| !value.is_null());
    let initial = initial_state(field("initial_state"))?;
    let name = field("name").map(body::text).transpose()?.flatten().unwrap_or_default();
    let config = field("config").map(body::texts).transpose()?;
    let config = config.ok_or_else(|| body::null("java.util.Map.get(Object)", "connectorConfig"))?;
    let config = named(name.trim(), config)?;
    let created = blocking(&context, move |herder| herder.create(config, initial)).await?;
    Ok((StatusCode::CREATED, location(arrival, &headers, &created.name), Json(answers::info(&created)))
        .into_response())
}

/// As Jackson reads an enum of Java's: in any case, for Kafka Connect's says so.
fn initial_state(value: Option<Value>) -> Result<TargetState, Refusal> {
    let Some(text) = value.map(body::text).transpose()?.flatten() else { return Ok(TargetState::Running) };
    match text.to_ascii_uppercase().as_str() {
        "RUNNING" => Ok(TargetState::Running),
        "PAUSED" => Ok(TargetState::Paused),
        "STOPPED" => Ok(TargetState::Stopped),
        other => Err(Refusal::new(
            500,
            format!(
                "Cannot construct instance of `{REQUEST}$InitialState`, problem: No enum constant \
                 {REQUEST}.InitialState.{other}"
            ),
        )),
    }
}

/// The configuration with the connector's name in it. Errors: it has another one.
fn named(name: &str, config: BTreeMap<String, Option<String>>) -> Result<BTreeMap<String, String>, Refusal> {
    // An option that is null is one that was not given.
    let mut config: BTreeMap<String, String> =
        config.into_iter().filter_map(|(option, value)| Some((option, value?))).collect();
    match config.get("name") {
        Some(inner) if inner != name => Err(Refusal::new(
            400,
            format!(
                "Connector name configuration ({inner}) doesn't match connector name in the URL ({name})"
            ),
        )),
        Some(_) => Ok(config),
        None => {
            config.insert("name".to_owned(), name.to_owned());
            Ok(config)
        }
    }
}

fn location(arrival: Arrival, headers: &HeaderMap, name: &str) -> [(header::HeaderName, String); 1] {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let scheme = if arrival.tls { "https" } else { "http" };
    let base = host.map(|host| format!("{scheme}://{host}")).unwrap_or_default();
    [(header::LOCATION, format!("{base}/connectors/{}", percent_encoded(name)))]
}

pub(crate) fn not_found(name: &str) -> Refusal {
    Refusal::new(404, format!("Connector {name} not found"))
}

pub(crate) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let found = context.herder.connector(&name).ok_or_else(|| not_found(&name))?;
    Ok(Json(answers::info(&found)).into_response())
}

pub(crate) async fn config(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let found = context.herder.connector(&name).ok_or_else(|| not_found(&name))?;
    Ok(Json(found.config).into_response())
}

pub(crate) async fn put_config(
    State(context): State<Context>,
    ConnectInfo(arrival): ConnectInfo<Arrival>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let config = body.map(body::texts).transpose()?;
    let config = config.ok_or_else(|| body::null("java.util.Map.get(Object)", "connectorConfig"))?;
    let config = named(&name, config)?;
    let (now, created) = blocking(&context, move |herder| herder.put_config(&name, config)).await?;
    let info = Json(answers::info(&now));
    Ok(match created {
        true => (StatusCode::CREATED, location(arrival, &headers, &now.name), info).into_response(),
        false => info.into_response(),
    })
}

pub(crate) async fn patch_config(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let patch = body.map(body::texts).transpose()?;
    let patch =
        patch.ok_or_else(|| body::null("java.util.Map.forEach(java.util.function.BiConsumer)", "patch"))?;
    let now = blocking(&context, move |herder| herder.patch_config(&name, patch)).await?;
    Ok(Json(answers::info(&now)).into_response())
}

pub(crate) async fn delete(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(&context, move |herder| herder.delete(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn status(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let none = || Refusal::new(404, format!("No status found for connector {name}"));
    let found = context.herder.connector(&name).ok_or_else(none)?;
    Ok(Json(answers::status(&found, &*context.herder)).into_response())
}

pub(crate) async fn topics(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let asked = name.clone();
    let topics = blocking(&context, move |herder| Ok(herder.topics(&asked))).await?;
    Ok(Json(BTreeMap::from([(name, ActiveTopics { topics })])).into_response())
}

pub(crate) async fn reset_topics(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(&context, move |herder| {
        herder.reset_topics(&name);
        Ok(())
    })
    .await?;
    Ok(StatusCode::ACCEPTED)
}

/// `expand` and the like are given by name; a flag is `true` or it is not.
pub(crate) fn restart_of(query: Option<&str>) -> crate::herder::Restart {
    crate::herder::Restart {
        include_tasks: flag(query, "includeTasks"),
        only_failed: flag(query, "onlyFailed"),
    }
}
