//! The API over real sockets, in front of workers that do nothing.
#![allow(clippy::unwrap_used)]

mod connect_rest;
mod plugins;
mod secured;
mod worker;
