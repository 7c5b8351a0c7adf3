//! Words every room shares. Std only; no socket, clock, thread or global.
#![forbid(unsafe_code)]

mod offset;
mod schema;
mod time;
mod token;
mod topic;

pub use offset::{Offset, OffsetRange, OffsetsHash};
pub use schema::{ReferencedSchema, RegisteredSchema, SchemaId, SchemaKind};
pub use time::{Millis, ServerMillis};
pub use token::{BatchId, ConfigVersion, DedupToken, ParseIdError, QuestionId, TableUuid};
pub use topic::{Partition, TopicId, TopicName, TopicPartition};
