//! Messages in bulk: one C call fills a buffer of pointers that is used again and again.
use std::ffi::{c_char, c_void};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use rdkafka_sys as rd;

use super::client::Client;
use super::codes;
use super::queue::Queue;
use super::raw::{self, RawError, text};

/// `rd_kafka_message_t` with its error as a plain number (see `codes.rs`).
#[repr(C)]
pub(crate) struct Raw {
    err: i32,
    rkt: *mut rd::rd_kafka_topic_t,
    partition: i32,
    payload: *mut c_void,
    len: usize,
    key: *mut c_void,
    key_len: usize,
    offset: i64,
    private: *mut c_void,
}

const _: () = assert!(size_of::<Raw>() == size_of::<rd::rd_kafka_message_t>());

/// The error number of a message; 0 for none.
///
/// # Safety
/// `message` points to a living message.
pub(crate) unsafe fn error_code_of(message: *const rd::rd_kafka_message_t) -> i32 {
    // SAFETY: the caller's; `Raw` has the same shape.
    unsafe { (*message.cast::<Raw>()).err }
}

/// Who chose a record's timestamp: the topic's `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampKind {
    /// Its producer.
    CreateTime,
    /// The broker, when it appended the record.
    LogAppendTime,
}

/// A record's timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Milliseconds since 1970, never negative.
    pub ms: i64,
    /// Who chose it.
    pub kind: TimestampKind,
}

/// A record, borrowed from the batch that holds it.
#[derive(Clone, Copy)]
pub struct RecordView<'a> {
    message: &'a Raw,
}

impl<'a> RecordView<'a> {
    /// The partition it was read from.
    pub fn partition(&self) -> Partition {
        Partition::from_protocol(self.message.partition).expect("a record has a partition")
    }

    /// Its offset.
    pub fn offset(&self) -> Offset {
        Offset::new(self.message.offset).expect("a record has an offset")
    }

    /// Its key; `None` for null, which is not the empty key.
    pub fn key(&self) -> Option<&'a [u8]> {
        // SAFETY: librdkafka's key is null or `key_len` bytes, alive as long as the message.
        unsafe { bytes(self.message.key, self.message.key_len) }
    }

    /// Its value; `None` for null (a tombstone), which is not the empty value.
    pub fn value(&self) -> Option<&'a [u8]> {
        // SAFETY: as for the key.
        unsafe { bytes(self.message.payload, self.message.len) }
    }

    /// Milliseconds since 1970 that the record carries; `None` if it carries none.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.timestamp().map(|timestamp| timestamp.ms)
    }

    /// The timestamp with its kind; `None` if the record carries none. No allocation.
    pub fn timestamp(&self) -> Option<Timestamp> {
        use rd::rd_kafka_timestamp_type_t as raw_kind;
        let mut kind = raw_kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a living message of librdkafka's; the kind is one of its own closed list.
        let ms = unsafe { rd::rd_kafka_message_timestamp(self.as_raw(), &mut kind) };
        let kind = match kind {
            raw_kind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => return None,
            raw_kind::RD_KAFKA_TIMESTAMP_CREATE_TIME => TimestampKind::CreateTime,
            raw_kind::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => TimestampKind::LogAppendTime,
        };
        (ms >= 0).then_some(Timestamp { ms, kind })
    }

    /// Its headers in order: name and value. Names need not be UTF-8, nor unique.
    pub fn headers(&self) -> Headers<'a> {
        let mut headers = std::ptr::null_mut();
        // SAFETY: a living message; the headers belong to it. The answer is one of librdkafka's own
        // codes; whatever goes wrong leaves `headers` null.
        unsafe { rd::rd_kafka_message_headers(self.as_raw(), &mut headers) };
        Headers { headers, next: 0, message: PhantomData }
    }

    fn as_raw(&self) -> *const rd::rd_kafka_message_t {
        std::ptr::from_ref(self.message).cast()
    }
}

/// # Safety
/// `pointer` is null or points to `len` bytes that live for `'a`.
unsafe fn bytes<'a>(pointer: *const c_void, len: usize) -> Option<&'a [u8]> {
    // SAFETY: not null; the caller vouches for the rest.
    (!pointer.is_null()).then(|| unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), len) })
}

/// The headers of one record.
#[derive(Clone)]
pub struct Headers<'a> {
    headers: *mut rd::rd_kafka_headers_t,
    next: usize,
    message: PhantomData<&'a Raw>,
}

impl<'a> Iterator for Headers<'a> {
    type Item = (&'a [u8], Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.headers.is_null() {
            return None;
        }
        let (mut name, mut value, mut len) = (std::ptr::null::<c_char>(), std::ptr::null(), 0);
        // SAFETY: headers of a living message; name (NUL-ended) and value live as long as it. The
        // answer is one of librdkafka's own codes.
        unsafe {
            let answer =
                rd::rd_kafka_header_get_all(self.headers, self.next, &mut name, &mut value, &mut len);
            if answer as i32 != codes::NONE {
                return None;
            }
            self.next += 1;
            Some((std::ffi::CStr::from_ptr(name).to_bytes(), bytes(value, len)))
        }
    }
}

