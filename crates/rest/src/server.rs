//! Binding and serving.
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::herder::Herder;
use crate::loggers::Loggers;
use crate::routes::{Context, router};

/// Looks at dead letters: each opens a consumer of its own.
const LOOKS_AT_ONCE: usize = 1;

/// The API cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address is taken, or not ours.
    #[error("REST-001: listeners: cannot listen on {address}: {source}; free the port or change listeners")]
    Bind {
        /// What was asked for.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// A bound address that is not served yet.
pub struct Server {
    listener: TcpListener,
    bound: SocketAddr,
}

impl Server {
    /// Binds `address` (`host:port`; port 0 = any free one).
    /// Errors: [`ServeError`].
    pub async fn bind(address: &str) -> Result<Server, ServeError> {
        let failed = |source| ServeError::Bind { address: address.to_owned(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        Ok(Server { listener, bound })
    }

    /// What was bound.
    pub fn address(&self) -> SocketAddr {
        self.bound
    }

    /// Answers requests until `stop` is ready.
    pub async fn serve(
        self,
        herder: Arc<dyn Herder>,
        loggers: Arc<Loggers>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) {
        let looks = Arc::new(Semaphore::new(LOOKS_AT_ONCE));
        let routes = router(Context { herder, loggers, looks });
        let server = axum::serve(self.listener, routes).with_graceful_shutdown(stop);
        if let Err(error) = server.await {
            tracing::error!(%error, "the REST API has ended");
        }
    }
}
