//! Calls about group membership, assignment and committed offsets.
use std::sync::Arc;
use std::time::{Duration, Instant};

use pumphouse_types::TopicPartition;
use rdkafka_sys as rd;

use super::client::Client;
use super::codes;
use super::partition_list::{Element, PartitionList, c_text};
use super::queue::Queue;
use super::raw::{self, RawError, text};
use crate::fence::Fence;

/// Joins the group for these topics, in the background.
pub(crate) fn subscribe(client: &Client, topics: &PartitionList) -> Result<(), RawError> {
    // SAFETY: a living consumer; the list is copied.
    RawError::check(unsafe { raw::rd_kafka_subscribe(client.as_ptr(), topics.as_ptr()) })
}

/// Leaves the group (static members too), in the background, after a revocation is answered.
pub(crate) fn unsubscribe(client: &Client) {
    // SAFETY: a living consumer. It fails only while the handle is being destroyed.
    unsafe { rd::rd_kafka_unsubscribe(client.as_ptr()) };
}

/// Replaces what is fetched. An empty list fetches nothing; the membership does not change.
pub(crate) fn assign(client: &Client, partitions: &PartitionList) -> Result<(), RawError> {
    // SAFETY: a living consumer; the list is copied.
    RawError::check(unsafe { raw::rd_kafka_assign(client.as_ptr(), partitions.as_ptr()) })
}

/// Adds to what is fetched, in a group whose protocol is incremental; also the answer to an assignment there.
pub(crate) fn incremental_assign(client: &Client, partitions: &PartitionList) -> Result<(), RawError> {
    // SAFETY: a living consumer; the list is copied; the error is ours.
    unsafe { RawError::take(rd::rd_kafka_incremental_assign(client.as_ptr(), partitions.as_ptr())) }
}

/// Takes from what is fetched, which has all of it; also the answer to a revocation there.
pub(crate) fn incremental_unassign(client: &Client, partitions: &PartitionList) -> Result<(), RawError> {
    // SAFETY: as above.
    unsafe { RawError::take(rd::rd_kafka_incremental_unassign(client.as_ptr(), partitions.as_ptr())) }
}

/// Answers a revocation.
pub(crate) fn unassign(client: &Client) -> Result<(), RawError> {
    // SAFETY: a living consumer; null takes the assignment away.
    RawError::check(unsafe { raw::rd_kafka_assign(client.as_ptr(), std::ptr::null()) })
}

/// Waits until the fetches that an earlier `assign` ended are stopped. librdkafka's main thread
/// stops them one operation after the assignment, and a question to that thread, which serves its
/// operations in order, is answered only after it.
pub(crate) fn wait_for_stopped_fetches(client: &Client) {
    ask_main_thread(client);
}

/// Has librdkafka's main thread look at once at how far joining has come. It takes the steps to the coordinator (a
/// broker, who the coordinator is, its connection) when something wakes it, else every half second.
pub(crate) fn go_on_joining(client: &Client) {
    ask_main_thread(client);
}

/// Waits until librdkafka's main thread has served what it was asked for before.
fn ask_main_thread(client: &Client) {
    let mut list = std::ptr::null_mut();
    // SAFETY: a living consumer; the list is ours to destroy. The answer is one of librdkafka's own
    // codes, and does not matter: the round trip does.
    unsafe {
        rd::rd_kafka_assignment(client.as_ptr(), &mut list);
        if !list.is_null() {
            rd::rd_kafka_topic_partition_list_destroy(list);
        }
    }
}

/// Whether the assignment was lost rather than asked back.
pub(crate) fn assignment_lost(client: &Client) -> bool {
    // SAFETY: a living consumer.
    unsafe { rd::rd_kafka_assignment_lost(client.as_ptr()) != 0 }
}

/// The member as the broker knows it; `None` unless it has an id and a generation.
pub(crate) fn group_metadata(client: &Client) -> Option<Fence> {
    // SAFETY: a living consumer; the metadata is ours to destroy, its texts are copied before.
    unsafe {
        let metadata = rd::rd_kafka_consumer_group_metadata(client.as_ptr());
        if metadata.is_null() {
            return None;
        }
        let instance = rd::rd_kafka_consumer_group_metadata_group_instance_id(metadata);
        let fence = Fence::new(
            text(rd::rd_kafka_consumer_group_metadata_group_id(metadata)),
            text(rd::rd_kafka_consumer_group_metadata_member_id(metadata)),
            rd::rd_kafka_consumer_group_metadata_generation_id(metadata),
            (!instance.is_null()).then(|| text(instance)),
        );
        rd::rd_kafka_consumer_group_metadata_destroy(metadata);
        fence
    }
}

