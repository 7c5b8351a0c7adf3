//! Questions about topics, and their creation.
use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::{TopicId, TopicName, TopicPartition};
use rdkafka_sys as rd;
use rdkafka_sys::rd_kafka_IsolationLevel_t::{
    RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED as READ_COMMITTED,
    RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED as READ_UNCOMMITTED,
};

use super::client::Client;
use super::codes;
use super::partition_list::{Element, PartitionList, c_text, element_of};
use super::queue::Queue;
use super::raw::{self, RawError, text};

/// A topic as the broker describes it.
pub(crate) struct Described {
    /// KIP-516's identity; all zero from a broker that has none.
    pub(crate) topic_id: TopicId,
    /// Partitions, numbered from 0.
    pub(crate) partitions: u32,
    /// Replicas of its first partition.
    pub(crate) replicas: u32,
}

/// Asks for topics by name. Per topic: what it is, or why there is no answer.
pub(crate) fn describe(
    client: &Arc<Client>,
    topics: &[TopicName],
    timeout: Duration,
) -> Result<BTreeMap<TopicName, Result<Described, RawError>>, RawError> {
    let names: Vec<_> = topics.iter().map(|topic| c_text(topic.as_str())).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let queue = Queue::new(client);
    let options = Options::new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, timeout)?;
    // SAFETY: living handle, queue and options; the names are copied by the collection, which is
    // destroyed after the call has taken it over by copy.
    unsafe {
        let collection = rd::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        rd::rd_kafka_DescribeTopics(client.as_ptr(), collection, options.0, queue.as_ptr());
        rd::rd_kafka_TopicCollection_destroy(collection);
    }
    let event = Event::wait(&queue, timeout)?;
    let mut answer = BTreeMap::new();
    // SAFETY: the event lives until the end of this function, and all that is read belongs to it;
    // an event of another kind answers null.
    unsafe {
        let result = rd::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Err(RawError::from_code(codes::DESTROY));
        }
        let mut count = 0;
        let list = rd::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        for index in 0..count {
            let topic = *list.add(index);
            let name = text(rd::rd_kafka_TopicDescription_name(topic));
            answer.insert(TopicName::new(&name), described(topic));
        }
    }
    Ok(answer)
}

/// # Safety
/// `topic` belongs to a living event.
unsafe fn described(topic: *const rd::rd_kafka_TopicDescription_t) -> Result<Described, RawError> {
    // SAFETY: the caller's; all that is read belongs to `topic`, a null error is "no error".
    unsafe {
        let error = rd::rd_kafka_TopicDescription_error(topic);
        if !error.is_null() && raw::rd_kafka_error_code(error) != codes::NONE {
            let reason = text(rd::rd_kafka_error_string(error));
            return Err(RawError::with_text(raw::rd_kafka_error_code(error), reason));
        }
        let id = rd::rd_kafka_TopicDescription_topic_id(topic);
        let high = rd::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
        let low = rd::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned();
        let (mut count, mut replicas) = (0, 0);
        let partitions = rd::rd_kafka_TopicDescription_partitions(topic, &mut count);
        if count > 0 {
            rd::rd_kafka_TopicPartitionInfo_replicas(*partitions, &mut replicas);
        }
        Ok(Described {
            topic_id: TopicId((u128::from(high) << 64) | u128::from(low)),
            partitions: u32::try_from(count).expect("partitions are numbered by Kafka's i32"),
            replicas: u32::try_from(replicas).expect("as above"),
        })
    }
}

/// Creates a topic. Errors: the broker's, `TOPIC_ALREADY_EXISTS` among them.
pub(crate) fn create(
    client: &Arc<Client>,
    topic: &TopicName,
    partitions: i32,
    replicas: i32,
    config: &BTreeMap<String, String>,
    timeout: Duration,
) -> Result<(), RawError> {
    let name = c_text(topic.as_str());
    let queue = Queue::new(client);
    let options = Options::new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS, timeout)?;
    let mut reason = [0 as c_char; 512];
    // SAFETY: texts are copied, the buffer has the size that is given, the new topic is ours and is
    // destroyed after the call has copied it.
    unsafe {
        let mut wanted =
            rd::rd_kafka_NewTopic_new(name.as_ptr(), partitions, replicas, reason.as_mut_ptr(), reason.len());
        if wanted.is_null() {
            return Err(RawError::with_text(codes::UNKNOWN_TOPIC, text(reason.as_ptr())));
        }
        for (key, value) in config {
            rd::rd_kafka_NewTopic_set_config(wanted, c_text(key).as_ptr(), c_text(value).as_ptr());
        }
        rd::rd_kafka_CreateTopics(client.as_ptr(), &mut wanted, 1, options.0, queue.as_ptr());
        rd::rd_kafka_NewTopic_destroy(wanted);
    }
    let event = Event::wait(&queue, timeout)?;
    // SAFETY: as in `describe`.
    unsafe {
        let result = rd::rd_kafka_event_CreateTopics_result(event.0);
        let mut count = 0;
        if result.is_null() {
            return Err(RawError::from_code(codes::DESTROY));
        }
        let list = rd::rd_kafka_CreateTopics_result_topics(result, &mut count);
        for index in 0..count {
            let answer = *list.add(index);
            let code = raw::rd_kafka_topic_result_error(answer);
            if code != codes::NONE {
                return Err(RawError::with_text(code, text(rd::rd_kafka_topic_result_error_string(answer))));
            }
        }
    }
    Ok(())
}

