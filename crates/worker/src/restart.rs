//! When a task, or a connector that could not start, is begun anew by itself: soon at first, then less
//! and less often, so that what a machine can cure needs no person and what it cannot costs nothing.
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// First pause; doubles with each failure up to the longest.
const PAUSE_FIRST: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// A run that lasted so long was a good one: the pauses begin anew.
const GOOD_RUN: Duration = Duration::from_secs(600);

/// How often a pause looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);

/// The pauses between runs that failed.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    failed: u32,
}

impl Restarts {
    /// The pause after a run that lasted `ran`.
    pub(crate) fn after(&mut self, ran: Duration) -> Duration {
        if ran >= GOOD_RUN {
            self.failed = 0;
        }
        let pause = PAUSE_FIRST.saturating_mul(1 << self.failed.min(16)).min(PAUSE_MAX);
        self.failed += 1;
        pause
    }
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
    fn pauses_grow_and_begin_anew_after_a_good_run() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u64> = (0..9).map(|_| restarts.after(Duration::from_secs(1)).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(restarts.after(GOOD_RUN).as_secs(), 5);
    }

    #[test]
    fn a_stop_ends_a_pause() {
        assert!(pause_or_stop(Duration::from_secs(3_600), &AtomicBool::new(true)));
        assert!(!pause_or_stop(Duration::from_millis(1), &AtomicBool::new(false)));
    }
}
