//! `/admin/loggers`: what is logged, changed while the worker runs. A logger is a target of the log, such as
//! `pumphouse_worker`; its level holds for all below it (`pumphouse_worker::task`) that have none of their own.
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::body::{self, Body};
use crate::herder::Refusal;
use crate::routes::{Context, blocking};

/// The logger of everything that has none of its own.
pub const ROOT: &str = "root";

/// Log4j's levels; the log has neither OFF's nor FATAL's own, and takes FATAL for ERROR.
const LEVELS: [&str; 8] = ["OFF", "FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE", "ALL"];

/// Names that may be set; a longer list than this would be one that anybody can fill the memory with.
const LOGGERS_MAX: usize = 1_000;

#[derive(Debug, Clone, Serialize)]
struct Logger {
    level: String,
    /// Milliseconds since 1970.
    last_modified: Option<u64>,
}

/// Levels by name, those in force.
pub type Levels = BTreeMap<String, String>;

/// The loggers of the process.
pub struct Loggers {
    known: Mutex<BTreeMap<String, Logger>>,
    apply: Box<dyn Fn(&Levels) + Send + Sync>,
}

impl Loggers {
    /// `levels` are those of the start, [`ROOT`] among them; `apply` puts others in force.
    pub fn new(levels: Levels, apply: impl Fn(&Levels) + Send + Sync + 'static) -> Loggers {
        let mut known: BTreeMap<String, Logger> = levels
            .into_iter()
            .map(|(name, level)| (name, Logger { level: level.to_ascii_uppercase(), last_modified: None }))
            .collect();
        known
            .entry(ROOT.to_owned())
            .or_insert_with(|| Logger { level: "INFO".to_owned(), last_modified: None });
        Loggers { known: Mutex::new(known), apply: Box::new(apply) }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Logger>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the level of a logger and of those below it; answers which had another one.
    /// Errors: 404 for what is no level; 400 where there are too many loggers.
    pub fn set(&self, name: &str, level: &str) -> Result<Vec<String>, Refusal> {
        let level = known_level(level)?;
        let mut known = self.lock();
        if known.len() >= LOGGERS_MAX && !known.contains_key(name) {
            return Err(Refusal::new(400, format!("There are {LOGGERS_MAX} loggers already.")));
        }
        let logger = Logger { level, last_modified: Some(now_ms()) };
        known.entry(name.to_owned()).or_insert_with(|| Logger { level: String::new(), last_modified: None });
        let below = |other: &str| {
            name == ROOT
                || other == name
                || other.strip_prefix(name).is_some_and(|rest| rest.starts_with("::"))
        };
        let mut changed = Vec::new();
        for (other, found) in known.iter_mut().filter(|(other, _)| below(other)) {
            if found.level != logger.level {
                *found = logger.clone();
                changed.push(other.clone());
            }
        }
        let levels = known.iter().map(|(name, logger)| (name.clone(), logger.level.clone())).collect();
        (self.apply)(&levels);
        tracing::info!(logger = name, level = logger.level, "log level set");
        Ok(changed)
    }
}

/// As it is written down. Errors: 404 for what is no level.
fn known_level(level: &str) -> Result<String, Refusal> {
    let level = level.to_ascii_uppercase();
    if LEVELS.contains(&level.as_str()) {
        Ok(level)
    } else {
        Err(Refusal::new(404, format!("invalid log level '{level}'.")))
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) async fn list(State(context): State<Context>) -> Response {
    Json(context.loggers.lock().clone()).into_response()
}

pub(crate) async fn show(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let found = context.loggers.lock().get(&name).cloned();
    let none = || Refusal::new(404, format!("Logger {name} not found."));
    Ok(Json(found.ok_or_else(none)?).into_response())
}

pub(crate) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    Body(body): Body,
) -> Result<Response, Refusal> {
    let levels = body.map(body::texts).transpose()?;
    let mut levels = levels.ok_or_else(|| body::null("java.util.Map.get(Object)", "levelMap"))?;
    let missing = || Refusal::new(400, "Desired 'level' parameter was not specified in request.".to_owned());
    let level = levels.remove("level").flatten().ok_or_else(missing)?;
    let query = query.unwrap_or_default();
    let scope = query.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or("worker");
    if !["worker", "cluster"].iter().any(|known| scope.eq_ignore_ascii_case(known)) {
        tracing::warn!(scope, "a scope that nobody knows is taken for the worker's");
    }
    if !scope.eq_ignore_ascii_case("cluster") {
        return Ok(Json(context.loggers.set(&name, &level)?).into_response());
    }
    let level = known_level(&level)?;
    let everywhere = {
        let (name, level) = (name.clone(), level.clone());
        blocking(&context, move |herder| herder.set_level_everywhere(&name, &level)).await?
    };
    if !everywhere {
        context.loggers.set(&name, &level)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
