//! librdkafka's list of topic partitions, with what each call needs of it.
use std::ffi::CString;

use pumphouse_types::{Offset, Partition, TopicName, TopicPartition};
use rdkafka_sys as rd;

use super::raw::{RawError, text};

/// What a call answered for one partition.
pub(crate) struct Element {
    /// Whose answer it is.
    pub(crate) topic_partition: TopicPartition,
    /// The offset; `None` for librdkafka's negative "no offset".
    pub(crate) offset: Option<Offset>,
    /// The metadata of a committed offset. Anybody may have written it, so it is bytes.
    pub(crate) metadata: Vec<u8>,
    /// What went wrong with this partition alone.
    pub(crate) error: Option<RawError>,
}

/// An owned list.
pub(crate) struct PartitionList(*mut rd::rd_kafka_topic_partition_list_t);

impl PartitionList {
    /// An empty list.
    pub(crate) fn new() -> PartitionList {
        // SAFETY: no precondition; librdkafka ends the process when memory is out.
        PartitionList(unsafe { rd::rd_kafka_topic_partition_list_new(16) })
    }

    /// A list of partitions without offsets.
    pub(crate) fn of<'a>(partitions: impl IntoIterator<Item = &'a TopicPartition>) -> PartitionList {
        let mut list = PartitionList::new();
        for topic_partition in partitions {
            list.add(topic_partition);
        }
        list
    }

    /// A list of whole topics, as a subscription takes it.
    pub(crate) fn of_topics<'a>(topics: impl IntoIterator<Item = &'a TopicName>) -> PartitionList {
        let list = PartitionList::new();
        for topic in topics {
            let name = c_text(topic.as_str());
            // SAFETY: the list is ours and the name is copied; -1 means the whole topic.
            unsafe { rd::rd_kafka_topic_partition_list_add(list.0, name.as_ptr(), -1) };
        }
        list
    }

    fn add(&mut self, topic_partition: &TopicPartition) -> *mut rd::rd_kafka_topic_partition_t {
        let name = c_text(topic_partition.topic.as_str());
        let number = topic_partition.partition.to_protocol();
        // SAFETY: the list is ours and the name is copied.
        unsafe { rd::rd_kafka_topic_partition_list_add(self.0, name.as_ptr(), number) }
    }

    /// Adds a partition with an offset.
    pub(crate) fn add_offset(&mut self, topic_partition: &TopicPartition, offset: Offset) {
        let element = self.add(topic_partition);
        // SAFETY: `element` points into our list until the list changes, which it does not here.
        unsafe { (*element).offset = offset.get() };
    }

    /// Adds a partition with one of librdkafka's negative offsets that name a place.
    pub(crate) fn add_logical_offset(&mut self, topic_partition: &TopicPartition, offset: i64) {
        let element = self.add(topic_partition);
        // SAFETY: as in `add_offset`.
        unsafe { (*element).offset = offset };
    }

    /// Adds a partition with an offset and its metadata.
    pub(crate) fn add_entry(&mut self, topic_partition: &TopicPartition, offset: Offset, metadata: &str) {
        let element = self.add(topic_partition);
        // SAFETY: as in `add_offset`. The metadata is freed by librdkafka with C's `free`, so it is
        // copied into C's memory; `malloc` gets at least one byte so that it never answers null for
        // an empty text.
        unsafe {
            (*element).offset = offset.get();
            let copy = libc::malloc(metadata.len().max(1));
            assert!(!copy.is_null(), "out of memory");
            std::ptr::copy_nonoverlapping(metadata.as_ptr(), copy.cast::<u8>(), metadata.len());
            (*element).metadata = copy;
            (*element).metadata_size = metadata.len();
        }
    }

    /// For calls that read or fill the list.
    pub(crate) fn as_ptr(&self) -> *mut rd::rd_kafka_topic_partition_list_t {
        self.0
    }

    /// Copies the list out.
    pub(crate) fn elements(&self) -> Vec<Element> {
        // SAFETY: ours, alive, and not changed by anybody while `self` is borrowed.
        unsafe { elements_of(self.0) }
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: ours, and not used afterwards.
        unsafe { rd::rd_kafka_topic_partition_list_destroy(self.0) }
    }
}

/// Copies a list out. Elements that do not name a partition (-1: a whole topic) are left out.
///
/// # Safety
/// `list` is null or points to a list that nobody changes meanwhile.
pub(crate) unsafe fn elements_of(list: *const rd::rd_kafka_topic_partition_list_t) -> Vec<Element> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: `elems` points to `cnt` elements (and may be null if that is 0).
    let raw = unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        if count == 0 { &[][..] } else { std::slice::from_raw_parts((*list).elems.cast::<Raw>(), count) }
    };
    raw.iter().filter_map(Raw::copy).collect()
}

/// Copies one element out.
///
/// # Safety
/// `element` points to an element that nobody changes meanwhile.
pub(crate) unsafe fn element_of(element: *const rd::rd_kafka_topic_partition_t) -> Option<Element> {
    // SAFETY: the caller's; `Raw` has the same shape.
    unsafe { (*element.cast::<Raw>()).copy() }
}

/// `rd_kafka_topic_partition_t` with its error as a plain number (see `codes.rs`).
#[repr(C)]
struct Raw {
    topic: *mut std::ffi::c_char,
    partition: i32,
    offset: i64,
    metadata: *mut std::ffi::c_void,
    metadata_size: usize,
    opaque: *mut std::ffi::c_void,
    err: i32,
    private: *mut std::ffi::c_void,
}

const _: () = assert!(size_of::<Raw>() == size_of::<rd::rd_kafka_topic_partition_t>());

impl Raw {
    /// `None` for an element that does not name a partition.
    fn copy(&self) -> Option<Element> {
        // SAFETY: librdkafka's elements carry a NUL-ended topic name.
        let topic = unsafe { text(self.topic) };
        let metadata = if self.metadata.is_null() || self.metadata_size == 0 {
            Vec::new()
        } else {
            // SAFETY: `metadata` points to `metadata_size` bytes, copied here.
            unsafe { std::slice::from_raw_parts(self.metadata.cast::<u8>(), self.metadata_size) }.to_vec()
        };
        Some(Element {
            topic_partition: TopicPartition {
                topic: TopicName::new(&topic),
                partition: Partition::from_protocol(self.partition)?,
            },
            offset: Offset::new(self.offset),
            metadata,
            error: RawError::check(self.err).err(),
        })
    }
}

/// A C text. A NUL cannot stand in a topic's name or a setting that a broker or librdkafka accepts:
/// the text ends before it, and is refused by them in that form.
pub(crate) fn c_text(value: &str) -> CString {
    let end = value.find('\0').unwrap_or(value.len());
    CString::new(&value[..end]).expect("the text ends before its first NUL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_read_back_what_was_put_in() {
        let topic_partition = TopicPartition { topic: TopicName::new("t"), partition: Partition(3) };
        let mut list = PartitionList::new();
        list.add_entry(&topic_partition, Offset::new(7).unwrap(), "m\u{e4}rk");
        let elements = list.elements();
        assert_eq!(elements.len(), 1);
        assert_eq!(elements[0].topic_partition, topic_partition);
        assert_eq!(elements[0].offset, Offset::new(7));
        assert_eq!(elements[0].metadata, "m\u{e4}rk".as_bytes());
        assert!(elements[0].error.is_none());
    }

    #[test]
    fn topics_without_a_partition_are_not_partitions() {
        let list = PartitionList::of_topics(&[TopicName::new("t")]);
        assert!(list.elements().is_empty());
    }
}
