//! Kafka Connect's REST API, health and metrics: the wire's words, statuses and bodies. What happens is the
//! worker's, behind [`WorkerView`] and [`Herder`]; what differs from Kafka Connect is in docs/rest.md.
#![forbid(unsafe_code)]

mod herder;
mod view;

mod answers;
mod body;

mod connectors;
mod lifecycle;
mod loggers;
mod offsets;
mod plugins;

mod routes;
mod server;

pub use herder::{Herder, OffsetChange, PartitionOffset, Refusal, Restart, TargetState};
pub use loggers::{Levels, Loggers, ROOT};
pub use server::{ServeError, Server};
pub use view::{ConnectorState, ConnectorView, WorkerView};
