//! Pauses that a stop ends. How long they are is `conduct`'s to say.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a pause looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Time that has passed, as the pauses are reckoned with.
pub(crate) fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Waits for `pause`. True: the connector was asked to stop meanwhile.
pub(crate) fn pause_or_stop(pause: Duration, stop: &AtomicBool) -> bool {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return true;
        }
        std::thread::sleep(LOOK.min(until.saturating_duration_since(Instant::now())));
    }
    stop.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_ends_a_pause() {
        assert!(pause_or_stop(Duration::from_secs(3_600), &AtomicBool::new(true)));
        assert!(!pause_or_stop(Duration::from_millis(1), &AtomicBool::new(false)));
    }
}
