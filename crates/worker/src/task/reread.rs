//! Builds the block of a recorded batch again: reads exactly its ranges, with a second consumer that
//! belongs to no group (R6, R14), and decodes them as the first time (R13).
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_decode::{JsonDecoder, RecordRef, TablePlan};
use pumphouse_delivery::{Batch, ClaimId, Event, RereadRange};
use pumphouse_kafka::{RangeReader, ReadLimits, Remedy, Settings};
use pumphouse_types::{OffsetsHash, Partition, TopicName, TopicPartition};
use tokio::runtime::Handle;
use tracing::warn;

use super::block::{Block, Segments};
use super::failure::Failure;
use super::mail::{Mail, PanicReport};

/// The most that a batch can hold, with room to spare; more is another batch than the recorded one.
const READ_BYTES_MAX: u64 = 8 << 30;

/// Nothing comes although the range has not ended.
const READ_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Pause before the brokers are asked again.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// Tries before the task gives up; the batch stays open in the ledger.
const READS_MAX: u32 = 10;

/// Everything that re-reading one batch takes.
pub(super) struct Reread {
    pub settings: Settings,
    pub group: String,
    pub claim: ClaimId,
    pub topic: TopicName,
    pub batch: Batch,
    pub plan: Arc<TablePlan>,
}

impl Reread {
    /// Runs on a blocking thread; answers by mail.
    pub(super) fn start(self, runtime: &Handle, mail: Sender<Mail>) {
        let encoder = runtime.clone();
        runtime.spawn_blocking(move || {
            let _report = PanicReport::new(&mail, Some(self.claim), "reading a batch again");
            let letter = match self.run() {
                Ok((segments, ranges)) => {
                    let event = Event::Reread {
                        claim: self.claim,
                        topic: self.topic.clone(),
                        batch: self.batch.id,
                        ranges,
                    };
                    let block = Block::encode(&encoder, self.plan, segments, |_| {});
                    Mail::Reread { event, batch: self.batch.id, block }
                }
                Err(failure) => Mail::Failed { claim: Some(self.claim), failure },
            };
            // The task has ended: nobody needs the block.
            let _ = mail.send(letter);
        });
    }

    fn run(&self) -> Result<(Segments, BTreeMap<Partition, RereadRange>), Failure> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.read() {
                Err(Failure::Kafka(error)) if error.remedy() == Remedy::Retry && tries < READS_MAX => {
                    warn!(%error, batch = %self.batch.id, "a batch is being read again");
                    std::thread::sleep(READ_AGAIN);
                }
                answer => return answer,
            }
        }
    }

    fn read(&self) -> Result<(Segments, BTreeMap<Partition, RereadRange>), Failure> {
        let mut reader = RangeReader::open(&self.settings, &self.group)?;
        let mut decoder = JsonDecoder::new(Arc::clone(&self.plan));
        let ranges: Vec<_> = self.batch.ranges.iter().map(|(p, share)| (*p, share.range)).collect();
        let limits = ReadLimits {
            records_max: self.batch.rows().saturating_add(1),
            bytes_max: READ_BYTES_MAX,
            idle_timeout: READ_IDLE_TIMEOUT,
        };
        let (mut segments, mut found) = (Segments::new(), BTreeMap::new());
        let mut failed = None;
        reader.read(&self.topic, &ranges, limits, |record| {
            let (partition, offset) = (record.partition(), record.offset());
            let segment = segments.entry(partition).or_insert_with(|| self.plan.new_segment());
            let given = RecordRef {
                topic: self.topic.as_str(),
                partition: partition.0,
                offset: offset.get(),
                value: record.value(),
            };
            if let Err(source) = decoder.decode(segment, given) {
                let topic_partition = TopicPartition { topic: self.topic.clone(), partition };
                failed.get_or_insert(Failure::Decode { topic_partition, offset, source });
                return;
            }
            let range = found.entry(partition).or_insert(RereadRange { rows: 0, hash: OffsetsHash::EMPTY });
            range.rows += 1;
            range.hash = range.hash.push(offset);
        })?;
        match failed {
            Some(failure) => Err(failure),
            None => Ok((segments, found)),
        }
    }
}