/// A partition that cannot be read, as it comes among the records.
#[derive(Debug, Clone)]
pub(crate) struct MessageError {
    /// Which partition; `None` if the error is not about one.
    pub(crate) topic_partition: Option<TopicPartition>,
    /// Where it happened, if librdkafka says so.
    pub(crate) offset: Option<Offset>,
    /// What.
    pub(crate) error: RawError,
}

/// A buffer of messages.
pub(crate) struct Messages {
    buffer: Vec<*mut rd::rd_kafka_message_t>,
    // Dropped after the messages, which `Drop` destroys (see `Client`).
    client: Option<Arc<Client>>,
}

// SAFETY: librdkafka's messages may be read and destroyed from any thread.
unsafe impl Send for Messages {}

impl Messages {
    /// Room for `capacity` messages at a time.
    pub(crate) fn with_capacity(capacity: usize) -> Messages {
        Messages { buffer: Vec::with_capacity(capacity), client: None }
    }

    /// Gives up what the buffer holds and fills it from `queue`, waiting at most `timeout` for the
    /// first message. Errors: those of the call itself; partition errors come as messages.
    pub(crate) fn fill(&mut self, queue: &Queue, timeout: Duration) -> Result<usize, RawError> {
        self.clear();
        self.client = Some(Arc::clone(queue.client()));
        // SAFETY: the buffer has room for `capacity` pointers, and librdkafka initialises as many
        // as it answers; they are ours to destroy.
        unsafe {
            let count = rd::rd_kafka_consume_batch_queue(
                queue.as_ptr(),
                raw::timeout_ms(timeout),
                self.buffer.as_mut_ptr(),
                self.buffer.capacity(),
            );
            let Ok(count) = usize::try_from(count) else {
                return Err(RawError::from_code(rd::rd_kafka_last_error() as i32));
            };
            self.buffer.set_len(count);
            Ok(count)
        }
    }

    /// Messages that it holds, errors among them.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// What the message at `index` is.
    pub(crate) fn get(&self, index: usize) -> Result<RecordView<'_>, MessageError> {
        // SAFETY: the pointer is ours until `clear`, which needs `&mut self`.
        let message = unsafe { &*self.buffer[index].cast::<Raw>() };
        if message.err == codes::NONE { Ok(RecordView { message }) } else { Err(error_of(message)) }
    }

    /// Whether any of the messages is an error, and which partitions those are.
    pub(crate) fn failed_partitions(&self) -> Vec<Option<Partition>> {
        let is_error = |message: &&*mut rd::rd_kafka_message_t| {
            // SAFETY: as in `get`.
            unsafe { (*message.cast::<Raw>()).err != codes::NONE }
        };
        self.buffer
            .iter()
            .filter(is_error)
            // SAFETY: as in `get`.
            .map(|message| Partition::from_protocol(unsafe { (*message.cast::<Raw>()).partition }))
            .collect()
    }

    /// Gives the messages back to librdkafka; the buffer stays.
    pub(crate) fn clear(&mut self) {
        for message in self.buffer.drain(..) {
            // SAFETY: ours, and no longer in the buffer.
            unsafe { rd::rd_kafka_message_destroy(message) };
        }
        self.client = None;
    }
}

impl Drop for Messages {
    fn drop(&mut self) {
        self.clear();
    }
}

fn error_of(message: &Raw) -> MessageError {
    // SAFETY: a living message; its texts are copied. The topic may be null.
    let (topic, reason) = unsafe {
        let topic = (!message.rkt.is_null()).then(|| text(rd::rd_kafka_topic_name(message.rkt)));
        (topic, text(rd::rd_kafka_message_errstr(std::ptr::from_ref(message).cast())))
    };
    let partition = Partition::from_protocol(message.partition);
    MessageError {
        topic_partition: topic
            .zip(partition)
            .map(|(topic, partition)| TopicPartition { topic: TopicName::new(&topic), partition }),
        offset: Offset::new(message.offset),
        error: RawError::with_text(message.err, reason),
    }
}

/// Polls a consumer's own queue once. Records never come here (every partition is forwarded), so
/// what comes is an error.
pub(crate) fn poll_consumer(client: &Arc<Client>, timeout: Duration) -> Option<MessageError> {
    let mut messages = Messages { buffer: Vec::with_capacity(1), client: Some(Arc::clone(client)) };
    // SAFETY: a living consumer; the message is ours to destroy, which `messages` does.
    let message = unsafe { rd::rd_kafka_consumer_poll(client.as_ptr(), raw::timeout_ms(timeout)) };
    if message.is_null() {
        return None;
    }
    messages.buffer.push(message);
    match messages.get(0) {
        Err(error) => Some(error),
        // A record that no lane ever sees would be passed unread.
        Ok(record) => {
            panic!("record {}@{} came outside of its lane's queue", record.partition(), record.offset())
        }
    }
}
