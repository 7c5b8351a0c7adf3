//! The paths. What this version does not do answers 404 or 405 in Kafka Connect's form.
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, RawQuery, State};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::answers::{self, Expanded, Health, ServerInfo};
use crate::view::{ConnectorView, WorkerView};

type View = State<Arc<dyn WorkerView>>;

/// OpenMetrics, as `prometheus-client` writes it.
const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(crate) fn router(view: Arc<dyn WorkerView>) -> Router {
    Router::new()
        .route("/", get(root))
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .route("/connectors", get(connectors))
        // Jersey takes a slash at the end; the clients' libraries send one.
        .route("/connectors/", get(connectors))
        .route("/connectors/{name}", get(connector))
        .route("/connectors/{name}/config", get(config))
        .route("/connectors/{name}/status", get(status))
        .route("/connectors/{name}/tasks", get(tasks))
        .route("/connectors/{name}/tasks/{task}/status", get(task_status))
        .merge(crate::plugins::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(not_allowed)
        .with_state(view)
}

async fn root(State(view): View) -> Json<ServerInfo> {
    Json(ServerInfo {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("PUMPHOUSE_COMMIT").unwrap_or("unknown"),
        kafka_cluster_id: view.kafka_cluster_id(),
    })
}

async fn health() -> Json<Health> {
    Json(Health {
        status: "healthy",
        message: "Worker has completed startup and is ready to handle requests.",
    })
}

async fn metrics(State(view): View) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], view.metrics_text()).into_response()
}

async fn connectors(State(view): View, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let wants = |what: &str| query.split('&').any(|pair| pair == format!("expand={what}"));
    let names = view.connectors();
    if !query.split('&').any(|pair| pair.starts_with("expand=")) {
        return Json(names).into_response();
    }
    let expanded: BTreeMap<String, Expanded> = names
        .iter()
        .filter_map(|name| view.connector(name))
        .map(|found| {
            let status = wants("status").then(|| answers::status(&found, &view.worker_id()));
            let info = wants("info").then(|| answers::info(&found));
            (found.name.clone(), Expanded { status, info })
        })
        .collect();
    Json(expanded).into_response()
}

fn found(view: &Arc<dyn WorkerView>, name: &str, show: impl FnOnce(ConnectorView) -> Response) -> Response {
    match view.connector(name) {
        Some(connector) => show(connector),
        None => answers::error(StatusCode::NOT_FOUND, format!("Connector {name} not found")),
    }
}

async fn connector(State(view): View, Path(name): Path<String>) -> Response {
    found(&view, &name, |connector| Json(answers::info(&connector)).into_response())
}

async fn config(State(view): View, Path(name): Path<String>) -> Response {
    found(&view, &name, |connector| Json(connector.config).into_response())
}

async fn status(State(view): View, Path(name): Path<String>) -> Response {
    let worker_id = view.worker_id();
    match view.connector(&name) {
        Some(connector) => Json(answers::status(&connector, &worker_id)).into_response(),
        None => answers::error(StatusCode::NOT_FOUND, format!("No status found for connector {name}")),
    }
}

async fn tasks(State(view): View, Path(name): Path<String>) -> Response {
    found(&view, &name, |connector| Json(answers::task_infos(&connector)).into_response())
}

async fn task_status(State(view): View, Path((name, task)): Path<(String, String)>) -> Response {
    let worker_id = view.worker_id();
    // A path that is not a number is no path of the API at all.
    let Ok(number) = task.parse::<usize>() else { return not_found().await };
    let state = view
        .connector(&name)
        .and_then(|found| Some(answers::task_state(number, found.tasks.get(number)?, &worker_id)));
    match state {
        Some(state) => Json(state).into_response(),
        None => answers::error(StatusCode::NOT_FOUND, format!("No status found for task {name}-{task}")),
    }
}

async fn not_found() -> Response {
    answers::error(StatusCode::NOT_FOUND, "HTTP 404 Not Found".to_owned())
}

async fn not_allowed(_: Uri) -> Response {
    answers::error(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed".to_owned())
}
