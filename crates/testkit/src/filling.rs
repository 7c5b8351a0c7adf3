//! Fills topics: in transactions of which some are aborted, or as fast as the broker takes it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::error::{Result, TestkitError, kafka};
use crate::seeded::Seeded;
use crate::topics::client_config;

/// One step of a transaction; a broker that has just started loads its transaction log first.
const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);

/// Everything queued is delivered or has failed after this (librdkafka: message.timeout.ms).
const DELIVERY_LIMIT: Duration = Duration::from_secs(300);

/// Acknowledgements are taken in after this many records, so that they cost next to nothing.
const RECORDS_PER_POLL: u64 = 1_000;

/// How long a fast filling waits for more records of a request: long enough for full ones.
const FAST_LINGER_MS: u32 = 20;

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FillRecord {
    /// Partition it goes to.
    pub partition: i32,
    /// Key, if any.
    pub key: Option<Vec<u8>>,
    /// Value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// How a topic is filled in transactions.
#[derive(Clone, Debug)]
pub struct TransactionalFill {
    /// Records per transaction; the last one may be shorter.
    pub records_per_transaction: usize,
    /// Share of the transactions that are aborted first, 0 to 1. Their records are in the log,
    /// and are then sent again in a transaction that commits, as an application would.
    pub aborted_share: f64,
    /// Decides which transactions are aborted.
    pub seed: u64,
    /// A second producer with the same id fences the first.
    pub transactional_id: String,
}

/// What a transactional filling wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FillReport {
    /// Records in committed transactions: all that were given.
    pub committed_records: u64,
    /// Records in aborted transactions, which no read_committed consumer may see.
    pub aborted_records: u64,
    /// Committed transactions.
    pub committed_transactions: u64,
    /// Aborted transactions.
    pub aborted_transactions: u64,
}

/// What a fast filling wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FastFillReport {
    /// Records, all acknowledged.
    pub records: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// From the first record to the last acknowledgement.
    pub elapsed: Duration,
}

impl FastFillReport {
    /// Acknowledged records per second.
    pub fn records_per_second(&self) -> f64 {
        self.records as f64 / self.elapsed.as_secs_f64()
    }
}

/// Writes records in transactions; every given record ends up committed exactly once.
/// Errors: `Kafka`, `TooLate`; what was committed until then stays.
pub fn fill_in_transactions(
    bootstrap: &str,
    topic: &str,
    fill: &TransactionalFill,
    records: impl IntoIterator<Item = FillRecord>,
) -> Result<FillReport> {
    assert!(fill.records_per_transaction > 0, "a transaction holds at least one record");
    let producer: BaseProducer = client_config(bootstrap)
        .set("transactional.id", &fill.transactional_id)
        .set("linger.ms", "1")
        .create()
        .map_err(kafka("create a transactional producer"))?;
    producer.init_transactions(TRANSACTION_LIMIT).map_err(kafka("begin a producer's life"))?;
    let mut seeded = Seeded::new(fill.seed);
    let mut report = FillReport::default();
    let mut records = records.into_iter();
    loop {
        let chunk: Vec<FillRecord> = records.by_ref().take(fill.records_per_transaction).collect();
        if chunk.is_empty() {
            return Ok(report);
        }
        if seeded.chance(fill.aborted_share) {
            send_all(&producer, topic, &chunk)?;
            producer.abort_transaction(TRANSACTION_LIMIT).map_err(kafka("abort a transaction"))?;
            report.aborted_transactions += 1;
            report.aborted_records += chunk.len() as u64;
        }
        send_all(&producer, topic, &chunk)?;
        producer.commit_transaction(TRANSACTION_LIMIT).map_err(kafka("commit a transaction"))?;
        report.committed_transactions += 1;
        report.committed_records += chunk.len() as u64;
    }
}

/// Writes records in one transaction and leaves it open, as a producer that hangs would: readers
/// of committed data stop in front of it. Dropping the answer lets the broker time it out.
pub fn leave_transaction_open(
    bootstrap: &str,
    topic: &str,
    transactional_id: &str,
    records: &[FillRecord],
) -> Result<OpenTransaction> {
    let producer: BaseProducer = client_config(bootstrap)
        .set("transactional.id", transactional_id)
        .set("linger.ms", "1")
        .create()
        .map_err(kafka("create a transactional producer"))?;
    producer.init_transactions(TRANSACTION_LIMIT).map_err(kafka("begin a producer's life"))?;
    send_all(&producer, topic, records)?;
    Ok(OpenTransaction { producer })
}

