//! The HTTP client: a pool of connections per host. Credentials travel in headers, settings in the URL,
//! answers of questions are read whole and bounded. Which host is asked is `hosts.rs`.
use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::called_functions::ServersOwn;
use crate::certificates::{self, Certificates};
use crate::endpoint::Endpoint;
use crate::error::ClickHouseError;
use crate::hosts::Hosts;
use crate::lineage::LineageNames;
use crate::together::Questions;

/// The longest answer to a question that is read: a table of some thousand columns.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The most of a server's message that is kept.
const MESSAGE_CHARS_MAX: usize = 1_000;

/// A question that is not an insert.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Unused connections are closed before the server does: its `keep_alive_timeout` is 3 s in older
/// versions, and an insert into a connection that is just being closed has an unknown fate.
const IDLE_TIMEOUT: Duration = Duration::from_millis(2_500);

pub(crate) type Body = BoxBody<Bytes, std::convert::Infallible>;

/// An answer with an error code, as the server worded it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub code: i32,
    pub message: String,
}

/// A client; cheap to clone.
#[derive(Clone)]
pub struct Client {
    pub(crate) hosts: Arc<Hosts>,
    /// Asks this host only; `None` = whichever answers.
    pub(crate) pinned: Option<usize>,
    pub(crate) lineage: Arc<LineageNames>,
    pub(crate) servers_own: Arc<ServersOwn>,
    pub(crate) questions: Arc<Questions>,
}

