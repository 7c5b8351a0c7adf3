//! A GET request, as any client of Kafka Connect's REST API would send it.

use std::time::Duration;

use serde_json::Value;

/// A worker that does not answer such a small question in this time hangs.
const LIMIT: Duration = Duration::from_secs(10);

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Content type, or nothing.
    pub content_type: String,
    /// Body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// Asks. Errors: there is no answer; in the client's words.
pub fn get(url: &str) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(LIMIT))
        .http_status_as_error(false)
        .proxy(None)
        .build()
        .into();
    let mut answer = agent.get(url).call().map_err(|error| error.to_string())?;
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    Ok(Answer {
        status: answer.status().as_u16(),
        content_type: content_type.unwrap_or_default().to_owned(),
        text: answer.body_mut().read_to_string().map_err(|error| error.to_string())?,
    })
}
