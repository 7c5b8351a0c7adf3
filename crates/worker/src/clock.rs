//! The process's own clock: milliseconds since the process began to count.
use std::time::Instant;

use pumphouse_types::Millis;

/// Monotonic milliseconds; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts to count.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Now.
    pub fn now(self) -> Millis {
        Millis(u64::try_from(self.0.elapsed().as_millis()).expect("the process is younger than that"))
    }
}
