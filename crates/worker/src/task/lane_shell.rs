//! The hands of a lane: takes records from its queue, decodes them into the open block, and keeps
//! the blocks of its batches until they have landed.
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;
use pumphouse_columns::Segment;
use pumphouse_decode::{JsonDecoder, RecordRef, TablePlan};
use pumphouse_delivery::Task;
use pumphouse_kafka::{LaneQueue, MessageBatch};
use pumphouse_types::{BatchId, Millis, Offset, TopicName, TopicPartition};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::block::{Block, Segments};
use super::failure::Failure;
use super::mail::Mail;

/// Messages of one call: some milliseconds of decoding, after which other work is looked at.
const MESSAGES_PER_CALL: usize = 5_000;

/// Records that are told to the protocol at once.
const RECORDS_PER_RUN: usize = 1_000;

/// How often positions are told to the protocol while the queue is dry.
const POSITIONS_MS: u64 = 50;

/// Emptied segments that are kept for the next blocks; a lane of more partitions allocates anew.
const SPARE_SEGMENTS_MAX: usize = 64;

/// One lane of this task.
pub(super) struct LaneShell {
    topic: TopicName,
    queue: LaneQueue,
    in_hand: MessageBatch,
    /// How many of `in_hand` are done with.
    done: usize,
    decoder: Option<JsonDecoder>,
    open: Segments,
    open_bytes: u64,
    spare: Vec<Segment>,
    blocks: HashMap<BatchId, Block>,
    offsets: Vec<Offset>,
    told_positions_at: Millis,
    /// The attempt under way; it ends with the lane.
    job: Option<AbortHandle>,
}

impl Drop for LaneShell {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            job.abort();
        }
    }
}

/// What one turn of taking records came to.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Taken {
    /// Records that became rows.
    pub rows: u64,
    /// Bytes of their values.
    pub bytes: u64,
    /// The queue had nothing, and nothing is in hand: positions are to be believed.
    pub ran_dry: bool,
}

impl LaneShell {
    pub(super) fn new(topic: TopicName, queue: LaneQueue) -> LaneShell {
        LaneShell {
            topic,
            queue,
            in_hand: MessageBatch::with_capacity(MESSAGES_PER_CALL),
            done: 0,
            decoder: None,
            open: Segments::new(),
            open_bytes: 0,
            spare: Vec::new(),
            blocks: HashMap::new(),
            offsets: Vec::with_capacity(RECORDS_PER_RUN),
            told_positions_at: Millis::default(),
            job: None,
        }
    }

    /// The plan that this claim fills blocks with; the first one that came stays until the next claim.
    pub(super) fn set_plan(&mut self, plan: Arc<TablePlan>) {
        self.decoder.get_or_insert_with(|| JsonDecoder::new(plan));
    }

    pub(super) fn plan(&self) -> Option<&Arc<TablePlan>> {
        self.decoder.as_ref().map(JsonDecoder::plan)
    }

    /// What was taken from the queue but is not in the open block comes again.
    pub(super) fn drop_in_hand(&mut self) {
        self.in_hand.clear();
        self.done = 0;
    }

    /// Takes one run of records of one partition. To be called again until nothing is taken; the
    /// protocol's actions are performed in between, since the open block may have been sealed.
    /// Errors: a record that cannot become a row; what came before it is in the block.
    pub(super) fn take_run(&mut self, task: &mut Task, now: Millis) -> Result<Taken, Failure> {
        if self.decoder.is_none() || !task.takes_any(&self.topic) {
            return Ok(Taken::default());
        }
        if self.done >= self.in_hand.len() {
            self.done = 0;
            let count = self.queue.consume_batch(Duration::ZERO, &mut self.in_hand)?;
            if count == 0 {
                return Ok(Taken { ran_dry: true, ..Taken::default() });
            }
        }
        self.decode_run(task, now)
    }

