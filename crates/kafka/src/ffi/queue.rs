//! librdkafka's queues: where records of forwarded partitions come out.
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::TopicPartition;
use rdkafka_sys as rd;

use super::client::Client;
use super::partition_list::c_text;
use super::raw;

/// A queue of a handle.
pub(crate) struct Queue {
    queue: *mut rd::rd_kafka_queue_t,
    // Behind the queue on purpose: it is destroyed first (see `Client`).
    client: Arc<Client>,
}

// SAFETY: librdkafka's queues may be used from any thread.
unsafe impl Send for Queue {}
// SAFETY: as above.
unsafe impl Sync for Queue {}

impl Queue {
    /// A new, empty queue.
    pub(crate) fn new(client: &Arc<Client>) -> Queue {
        // SAFETY: a living handle.
        let queue = unsafe { rd::rd_kafka_queue_new(client.as_ptr()) };
        Queue { queue, client: Arc::clone(client) }
    }

    /// The handle that it belongs to.
    pub(crate) fn client(&self) -> &Arc<Client> {
        &self.client
    }

    /// For calls into librdkafka, valid while `self` lives.
    pub(crate) fn as_ptr(&self) -> *mut rd::rd_kafka_queue_t {
        self.queue
    }

    /// From now on the records of `topic_partition` come out here. To be done before the partition
    /// is fetched, and again each time: librdkafka undoes it when fetching stops.
    pub(crate) fn take_records_of(&self, topic_partition: &TopicPartition) {
        let topic = c_text(topic_partition.topic.as_str());
        let number = topic_partition.partition.to_protocol();
        // SAFETY: a living handle of a consumer, for which the answer is never null; the reference
        // to the partition's queue is given back at once, the forwarding stays.
        unsafe {
            let partition = rd::rd_kafka_queue_get_partition(self.client.as_ptr(), topic.as_ptr(), number);
            assert!(!partition.is_null(), "a consumer has a queue for every partition");
            rd::rd_kafka_queue_forward(partition, self.queue);
            rd::rd_kafka_queue_destroy(partition);
        }
    }

    /// Serves callbacks that are sent to this queue.
    pub(crate) fn serve_callbacks(&self, timeout: Duration) {
        // SAFETY: a living queue.
        unsafe { rd::rd_kafka_queue_poll_callback(self.queue, raw::timeout_ms(timeout)) };
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards; the handle still lives.
        unsafe { rd::rd_kafka_queue_destroy(self.queue) }
    }
}
