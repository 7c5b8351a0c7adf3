//! The promise: many workers are one. Any of them answers, tasks are where Kafka's group protocol places them, and
//! nothing is lost or doubled while workers die, come, go and hang.
#![allow(clippy::unwrap_used)]

mod changes;
mod cluster;
mod hanging;
mod load;
mod topics;