/// A transaction whose records are in the log and whose fate is open.
pub struct OpenTransaction {
    producer: BaseProducer,
}

impl OpenTransaction {
    /// Commits it.
    pub fn commit(self) -> Result<()> {
        self.producer.commit_transaction(TRANSACTION_LIMIT).map_err(kafka("commit a transaction"))
    }

    /// Aborts it.
    pub fn abort(self) -> Result<()> {
        self.producer.abort_transaction(TRANSACTION_LIMIT).map_err(kafka("abort a transaction"))
    }
}

/// Begins a transaction and waits until all records are in the log. An abort before that would
/// only empty the queue, and the log would have no aborted record in it.
fn send_all(producer: &BaseProducer, topic: &str, records: &[FillRecord]) -> Result<()> {
    producer.begin_transaction().map_err(kafka("begin a transaction"))?;
    for record in records {
        queue(producer, topic, record)?;
    }
    // Not flush(): it waits in slices of 100 ms.
    let begun = Instant::now();
    while producer.in_flight_count() > 0 {
        producer.poll(Duration::from_millis(1));
        if begun.elapsed() > DELIVERY_LIMIT {
            return Err(TestkitError::TooLate {
                awaited: format!("the delivery of {} records", records.len()),
                waited_ms: begun.elapsed().as_millis() as u64,
                last_seen: format!("{} records wait", producer.in_flight_count()),
            });
        }
    }
    Ok(())
}

/// Writes records without transactions: idempotent, batched, LZ4, each acknowledged.
/// Errors: `Kafka`; `Malformed` when the broker refused some records.
pub fn fill_fast(
    bootstrap: &str,
    topic: &str,
    records: impl IntoIterator<Item = FillRecord>,
) -> Result<FastFillReport> {
    fill_with_linger(bootstrap, topic, FAST_LINGER_MS, records)
}

/// The same with another wait for more records of a request: a short one for records that come at a pace.
pub fn fill_with_linger(
    bootstrap: &str,
    topic: &str,
    linger_ms: u32,
    records: impl IntoIterator<Item = FillRecord>,
) -> Result<FastFillReport> {
    let counter = RefusalCounter::default();
    let producer: BaseProducer<RefusalCounter> = client_config(bootstrap)
        .set("enable.idempotence", "true")
        .set("compression.type", "lz4")
        .set("linger.ms", linger_ms.to_string())
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "500000")
        .create_with_context(counter.clone())
        .map_err(kafka("create a producer"))?;
    let begun = Instant::now();
    let (mut written, mut bytes) = (0, 0);
    for record in records {
        let len = |part: &Option<Vec<u8>>| part.as_ref().map_or(0, Vec::len) as u64;
        bytes += len(&record.key) + len(&record.value);
        queue(&producer, topic, &record)?;
        written += 1;
        if written % RECORDS_PER_POLL == 0 {
            producer.poll(Duration::ZERO);
        }
    }
    producer.flush(DELIVERY_LIMIT).map_err(kafka("deliver the last records"))?;
    let refused = counter.refused.load(Ordering::Relaxed);
    if refused > 0 {
        return Err(TestkitError::Malformed {
            what: format!("filling of {topic}"),
            problem: format!("{refused} of {written} records were refused"),
        });
    }
    Ok(FastFillReport { records: written, bytes, elapsed: begun.elapsed() })
}

/// Hands one record to a producer, and waits for room while its queue is full.
fn queue<C: ProducerContext<DeliveryOpaque = ()>>(
    producer: &BaseProducer<C>,
    topic: &str,
    record: &FillRecord,
) -> Result<()> {
    let mut message: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).partition(record.partition);
    message.key = record.key.as_deref();
    message.payload = record.value.as_deref();
    let begun = Instant::now();
    loop {
        match producer.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                if begun.elapsed() < DELIVERY_LIMIT =>
            {
                message = back;
                producer.poll(Duration::from_millis(1));
            }
            Err((error, _)) => return Err(kafka(format!("write to {topic}"))(error)),
        }
    }
}

/// Counts the records that the broker did not take.
#[derive(Clone, Default)]
struct RefusalCounter {
    refused: Arc<AtomicU64>,
}

impl ClientContext for RefusalCounter {}

impl ProducerContext for RefusalCounter {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, _: ()) {
        if result.is_err() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }
}
