//! Real servers for tests, the quickstart and the benchmarks: install, start, stop, break; and
//! what it takes to fill them and to check, record by record, what arrived.
//!
//! Everything blocks: a test is a plain `#[test]` function. Never part of a release build.
//!
//! ```no_run
//! use pumphouse_testkit::{Testbed, TestbedOptions, events, filling, history, unique_name};
//!
//! let bed = Testbed::start(TestbedOptions::default())?;
//! let topic = unique_name("events");
//! bed.topics()?.create(&topic, 3, &[])?;
//! let records = events::events(1, 0).take(10_000).map(|event| event.into_record(3));
//! filling::fill_fast(bed.bootstrap(), &topic, records)?;
//! // Create the table `topic`, run the sink under test, and then:
//! let (sql, shape) = (bed.sql(), events::shape());
//! history::check_json_history(bed.bootstrap(), &topic, &sql, &topic, &shape)?
//!     .assert_exactly_once(10_000);
//! # Ok::<(), pumphouse_testkit::TestkitError>(())
//! ```
//!
//! Environment: `PUMPHOUSE_KAFKA` and `PUMPHOUSE_CLICKHOUSE` (`host:port`) name servers to use
//! instead of own ones; `PUMPHOUSE_TESTKIT_CACHE` is where servers are installed.

#![deny(unsafe_code)]

// Servers, and what breaks the connections to them.
pub mod fault_proxy;
pub mod install;
pub mod servers;
pub mod testbed;
pub mod tls_front;

// Clients.
pub mod filling;
pub mod sql;
pub mod topics;
pub mod whole_filling;

// Data, and the check of what became of it.
pub mod events;
pub mod flights;
pub mod history;
pub mod row_shape;
pub mod seeded;

// The program under test.
pub mod usage;
pub mod worker_process;

// Foundations.
pub mod error;
pub mod ports;
pub mod process;
mod sys;
pub mod wait;

pub use error::{Result, TestkitError};
pub use fault_proxy::{Fault, FaultProxy};
pub use process::Process;
pub use servers::{
    ClickHouse, ClickHouseOptions, DATABASE, Kafka, KafkaOptions, SchemaRegistry, SchemaRegistryOptions,
    ZooKeeper, ZooKeeperOptions,
};
pub use sql::Sql;
pub use testbed::{Testbed, TestbedOptions, unique_name};
pub use topics::Topics;
pub use usage::Usage;
pub use worker_process::{ConnectorFile, WorkerProcess, WorkerSetup};
