//! Calls of the transactional producer.
use std::ffi::CString;
use std::sync::Arc;
use std::time::Duration;

use rdkafka_sys as rd;

use super::client::Client;
use super::metadata;
use super::partition_list::{PartitionList, c_text};
use super::raw::{self, RawError};
use crate::fence::Fence;
use crate::outgoing_record::OutgoingRecord;

/// Waits until a broker has answered, `timeout` at most. librdkafka looks for the transaction coordinator when it is asked to
/// begin, and again half a second later if no broker is connected by then.
pub(crate) fn wait_for_broker(client: &Client, timeout: Duration) {
    metadata::connect(client);
    // SAFETY: a living producer; the text is ours to free, and null is freed by nobody.
    unsafe {
        let cluster_id = rd::rd_kafka_clusterid(client.as_ptr(), raw::timeout_ms(timeout));
        if !cluster_id.is_null() {
            rd::rd_kafka_mem_free(client.as_ptr(), cluster_id.cast());
        }
    }
}

/// Ends whatever a predecessor of the same transactional id left open, and takes its place.
pub(crate) fn init(client: &Client, timeout: Duration) -> Result<(), RawError> {
    // SAFETY: a living producer; the error is ours.
    unsafe { RawError::take(rd::rd_kafka_init_transactions(client.as_ptr(), raw::timeout_ms(timeout))) }
}

/// Begins a transaction; nothing is sent.
pub(crate) fn begin(client: &Client) -> Result<(), RawError> {
    // SAFETY: as in `init`.
    unsafe { RawError::take(rd::rd_kafka_begin_transaction(client.as_ptr())) }
}

/// Sends committed offsets as a part of the transaction.
pub(crate) fn send_offsets(
    client: &Client,
    offsets: &PartitionList,
    fence: &Fence,
    timeout: Duration,
) -> Result<(), RawError> {
    let metadata = GroupMetadata::new(fence);
    // SAFETY: a living producer, list and metadata, which are copied; the error is ours.
    unsafe {
        RawError::take(rd::rd_kafka_send_offsets_to_transaction(
            client.as_ptr(),
            offsets.as_ptr(),
            metadata.0,
            raw::timeout_ms(timeout),
        ))
    }
}

/// Commits. `retriable`: call it again to hear the end.
pub(crate) fn commit(client: &Client, timeout: Duration) -> Result<(), RawError> {
    // SAFETY: as in `init`.
    unsafe { RawError::take(rd::rd_kafka_commit_transaction(client.as_ptr(), raw::timeout_ms(timeout))) }
}

/// Aborts. `retriable`: call it again to hear the end.
pub(crate) fn abort(client: &Client, timeout: Duration) -> Result<(), RawError> {
    // SAFETY: as in `init`.
    unsafe { RawError::take(rd::rd_kafka_abort_transaction(client.as_ptr(), raw::timeout_ms(timeout))) }
}

/// Puts a record into the send queue, copied.
pub(crate) fn produce(client: &Arc<Client>, record: &OutgoingRecord) -> Result<(), RawError> {
    use rd::rd_kafka_vtype_t as kind;
    let topic = c_text(record.topic.as_str());
    let names: Vec<_> = record.headers.iter().map(|header| c_bytes(&header.name)).collect();
    let mut parts = vec![
        part(kind::RD_KAFKA_VTYPE_TOPIC, |u| u.cstr = topic.as_ptr()),
        part(kind::RD_KAFKA_VTYPE_MSGFLAGS, |u| u.i = rd::RD_KAFKA_MSG_F_COPY),
        part(kind::RD_KAFKA_VTYPE_KEY, |u| u.mem = memory(record.key.as_deref())),
        part(kind::RD_KAFKA_VTYPE_VALUE, |u| u.mem = memory(record.value.as_deref())),
    ];
    if let Some(partition) = record.partition {
        parts.push(part(kind::RD_KAFKA_VTYPE_PARTITION, |u| u.i32_ = partition.to_protocol()));
    }
    if let Some(ms) = record.timestamp_ms {
        parts.push(part(kind::RD_KAFKA_VTYPE_TIMESTAMP, |u| u.i64_ = ms));
    }
    for (name, header) in names.iter().zip(&record.headers) {
        let value = memory(header.value.as_deref());
        parts.push(part(kind::RD_KAFKA_VTYPE_HEADER, |u| {
            u.header = rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_2 {
                name: name.as_ptr(),
                val: value.ptr.cast_const(),
                size: isize::try_from(value.size).expect("a slice's length fits isize"),
            };
        }));
    }
    // SAFETY: a living producer; each part carries the member of the union that its kind names, and
    // everything behind the pointers lives until the call has copied it.
    unsafe { RawError::take(rd::rd_kafka_produceva(client.as_ptr(), parts.as_ptr(), parts.len())) }
}

/// A header's name. librdkafka ends it at the first NUL, as it does where it reads one.
fn c_bytes(name: &[u8]) -> CString {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    CString::new(&name[..end]).expect("the name ends before its first NUL")
}

fn part(
    kind: rd::rd_kafka_vtype_t,
    fill: impl FnOnce(&mut rd::rd_kafka_vu_s__bindgen_ty_1),
) -> rd::rd_kafka_vu_t {
    let mut u = rd::rd_kafka_vu_s__bindgen_ty_1 { _pad: [0; 64] };
    fill(&mut u);
    rd::rd_kafka_vu_t { vtype: kind, u }
}

/// Null for `None`; an empty slice stays an empty value, because its pointer is not null.
fn memory(bytes: Option<&[u8]>) -> rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    match bytes {
        None => rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: std::ptr::null_mut(), size: 0 },
        Some(bytes) => rd::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
            ptr: bytes.as_ptr().cast_mut().cast(),
            size: bytes.len(),
        },
    }
}

/// Records that are not acknowledged yet, and events that are not served.
pub(crate) fn in_flight(client: &Client) -> usize {
    // SAFETY: a living producer.
    usize::try_from(unsafe { rd::rd_kafka_outq_len(client.as_ptr()) }).unwrap_or(0)
}

/// Throws away what is queued or in flight, so that a handle ends quickly and sends nothing more.
pub(crate) fn purge(client: &Client) {
    // SAFETY: a living producer. It fails only for a handle that is none.
    unsafe {
        rd::rd_kafka_purge(client.as_ptr(), rd::RD_KAFKA_PURGE_F_QUEUE | rd::RD_KAFKA_PURGE_F_INFLIGHT)
    };
}

/// The fence in librdkafka's form.
struct GroupMetadata(*mut rd::rd_kafka_consumer_group_metadata_t);

impl GroupMetadata {
    fn new(fence: &Fence) -> GroupMetadata {
        let (group, member) = (c_text(fence.group_id()), c_text(fence.member_id()));
        let instance = fence.group_instance_id().map(c_text);
        // SAFETY: the texts are copied; a null instance is a dynamic member.
        GroupMetadata(unsafe {
            rd::rd_kafka_consumer_group_metadata_new_with_genid(
                group.as_ptr(),
                fence.generation(),
                member.as_ptr(),
                instance.as_ref().map_or(std::ptr::null(), |instance| instance.as_ptr()),
            )
        })
    }
}

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { rd::rd_kafka_consumer_group_metadata_destroy(self.0) }
    }
}
