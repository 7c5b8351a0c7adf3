//! Kafka Connect's REST API, as far as this version goes: state of connectors and tasks, health,
//! metrics. It reads through [`WorkerView`] and owns the wire's words.
#![forbid(unsafe_code)]

mod answers;
mod plugins;
mod routes;
mod server;
mod view;

pub use server::{ServeError, Server};
pub use view::{ConnectorState, ConnectorView, WorkerView};
