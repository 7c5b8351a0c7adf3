//! What each INSERT leaves in ClickHouse's query log: enough to find its batch, and to reconcile a table
//! without lineage columns with the topic.
use std::collections::BTreeMap;

use pumphouse_delivery::Batch;
use pumphouse_types::{OffsetRange, Partition, TopicName};
use serde::Serialize;

/// It travels in the URL.
const BYTES_MAX: usize = 32_000;

/// Fields are only ever added.
#[derive(Serialize)]
struct Comment<'a> {
    /// The connector's name.
    pumphouse: &'a str,
    topic: &'a str,
    batch: String,
    token: String,
    /// Rows that this attempt sends.
    rows: u64,
    /// `partition:first..end`, with a space between; of the piece that is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranges: Option<String>,
}

/// The comment of an attempt that sends `rows` rows of the batch's open piece. Ranges that would make it
/// too long are left out, so that it always is one whole JSON object.
pub(super) fn log_comment(connector: &str, topic: &TopicName, batch: &Batch, rows: u64) -> String {
    let mut comment = Comment {
        pumphouse: connector,
        topic: topic.as_str(),
        batch: batch.id.to_string(),
        token: batch.token.to_string(),
        rows,
        ranges: Some(ranges_text(&batch.piece_ranges())),
    };
    let text = print(&comment);
    if text.len() <= BYTES_MAX {
        return text;
    }
    comment.ranges = None;
    print(&comment)
}

fn print(comment: &Comment<'_>) -> String {
    serde_json::to_string(comment).expect("texts and numbers are JSON")
}

fn ranges_text(ranges: &BTreeMap<Partition, OffsetRange>) -> String {
    let ranges: Vec<String> =
        ranges.iter().map(|(partition, range)| format!("{partition}:{range}")).collect();
    ranges.join(" ")
}
