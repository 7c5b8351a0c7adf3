//! A librdkafka handle: how it is configured, what it calls back, how it ends.
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pumphouse_types::TopicPartition;
use rdkafka_sys as rd;

use super::codes;
use super::message::error_code_of;
use super::partition_list::{c_text, elements_of};
use super::raw::{self, RawError, text};
use crate::error::KafkaError;
use crate::oauth::{self, NoToken, Token, TokenSource};

/// Which kind of handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Group member, or reader of assigned partitions.
    Consumer,
    /// Producer, or a handle for questions only.
    Producer,
}

/// What librdkafka told a callback, waiting to be taken.
#[derive(Debug)]
pub(crate) enum CallbackEvent {
    /// The group protocol assigned these.
    Assign(Vec<TopicPartition>),
    /// The group protocol wants these back and waits for the answer.
    Revoke(Vec<TopicPartition>),
    /// An error of the handle.
    Error(RawError),
}

/// What the callbacks of one handle share with its owner.
#[derive(Default)]
pub(crate) struct Callbacks {
    events: Mutex<VecDeque<CallbackEvent>>,
    /// The owner is closing: rebalance events are answered at once, nobody is left to ask.
    closing: AtomicBool,
    /// The group's protocol is incremental: answers are, too.
    incremental: AtomicBool,
    sockets_closed: AtomicU64,
    /// Why the first record that was not delivered was not; taken by the producer's owner.
    delivery_error: Mutex<Option<RawError>>,
    /// Where tokens come from, if the broker wants some.
    tokens: Option<TokenSource>,
}

