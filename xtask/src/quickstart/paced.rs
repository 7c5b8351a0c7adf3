//! Records at a pace, so that a small topic keeps a fast worker busy from the first kill to the last.

use std::iter::Peekable;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many records the producer may have written by now.
#[derive(Debug)]
pub struct Gate {
    open_until: AtomicU64,
    closed_for_good: AtomicBool,
}

impl Gate {
    /// Lets the first `records` through.
    pub fn new(records: u64) -> Gate {
        Gate { open_until: AtomicU64::new(records), closed_for_good: AtomicBool::new(false) }
    }

    /// Lets the records up to `records` through.
    pub fn open_until(&self, records: u64) {
        self.open_until.store(records, Ordering::Relaxed);
    }

    /// Lets everything through, as fast as it comes: the last kill has been.
    pub fn open_wide(&self) {
        self.open_until(u64::MAX);
    }

    /// Ends the stream of records where it is: somebody gave up.
    pub fn close_for_good(&self) {
        self.closed_for_good.store(true, Ordering::Relaxed);
    }

    fn lets_through(&self, record: u64) -> bool {
        record < self.open_until.load(Ordering::Relaxed)
    }

    fn is_wide_open(&self) -> bool {
        self.open_until.load(Ordering::Relaxed) == u64::MAX
    }

    fn is_closed_for_good(&self) -> bool {
        self.closed_for_good.load(Ordering::Relaxed)
    }
}

/// Records, not faster than `per_second`, and none that `gate` holds back.
pub struct Paced<'g, I: Iterator> {
    records: Peekable<I>,
    gate: &'g Gate,
    per_second: u64,
    passed: u64,
    // Where the pace is counted from; set anew after a wait at the gate, which earns no credit.
    since: Instant,
    passed_then: u64,
}

impl<'g, I: Iterator> Paced<'g, I> {
    /// Paces `records`.
    pub fn new(records: I, per_second: u64, gate: &'g Gate) -> Paced<'g, I> {
        Paced {
            records: records.peekable(),
            gate,
            per_second,
            passed: 0,
            since: Instant::now(),
            passed_then: 0,
        }
    }

    /// Looked at every so many records: a clock per record would cost as much as the record.
    const RECORDS_PER_LOOK: u64 = 250;
    const LOOK_EVERY: Duration = Duration::from_millis(2);

    fn wait_for_turn(&mut self) {
        if !self.gate.lets_through(self.passed) {
            while !self.gate.lets_through(self.passed) && !self.gate.is_closed_for_good() {
                std::thread::sleep(Self::LOOK_EVERY);
            }
            (self.since, self.passed_then) = (Instant::now(), self.passed);
        }
        let due = Duration::from_secs_f64((self.passed - self.passed_then) as f64 / self.per_second as f64);
        while self.since.elapsed() < due && !self.gate.is_wide_open() && !self.gate.is_closed_for_good() {
            std::thread::sleep(Self::LOOK_EVERY);
        }
    }
}

impl<I: Iterator> Iterator for Paced<'_, I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        // The end of the records is no record: nothing has to let it through.
        if self.passed.is_multiple_of(Self::RECORDS_PER_LOOK) && self.records.peek().is_some() {
            self.wait_for_turn();
        }
        if self.gate.is_closed_for_good() {
            return None;
        }
        self.passed += 1;
        self.records.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_holds_back_and_the_pace_is_kept() {
        let gate = Gate::new(1_000);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let all = scope.spawn(|| Paced::new(0..2_000_u64, 10_000, &gate).count());
            while begun.elapsed() < Duration::from_millis(300) {
                assert!(!all.is_finished(), "half of them are behind the gate");
                std::thread::sleep(Duration::from_millis(10));
            }
            gate.open_until(2_000);
            assert_eq!(all.join().unwrap(), 2_000);
        });
        assert!(begun.elapsed() > Duration::from_millis(350), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_wide_open_gate_lets_all_through_at_once() {
        let gate = Gate::new(0);
        gate.open_wide();
        let begun = Instant::now();
        assert_eq!(Paced::new(0..2_000_u64, 100, &gate).count(), 2_000);
        assert!(begun.elapsed() < Duration::from_secs(10), "20 s at that pace");
    }

    #[test]
    fn a_gate_that_is_closed_for_good_ends_the_records() {
        let gate = Gate::new(10);
        let records: Vec<u64> =
            Paced::new(0..u64::MAX, 1_000_000, &gate).inspect(|_| gate.close_for_good()).collect();
        assert_eq!(records, [0]);
    }
}
