//! Memory for frames that is used again when they are dropped: fresh memory has to be given out page by page, which
//! costs as much as compressing into it.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Buffers that nobody uses; its clones share them. What is kept is bounded.
#[derive(Debug, Clone)]
pub struct FrameBuffers {
    idle: Arc<Mutex<Idle>>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct Idle {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl FrameBuffers {
    /// Keeps buffers of `bytes_max` together.
    pub fn new(bytes_max: usize) -> FrameBuffers {
        FrameBuffers { idle: Arc::default(), bytes_max }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An empty buffer.
    pub(crate) fn take(&self) -> Vec<u8> {
        let mut idle = self.idle();
        let buffer = idle.buffers.pop().unwrap_or_default();
        idle.bytes -= buffer.capacity();
        buffer
    }

    /// The buffer as bytes; with their last clone it comes back.
    pub(crate) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { buffer, home: self.clone() })
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        let mut idle = self.idle();
        if idle.bytes + buffer.capacity() <= self.bytes_max {
            buffer.clear();
            idle.bytes += buffer.capacity();
            idle.buffers.push(buffer);
        }
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
        let buffers = FrameBuffers::new(1_500);
        let lend = |bytes| {
            let mut buffer = buffers.take();
            buffer.resize(bytes, 7);
            buffers.lend(buffer)
        };
        let (one, other) = (lend(1_000), lend(900));
        let part = one.slice(10..20);
        drop((one, other));
        assert_eq!(buffers.idle().buffers.len(), 1, "a part of the first is in use");
        assert_eq!(part, vec![7; 10]);
        drop(part);
        assert_eq!(buffers.idle().buffers.len(), 1, "there was no room for both");
        assert!(buffers.take().capacity() >= 900);
        assert_eq!(buffers.idle().bytes, 0);
    }
}
