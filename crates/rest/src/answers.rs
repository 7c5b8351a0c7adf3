//! The JSON of Kafka Connect 4.1, field by field in its order (`ConnectorStateInfo`, `ConnectorInfo`,
//! `ServerInfo`, `ErrorMessage` of its runtime).
use std::collections::BTreeMap;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::herder::Refusal;
use crate::view::{ConnectorState, ConnectorView, WorkerView};

/// The version of the plugin that a connector and its tasks run.
const VERSION: &str = env!("CARGO_PKG_VERSION");

#[derive(Serialize)]
pub(crate) struct ServerInfo {
    pub version: &'static str,
    pub commit: &'static str,
    pub kafka_cluster_id: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Health {
    pub status: &'static str,
    pub message: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Status {
    name: String,
    connector: StateInfo,
    tasks: Vec<TaskState>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct StateInfo {
    state: &'static str,
    worker_id: String,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct TaskState {
    id: usize,
    state: &'static str,
    worker_id: String,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Info {
    name: String,
    config: BTreeMap<String, String>,
    tasks: Vec<TaskId>,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct TaskId {
    connector: String,
    task: usize,
}

#[derive(Serialize)]
pub(crate) struct TaskInfo {
    id: TaskId,
    config: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(crate) struct Expanded {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info: Option<Info>,
}

#[derive(Serialize)]
struct ErrorBody {
    error_code: u16,
    message: String,
}

/// What is said to a path, or to a request that never reaches one: Jersey gives these no content type.
pub(crate) fn bare_error(status: StatusCode) -> Response {
    let message = format!("HTTP {} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let body = serde_json::to_string(&ErrorBody { error_code: status.as_u16(), message });
    (status, body.expect("texts and numbers are JSON")).into_response().without_type()
}

trait WithoutType {
    fn without_type(self) -> Self;
}

impl WithoutType for Response {
    fn without_type(mut self) -> Response {
        self.headers_mut().remove(header::CONTENT_TYPE);
        self
    }
}

/// An error answer in Kafka Connect's form.
pub(crate) fn error(status: StatusCode, message: String) -> Response {
    Refusal::new(status.as_u16(), message).into_response()
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(ErrorBody { error_code: self.status, message: self.message })).into_response()
    }
}

pub(crate) fn words(state: &ConnectorState) -> (&'static str, Option<String>) {
    match state {
        ConnectorState::Unassigned => ("UNASSIGNED", None),
        ConnectorState::Running => ("RUNNING", None),
        ConnectorState::RunningWith(note) => ("RUNNING", Some(note.clone())),
        ConnectorState::Paused => ("PAUSED", None),
        ConnectorState::Restarting => ("RESTARTING", None),
        ConnectorState::Failed(why) => ("FAILED", Some(why.clone())),
        ConnectorState::Stopped => ("STOPPED", None),
    }
}

pub(crate) fn task_state(id: usize, state: &ConnectorState, worker_id: &str) -> TaskState {
    let (state, trace) = words(state);
    TaskState { id, state, worker_id: worker_id.to_owned(), version: VERSION, trace }
}

pub(crate) fn status(view: &ConnectorView, worker: &(impl WorkerView + ?Sized)) -> Status {
    let (state, trace) = words(&view.state);
    let on = |task| worker.worker_of(&view.name, task);
    let tasks = view.tasks.iter().enumerate();
    Status {
        name: view.name.clone(),
        connector: StateInfo { state, worker_id: on(None), version: VERSION, trace },
        tasks: tasks.map(|(id, state)| task_state(id, state, &on(Some(id)))).collect(),
        kind: "sink",
    }
}

pub(crate) fn info(view: &ConnectorView) -> Info {
    Info {
        name: view.name.clone(),
        config: view.config.clone(),
        tasks: (0..view.tasks.len()).map(|task| TaskId { connector: view.name.clone(), task }).collect(),
        kind: "sink",
    }
}

pub(crate) fn task_infos(view: &ConnectorView) -> Vec<TaskInfo> {
    (0..view.tasks.len())
        .map(|task| TaskInfo {
            id: TaskId { connector: view.name.clone(), task },
            config: view.config.clone(),
        })
        .collect()
}
