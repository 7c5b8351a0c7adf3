//! A record on its way to Kafka (a dead letter, a mark, a configuration), and how many go in one write.
use pumphouse_types::{Partition, TopicName};

use crate::error::KafkaError;
use crate::ffi::message::RecordView;

/// Records of one write: far below the 100,000 that librdkafka queues.
pub const WRITE_RECORDS_MAX: usize = 10_000;

/// Bytes of records of one write ([`OutgoingRecord::bytes`]): sent within a third of the transaction's
/// time-out on a link of 50 Mbit/s.
pub const WRITE_RECORD_BYTES_MAX: usize = 16 << 20;

/// Bytes that a batch of one record takes beside keys, values and headers: the batch's head (61), and
/// the record's numbers at their longest.
const BATCH_OVERHEAD_BYTES: usize = 61 + 1 + 10 + 5 * 5;

/// The two lengths of a header, at their longest.
pub const HEADER_OVERHEAD_BYTES: usize = 2 * 5;

/// A header of a record. Names need not be UTF-8, nor unique; null is not the empty value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name, without NUL.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

impl Header {
    /// A header of text.
    pub fn text(name: &str, value: &str) -> Header {
        Header { name: name.as_bytes().to_vec(), value: Some(value.as_bytes().to_vec()) }
    }

    /// Copies the headers of a record, in order.
    pub(crate) fn copy_all(record: &RecordView<'_>) -> Vec<Header> {
        let copy = |(name, value): (&[u8], Option<&[u8]>)| Header {
            name: name.to_vec(),
            value: value.map(<[u8]>::to_vec),
        };
        record.headers().map(copy).collect()
    }
}

/// A record to be written together with entries, or alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingRecord {
    /// Where to.
    pub topic: TopicName,
    /// Which partition; `None`: by the hash of the key, or any for a null key.
    pub partition: Option<Partition>,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
    /// Milliseconds since 1970; `None`: when it is sent.
    pub timestamp_ms: Option<i64>,
}

impl OutgoingRecord {
    /// The most that it takes on the broker as a batch of its own, which is what `max.message.bytes`
    /// bounds.
    pub fn bytes(&self) -> usize {
        let len = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        let header = |header: &Header| HEADER_OVERHEAD_BYTES + header.name.len() + len(&header.value);
        BATCH_OVERHEAD_BYTES
            + len(&self.key)
            + len(&self.value)
            + self.headers.iter().map(header).sum::<usize>()
    }
}

/// Errors: `WriteTooLarge` for more than one write takes.
pub(crate) fn check_records(records: &[OutgoingRecord]) -> Result<(), KafkaError> {
    let total: usize = records.iter().map(OutgoingRecord::bytes).sum();
    if records.len() > WRITE_RECORDS_MAX || total > WRITE_RECORD_BYTES_MAX {
        let reason = format!(
            "{} records of {total} bytes, {WRITE_RECORDS_MAX} of {WRITE_RECORD_BYTES_MAX} are taken",
            records.len()
        );
        return Err(KafkaError::WriteTooLarge { reason });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value_bytes: usize) -> OutgoingRecord {
        OutgoingRecord {
            topic: TopicName::new("t"),
            partition: None,
            key: None,
            value: Some(vec![0; value_bytes]),
            headers: vec![Header { name: b"h".to_vec(), value: None }],
            timestamp_ms: None,
        }
    }

    #[test]
    fn a_write_is_bounded_in_bytes_and_records() {
        let half = record(WRITE_RECORD_BYTES_MAX / 2 - 1_000);
        assert!(check_records(&vec![half.clone(); 2]).is_ok());
        assert!(check_records(&vec![half; 3]).is_err());
        assert!(check_records(&vec![record(0); WRITE_RECORDS_MAX]).is_ok());
        assert!(check_records(&vec![record(0); WRITE_RECORDS_MAX + 1]).is_err());
    }
}