/// Where the reader of a partition stands; `None` if nothing was read since it was assigned.
pub(crate) fn position(client: &Client, topic_partition: &TopicPartition) -> Option<pumphouse_types::Offset> {
    let list = PartitionList::of([topic_partition]);
    // SAFETY: a living consumer, a list of ours. The answer is always "no error"; an unknown
    // partition has a negative offset.
    unsafe { rd::rd_kafka_position(client.as_ptr(), list.as_ptr()) };
    list.elements().into_iter().next()?.offset
}

/// The committed offsets of the handle's group; stable ones when it reads committed data.
pub(crate) fn committed(
    client: &Client,
    partitions: PartitionList,
    timeout: Duration,
) -> Result<Vec<Element>, RawError> {
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        // SAFETY: a living consumer, a list of ours that it fills.
        let code =
            unsafe { raw::rd_kafka_committed(client.as_ptr(), partitions.as_ptr(), raw::timeout_ms(left)) };
        let elements = partitions.elements();
        let failed = RawError::check(code).err().or_else(|| elements.iter().find_map(|e| e.error.clone()));
        match failed {
            None => return Ok(elements),
            // Somebody's transaction is not settled, or the coordinator moves: ask again.
            Some(error) if waits(error.code) && Instant::now() < end => std::thread::sleep(RETRY_PAUSE),
            Some(error) => return Err(error),
        }
    }
}

/// Between two questions that were answered with "not now".
const RETRY_PAUSE: Duration = Duration::from_millis(20);

fn waits(code: i32) -> bool {
    matches!(
        code,
        codes::UNSTABLE_OFFSET_COMMIT
            | codes::COORDINATOR_LOAD_IN_PROGRESS
            | codes::COORDINATOR_NOT_AVAILABLE
            | codes::NOT_COORDINATOR
            | codes::WAIT_COORD
            | codes::REBALANCE_IN_PROGRESS
    )
}

/// First offset and last stable offset of a partition.
pub(crate) fn watermarks(
    client: &Client,
    topic_partition: &TopicPartition,
    timeout: Duration,
) -> Result<(i64, i64), RawError> {
    let topic = c_text(topic_partition.topic.as_str());
    let (mut low, mut high) = (0, 0);
    // SAFETY: a living handle, texts and numbers of ours.
    RawError::check(unsafe {
        raw::rd_kafka_query_watermark_offsets(
            client.as_ptr(),
            topic.as_ptr(),
            topic_partition.partition.to_protocol(),
            &mut low,
            &mut high,
            raw::timeout_ms(timeout),
        )
    })?;
    Ok((low, high))
}

/// The partition's high watermark as the last answer about it said; `None` if there was none.
pub(crate) fn known_end(
    client: &Client,
    topic_partition: &TopicPartition,
) -> Option<pumphouse_types::Offset> {
    let topic = c_text(topic_partition.topic.as_str());
    let (mut low, mut high) = (-1, -1);
    // SAFETY: a living handle, texts and numbers of ours; the answer is made of what the client remembers. One that
    // does not know the partition leaves the numbers alone.
    unsafe {
        raw::rd_kafka_get_watermark_offsets(
            client.as_ptr(),
            topic.as_ptr(),
            topic_partition.partition.to_protocol(),
            &mut low,
            &mut high,
        )
    };
    pumphouse_types::Offset::new(high)
}

/// Ends the membership: waits at most until `deadline`. `Ok(false)`: time was over before.
/// The client must be `closing`, so that rebalance events are answered by its callback.
pub(crate) fn close(client: &Arc<Client>, deadline: Instant) -> Result<bool, RawError> {
    let queue = Queue::new(client);
    // SAFETY: a living consumer and queue; the error is ours.
    unsafe { RawError::take(rd::rd_kafka_consumer_close_queue(client.as_ptr(), queue.as_ptr()))? };
    loop {
        queue.serve_callbacks(Duration::from_millis(10));
        // SAFETY: a living consumer.
        if unsafe { rd::rd_kafka_consumer_closed(client.as_ptr()) } != 0 {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
    }
}