impl Callbacks {
    fn push(&self, event: CallbackEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

/// A handle. It is destroyed when the last reference goes, and everything made from it (queues,
/// messages) holds one: librdkafka's destructor waits for ever while such a thing lives.
pub(crate) struct Client {
    rk: *mut rd::rd_kafka_t,
    callbacks: Arc<Callbacks>,
}

// SAFETY: librdkafka's handles may be used from any thread; `Callbacks` is `Sync` by its types.
unsafe impl Send for Client {}
// SAFETY: as above.
unsafe impl Sync for Client {}

impl Client {
    /// Makes a handle. Connects in the background: an unreachable broker is no error here.
    /// Errors: `Setting` for a name or value that librdkafka refuses, `Client` for everything else.
    pub(crate) fn new(kind: Kind, settings: &BTreeMap<String, String>) -> Result<Arc<Client>, KafkaError> {
        let conf = Conf::new();
        for (name, value) in settings.iter().filter(|(name, _)| !name.starts_with(oauth::PREFIX)) {
            conf.set(name, value)?;
        }
        let callbacks = Arc::new(Callbacks { tokens: TokenSource::of(settings), ..Callbacks::default() });
        // SAFETY: the conf is ours; the opaque outlives the handle, because `Client` holds it until
        // after the handle is destroyed. The callbacks are plain functions.
        unsafe {
            rd::rd_kafka_conf_set_opaque(conf.0, Arc::as_ptr(&callbacks).cast_mut().cast());
            rd::rd_kafka_conf_set_log_cb(conf.0, Some(on_log));
            rd::rd_kafka_conf_set_error_cb(conf.0, Some(on_error));
            rd::rd_kafka_conf_set_closesocket_cb(conf.0, Some(on_close_socket));
            if callbacks.tokens.is_some() {
                rd::rd_kafka_conf_set_oauthbearer_token_refresh_cb(conf.0, Some(on_token_wanted));
                rd::rd_kafka_conf_enable_sasl_queue(conf.0, 1);
            }
            if kind == Kind::Consumer {
                raw::rd_kafka_conf_set_rebalance_cb(conf.0, Some(on_rebalance));
            } else {
                rd::rd_kafka_conf_set_dr_msg_cb(conf.0, Some(on_delivery));
            }
        }
        let rk_type = match kind {
            Kind::Consumer => rd::rd_kafka_type_t::RD_KAFKA_CONSUMER,
            Kind::Producer => rd::rd_kafka_type_t::RD_KAFKA_PRODUCER,
        };
        let mut reason = [0 as c_char; 512];
        // SAFETY: on success librdkafka owns the conf, on failure it is still ours; `reason` has the
        // size that is given.
        let rk = unsafe { rd::rd_kafka_new(rk_type, conf.0, reason.as_mut_ptr(), reason.len()) };
        if rk.is_null() {
            // SAFETY: librdkafka ends the text with NUL.
            let reason = unsafe { text(reason.as_ptr()) };
            return Err(KafkaError::Client { reason });
        }
        std::mem::forget(conf);
        if callbacks.tokens.is_some() {
            // A token is waited for on a thread of librdkafka's own: no poll is held up by it.
            // SAFETY: a living handle with a queue for such callbacks. It fails for a handle without one only.
            unsafe { rd::rd_kafka_sasl_background_callbacks_enable(rk) };
        }
        if kind == Kind::Consumer {
            // The handle's own events then come with the consumer's: one place to poll.
            // SAFETY: a living handle. It fails only for a handle that is no consumer.
            unsafe { rd::rd_kafka_poll_set_consumer(rk) };
        }
        Ok(Arc::new(Client { rk, callbacks }))
    }

    /// For calls into librdkafka, valid while `self` lives.
    pub(crate) fn as_ptr(&self) -> *mut rd::rd_kafka_t {
        self.rk
    }

    /// The oldest event that a callback left.
    pub(crate) fn next_event(&self) -> Option<CallbackEvent> {
        self.callbacks.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// From now on rebalance events are answered by the callback itself.
    pub(crate) fn set_closing(&self) {
        self.callbacks.closing.store(true, Ordering::SeqCst);
    }

    /// The group's protocol is incremental.
    pub(crate) fn set_incremental(&self) {
        self.callbacks.incremental.store(true, Ordering::SeqCst);
    }

    /// Sockets of this handle that were closed so far, by either side.
    pub(crate) fn sockets_closed(&self) -> u64 {
        self.callbacks.sockets_closed.load(Ordering::SeqCst)
    }

    /// Why a record was not delivered since this was asked last; `None` if all were.
    pub(crate) fn take_delivery_error(&self) -> Option<RawError> {
        let mut error = self.callbacks.delivery_error.lock().unwrap_or_else(PoisonError::into_inner);
        error.take()
    }

    /// The error that broke the handle for good, if one did.
    pub(crate) fn fatal_error(&self) -> Option<RawError> {
        let mut reason = [0 as c_char; 512];
        // SAFETY: a living handle, a buffer of the size that is given.
        let code = unsafe { raw::rd_kafka_fatal_error(self.rk, reason.as_mut_ptr(), reason.len()) };
        (code != codes::NONE).then(|| RawError {
            fatal: true,
            // SAFETY: librdkafka ends the text with NUL.
            ..RawError::with_text(code, unsafe { text(reason.as_ptr()) })
        })
    }

    /// Serves the callbacks of a handle that is not a consumer.
    pub(crate) fn poll(&self, timeout: Duration) {
        // SAFETY: a living handle.
        unsafe { rd::rd_kafka_poll(self.rk, raw::timeout_ms(timeout)) };
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.set_closing();
        // Without the flag a consumer would be closed here, which waits for a rebalance callback.
        // SAFETY: the last reference; every queue and message that was made from it is gone.
        unsafe { rd::rd_kafka_destroy_flags(self.rk, rd::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) };
    }
}

/// Settings on their way into a handle.
struct Conf(*mut rd::rd_kafka_conf_t);

impl Conf {
    fn new() -> Conf {
        // SAFETY: no precondition.
        Conf(unsafe { rd::rd_kafka_conf_new() })
    }

    fn set(&self, name: &str, value: &str) -> Result<(), KafkaError> {
        let (c_name, c_value) = (c_text(name), c_text(value));
        let mut reason = [0 as c_char; 512];
        // SAFETY: the conf is ours, the texts are copied, the buffer has the size that is given.
        let answer = unsafe {
            rd::rd_kafka_conf_set(
                self.0,
                c_name.as_ptr(),
                c_value.as_ptr(),
                reason.as_mut_ptr(),
                reason.len(),
            )
        };
        if answer == rd::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
            return Ok(());
        }
        // SAFETY: librdkafka ends the text with NUL.
        let reason = unsafe { text(reason.as_ptr()) };
        Err(KafkaError::Setting { name: name.to_owned(), reason })
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: ours; it is forgotten once a handle owns it.
        unsafe { rd::rd_kafka_conf_destroy(self.0) }
    }
}

/// # Safety
/// librdkafka's: `opaque` is the pointer that was set, which outlives the handle.
unsafe fn callbacks<'a>(opaque: *mut c_void) -> &'a Callbacks {
    // SAFETY: set in `Client::new` from an `Arc` that lives longer than the handle.
    unsafe { &*opaque.cast::<Callbacks>() }
}

unsafe extern "C" fn on_rebalance(
    rk: *mut rd::rd_kafka_t,
    code: i32,
    partitions: *mut rd::rd_kafka_topic_partition_list_t,
    opaque: *mut c_void,
) {
    // SAFETY: see `callbacks`; the list is librdkafka's and unchanged during this call.
    let (shared, list) = unsafe { (callbacks(opaque), elements_of(partitions)) };
    let named = list.into_iter().map(|element| element.topic_partition).collect();
    if shared.closing.load(Ordering::SeqCst) {
        if shared.incremental.load(Ordering::SeqCst) {
            // SAFETY: a living handle.
            unsafe { answer_closing(rk, code) };
        } else {
            // SAFETY: as for `rk` and `partitions`.
            unsafe { answer_while_closing(rk, code, partitions) };
        }
        return;
    }
    match code {
        codes::ASSIGN_PARTITIONS => shared.push(CallbackEvent::Assign(named)),
        codes::REVOKE_PARTITIONS => shared.push(CallbackEvent::Revoke(named)),
        code => {
            // SAFETY: as above.
            unsafe { raw::rd_kafka_assign(rk, std::ptr::null()) };
            shared.push(CallbackEvent::Error(RawError::from_code(code)));
        }
    }
    // Otherwise the poll that serves this callback goes on waiting for its whole timeout. Only a consumer's own queue
    // has rebalances: no record is lost by it, as it would be in `on_error`.
    // SAFETY: a living handle; it sets a flag of this thread.
    unsafe { rd::rd_kafka_yield(rk) };
}

/// Answers with nothing. Whoever closes has stopped to fetch before.
///
/// # Safety
/// A living handle.
unsafe fn answer_closing(rk: *mut rd::rd_kafka_t, code: i32) {
    // SAFETY: the empty list is ours and copied; errors are ours, and there is nobody to tell.
    unsafe {
        let nothing = super::partition_list::PartitionList::new();
        let error = match code {
            codes::ASSIGN_PARTITIONS => rd::rd_kafka_incremental_assign(rk, nothing.as_ptr()),
            _ => rd::rd_kafka_incremental_unassign(rk, nothing.as_ptr()),
        };
        let _ = RawError::take(error);
    }
}

/// Gives everything up. Which call answers depends on the group's protocol.
///
/// # Safety
/// librdkafka's: a living handle, and a list that is unchanged during this call.
unsafe fn answer_while_closing(
    rk: *mut rd::rd_kafka_t,
    code: i32,
    partitions: *mut rd::rd_kafka_topic_partition_list_t,
) {
    // SAFETY: a living handle; the protocol's name is librdkafka's, NUL-ended and copied. The list is only read.
    // Null takes the assignment away. An error is ours to destroy.
    unsafe {
        if text(rd::rd_kafka_rebalance_protocol(rk)) != "COOPERATIVE" {
            raw::rd_kafka_assign(rk, std::ptr::null());
            return;
        }
        let error = match code {
            codes::ASSIGN_PARTITIONS => rd::rd_kafka_incremental_assign(rk, partitions),
            _ => rd::rd_kafka_incremental_unassign(rk, partitions),
        };
        if !error.is_null() {
            rd::rd_kafka_error_destroy(error);
        }
    }
}

unsafe extern "C" fn on_error(
    _rk: *mut rd::rd_kafka_t,
    code: c_int,
    reason: *const c_char,
    opaque: *mut c_void,
) {
    // SAFETY: see `callbacks`; the text is NUL-ended and copied.
    let (shared, reason) = unsafe { (callbacks(opaque), text(reason)) };
    // No `rd_kafka_yield` here: an error of a partition is served by the call that takes records in bulk, which would
    // drop the record that it took from its queue next (librdkafka 2.x, `rd_kafka_q_serve_rkmessages`).
    shared.push(CallbackEvent::Error(RawError::with_text(code, reason)));
}

/// The transaction as a whole only says that some record failed; here is why.
unsafe extern "C" fn on_delivery(
    _rk: *mut rd::rd_kafka_t,
    record: *const rd::rd_kafka_message_t,
    opaque: *mut c_void,
) {
    // SAFETY: see `callbacks`; the record is librdkafka's and lives during this call.
    let (shared, code) = unsafe { (callbacks(opaque), error_code_of(record)) };
    if code != codes::NONE {
        let mut first = shared.delivery_error.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| RawError::from_code(code));
    }
}

/// Takes librdkafka's place in closing a socket, and counts it: nothing else tells that a
/// connection was lost in the middle of a transaction (neither `error_cb` nor the log does).
unsafe extern "C" fn on_close_socket(socket: c_int, opaque: *mut c_void) -> c_int {
    // SAFETY: see `callbacks`; the socket is librdkafka's and is not used after this call.
    unsafe {
        callbacks(opaque).sockets_closed.fetch_add(1, Ordering::SeqCst);
        libc::close(socket)
    }
}

/// The pauses between questions to an endpoint that does not answer.
const TOKEN_AGAIN: Duration = Duration::from_secs(1);
const TOKEN_AGAIN_MAX: Duration = Duration::from_secs(15);

/// How often a pause looks whether the handle is closed.
const TOKEN_LOOK: Duration = Duration::from_millis(100);

/// Gets a token, on librdkafka's background thread, for as long as that takes: until then nothing can be sent, and
/// whoever waits sees an answer that does not come. Only a refusal is told as a login that failed.
unsafe extern "C" fn on_token_wanted(rk: *mut rd::rd_kafka_t, _config: *const c_char, opaque: *mut c_void) {
    // SAFETY: see `callbacks`.
    let shared = unsafe { callbacks(opaque) };
    let Some(source) = &shared.tokens else { return };
    let mut pause = TOKEN_AGAIN;
    while !shared.closing.load(Ordering::SeqCst) {
        match source.fetch(now_ms()) {
            Ok(token) => {
                // SAFETY: a living handle: its destruction waits for this thread.
                if let Err(why) = unsafe { set_token(rk, &token) } {
                    // SAFETY: as above.
                    unsafe { refuse_token(rk, &why) };
                }
                return;
            }
            Err(NoToken::Refused(why)) => {
                // SAFETY: as above.
                unsafe { refuse_token(rk, &format!("sasl.oauthbearer.token.endpoint.url: {why}")) };
                return;
            }
            Err(NoToken::NotNow(why)) => {
                tracing::warn!(why, "the token endpoint does not answer; it is asked again");
                let until = std::time::Instant::now() + pause;
                while std::time::Instant::now() < until && !shared.closing.load(Ordering::SeqCst) {
                    std::thread::sleep(TOKEN_LOOK);
                }
                pause = (pause * 2).min(TOKEN_AGAIN_MAX);
            }
        }
    }
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// # Safety
/// A living handle.
unsafe fn set_token(rk: *mut rd::rd_kafka_t, token: &Token) -> Result<(), String> {
    let no_nul = |text: &str| std::ffi::CString::new(text).map_err(|_| "the token holds a NUL".to_owned());
    let (value, principal) = (no_nul(&token.text)?, no_nul(&token.principal)?);
    let mut reason = [0 as c_char; 512];
    // SAFETY: NUL-ended texts that are copied, no extensions, and a buffer of the size that is given.
    let answer = unsafe {
        rd::rd_kafka_oauthbearer_set_token(
            rk,
            value.as_ptr(),
            token.expires_ms,
            principal.as_ptr(),
            std::ptr::null_mut(),
            0,
            reason.as_mut_ptr(),
            reason.len(),
        )
    };
    if answer as i32 == codes::NONE {
        return Ok(());
    }
    // SAFETY: librdkafka ends the text with NUL.
    Err(unsafe { text(reason.as_ptr()) })
}

/// # Safety
/// A living handle.
unsafe fn refuse_token(rk: *mut rd::rd_kafka_t, why: &str) {
    let why = c_text(&why.replace('\0', " "));
    // SAFETY: a NUL-ended text that is copied.
    unsafe { rd::rd_kafka_oauthbearer_set_token_failure(rk, why.as_ptr()) };
}

unsafe extern "C" fn on_log(
    rk: *const rd::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    message: *const c_char,
) {
    // SAFETY: NUL-ended texts that are copied; `rk` may be null while a handle is being made.
    let (client, facility, message) = unsafe {
        let client = if rk.is_null() { String::new() } else { text(rd::rd_kafka_name(rk)) };
        (client, text(facility), text(message))
    };
    // syslog's levels. A lost connection is an error to librdkafka; here it is a warning, because
    // librdkafka connects again by itself.
    match level {
        0..=2 => tracing::error!(client, facility, message, "librdkafka"),
        3..=4 => tracing::warn!(client, facility, message, "librdkafka"),
        5..=6 => tracing::info!(client, facility, message, "librdkafka"),
        _ => tracing::debug!(client, facility, message, "librdkafka"),
    }
}
