//! Tasks that one worker begins at the same time join their group at the same time, so that the group deals its
//! partitions once. One that came some milliseconds later would find them dealt: the first task would have all of
//! them until its next heartbeat, and then everything again from the claims on (R5). Brokers wait for late members
//! only while a group is empty, and only as long as `group.initial.rebalance.delay.ms` says.
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Where tasks that begin at the same time wait for one another, once.
#[derive(Debug)]
pub(crate) struct Together {
    missing: Mutex<usize>,
    all_here: Condvar,
}

impl Together {
    /// For so many tasks.
    pub(crate) fn new(tasks: usize) -> Together {
        Together { missing: Mutex::new(tasks), all_here: Condvar::new() }
    }

    /// Waits until every task is here. Once all have come, or one has waited for `at_most`, nobody waits any more:
    /// a task that cannot begin does not hold up the others, nor one that comes again.
    pub(crate) fn wait(&self, at_most: Duration) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        *missing = missing.saturating_sub(1);
        if *missing > 0 {
            let waited = self.all_here.wait_timeout_while(missing, at_most, |missing| *missing > 0);
            missing = waited.unwrap_or_else(PoisonError::into_inner).0;
            *missing = 0;
        }
        self.all_here.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Instant;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn whoever_is_first_waits_for_the_others() {
        let together = Together::new(3);
        let began = Instant::now();
        let went = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    together.wait(LONG);
                    went.fetch_add(1, Ordering::SeqCst);
                });
            }
            std::thread::sleep(Duration::from_millis(20));
            assert_eq!(went.load(Ordering::SeqCst), 0, "the third is not there");
            together.wait(LONG);
        });
        // One that comes again, or alone, does not wait.
        together.wait(LONG);
        Together::new(1).wait(LONG);
        assert!(began.elapsed() < LONG);
    }

    #[test]
    fn one_that_does_not_come_is_waited_for_once() {
        let together = Together::new(3);
        let short = Duration::from_millis(20);
        let began = Instant::now();
        together.wait(short);
        assert!(began.elapsed() >= short);
        together.wait(LONG);
        assert!(began.elapsed() < LONG);
    }
}
