//! `/connector-plugins`: what can be configured, and the check of a configuration. What is right or wrong is
//! the config room's; here are the paths, the statuses and the words around it.
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use pumphouse_config::{
    ConfigCode, ConfigError, RawConfig, SINK_CLASSES, check_plugin, converter_classes, converter_definitions,
    is_class, sink_definitions,
};
use serde::Serialize;

use crate::answers;
use crate::view::WorkerView;

/// A plugin as Kafka Connect lists it (`PluginInfo`).
#[derive(Serialize)]
struct Plugin {
    class: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    version: &'static str,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What Kafka Connect says of a value that is null.
const NULL_VALUE: &str = "Null value can not be supplied as the configuration value.";

/// The routes, to be merged into the API's.
pub(crate) fn routes() -> Router<Arc<dyn WorkerView>> {
    Router::new()
        .route("/connector-plugins", get(list))
        .route("/connector-plugins/", get(list))
        .route("/connector-plugins/{plugin}/config", get(definitions))
        .route("/connector-plugins/{plugin}/config/validate", put(validate))
        .route("/connector-plugins/{plugin}/config/validate/", put(validate))
}

async fn list(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    // As Jersey reads a boolean: everything that is not `true` is false; not given it is true.
    let given = query.split('&').find_map(|pair| pair.strip_prefix("connectorsOnly="));
    let connectors_only = given.is_none_or(|text| text.eq_ignore_ascii_case("true"));
    let sinks = SINK_CLASSES.map(|class| Plugin { class, kind: "sink", version: VERSION });
    let mut plugins: Vec<Plugin> = sinks.into_iter().collect();
    if !connectors_only {
        plugins.extend(converter_classes().into_iter().map(|class| Plugin {
            class,
            kind: "converter",
            version: VERSION,
        }));
    }
    Json(plugins).into_response()
}

async fn definitions(Path(plugin): Path<String>) -> Response {
    if SINK_CLASSES.iter().any(|class| is_class(&plugin, class, "Connector")) {
        return Json(sink_definitions()).into_response();
    }
    match converter_classes().into_iter().find(|class| is_class(&plugin, class, "Converter")) {
        Some(class) => Json(converter_definitions(class)).into_response(),
        None => answers::error(StatusCode::NOT_FOUND, format!("Unknown plugin {plugin}.")),
    }
}

async fn validate(
    State(view): State<Arc<dyn WorkerView>>,
    Path(plugin): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !is_json(&headers) {
        return answers::bare_error(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    let (config, nulls) = match read(&body) {
        Ok(read) => read,
        Err(message) => return answers::error(StatusCode::INTERNAL_SERVER_ERROR, message),
    };
    if let Err(refused) = check_plugin(&plugin, &config) {
        let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return answers::error(status, refused.message);
    }
    // The check may ask a file or a secret's store.
    let checked = tokio::task::spawn_blocking(move || view.process().validate(&config, nulls)).await;
    match checked {
        Ok(infos) => Json(infos).into_response(),
        Err(_) => answers::error(StatusCode::INTERNAL_SERVER_ERROR, "the check has failed".to_owned()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// A configuration as a JSON object of texts, with the names that are null. Numbers and booleans are taken as
/// their texts, as Kafka Connect takes them.
/// Errors: the message of the answer.
fn read(body: &[u8]) -> Result<(RawConfig, Vec<ConfigError>), String> {
    if body.is_empty() {
        // What a Kafka Connect worker says.
        return Err(
            "Cannot invoke \"java.util.Map.get(Object)\" because \"connectorConfig\" is null".to_owned()
        );
    }
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(|error| format!("the body is not a JSON object: {error}"))?;
    let (mut config, mut nulls) = (RawConfig::new(), Vec::new());
    for (name, value) in object {
        match value {
            serde_json::Value::String(text) => config.set(name, text),
            serde_json::Value::Bool(flag) => config.set(name, flag.to_string()),
            serde_json::Value::Number(number) => config.set(name, number.to_string()),
            serde_json::Value::Null => {
                nulls.push(ConfigError::new(
                    ConfigCode::Value,
                    name,
                    NULL_VALUE,
                    "Give it a value, or leave it out.",
                ));
            }
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => {
                return Err(format!("the value of {name} is neither a text nor a number"));
            }
        }
    }
    Ok((config, nulls))
}
