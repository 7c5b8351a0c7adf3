//! Where blocks are encoded and compressed: on blocking threads, as many at one time as there are cores. Each takes
//! some megabytes of its own, and more of them would not be done sooner.
use std::num::NonZero;
use std::sync::{Arc, Mutex, PoisonError};

use pumphouse_columns::{Compression, FrameBuffers, Packer};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

/// A connector's slots, and what they pack with, which is kept from one segment to the next.
#[derive(Clone)]
pub(crate) struct Slots {
    free: Arc<Semaphore>,
    packers: Arc<Mutex<Vec<Packer>>>,
    buffers: FrameBuffers,
}

impl Slots {
    /// As many as there are cores. `idle_bytes_max`: memory for frames that is kept when blocks have landed.
    pub(super) fn new(idle_bytes_max: usize) -> Slots {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        Slots {
            free: Arc::new(Semaphore::new(cores)),
            packers: Arc::default(),
            buffers: FrameBuffers::new(idle_bytes_max),
        }
    }
}

/// Encodes for one task.
#[derive(Clone)]
pub(super) struct Encoder {
    pub runtime: Handle,
    /// One for all tasks of the connector.
    pub compression: Compression,
    pub slots: Slots,
}

impl Encoder {
    /// On a blocking thread, when one of the slots is free.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) {
        self.run_with(async {}, |()| work());
    }

    /// The same with what `before` comes to.
    pub(super) fn run_with<T: Send + 'static>(
        &self,
        before: impl Future<Output = T> + Send + 'static,
        work: impl FnOnce(T) + Send + 'static,
    ) {
        let free = Arc::clone(&self.slots.free);
        self.runtime.spawn(async move {
            let input = before.await;
            // Never closed.
            let Ok(slot) = free.acquire_owned().await else { return };
            tokio::task::spawn_blocking(move || {
                work(input);
                drop(slot);
            });
        });
    }

    /// Runs `work` with a packer. To be called where [`Encoder::run`] works.
    pub(super) fn with_packer<T>(&self, work: impl FnOnce(&mut Packer) -> T) -> T {
        let packers = || self.slots.packers.lock().unwrap_or_else(PoisonError::into_inner);
        let idle = packers().pop();
        let new = || Packer::new(self.compression, self.slots.buffers.clone());
        let mut packer = idle.unwrap_or_else(new);
        let done = work(&mut packer);
        packers().push(packer);
        done
    }
}
