//! Memory for frames that is used again when they are dropped: fresh memory has to be given out page by page, which
//! costs as much as compressing into it.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Buffers that nobody uses, by size; its clones share them. What is kept is bounded.
#[derive(Debug, Clone)]
pub struct FrameBuffers {
    idle: Arc<Mutex<Idle>>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Idle {
    by_size: BTreeMap<usize, Vec<Vec<u8>>>,
    bytes: usize,
}

impl Idle {
    fn take(&mut self, size: usize) -> Option<Vec<u8>> {
        let buffers = self.by_size.get_mut(&size)?;
        let buffer = buffers.pop()?;
        if buffers.is_empty() {
            self.by_size.remove(&size);
        }
        self.bytes -= size;
        Some(buffer)
    }

    /// Frees one of another size: segments of other tables, or of other lengths, may not come again.
    fn free_other(&mut self, size: usize) -> bool {
        let other = self.by_size.keys().rev().copied().find(|other| *other != size);
        other.and_then(|other| self.take(other)).is_some()
    }
}

/// Sizes are an eighth of a power of two apart, so that a buffer is hardly larger than what is in it.
pub(crate) fn size_for(len: usize) -> usize {
    len.next_multiple_of((len.next_power_of_two() / 16).max(1 << 10))
}

impl FrameBuffers {
    /// Keeps buffers of `bytes_max` together.
    pub fn new(bytes_max: usize) -> FrameBuffers {
        FrameBuffers { idle: Arc::default(), bytes_max }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of `frames`, in memory that comes back with its last clone.
    pub(crate) fn lend(&self, frames: &[u8]) -> Bytes {
        let size = size_for(frames.len());
        let idle = self.idle().take(size);
        let mut buffer = idle.unwrap_or_else(|| Vec::with_capacity(size));
        buffer.extend_from_slice(frames);
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut idle = self.idle();
        let size = buffer.capacity();
        while idle.bytes + size > self.bytes_max {
            if !idle.free_other(size) {
                return;
            }
        }
        buffer.clear();
        idle.bytes += size;
        idle.by_size.entry(size).or_default().push(buffer);
    }
}

struct Lent {
    buffer: Vec<u8>,
    home: FrameBuffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.home.give_back(std::mem::take(&mut self.buffer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_with_the_last_clone_up_to_a_bound() {
        let buffers = FrameBuffers::new(3_000);
        let (one, other) = (buffers.lend(&[7; 2_000]), buffers.lend(&[7; 1_900]));
        let part = one.slice(10..20);
        drop((one, other));
        assert_eq!(buffers.idle().bytes, 2_048, "a part of the first is in use");
        assert_eq!(part, vec![7; 10]);
        drop(part);
        assert_eq!(buffers.idle().bytes, 2_048, "there was no room for both");
        let again = buffers.lend(&[1; 2_001]);
        assert_eq!(again, vec![1; 2_001]);
        assert_eq!(buffers.idle().bytes, 0);
    }

    #[test]
    fn what_is_not_asked_for_gives_way() {
        let buffers = FrameBuffers::new(8_192);
        drop((buffers.lend(&[0; 4_000]), buffers.lend(&[0; 4_000])));
        assert_eq!(buffers.idle().bytes, 8_192);
        drop(buffers.lend(&[0; 1_000]));
        assert_eq!(buffers.idle().bytes, 4_096 + 1_024);
    }

    #[test]
    fn a_buffer_is_hardly_larger_than_what_is_in_it() {
        for len in (1 << 14..1 << 21).step_by(997) {
            let size = size_for(len);
            assert!(size >= len && size - len <= len / 8, "{len}: {size}");
        }
        assert_eq!(size_for(0), 0);
    }
}
