//! Pause, resume, stop, restart; tasks and their states.
use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::answers;
use crate::connectors::{not_found, restart_of};
use crate::herder::{Refusal, Restart, TargetState};
use crate::routes::{Context, blocking};

pub(crate) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(&context, move |herder| herder.set_target(&name, TargetState::Paused)).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(&context, move |herder| herder.set_target(&name, TargetState::Running)).await?;
    Ok(StatusCode::ACCEPTED)
}

pub(crate) async fn stop(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    blocking(&context, move |herder| herder.set_target(&name, TargetState::Stopped)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Without a flag as Kafka Connect did it at first: the connector alone, and nothing to say.
pub(crate) async fn restart(
    State(context): State<Context>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let what = restart_of(query.as_deref());
    let now = blocking(&context, move |herder| herder.restart(&name, what)).await?;
    if what == Restart::default() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let status = answers::status(&now, &*context.herder);
    Ok((StatusCode::ACCEPTED, Json(status)).into_response())
}

pub(crate) async fn tasks(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let found = context.herder.connector(&name).ok_or_else(|| not_found(&name))?;
    Ok(Json(answers::task_infos(&found)).into_response())
}

/// A path that is not a number is no path of the API at all.
fn number(task: &str) -> Result<i32, Refusal> {
    task.parse().map_err(|_| Refusal::new(404, "HTTP 404 Not Found".to_owned()))
}

pub(crate) async fn task_status(
    State(context): State<Context>,
    Path((name, task)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let task = number(&task)?;
    let state = context.herder.connector(&name).and_then(|found| {
        let number = usize::try_from(task).ok()?;
        let worker = context.herder.worker_of(&name, Some(number));
        Some(answers::task_state(number, found.tasks.get(number)?, &worker))
    });
    let none = || Refusal::new(404, format!("No status found for task {name}-{task}"));
    Ok(Json(state.ok_or_else(none)?).into_response())
}

pub(crate) async fn restart_task(
    State(context): State<Context>,
    Path((name, task)): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let task = number(&task)?;
    let number =
        usize::try_from(task).map_err(|_| Refusal::new(404, format!("Unknown task: {name}-{task}")))?;
    blocking(&context, move |herder| herder.restart_task(&name, number)).await?;
    Ok(StatusCode::NO_CONTENT)
}
