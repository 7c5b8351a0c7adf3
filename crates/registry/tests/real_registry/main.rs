//! A real registry, and records written by Confluent's Python serializers: fetched, decoded, compared
//! with what the same records in JSON become.
#![allow(clippy::unwrap_used)]

mod avro;
mod logins;
mod support;
mod tls;
