//! When a lane begins to fill a block, of several that have much to take.
//!
//! Lanes share their connector's memory, and their tables a server: with twenty of them behind, all filling at once, each
//! block would be a twentieth of what it could be, and the server would merge for longer than it inserts. So a few
//! of them fill at a time, and the others follow. Records that are not taken stay in Kafka.
//! A lane that has little to take is never held back: its block waits for its linger anyway, and is small.
use pumphouse_types::Millis;

/// Lanes of a task that fill at a time, of those that are behind. With fewer of them the consumer is too slow: each has a
/// small queue, which is filled anew some thirty times a second.
pub const FILLING_MAX: usize = 6;

/// Records that a lane has still to take, with which it counts as behind: some tens of milliseconds of decoding.
pub const BEHIND_RECORDS: u64 = 20_000;

/// For how many lingers a lane is held back at most.
const LINGERS_MAX: u64 = 5;

/// One lane's turn.
#[derive(Debug)]
pub struct Turn {
    held_max_ms: u64,
    since: Option<Millis>,
}

impl Turn {
    /// `linger_ms`: how long a block is filled at most, unless its lane is behind.
    pub fn new(linger_ms: u64) -> Turn {
        Turn { held_max_ms: linger_ms.saturating_mul(LINGERS_MAX), since: None }
    }

    /// Since when the lane is held back; who has waited longest is asked first.
    pub fn held_since(&self) -> Option<Millis> {
        self.since
    }

    /// Whether a lane whose block is empty and which has so many records `waiting` begins, while so many others that are
    /// behind are `filling`.
    pub fn has_come(&mut self, waiting: u64, filling: usize, now: Millis) -> bool {
        let since = *self.since.get_or_insert(now);
        let comes = waiting < BEHIND_RECORDS || filling < FILLING_MAX || now.since(since) >= self.held_max_ms;
        if comes {
            self.since = None;
        }
        comes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_lanes_that_are_behind_fill_at_a_time() {
        let mut turn = Turn::new(1_000);
        assert!(turn.has_come(BEHIND_RECORDS, FILLING_MAX - 1, Millis(0)));
        assert_eq!(turn.held_since(), None);
        assert!(!turn.has_come(BEHIND_RECORDS, FILLING_MAX, Millis(10)));
        assert!(!turn.has_come(BEHIND_RECORDS, FILLING_MAX, Millis(500)));
        assert_eq!(turn.held_since(), Some(Millis(10)));
        assert!(turn.has_come(BEHIND_RECORDS, FILLING_MAX - 1, Millis(600)));
        assert_eq!(turn.held_since(), None);
    }

    #[test]
    fn a_lane_with_little_to_take_is_not_held_back() {
        let mut turn = Turn::new(1_000);
        assert!(turn.has_come(BEHIND_RECORDS - 1, 100, Millis(0)));
    }

    #[test]
    fn nobody_is_held_back_for_long() {
        let mut turn = Turn::new(1_000);
        assert!(!turn.has_come(u64::MAX, 100, Millis(7)));
        assert!(!turn.has_come(u64::MAX, 100, Millis(5_006)));
        assert!(turn.has_come(u64::MAX, 100, Millis(5_007)));
        assert!(!turn.has_come(u64::MAX, 100, Millis(5_008)), "the next block waits anew");
    }
}
