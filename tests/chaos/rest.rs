//! The worker's REST API, as an operator uses it.

use std::time::Duration;

use serde_json::Value;

use crate::trouble::{Result, text};

/// A change of offsets may settle an open batch first, which takes up to 80 s.
const LIMIT: Duration = Duration::from_secs(100);

/// One question of many; a worker that stands still does not answer.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// `GET`, for a look that may fail.
pub fn look(url: &str) -> Result<Value> {
    let mut answer = agent(LOOK_LIMIT).get(url).call().map_err(text)?;
    let body = answer.body_mut().read_to_string().map_err(text)?;
    serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))
}

/// `PUT`, `POST` or `PATCH` with a body of JSON, or without one.
/// Errors: no answer, or a status that is not one of success.
pub fn tell(method: &str, url: &str, body: Option<&Value>) -> Result<()> {
    let agent = agent(LIMIT);
    let request = match method {
        "PUT" => agent.put(url),
        "POST" => agent.post(url),
        "PATCH" => agent.patch(url),
        other => return Err(format!("{other} is no method of this client")),
    };
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut answer = request.content_type("application/json").send(body.as_str()).map_err(text)?;
    let status = answer.status().as_u16();
    let said = answer.body_mut().read_to_string().unwrap_or_default();
    if (200..300).contains(&status) { Ok(()) } else { Err(format!("{method} {url}: {status} {said}")) }
}

fn agent(limit: Duration) -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into()
}
