//! A small blocking client for ClickHouse's HTTP interface: statements, rows as text, raw bytes.

use std::io::Read;
use std::time::Duration;

use ureq::http::Response;
use ureq::{Agent, Body};

use crate::error::{Result, TestkitError};

/// A statement that takes longer than this is taken for hung.
const STATEMENT_LIMIT: Duration = Duration::from_secs(120);

/// Characters of a statement that an error repeats.
const STATEMENT_CHARS_MAX: usize = 400;

/// One server, one database, fixed settings. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct Sql {
    url: String,
    parameters: Vec<(String, String)>,
    agent: Agent,
}

impl Sql {
    /// A client of `url` (`http://host:port`, or `host:port`) as the user `default`.
    pub fn new(url: &str) -> Sql {
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = url.trim_end_matches('/').to_owned();
        Sql { url, parameters: Vec::new(), agent: agent_with_limit(STATEMENT_LIMIT) }
    }

    /// The same client with unqualified names meaning tables of `database`.
    pub fn in_database(&self, database: &str) -> Sql {
        self.with_setting("database", database)
    }

    /// The same client, sending one more setting or URL parameter with every statement.
    pub fn with_setting(&self, name: &str, value: &str) -> Sql {
        let mut more = self.clone();
        more.parameters.retain(|(known, _)| known != name);
        more.parameters.push((name.to_owned(), value.to_owned()));
        more
    }

    /// The same client as another user.
    pub fn as_user(&self, user: &str, password: &str) -> Sql {
        self.with_setting("user", user).with_setting("password", password)
    }

    /// The same client with another limit for a whole statement (120 s by default).
    pub fn with_limit(&self, limit: Duration) -> Sql {
        Sql { agent: agent_with_limit(limit), ..self.clone() }
    }

    /// Base address, `http://host:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs a statement whose answer does not matter.
    /// Errors: `Sql` with the server's message, `NoAnswer`.
    pub fn run(&self, statement: &str) -> Result<()> {
        self.binary(statement).map(drop)
    }

    /// Runs a query and answers its text without the last line end; a single value, mostly.
    /// The format is TabSeparated unless the query names one.
    pub fn text(&self, query: &str) -> Result<String> {
        let bytes = self.binary(query)?;
        let mut text = String::from_utf8(bytes).map_err(|error| TestkitError::Malformed {
            what: format!("the answer to {}", shortened(query)),
            problem: error.to_string(),
        })?;
        if text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }

    /// Runs a query that answers one number.
    pub fn number(&self, query: &str) -> Result<i64> {
        let text = self.text(query)?;
        text.parse().map_err(|_| TestkitError::Malformed {
            what: format!("the answer to {}", shortened(query)),
            problem: format!("{text:?} is no number"),
        })
    }

    /// Runs a query and answers its rows, each column as unescaped text; NULL is `\N`.
    pub fn rows(&self, query: &str) -> Result<Vec<Vec<String>>> {
        let text = self.text(query)?;
        if text.is_empty() {
            return Ok(Vec::new());
        }
        Ok(text.split('\n').map(|row| row.split('\t').map(unescaped).collect()).collect())
    }

    /// Runs a query and answers the bytes of whatever format it names.
    pub fn binary(&self, query: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.stream(query)?.read_to_end(&mut bytes).map_err(|error| self.no_answer(error.to_string()))?;
        Ok(bytes)
    }

    /// Runs a query and answers a reader of its bytes, for answers that should not be held whole.
    /// A read error means that the answer is not complete.
    pub fn stream(&self, query: &str) -> Result<impl Read + use<>> {
        let answer = self.request(&[]).send(query);
        Ok(self.checked(answer, query)?.into_body().into_reader())
    }

    /// Sends an INSERT with its data: `statement` ends in `FORMAT ..`, `body` is in that format.
    pub fn insert(&self, statement: &str, body: &[u8]) -> Result<()> {
        let answer = self.request(&[("query", statement)]).send(body);
        let mut answer = self.checked(answer, statement)?;
        answer.body_mut().read_to_vec().map_err(|error| self.no_answer(error.to_string()))?;
        Ok(())
    }

    fn request(&self, more: &[(&str, &str)]) -> ureq::RequestBuilder<ureq::typestate::WithBody> {
        let own = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.agent.post(&self.url).query_pairs(own.chain(more.iter().copied()))
    }

    fn checked(
        &self,
        answer: std::result::Result<Response<Body>, ureq::Error>,
        statement: &str,
    ) -> Result<Response<Body>> {
        let mut answer = answer.map_err(|error| self.no_answer(error.to_string()))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let message = answer.body_mut().read_to_string().unwrap_or_default();
        let message = if message.is_empty() { status.to_string() } else { message };
        Err(TestkitError::Sql { message: message.trim_end().to_owned(), statement: shortened(statement) })
    }

    fn no_answer(&self, problem: String) -> TestkitError {
        TestkitError::NoAnswer { url: self.url.clone(), problem }
    }
}

fn agent_with_limit(limit: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(limit))
        // Tests talk to this machine; a proxy of the environment would only be in the way.
        .proxy(None)
        .build()
        .into()
}

fn shortened(statement: &str) -> String {
    statement.chars().take(STATEMENT_CHARS_MAX).collect()
}

/// Undoes the escapes of ClickHouse's TabSeparated format; `\N` stays, it is NULL.
fn unescaped(field: &str) -> String {
    if field == "\\N" || !field.contains('\\') {
        return field.to_owned();
    }
    let mut text = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('b') => text.push('\u{8}'),
            Some('f') => text.push('\u{c}'),
            Some('0') => text.push('\0'),
            Some(other) => text.push(other),
            None => text.push('\\'),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_of_tab_separated_are_undone() {
        assert_eq!(unescaped("plain"), "plain");
        assert_eq!(unescaped(r"a\tb\nc\\d\'e"), "a\tb\nc\\d'e");
        assert_eq!(unescaped("\\N"), "\\N");
    }

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let error = Sql::new("127.0.0.1:1").with_limit(Duration::from_secs(1)).run("SELECT 1");
        assert!(error.unwrap_err().to_string().contains("http://127.0.0.1:1"));
    }
}
