//! A schema registry with Confluent's REST API: client and cache.
//!
//! Records name their schemas by number. [`Registry::schema`] answers the schema of a number with
//! everything it refers to; answers are kept, since a number never changes its meaning. A schema that
//! cannot be fetched is asked for again ([`Remedy::AskAgain`]); one that does not exist makes the record
//! bad ([`Remedy::BadRecord`]).
#![forbid(unsafe_code)]

mod error;
mod settings;
mod subject;

mod address;
mod credentials;
mod tls;

mod answer;
mod cache;
mod connection;
mod registry;

pub use error::{RegistryError, Remedy};
pub use registry::Registry;
pub use settings::{Authentication, PemSource, RegistrySettings, Secret, TlsSettings};
pub use subject::SubjectNames;
