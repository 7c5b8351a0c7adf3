//! When a block is sealed before it is full and before its linger is over.
//!
//! The linger is there so that more records share an insert. When none has come for a while and nothing of the lane
//! is under way, waiting on only makes rows late: the end of a backlog, the one record of a quiet hour. And while
//! records do come but the server has nothing of the lane to do, a block that is large enough by itself is better
//! sent than filled: a lane's first ones, so that its server begins soon, and later ones that fill slower than the
//! server inserts.
//! It hardly makes more inserts than the linger alone may: but for a lane's first two, blocks that were not full are
//! at least a linger apart, which is what the deduplication window is reckoned with (R12).
use pumphouse_types::Millis;

/// The part of a linger without a record after which a lane counts as quiet, and the shortest such time: a
/// broker's answer takes some milliseconds.
const QUIET_PART: u64 = 10;
const QUIET_MIN_MS: u64 = 20;

/// How full a lane's first blocks are, and later ones, when they go although they are not full; in per cent.
const FIRST_PERCENT: [u64; 2] = [25, 50];
const LATER_PERCENT: u64 = 50;

/// One lane's open block, as it looks from here.
#[derive(Debug)]
pub struct EarlySeal {
    linger_ms: u64,
    /// When the open block got its first record, and its last one.
    opened: Option<(Millis, Millis)>,
    /// When a block was sealed last that waited for its linger, or was sealed from here.
    partial_at: Option<Millis>,
    /// The open block was asked to be sealed from here.
    asked: bool,
    /// Blocks that were sealed, up to as many as count as first ones.
    sealed: usize,
}

impl EarlySeal {
    /// `linger_ms`: how long a block is filled at most.
    pub fn new(linger_ms: u64) -> EarlySeal {
        EarlySeal { linger_ms, opened: None, partial_at: None, asked: false, sealed: 0 }
    }

    /// A record came into the open block.
    pub fn took(&mut self, now: Millis) {
        let first = self.opened.map_or(now, |(first, _)| first);
        self.opened = Some((first, now));
    }

    /// Whether the open block is to be sealed now; asked when nothing else of the lane is under way. `comes_more`:
    /// whether the source is known to have more, which is asked last.
    pub fn is_due(&mut self, now: Millis, comes_more: impl FnOnce() -> bool) -> bool {
        let Some((_, last)) = self.opened else { return false };
        let quiet_ms = (self.linger_ms / QUIET_PART).max(QUIET_MIN_MS);
        self.asked = self.is_rested(now) && now.since(last) >= quiet_ms && !comes_more();
        self.asked
    }

    /// Whether a block that is worth an insert by itself is to be sealed now; asked when nothing else of the lane is
    /// under way.
    pub fn is_enough(&mut self, percent_full: u64, now: Millis) -> bool {
        self.asked = match FIRST_PERCENT.get(self.sealed) {
            Some(percent) => percent_full >= *percent,
            None => percent_full >= LATER_PERCENT && self.is_rested(now),
        };
        self.asked
    }

    fn is_rested(&self, now: Millis) -> bool {
        self.partial_at.is_none_or(|at| now.since(at) >= self.linger_ms)
    }

    /// The open block was sealed, for whatever reason.
    pub fn sealed(&mut self, now: Millis) {
        self.sealed = (self.sealed + 1).min(FIRST_PERCENT.len());
        let lingered = self.opened.take().is_some_and(|(first, _)| now.since(first) >= self.linger_ms);
        if std::mem::take(&mut self.asked) || lingered {
            self.partial_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Millis {
        Millis(ms)
    }

    #[test]
    fn the_end_of_a_backlog_does_not_wait_for_the_linger() {
        let mut early = EarlySeal::new(1_000);
        early.took(at(0));
        early.took(at(300));
        early.sealed(at(300)); // full
        early.took(at(310));
        assert!(!early.is_due(at(409), || false), "records may still be on their way");
        assert!(early.is_due(at(410), || false));
        early.sealed(at(410));
        assert!(!early.is_due(at(5_000), || false), "there is nothing in it");
    }

    #[test]
    fn blocks_that_are_not_full_are_a_linger_apart() {
        let mut early = EarlySeal::new(1_000);
        early.took(at(0));
        assert!(early.is_due(at(100), || false));
        early.sealed(at(100));
        early.took(at(200));
        assert!(!early.is_due(at(1_099), || false));
        assert!(early.is_due(at(1_100), || false));
        // The protocol's linger was faster.
        early.sealed(at(1_200));
        early.took(at(1_250));
        assert!(!early.is_due(at(2_199), || false));
        assert!(early.is_due(at(2_200), || false));
    }

    #[test]
    fn a_lane_that_waits_for_its_turn_is_not_quiet() {
        let mut early = EarlySeal::new(1_000);
        early.took(at(0));
        assert!(!early.is_due(at(900), || true));
        assert!(early.is_due(at(901), || false));
    }

    #[test]
    fn first_blocks_go_when_they_are_half_full_or_less() {
        let mut early = EarlySeal::new(1_000);
        early.took(at(0));
        assert!(!early.is_enough(24, at(10)));
        assert!(early.is_enough(25, at(20)));
        early.sealed(at(20));
        early.took(at(21));
        assert!(!early.is_enough(49, at(30)));
        assert!(early.is_enough(50, at(40)));
        early.sealed(at(40));
        early.took(at(41));
        assert!(!early.is_enough(99, at(1_039)), "a linger apart");
        assert!(!early.is_enough(49, at(1_040)));
        assert!(early.is_enough(50, at(1_040)));
    }

    #[test]
    fn a_short_linger_is_not_shortened_by_gaps_between_fetches() {
        let mut early = EarlySeal::new(50);
        early.took(at(0));
        assert!(!early.is_due(at(19), || false));
        assert!(early.is_due(at(20), || false));
    }
}
