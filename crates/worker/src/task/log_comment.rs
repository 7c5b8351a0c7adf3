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

#[cfg(test)]
mod tests {
    use pumphouse_delivery::{BatchRange, Cut};
    use pumphouse_types::{Offset, OffsetsHash};
    use serde_json::{Value, json};

    use super::super::test_batch;
    use super::*;

    fn at(offset: i64) -> Offset {
        Offset::new(offset).unwrap()
    }

    fn batch(partitions: u32) -> Batch {
        let range = OffsetRange::new(at(1_000_000), at(1_000_500)).unwrap();
        let share = BatchRange { range, rows: 400, hash: OffsetsHash::from_bits(0), left_out: 0 };
        test_batch::batch(0xb, (0..partitions).map(|number| (Partition(number), share)).collect())
    }

    fn comment(batch: &Batch, rows: u64) -> (usize, Value) {
        let text = log_comment("it's \"one\"", &TopicName::new("t"), batch, rows);
        (text.len(), serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn an_attempt_names_its_batch_and_its_ranges() {
        let (_, said) = comment(&batch(2), 800);
        let expected = json!({
            "pumphouse": "it's \"one\"",
            "topic": "t",
            "batch": "0000000000000000000000000000000b",
            "token": "00000000000000000000000000000007",
            "rows": 800,
            "ranges": "0:1000000..1000500 1:1000000..1000500",
        });
        assert_eq!(said, expected);
    }

    #[test]
    fn a_piece_names_its_own_ranges() {
        let piece =
            Batch { piece_end: Some(Cut { partition: Partition(1), offset: at(1_000_007) }), ..batch(3) };
        assert_eq!(comment(&piece, 407).1["ranges"], "0:1000000..1000500 1:1000000..1000007");
    }

    #[test]
    fn it_stays_bounded_and_whole() {
        let (bytes, said) = comment(&batch(5_000), 2_000_000);
        assert!(bytes <= BYTES_MAX, "{bytes}");
        assert_eq!((said.get("ranges"), &said["rows"]), (None, &json!(2_000_000)));
        let (bytes, said) = comment(&batch(1_000), 400_000);
        assert!(bytes <= BYTES_MAX && said.get("ranges").is_some(), "{bytes}");
    }
}
