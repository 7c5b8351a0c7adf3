//! librdkafka's functions whose error code may come from a broker, declared again with a plain
//! number in place of the generated `enum` (see `codes.rs`), and the error object they answer with.
use std::ffi::{CStr, c_char, c_int, c_void};

use rdkafka_sys as rd;

use super::codes;

/// librdkafka's rebalance callback.
pub(crate) type RebalanceCallback =
    unsafe extern "C" fn(*mut rd::rd_kafka_t, i32, *mut rd::rd_kafka_topic_partition_list_t, *mut c_void);

#[allow(clashing_extern_declarations)]
mod declared {
    use super::{RebalanceCallback, c_char, c_int, rd};

    unsafe extern "C" {
        pub(crate) fn rd_kafka_error_code(error: *const rd::rd_kafka_error_t) -> i32;
        pub(crate) fn rd_kafka_err2name(code: i32) -> *const c_char;
        pub(crate) fn rd_kafka_err2str(code: i32) -> *const c_char;
        pub(crate) fn rd_kafka_fatal_error(
            client: *mut rd::rd_kafka_t,
            reason: *mut c_char,
            reason_size: usize,
        ) -> i32;
        pub(crate) fn rd_kafka_event_error(event: *mut rd::rd_kafka_event_t) -> i32;
        pub(crate) fn rd_kafka_topic_result_error(result: *const rd::rd_kafka_topic_result_t) -> i32;
        pub(crate) fn rd_kafka_ConfigResource_error(resource: *const rd::rd_kafka_ConfigResource_t) -> i32;
        pub(crate) fn rd_kafka_committed(
            client: *mut rd::rd_kafka_t,
            partitions: *mut rd::rd_kafka_topic_partition_list_t,
            timeout_ms: c_int,
        ) -> i32;
        pub(crate) fn rd_kafka_metadata(
            client: *mut rd::rd_kafka_t,
            all_topics: c_int,
            only: *mut rd::rd_kafka_topic_t,
            answer: *mut *const rd::rd_kafka_metadata_t,
            timeout_ms: c_int,
        ) -> i32;
        pub(crate) fn rd_kafka_query_watermark_offsets(
            client: *mut rd::rd_kafka_t,
            topic: *const c_char,
            partition: i32,
            low: *mut i64,
            high: *mut i64,
            timeout_ms: c_int,
        ) -> i32;
        pub(crate) fn rd_kafka_get_watermark_offsets(
            client: *mut rd::rd_kafka_t,
            topic: *const c_char,
            partition: i32,
            low: *mut i64,
            high: *mut i64,
        ) -> i32;
        pub(crate) fn rd_kafka_assign(
            client: *mut rd::rd_kafka_t,
            partitions: *const rd::rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(crate) fn rd_kafka_subscribe(
            client: *mut rd::rd_kafka_t,
            topics: *const rd::rd_kafka_topic_partition_list_t,
        ) -> i32;
        pub(crate) fn rd_kafka_conf_set_rebalance_cb(
            conf: *mut rd::rd_kafka_conf_t,
            callback: Option<RebalanceCallback>,
        );
    }
}
pub(crate) use declared::*;

/// What librdkafka says went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawError {
    /// Kafka's number, or a negative one of librdkafka's own.
    pub(crate) code: i32,
    /// The handle is broken for good.
    pub(crate) fatal: bool,
    /// The same call may be made again.
    pub(crate) retriable: bool,
    /// The transaction must be aborted.
    pub(crate) abortable: bool,
    /// librdkafka's words.
    pub(crate) text: String,
}

impl RawError {
    /// From a number alone.
    pub(crate) fn from_code(code: i32) -> RawError {
        RawError {
            code,
            fatal: code == codes::FATAL,
            retriable: code == codes::TIMED_OUT,
            abortable: false,
            // SAFETY: the answer is a static text or one in thread-local storage, copied at once.
            text: unsafe { text(rd_kafka_err2str(code)) },
        }
    }

    /// From a number and librdkafka's words for this case.
    pub(crate) fn with_text(code: i32, text: String) -> RawError {
        RawError { text, ..RawError::from_code(code) }
    }

    /// `Ok` if `code` says that nothing went wrong.
    pub(crate) fn check(code: i32) -> Result<(), RawError> {
        if code == codes::NONE { Ok(()) } else { Err(RawError::from_code(code)) }
    }

    /// Takes an error object that librdkafka gave away; null says that nothing went wrong.
    ///
    /// # Safety
    /// `error` is null or owned by the caller, and is not used after this call.
    pub(crate) unsafe fn take(error: *mut rd::rd_kafka_error_t) -> Result<(), RawError> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: not null, owned by us until it is destroyed on the last line; the text is copied.
        unsafe {
            let taken = RawError {
                code: rd_kafka_error_code(error),
                fatal: rd::rd_kafka_error_is_fatal(error) != 0,
                retriable: rd::rd_kafka_error_is_retriable(error) != 0,
                abortable: rd::rd_kafka_error_txn_requires_abort(error) != 0,
                text: text(rd::rd_kafka_error_string(error)),
            };
            rd::rd_kafka_error_destroy(error);
            Err(taken)
        }
    }

    /// Kafka's name of the code, such as `UNKNOWN_MEMBER_ID`.
    pub(crate) fn name(&self) -> String {
        // SAFETY: as in `from_code`; unknown numbers are answered with a text that says so.
        unsafe { text(rd_kafka_err2name(self.code)) }
    }
}

/// Copies a C text; whatever is not UTF-8 in it is replaced, and null is the empty text.
///
/// # Safety
/// `pointer` is null or points to a text that ends in NUL.
pub(crate) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller vouches for the NUL.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}

/// Milliseconds as librdkafka takes them; it reads negative numbers as "for ever".
pub(crate) fn timeout_ms(timeout: std::time::Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}
