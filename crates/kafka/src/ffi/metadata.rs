//! Which topics there are.
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::TopicName;
use rdkafka_sys as rd;

use super::client::Client;
use super::codes;
use super::raw::{self, RawError, text};

/// Whether a broker answers a question about no topic in particular.
pub(crate) fn answers(client: &Client, timeout: Duration) -> bool {
    let mut answer: *const rd::rd_kafka_metadata_t = std::ptr::null();
    let millis = raw::timeout_ms(timeout);
    // SAFETY: a living handle; without a topic the question is about those that the handle has used; the answer is
    // ours if there is no error.
    unsafe {
        let code = raw::rd_kafka_metadata(client.as_ptr(), 0, std::ptr::null_mut(), &mut answer, millis);
        if code == codes::NONE {
            rd::rd_kafka_metadata_destroy(answer);
        }
        code == codes::NONE
    }
}

/// The names of all topics that this client may see, in no order.
pub(crate) fn topic_names(client: &Arc<Client>, timeout: Duration) -> Result<Vec<TopicName>, RawError> {
    let millis = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let mut answer: *const rd::rd_kafka_metadata_t = std::ptr::null();
    // SAFETY: a living handle; with "all topics" the topic is null; the answer is ours if there is no error.
    let code =
        unsafe { raw::rd_kafka_metadata(client.as_ptr(), 1, std::ptr::null_mut(), &mut answer, millis) };
    if code != codes::NONE {
        return Err(RawError::from_code(code));
    }
    let mut names = Vec::new();
    // SAFETY: the answer lives until it is destroyed below, and the list has as many elements as it says; names
    // end with NUL. Only the name is read: the error beside it may be a number that the generated enum lacks.
    unsafe {
        let count = usize::try_from((*answer).topic_cnt).unwrap_or(0);
        for index in 0..count {
            let name = std::ptr::addr_of!((*(*answer).topics.add(index)).topic).read();
            names.push(TopicName::new(&text(name)));
        }
        rd::rd_kafka_metadata_destroy(answer);
    }
    Ok(names)
}