    fn decode_run(&mut self, task: &mut Task, now: Millis) -> Result<Taken, Failure> {
        let LaneShell { topic, in_hand, done, decoder, open, open_bytes, spare, offsets, .. } = self;
        let decoder = decoder.as_mut().expect("take_run looked");
        let mut records = in_hand.iter_from(*done).peekable();
        // Records that this claim does not fill from, or has taken before, are not looked at.
        let (partition, mut expected) = loop {
            let Some(next) = records.peek() else { return Ok(Taken::default()) };
            let record = match next {
                Ok(record) => record,
                Err(error) => return Err(Failure::Kafka(error.clone())),
            };
            match task.expected(topic, record.partition()) {
                Some(expected) if record.offset() >= expected => break (record.partition(), expected),
                Some(_) | None => {
                    records.next();
                    *done += 1;
                }
            }
        };
        if !task.takes(topic, partition) {
            return Ok(Taken::default());
        }
        let segment = open
            .entry(partition)
            .or_insert_with(|| spare.pop().unwrap_or_else(|| decoder.plan().new_segment()));
        let bytes_before = segment.bytes() as u64;
        let rows_max = task.rows_left(topic).min(RECORDS_PER_RUN as u64);
        let (mut taken, mut failed) = (Taken::default(), None);
        offsets.clear();
        while taken.rows < rows_max {
            match records.peek() {
                Some(Ok(record)) if record.partition() == partition => {
                    if record.offset() < expected {
                        records.next();
                        *done += 1;
                        continue;
                    }
                    let value = record.value();
                    let offset = record.offset();
                    let given = RecordRef {
                        topic: topic.as_str(),
                        partition: partition.0,
                        offset: offset.get(),
                        value,
                    };
                    if let Err(source) = decoder.decode(segment, given) {
                        let topic_partition = TopicPartition { topic: topic.clone(), partition };
                        failed = Some(Failure::Decode { topic_partition, offset, source });
                        break;
                    }
                    expected = offset.next();
                    offsets.push(offset);
                    taken.rows += 1;
                    taken.bytes += value.map_or(0, <[u8]>::len) as u64;
                    records.next();
                    *done += 1;
                }
                Some(_) | None => break,
            }
        }
        *open_bytes += segment.bytes() as u64 - bytes_before;
        if !offsets.is_empty() {
            task.filled(topic, partition, offsets, *open_bytes, now);
        }
        match failed {
            Some(failure) => Err(failure),
            None => Ok(taken),
        }
    }

    /// Tells the protocol how far each partition has come, trailing markers included. Only right when
    /// the queue ran dry.
    pub(super) fn tell_positions(&mut self, task: &mut Task, assigned: &[TopicPartition], now: Millis) {
        if now.since(self.told_positions_at) < POSITIONS_MS {
            return;
        }
        self.told_positions_at = now;
        for tp in assigned.iter().filter(|tp| tp.topic == self.topic) {
            if let Some(position) = self.queue.position(tp.partition) {
                task.positioned(&self.topic, tp.partition, position, now);
            }
        }
    }

    /// Closes the open block: it belongs to `batch` now.
    pub(super) fn seal(&mut self, batch: BatchId, runtime: &Handle, mail: &Sender<Mail>) {
        let plan = self.plan().expect("records were decoded with it");
        let (plan, topic, mail) = (Arc::clone(plan), self.topic.clone(), mail.clone());
        let segments = std::mem::take(&mut self.open);
        self.open_bytes = 0;
        let made_by = Arc::clone(&plan);
        let block = Block::encode(runtime, plan, segments, move |segments| {
            // Only to save allocations: nobody misses it.
            let _ = mail.send(Mail::Recycled { topic, plan: made_by, segments });
        });
        self.blocks.insert(batch, block);
    }

    /// A block that was built again from the source.
    pub(super) fn keep(&mut self, batch: BatchId, block: Block) {
        self.blocks.insert(batch, block);
    }

    pub(super) fn block(&self, batch: BatchId) -> Option<&Block> {
        self.blocks.get(&batch)
    }

    /// A new attempt is under way; the one before it is not waited for any more.
    pub(super) fn sending(&mut self, job: AbortHandle) {
        if let Some(before) = self.job.replace(job) {
            before.abort();
        }
    }

    /// The batch has landed: its bytes are not needed any more.
    pub(super) fn release(&mut self, batch: BatchId) {
        self.blocks.remove(&batch);
    }

    /// Takes emptied segments back, if the plan that made them is still the one that is filled for.
    pub(super) fn recycle(&mut self, plan: &Arc<TablePlan>, segments: Segments) {
        if self.plan().is_some_and(|mine| Arc::ptr_eq(mine, plan)) {
            let room = SPARE_SEGMENTS_MAX.saturating_sub(self.spare.len());
            self.spare.extend(segments.into_values().take(room));
        }
    }

    /// Column data that this lane holds, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.open_bytes + self.blocks.values().map(|block| block.column_bytes).sum::<u64>()
    }
}
