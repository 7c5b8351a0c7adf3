//! A group's offsets, forgotten by the broker; and the cluster's own name.
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::TopicPartition;
use rdkafka_sys as rd;

use super::admin::{Event, Options};
use super::client::Client;
use super::codes;
use super::partition_list::{Element, PartitionList, c_text, element_of};
use super::queue::Queue;
use super::raw::{self, RawError, text};

/// Lets the broker forget what `group` has committed for these partitions. Per partition: the error, if any.
/// Errors: those of the whole request, such as a group that reads the topics at this moment.
pub(crate) fn forget(
    client: &Arc<Client>,
    group: &str,
    partitions: &[TopicPartition],
    timeout: Duration,
) -> Result<Vec<Element>, RawError> {
    let (name, list) = (c_text(group), PartitionList::of(partitions));
    let queue = Queue::new(client);
    let question = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DELETECONSUMERGROUPOFFSETS;
    let options = Options::new(client, question, timeout)?;
    // SAFETY: living handle, queue, list and options; name and list are copied by the request, which is
    // destroyed after the call has copied it.
    unsafe {
        let mut wanted = rd::rd_kafka_DeleteConsumerGroupOffsets_new(name.as_ptr(), list.as_ptr());
        rd::rd_kafka_DeleteConsumerGroupOffsets(client.as_ptr(), &mut wanted, 1, options.0, queue.as_ptr());
        rd::rd_kafka_DeleteConsumerGroupOffsets_destroy(wanted);
    }
    let event = Event::wait(&queue, timeout)?;
    let mut answer = Vec::new();
    // SAFETY: the event lives until the end of this function, and all that is read belongs to it; an event
    // of another kind answers null, and a null error is "no error".
    unsafe {
        let result = rd::rd_kafka_event_DeleteConsumerGroupOffsets_result(event.0);
        if result.is_null() {
            return Err(RawError::from_code(codes::DESTROY));
        }
        let mut count = 0;
        let groups = rd::rd_kafka_DeleteConsumerGroupOffsets_result_groups(result, &mut count);
        for index in 0..count {
            let group = *groups.add(index);
            let error = rd::rd_kafka_group_result_error(group);
            if !error.is_null() && raw::rd_kafka_error_code(error) != codes::NONE {
                let reason = text(rd::rd_kafka_error_string(error));
                return Err(RawError::with_text(raw::rd_kafka_error_code(error), reason));
            }
            let partitions = rd::rd_kafka_group_result_partitions(group);
            if !partitions.is_null() {
                let count = usize::try_from((*partitions).cnt).unwrap_or(0);
                answer.extend((0..count).filter_map(|index| element_of((*partitions).elems.add(index))));
            }
        }
    }
    Ok(answer)
}

/// The cluster's id; `None`: no broker has answered in time.
pub(crate) fn cluster_id(client: &Client, timeout: Duration) -> Option<String> {
    // SAFETY: a living handle; the text is ours to free, and copied before.
    unsafe {
        let id = rd::rd_kafka_clusterid(client.as_ptr(), raw::timeout_ms(timeout));
        if id.is_null() {
            return None;
        }
        let copied = text(id);
        rd::rd_kafka_mem_free(client.as_ptr(), id.cast());
        Some(copied)
    }
}
