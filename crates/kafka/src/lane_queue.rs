//! Records of one topic, in bulk, from all partitions of it that are fetched.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};

use crate::error::{Asker, KafkaError};
use crate::ffi::client::Client;
use crate::ffi::group;
use crate::ffi::message::{Messages, RecordView};
use crate::ffi::queue::Queue;

/// The queue that the partitions of one topic are forwarded to; shared by the consumer, which
/// starts fetching, and the lane, which takes the records.
pub(crate) struct DataQueue {
    pub(crate) topic: TopicName,
    pub(crate) queue: Queue,
    asker: Asker,
    state: Mutex<QueueState>,
}

#[derive(Default)]
pub(crate) struct QueueState {
    /// Partitions that failed since fetching began. librdkafka moves their position past the error,
    /// over records that nobody has seen: their position is not to be believed.
    failed: BTreeSet<Partition>,
    taken: bool,
}

impl QueueState {
    /// Fetching begins anew.
    pub(crate) fn restart(&mut self) {
        self.failed.clear();
    }
}

impl DataQueue {
    pub(crate) fn new(client: &Arc<Client>, topic: &TopicName, asker: Asker) -> Arc<DataQueue> {
        Arc::new(DataQueue {
            topic: topic.clone(),
            queue: Queue::new(client),
            asker,
            state: Mutex::default(),
        })
    }

    /// Held while records are taken, and while fetching is restarted: a batch that was taken across
    /// a restart would set the position to where the old fetch stood.
    pub(crate) fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lane's end of its topic's queue. There is one at a time per topic and consumer. While it
/// lives the consumer's handle is not destroyed: drop it before the consumer is closed.
pub struct LaneQueue {
    shared: Arc<DataQueue>,
}

impl LaneQueue {
    /// `None` while another one of the same topic lives.
    pub(crate) fn take(shared: &Arc<DataQueue>) -> Option<LaneQueue> {
        let mut state = shared.lock();
        let free = !std::mem::replace(&mut state.taken, true);
        drop(state);
        free.then(|| LaneQueue { shared: Arc::clone(shared) })
    }

    /// The lane's topic.
    pub fn topic(&self) -> &TopicName {
        &self.shared.topic
    }

    /// Replaces what `batch` holds by the next messages, waiting at most `timeout` until the batch is
    /// full; answers their number. Messages of an earlier `fetch` never come.
    /// Cost: some 100 ns per message, one C call per batch.
    /// Errors: those of the handle. Partition errors come as messages ([`MessageBatch::iter`]).
    pub fn consume_batch(
        &mut self,
        timeout: Duration,
        batch: &mut MessageBatch,
    ) -> Result<usize, KafkaError> {
        let mut state = self.shared.lock();
        batch.asker.clone_from(&self.shared.asker);
        let count = batch
            .messages
            .fill(&self.shared.queue, timeout)
            .map_err(|raw| self.shared.asker.sort("consuming", &raw))?;
        state.failed.extend(batch.messages.failed_partitions().into_iter().flatten());
        Ok(count)
    }

    /// Where this lane's reading stands: behind the last record that was taken, and behind control
    /// records and aborted data that followed it. `None` before anything came since `fetch`, and after
    /// an error of the partition. Everything below it was handed out or is nothing to hand out.
    pub fn position(&self, partition: Partition) -> Option<Offset> {
        let state = self.shared.lock();
        if state.failed.contains(&partition) {
            return None;
        }
        let topic_partition = TopicPartition { topic: self.shared.topic.clone(), partition };
        group::position(self.shared.queue.client(), &topic_partition)
    }

    /// The partition's high watermark as the last answer of its broker said; `None` before there was one. Costs a
    /// lookup; nobody is asked. Behind it are records of open transactions too, which cannot be read yet.
    pub fn known_end(&self, partition: Partition) -> Option<Offset> {
        let topic_partition = TopicPartition { topic: self.shared.topic.clone(), partition };
        group::known_end(self.shared.queue.client(), &topic_partition)
    }
}

impl Drop for LaneQueue {
    fn drop(&mut self) {
        self.shared.lock().taken = false;
    }
}

/// Messages that one call may take: the re-used pointer buffer stays at 80 kB, and a call returns
/// within some milliseconds.
pub const BATCH_MESSAGES_MAX: usize = 10_000;

/// A re-usable buffer of messages. Its records are borrowed from librdkafka; they are freed when the
/// batch is filled again, cleared or dropped.
pub struct MessageBatch {
    messages: Messages,
    asker: Asker,
}

impl MessageBatch {
    /// Room for `messages_max` messages, at most [`BATCH_MESSAGES_MAX`] and at least one.
    pub fn with_capacity(messages_max: usize) -> MessageBatch {
        let capacity = messages_max.clamp(1, BATCH_MESSAGES_MAX);
        MessageBatch { messages: Messages::with_capacity(capacity), asker: Asker::default() }
    }

    /// Messages that it holds, partition errors among them.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The messages in the order in which they came: per partition ascending by offset. An error ends
    /// its partition's records until the next `fetch`.
    pub fn iter(&self) -> impl Iterator<Item = Result<RecordView<'_>, KafkaError>> {
        self.iter_from(0)
    }

    /// The same, without the first `start` messages, which are not looked at.
    pub fn iter_from(&self, start: usize) -> impl Iterator<Item = Result<RecordView<'_>, KafkaError>> {
        (start..self.messages.len()).map(|index| {
            self.messages.get(index).map_err(|failed| {
                let topic_partition = failed.topic_partition.as_ref();
                self.asker.sort_partition(topic_partition, failed.offset, &failed.error)
            })
        })
    }

    /// Gives the messages back.
    pub fn clear(&mut self) {
        self.messages.clear();
    }
}
