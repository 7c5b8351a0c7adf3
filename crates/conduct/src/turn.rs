//! When a lane begins to fill a block, of several that have much to take.
//!
//! Lanes share their connector's memory, and their tables a server: with twenty of them behind, all filling at once, each
//! block would be a twentieth of what it could be, and the server would merge for longer than it inserts. So a few
//! of them fill at a time, one before the other, and the rest follow. Records that are not taken stay in Kafka.
//! A lane that has little to take is never held back: its block waits for its linger anyway, and is small.
use pumphouse_types::Millis;

/// Lanes of a task that fill at a time, of those that are behind. With fewer of them the consumer is too slow: each has a
/// small queue, which is filled anew some thirty times a second.
pub const FILLING_MAX: usize = 6;

/// Records that a lane has still to take, with which it counts as behind: some tens of milliseconds of decoding.
pub const BEHIND_RECORDS: u64 = 20_000;

/// For how many lingers a lane is held back at most, and how long at most, in ms.
const LINGERS_MAX: u64 = 5;
const HELD_MS_MAX: u64 = 5_000;

/// How long a lane keeps its turn, and its place among those that fill, while nothing comes of it, in ms.
const IDLE_MS_MAX: u64 = 1_000;

/// One lane's turn.
#[derive(Debug)]
pub struct Turn {
    held_max_ms: u64,
    since: Option<Millis>,
    began_at: Option<Millis>,
    /// When the lane had records in hand last, or got its turn; `None` before its turn.
    active_at: Option<Millis>,
}

impl Turn {
    /// `linger_ms`: how long a block is filled at most, unless its lane is behind.
    pub fn new(linger_ms: u64) -> Turn {
        let held_max_ms = linger_ms.saturating_mul(LINGERS_MAX).min(HELD_MS_MAX);
        Turn { held_max_ms, since: None, began_at: None, active_at: None }
    }

    /// The lane took records, whatever became of them.
    pub fn took(&mut self, now: Millis) {
        self.active_at = Some(now);
    }

    /// Its block is sealed: the next one is another turn.
    pub fn ended(&mut self) {
        self.active_at = None;
    }

    /// Whether the lane has its turn and makes use of it.
    pub fn is_used(&self, now: Millis) -> bool {
        self.active_at.is_some_and(|at| now.since(at) < IDLE_MS_MAX)
    }

    /// When its turn began last; who began first goes on first.
    pub fn began_at(&self) -> Option<Millis> {
        self.began_at
    }

    /// Whether the lane, which is behind, stands back for one that comes before it: before its turn as long as it may be held
    /// back, in its turn for half a linger, so that its block does not look as if nothing came any more.
    pub fn stands_back(&mut self, now: Millis) -> bool {
        match self.active_at {
            Some(at) => now.since(at) < self.held_max_ms / LINGERS_MAX / 2,
            None => now.since(*self.since.get_or_insert(now)) < self.held_max_ms,
        }
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
            self.began_at = Some(now);
            // Who has little to take is asked anew each time: it may have come to have much.
            self.active_at = (waiting >= BEHIND_RECORDS).then_some(now);
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
        let mut turn = Turn::new(60_000);
        assert!(!turn.has_come(u64::MAX, 100, Millis(7)));
        assert!(!turn.has_come(u64::MAX, 100, Millis(5_006)));
        assert!(turn.has_come(u64::MAX, 100, Millis(5_007)));
        assert!(!turn.has_come(u64::MAX, 100, Millis(5_008)), "the next block waits anew");
        let mut turn = Turn::new(100);
        assert!(!turn.has_come(u64::MAX, 100, Millis(0)));
        assert!(turn.has_come(u64::MAX, 100, Millis(500)));
    }

    #[test]
    fn who_stands_back_is_served_now_and_then() {
        let mut turn = Turn::new(1_000);
        assert!(turn.stands_back(Millis(0)));
        assert_eq!(turn.held_since(), Some(Millis(0)));
        assert!(turn.stands_back(Millis(4_999)));
        assert!(!turn.stands_back(Millis(5_000)));
        assert!(turn.has_come(u64::MAX, FILLING_MAX, Millis(5_000)), "and has its turn then, whoever fills");
        assert_eq!(turn.began_at(), Some(Millis(5_000)));
        turn.took(Millis(5_000));
        assert!(turn.stands_back(Millis(5_499)));
        assert!(!turn.stands_back(Millis(5_500)));
    }

    /// Records that become no rows, and a queue that is empty for a moment, cost nobody its turn.
    #[test]
    fn a_turn_lasts_until_the_block_is_sealed_or_nothing_has_come_for_a_while() {
        let mut turn = Turn::new(1_000);
        assert!(!turn.is_used(Millis(0)));
        assert!(turn.has_come(u64::MAX, 0, Millis(0)));
        assert!(turn.is_used(Millis(999)));
        turn.took(Millis(999));
        assert!(turn.is_used(Millis(1_998)) && !turn.is_used(Millis(1_999)));
        turn.took(Millis(2_000));
        turn.ended();
        assert!(!turn.is_used(Millis(2_000)));
    }
}
