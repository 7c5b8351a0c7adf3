//! Which topics there are.
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::TopicName;
use rdkafka_sys as rd;

use super::client::Client;
use super::codes;
use super::raw::{self, RawError, text};

/// Has a new handle connect to a broker. librdkafka does so when it has something to ask; a transactional producer that has not
/// begun waits for a second in one of ten starts, in which its own list of brokers is not empty any more when the bootstrap
/// addresses come into it (`rd_kafka_brokers_add`, 2.12).
pub(crate) fn connect(client: &Client) {
    let mut answer: *const rd::rd_kafka_metadata_t = std::ptr::null();
    // SAFETY: a living handle; the answer is ours if there is one. With no time to wait nothing is asked of a broker that is
    // not connected yet: it is only connected to.
    unsafe {
        let code = raw::rd_kafka_metadata(client.as_ptr(), 0, std::ptr::null_mut(), &mut answer, 0);
        if code == codes::NONE {
            rd::rd_kafka_metadata_destroy(answer);
        }
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
