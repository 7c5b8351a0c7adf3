//! Kafka Connect's REST API, health, metrics and the page: the wire's words, statuses and bodies. What happens is the
//! worker's, behind [`Process`], [`WorkerView`] and [`Herder`]; what differs from Kafka Connect is in docs/rest.md.
#![forbid(unsafe_code)]

mod figures;
mod herder;
mod view;

mod answers;
mod body;

mod connectors;
mod forward;
mod lifecycle;
mod loggers;
mod offsets;
mod plugins;

mod page;

mod auth;
mod doors;
mod others;
mod routes;
mod server;
mod tls;

pub use figures::{
    Excerpt, Figures, LaneFigures, LetterSample, Mishap, OpenBatch, Promise, SampledLetter, TableProof,
};
pub use herder::{Herder, OffsetChange, PartitionOffset, Place, Refusal, Restart, TargetState};
pub use loggers::{Levels, Loggers, ROOT};
pub use server::{ServeError, Server};
pub use view::{ConnectorState, ConnectorView, Process, WorkerView};
