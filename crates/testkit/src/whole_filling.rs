//! Fills topics with records that have all that Kafka keeps of one: timestamp and headers too.

use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::error::{Result, kafka};
use crate::topics::client_config;

/// Everything is delivered or has failed after this.
const DELIVERY_LIMIT: Duration = Duration::from_secs(60);

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WholeFillRecord {
    /// Partition it goes to.
    pub partition: i32,
    /// Milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Key, if any.
    pub key: Option<Vec<u8>>,
    /// Names and values, in order; a name may come twice.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Value, if any.
    pub value: Option<Vec<u8>>,
}

/// Writes a few records, each partition's in the order given.
/// Errors: `Kafka`; more than the producer's queue takes at once (100,000 records) is one.
pub fn fill_whole(
    bootstrap: &str,
    topic: &str,
    records: impl IntoIterator<Item = WholeFillRecord>,
) -> Result<()> {
    let producer: BaseProducer = client_config(bootstrap)
        .set("enable.idempotence", "true")
        .create()
        .map_err(kafka("create a producer"))?;
    for record in records {
        let mut headers = OwnedHeaders::new();
        for (key, value) in &record.headers {
            headers = headers.insert(Header { key, value: value.as_deref() });
        }
        let mut message: BaseRecord<'_, [u8], [u8]> =
            BaseRecord::to(topic).partition(record.partition).timestamp(record.timestamp_ms).headers(headers);
        message.key = record.key.as_deref();
        message.payload = record.value.as_deref();
        producer.send(message).map_err(|(error, _)| kafka(format!("write to {topic}"))(error))?;
    }
    producer.flush(DELIVERY_LIMIT).map_err(kafka("deliver the last records"))
}
