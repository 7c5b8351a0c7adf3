//! Binding and serving.
use std::net::SocketAddr;
use std::sync::Arc;

use pumphouse_config::{Listener, PageAccess, Protocol, WorkerConfig};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::auth::Users;
use crate::doors::{self, Door, Limits};
use crate::herder::Herder;
use crate::loggers::Loggers;
use crate::others::Others;
use crate::routes::{self, Context};
use crate::tls;

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
    /// Keys or certificates of the https listeners cannot be used.
    #[error("REST-002: {option}: {what}")]
    Tls {
        /// The option that names them.
        option: String,
        /// Why not, without secrets.
        what: String,
    },
    /// The file with users and passwords cannot be used.
    #[error("REST-003: pumphouse.rest.basic.auth.file: {path}: {what}")]
    Users {
        /// The file.
        path: String,
        /// Why not, without secrets.
        what: String,
    },
}

/// Bound addresses that are not served yet.
pub struct Server {
    doors: Vec<Door>,
    /// `None`: admin requests come by the doors of all others.
    admin: Option<Vec<Door>>,
    bound: SocketAddr,
    users: Option<Arc<Users>>,
    others: Arc<Others>,
    page: PageAccess,
}

impl Server {
    /// Binds the listeners of a worker's file, and reads what they need: keys, certificates, passwords.
    /// Errors: [`ServeError`].
    pub async fn bind(worker: &WorkerConfig) -> Result<Server, ServeError> {
        let tls = worker.rest_tls.as_ref().map(tls::server_config).transpose()?.map(TlsAcceptor::from);
        let users = worker.rest_users_file.as_deref().map(Users::read).transpose()?.map(Arc::new);
        let others = Arc::new(Others::new(worker.rest_tls.as_ref())?);
        let listeners = &worker.listeners;
        let (mut doors, mut bound) = (Vec::new(), None);
        for listener in &listeners.all {
            let (door, address) = door(listener, tls.as_ref()).await?;
            if *listener == listeners.advertised {
                bound = Some(address);
            }
            doors.push(door);
        }
        let mut admin = listeners.admin.is_some().then(Vec::new);
        for listener in listeners.admin.iter().flatten() {
            let (door, _) = door(listener, tls.as_ref()).await?;
            admin.get_or_insert_default().push(door);
        }
        let bound = bound.expect("the advertised listener is one of them");
        Ok(Server { doors, admin, bound, users, others, page: worker.page })
    }

    /// Where the advertised listener was bound.
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
        let context = Context { herder, loggers, others: self.others, looks, page: self.page };
        let (stopping, stopped) = watch::channel(false);
        let main = routes::router(context.clone(), self.admin.is_none(), self.users.clone());
        let mut all: Vec<_> = self.doors.into_iter().map(|door| (door, main.clone())).collect();
        if let Some(doors) = self.admin.filter(|doors| !doors.is_empty()) {
            let admin = routes::admin_router(context, self.users);
            all.extend(doors.into_iter().map(|door| (door, admin.clone())));
        }
        let serve = |(door, routes)| doors::serve(door, routes, Limits::default(), stopped.clone());
        let servers: Vec<_> = all.into_iter().map(|each| tokio::spawn(serve(each))).collect();
        stop.await;
        // They hear it as long as they serve.
        let _ = stopping.send(true);
        for server in servers {
            if let Err(error) = server.await {
                tracing::error!(%error, "the REST API has ended");
            }
        }
    }
}

async fn door(listener: &Listener, tls: Option<&TlsAcceptor>) -> Result<(Door, SocketAddr), ServeError> {
    let address = listener.address();
    let failed = |source| ServeError::Bind { address: address.clone(), source };
    let socket = TcpListener::bind(&address).await.map_err(failed)?;
    let bound = socket.local_addr().map_err(failed)?;
    let tls = match listener.protocol {
        Protocol::Http => None,
        Protocol::Https => Some(tls.cloned().expect("a configuration with https listeners has their keys")),
    };
    Ok((Door { listener: socket, tls }, bound))
}
