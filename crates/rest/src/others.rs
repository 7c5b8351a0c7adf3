//! The other workers of a group, as this one asks them: over http or https, as each says.
use std::error::Error;
use std::io;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use pumphouse_config::RestTls;

use crate::server::ServeError;
use crate::tls;

/// Asks them.
pub(crate) struct Others(Client<HttpsConnector<HttpConnector>, Body>);

/// One was not asked, or has not answered.
pub(crate) enum Unanswered {
    /// It cannot be reached: nobody has heard of the request.
    Unreached,
    /// Why.
    Failed(String),
}

impl Others {
    /// As Kafka Connect, with the stores of the https listeners: it shows their certificate to whoever asks, and trusts
    /// whom their trust store names; without one, the system's authorities. Errors: a store cannot be used.
    pub(crate) fn new(tls: Option<&RestTls>) -> Result<Others, ServeError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client_config(tls)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let mut builder = Client::builder(TokioExecutor::new());
        // A worker that was killed, and is there again, does not hear what is said over its old connections.
        builder.pool_max_idle_per_host(0);
        Ok(Others(builder.build(connector)))
    }

    /// Errors: [`Unanswered`].
    pub(crate) async fn ask(&self, request: Request) -> Result<Response<Incoming>, Unanswered> {
        self.0.request(request).await.map_err(|error| match mistrust(&error) {
            Some(why) => Unanswered::Failed(why),
            None if error.is_connect() => Unanswered::Unreached,
            None => Unanswered::Failed(error.to_string()),
        })
    }
}

/// Why TLS was not agreed upon, if that is it: it is for a person to put right, and no worker is gone.
fn mistrust(error: &(dyn Error + 'static)) -> Option<String> {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(why) = error.downcast_ref::<rustls::Error>() {
            return Some(format!("TLS between workers: {why}"));
        }
        // What it is made of is not its source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        at = inner.map_or_else(|| error.source(), |inner| Some(inner));
    }
    None
}
