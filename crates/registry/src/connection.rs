//! One GET to one server.
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::address::Address;
use crate::answer::{Answer, understand};
use crate::credentials::authorization;
use crate::error::RegistryError;
use crate::settings::RegistrySettings;
use crate::tls::client_config;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 8 << 20;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Questions are rare: a connection is not kept for the next one.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

const ACCEPTED: HeaderValue =
    HeaderValue::from_static("application/vnd.schemaregistry.v1+json, application/json");

/// Without TLS no certificates are needed, and a small container has none.
enum Connections {
    Plain(Pool<HttpConnector, Empty<Bytes>>),
    Tls(Pool<HttpsConnector<HttpConnector>, Empty<Bytes>>),
}

/// The servers of one registry.
pub(crate) struct Servers {
    addresses: Vec<(Address, Option<HeaderValue>)>,
    pool: Connections,
    request_timeout: Duration,
}

impl Servers {
    /// Errors: `Client`.
    pub(crate) fn new(settings: &RegistrySettings) -> Result<Servers, RegistryError> {
        let mut addresses = Vec::new();
        for (place, url) in settings.urls.iter().enumerate() {
            let address = Address::parse(url, place)?;
            let header = authorization(&settings.authentication, &address)?;
            addresses.push((address, header));
        }
        if addresses.is_empty() {
            return Err(RegistryError::Client { why: "no address is given".to_owned() });
        }
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Pool::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT);
        let pool = if addresses.iter().any(|(address, _)| address.https) {
            tcp.enforce_http(false);
            let connector = HttpsConnectorBuilder::new()
                .with_tls_config(client_config(&settings.tls)?)
                .https_or_http()
                .enable_http1()
                .wrap_connector(tcp);
            Connections::Tls(builder.build(connector))
        } else {
            Connections::Plain(builder.build(tcp))
        };
        Ok(Servers { addresses, pool, request_timeout: settings.request_timeout })
    }

    pub(crate) fn count(&self) -> usize {
        self.addresses.len()
    }

    /// A server's address without credentials, for messages.
    pub(crate) fn name(&self, server: usize) -> &str {
        &self.addresses[server].0.base
    }

    /// Asks one server. Redirects are not followed: they would carry the credentials elsewhere.
    pub(crate) async fn get(&self, server: usize, path: &str) -> Answer {
        match tokio::time::timeout(self.request_timeout, self.exchange(server, path)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(why)) => Answer::Failed { why },
            Err(_) => Answer::Failed { why: format!("{} ms are over", self.request_timeout.as_millis()) },
        }
    }

    async fn exchange(&self, server: usize, path: &str) -> Result<Answer, String> {
        let (address, header) = &self.addresses[server];
        let mut request = Request::get(format!("{}{path}", address.base))
            .header(ACCEPT, ACCEPTED)
            .body(Empty::new())
            .map_err(|error| error.to_string())?;
        if let Some(header) = header {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        let response = match &self.pool {
            Connections::Plain(pool) => pool.request(request).await,
            Connections::Tls(pool) => pool.request(request).await,
        };
        let (head, body) = response.map_err(|error| words(&error))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|error| error.to_string())?;
        Ok(understand(head.status, &body.to_bytes()))
    }
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