/// Asks for the options of a topic: those that differ from the broker's, and the broker's.
pub(crate) fn describe_config(
    client: &Arc<Client>,
    topic: &TopicName,
    timeout: Duration,
) -> Result<BTreeMap<String, String>, RawError> {
    let name = c_text(topic.as_str());
    let queue = Queue::new(client);
    let options = Options::new(client, rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, timeout)?;
    // SAFETY: living handle, queue and options; the name is copied, and the resource is ours and is
    // destroyed after the call has copied it.
    unsafe {
        let kind = rd::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let mut resource = rd::rd_kafka_ConfigResource_new(kind, name.as_ptr());
        rd::rd_kafka_DescribeConfigs(client.as_ptr(), &mut resource, 1, options.0, queue.as_ptr());
        rd::rd_kafka_ConfigResource_destroy(resource);
    }
    let event = Event::wait(&queue, timeout)?;
    let mut answer = BTreeMap::new();
    // SAFETY: as in `describe`; a value that is not shown is null, and becomes the empty text.
    unsafe {
        let result = rd::rd_kafka_event_DescribeConfigs_result(event.0);
        if result.is_null() {
            return Err(RawError::from_code(codes::DESTROY));
        }
        let mut count = 0;
        let resources = rd::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        for index in 0..count {
            let resource = *resources.add(index);
            let code = raw::rd_kafka_ConfigResource_error(resource);
            if code != codes::NONE {
                let reason = text(rd::rd_kafka_ConfigResource_error_string(resource));
                return Err(RawError::with_text(code, reason));
            }
            let mut entries = 0;
            let list = rd::rd_kafka_ConfigResource_configs(resource, &mut entries);
            for number in 0..entries {
                let entry = *list.add(number);
                let name = text(rd::rd_kafka_ConfigEntry_name(entry));
                answer.insert(name, text(rd::rd_kafka_ConfigEntry_value(entry)));
            }
        }
    }
    Ok(answer)
}

/// Which offset of a partition is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// The first that is left.
    Earliest,
    /// The last stable offset: behind it are records of transactions that are not settled.
    LatestStable,
    /// The high watermark: behind the last record, settled or not.
    Latest,
}

/// Asks for one offset of each partition.
pub(crate) fn list_offsets(
    client: &Arc<Client>,
    partitions: &[TopicPartition],
    side: Side,
    timeout: Duration,
) -> Result<Vec<Element>, RawError> {
    let (spec, isolation) = match side {
        Side::Earliest => (rd::RD_KAFKA_OFFSET_BEGINNING, READ_COMMITTED),
        Side::LatestStable => (rd::RD_KAFKA_OFFSET_END, READ_COMMITTED),
        Side::Latest => (rd::RD_KAFKA_OFFSET_END, READ_UNCOMMITTED),
    };
    let mut list = PartitionList::new();
    for topic_partition in partitions {
        list.add_logical_offset(topic_partition, i64::from(spec));
    }
    let queue = Queue::new(client);
    let question = rd::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS;
    let options = Options::new(client, question, timeout)?;
    // SAFETY: living handle, queue, list and options, all copied by the call; the error is ours.
    unsafe {
        RawError::take(rd::rd_kafka_AdminOptions_set_isolation_level(options.0, isolation))?;
        rd::rd_kafka_ListOffsets(client.as_ptr(), list.as_ptr(), options.0, queue.as_ptr());
    }
    let event = Event::wait(&queue, timeout)?;
    let mut answer = Vec::new();
    // SAFETY: as in `describe`.
    unsafe {
        let result = rd::rd_kafka_event_ListOffsets_result(event.0);
        if result.is_null() {
            return Err(RawError::from_code(codes::DESTROY));
        }
        let mut count = 0;
        let infos = rd::rd_kafka_ListOffsets_result_infos(result, &mut count);
        for index in 0..count {
            let info = rd::rd_kafka_ListOffsetsResultInfo_topic_partition(*infos.add(index));
            answer.extend(element_of(info));
        }
    }
    Ok(answer)
}

/// Options of one question.
pub(super) struct Options(pub(super) *mut rd::rd_kafka_AdminOptions_t);

impl Options {
    pub(super) fn new(
        client: &Client,
        question: rd::rd_kafka_admin_op_t,
        timeout: Duration,
    ) -> Result<Options, RawError> {
        let mut reason = [0 as c_char; 512];
        // SAFETY: a living handle; the buffer has the size that is given; the code is librdkafka's own.
        unsafe {
            let options = Options(rd::rd_kafka_AdminOptions_new(client.as_ptr(), question));
            let code = rd::rd_kafka_AdminOptions_set_request_timeout(
                options.0,
                raw::timeout_ms(timeout),
                reason.as_mut_ptr(),
                reason.len(),
            ) as i32;
            if code != codes::NONE {
                return Err(RawError::with_text(code, text(reason.as_ptr())));
            }
            Ok(options)
        }
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { rd::rd_kafka_AdminOptions_destroy(self.0) }
    }
}

/// The answer to one question.
pub(super) struct Event(pub(super) *mut rd::rd_kafka_event_t);

impl Event {
    /// librdkafka answers at the latest when the request's timeout is over; the second that is added
    /// covers its own scheduling.
    pub(super) fn wait(queue: &Queue, timeout: Duration) -> Result<Event, RawError> {
        let patience = timeout + Duration::from_secs(1);
        // SAFETY: a living queue; the event is ours to destroy.
        let event = unsafe { rd::rd_kafka_queue_poll(queue.as_ptr(), raw::timeout_ms(patience)) };
        if event.is_null() {
            return Err(RawError::from_code(codes::TIMED_OUT));
        }
        let event = Event(event);
        // SAFETY: a living event, its text is copied.
        let (code, reason) =
            unsafe { (raw::rd_kafka_event_error(event.0), text(rd::rd_kafka_event_error_string(event.0))) };
        if code == codes::NONE { Ok(event) } else { Err(RawError::with_text(code, reason)) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { rd::rd_kafka_event_destroy(self.0) }
    }
}
