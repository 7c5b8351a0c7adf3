//! The thin layer over librdkafka, and the only place of this crate with `unsafe`.
//! What leaves these files is safe to call from any thread and frees itself: handles are counted
//! ([`client::Client`]), and every queue and message keeps its handle alive, because librdkafka
//! waits for ever in its destructor while one of them lives.

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod codes;
pub(crate) mod group;
pub(crate) mod group_offsets;
pub(crate) mod message;
pub(crate) mod metadata;
pub(crate) mod partition_list;
pub(crate) mod queue;
pub(crate) mod raw;
pub(crate) mod transaction;
