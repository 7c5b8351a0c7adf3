//! Performs the delivery protocol's actions through the adapters: connectors, tasks, threads, clocks,
//! metrics. What is delivered when is decided in `pumphouse-delivery`.
#![forbid(unsafe_code)]

mod board;
mod check;
mod clock;
mod connector;
mod distributed;
mod dlq_replay;
mod failpoint;
mod herder;
mod letter_sample;
mod metrics;
mod placement;
mod promise;
mod pulse;
mod registry;
mod restart;
mod serving;
mod spec;
mod standalone;
mod task;
mod topics;
mod validation;
mod worker;

pub use check::{CheckReport, CheckRequest, Finding, Weight, check};
pub use distributed::{TopicError, run_distributed};
pub use dlq_replay::{ReplayError, ReplayReport, ReplayRequest, TopicReplay, replay_dead_letters};
pub use standalone::{StartError, run_standalone};