/// One server: where it is, who we are there, and its connections.
pub(crate) struct Host {
    pub endpoint: Endpoint,
    credentials: [(&'static str, HeaderValue); 2],
    pool: Connections,
    known_settings: RwLock<Option<KnownSettings>>,
}

/// Without TLS no certificates are needed, and a small container has none.
enum Connections {
    Plain(Pool<HttpConnector, Body>),
    Tls(Pool<HttpsConnector<HttpConnector>, Body>),
}

/// Names in `system.settings`: an unknown one would be refused (code 115).
#[derive(Clone)]
struct KnownSettings {
    server_version: String,
    names: Arc<BTreeSet<String>>,
}

impl Host {
    /// Errors: `Client` if the system's certificates cannot be read (with `ssl`), or no header can
    /// carry the user name or the password (control characters).
    pub(crate) fn new(endpoint: Endpoint, certificates: &Certificates) -> Result<Host, ClickHouseError> {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Pool::builder(TokioExecutor::new());
        builder
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            // An insert is never sent a second time behind the protocol's back.
            .retry_canceled_requests(false);
        let pool = if endpoint.ssl {
            tcp.enforce_http(false);
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(certificates::client_config(certificates)?)
                .https_only()
                .enable_http1()
                .wrap_connector(tcp);
            Connections::Tls(builder.build(connector))
        } else {
            Connections::Plain(builder.build(tcp))
        };
        let credentials = credentials(&endpoint, certificates)?;
        Ok(Host { endpoint, credentials, pool, known_settings: RwLock::default() })
    }

    /// One request. Outer error: no complete answer; inner: the server's refusal.
    async fn exchange(
        &self,
        parameters: &[(&str, &str)],
        body: Body,
    ) -> Result<Result<Bytes, Refused>, String> {
        let query: Vec<String> =
            parameters.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let mut request = Request::post(format!("{}/?{}", self.endpoint.base(), query.join("&")))
            .body(body)
            .map_err(|error| error.to_string())?;
        for (name, value) in &self.credentials {
            request.headers_mut().insert(*name, value.clone());
        }
        let response = match &self.pool {
            Connections::Plain(pool) => pool.request(request).await,
            Connections::Tls(pool) => pool.request(request).await,
        };
        read(response.map_err(|error| words(&error))?).await
    }

    fn known(&self) -> Option<KnownSettings> {
        self.known_settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn remember(&self, known: Option<KnownSettings>) {
        *self.known_settings.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Client {
    /// Makes a client of one host; nothing is connected yet.
    /// Errors: `Client` if the system's certificates cannot be read (with `ssl`), or no header can
    /// carry the user name or the password (control characters).
    pub fn new(endpoint: Endpoint) -> Result<Client, ClickHouseError> {
        Client::of_hosts(vec![endpoint])
    }

    /// The same client, for tables whose lineage columns have these names.
    #[must_use]
    pub fn with_lineage_names(mut self, names: LineageNames) -> Client {
        self.lineage = Arc::new(names);
        self.asking_alone()
    }

    /// Runs a statement and answers with its text.
    pub(crate) async fn ask(&self, asked: &'static str, sql: &str) -> Result<String, ClickHouseError> {
        let bytes = self.ask_within(asked, sql, ASK_TIMEOUT, &[]).await?;
        String::from_utf8(bytes.to_vec())
            .map_err(|_| ClickHouseError::Strange { asked, what: "it is not UTF-8".to_owned() })
    }

    /// Runs a statement that may take as long as `patience`, with more settings, and answers with bytes.
    pub(crate) async fn ask_within(
        &self,
        asked: &'static str,
        sql: &str,
        patience: Duration,
        settings: &[(&str, &str)],
    ) -> Result<Bytes, ClickHouseError> {
        let body = Full::new(Bytes::from(sql.to_owned())).boxed();
        let seconds = patience.as_secs().to_string();
        // A user's profile may cut answers short without an error; half an answer is a wrong one.
        let mut parameters = vec![
            ("wait_end_of_query", "1"),
            ("max_execution_time", seconds.as_str()),
            ("timeout_overflow_mode", "throw"),
            ("limit", "0"),
            ("offset", "0"),
        ];
        parameters.extend_from_slice(settings);
        match tokio::time::timeout(patience, self.exchange(&parameters, body)).await {
            Ok(Ok(Ok(bytes))) => Ok(bytes),
            Ok(Ok(Err(Refused { code, message }))) => Err(ClickHouseError::Server { code, message, asked }),
            Ok(Err(why)) => Err(ClickHouseError::NoAnswer { asked, why }),
            Err(_) => {
                self.host_failed();
                let why = format!("{} ms are over", patience.as_millis());
                Err(ClickHouseError::NoAnswer { asked, why })
            }
        }
    }

    /// The rows of an answer, each a JSON array; 64-bit numbers are texts. For what the server says of itself: one thread reads
    /// that as soon as several, which only have to be started.
    pub(crate) async fn ask_json(
        &self,
        asked: &'static str,
        sql: &str,
    ) -> Result<Vec<serde_json::Value>, ClickHouseError> {
        let sql = format!(
            "{sql} FORMAT JSONCompactEachRow SETTINGS output_format_json_quote_64bit_integers=1, max_threads=1"
        );
        let text = self.ask(asked, &sql).await?;
        text.lines()
            .map(|line| {
                serde_json::from_str(line)
                    .map_err(|error| ClickHouseError::Strange { asked, what: error.to_string() })
            })
            .collect()
    }

    /// One request to one host. Outer error: no complete answer; inner: the server's refusal.
    pub(crate) async fn exchange(
        &self,
        parameters: &[(&str, &str)],
        body: Body,
    ) -> Result<Result<Bytes, Refused>, String> {
        let (index, host) = self.host();
        let answer = host.exchange(parameters, body).await;
        self.hosts.heard(index, self.pinned, &answer);
        answer
    }

    /// The settings that the server has; asked for once per server version.
    /// Errors: `system.settings` cannot be read.
    pub(crate) async fn known_settings(&self) -> Result<Arc<BTreeSet<String>>, ClickHouseError> {
        let (index, host) = self.host();
        if let Some(known) = host.known() {
            return Ok(known.names);
        }
        let asked = "the list of settings";
        let text = self.at(index).ask(asked, "SELECT name, version() FROM system.settings").await?;
        let mut names = BTreeSet::new();
        let mut server_version = String::new();
        for line in text.lines() {
            let (name, version) = line.split_once('\t').ok_or_else(|| ClickHouseError::Strange {
                asked,
                what: "a line without a version".to_owned(),
            })?;
            names.insert(name.to_owned());
            version.clone_into(&mut server_version);
        }
        let names = Arc::new(names);
        host.remember(Some(KnownSettings { server_version, names: Arc::clone(&names) }));
        Ok(names)
    }

    /// Another version has other settings: one that it does not know it refuses, and one that is new
    /// has a default that may not deduplicate. A retry reads the table first, so it never goes to a new
    /// version with an old list.
    pub(crate) fn version_seen(&self, server_version: &str) {
        let (_, host) = self.host();
        if host.known().is_some_and(|known| known.server_version != server_version) {
            host.remember(None);
        }
    }

    /// The user's name, for messages and GRANT statements.
    pub(crate) fn username(&self) -> &str {
        &self.host().1.endpoint.username
    }
}

/// User and password as headers: never in the URL, which servers and proxies log.
fn credentials(
    endpoint: &Endpoint,
    certificates: &Certificates,
) -> Result<[(&'static str, HeaderValue); 2], ClickHouseError> {
    let header = |what: &str, text: &str| {
        HeaderValue::from_bytes(text.as_bytes())
            .map_err(|_| ClickHouseError::Client { why: format!("the {what} has control characters") })
    };
    let user = header("user name", &endpoint.username)?;
    if certificates.instead_of_password {
        return Ok([
            ("x-clickhouse-user", user),
            ("x-clickhouse-ssl-certificate-auth", HeaderValue::from_static("on")),
        ]);
    }
    let mut key = header("password", endpoint.password.reveal())?;
    key.set_sensitive(true);
    Ok([("x-clickhouse-user", user), ("x-clickhouse-key", key)])
}

async fn read(response: Response<Incoming>) -> Result<Result<Bytes, Refused>, String> {
    let (head, body) = response.into_parts();
    let code = head.headers.get("X-ClickHouse-Exception-Code");
    let code = code.and_then(|code| code.to_str().ok()).and_then(|code| code.parse().ok());
    let bytes =
        Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?.to_bytes();
    if head.status == StatusCode::OK && code.is_none() {
        return Ok(Ok(bytes));
    }
    let message: String = String::from_utf8_lossy(&bytes).trim().chars().take(MESSAGE_CHARS_MAX).collect();
    match code {
        Some(code) => Ok(Err(Refused { code, message })),
        // A proxy's words: nothing is known of what stands behind it.
        None => Err(format!("HTTP status {}: {message}", head.status.as_u16())),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A transport error with its causes.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}
