//! When a block is sealed before it is full and before its linger is over.
//!
//! The linger is there so that more records share an insert. When none has come for a while and nothing of the lane
//! is under way, waiting on only makes rows late: the end of a backlog, the one record of a quiet hour. And while
//! records do come but the server has nothing of the lane to do, a block that is large enough by itself is better
//! sent than filled: a lane's first ones, so that its server begins soon, and later ones that fill slower than the
//! server inserts.
//! It hardly makes more inserts than the linger alone may: but for a lane's first two after each claim, and for one in ten
//! lingers, what goes from here is at least a linger apart from the last block that was not full, which is what the
//! deduplication window is reckoned with (R12).
use pumphouse_types::Millis;

/// The part of a linger without a record after which a lane counts as quiet, and the shortest such time: a
/// broker's answer takes some milliseconds, and one without records 20.
const QUIET_PART: u64 = 10;
const QUIET_MIN_MS: u64 = 20;

/// How full a lane's first blocks are, and later ones, when they go although they are not full; in per cent.
const FIRST_PERCENT: [u64; 2] = [25, 50];
const LATER_PERCENT: u64 = 50;

/// Once in so many lingers what is left of a backlog goes although less than a linger has passed since the last block
/// that was not full.
const SPARE_LINGERS: u64 = 10;

/// One lane's open block, as it looks from here.
#[derive(Debug)]
pub struct EarlySeal {
    linger_ms: u64,
    /// When the open block got its first record, and its last one.
    opened: Option<(Millis, Millis)>,
    /// When a block was sealed last that waited for its linger, or was sealed from here.
    partial_at: Option<Millis>,
    /// When a rest went last that was not a linger apart from the block before.
    spared_at: Option<Millis>,
    /// Why the open block was asked to be sealed from here.
    asked: Option<Asked>,
    /// Blocks that were sealed, up to as many as count as first ones.
    sealed: usize,
}

/// Why a block goes early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Large enough by itself, or a rest that is a linger apart from the last block that was not full.
    InTime,
    /// A rest that is not.
    Spare,
}

impl EarlySeal {
    /// `linger_ms`: how long a block is filled at most. `task`: its number among the connector's; those beyond the first
    /// begin with half a block, as the server has the first one's quarter by then.
    pub fn new(linger_ms: u64, task: u32) -> EarlySeal {
        let sealed = usize::from(task > 0);
        EarlySeal { linger_ms, opened: None, partial_at: None, spared_at: None, asked: None, sealed }
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
        let is_quiet = now.since(last) >= quiet_ms;
        let has_spare = has_passed(self.spared_at, now, self.linger_ms.saturating_mul(SPARE_LINGERS));
        let may = if self.is_rested(now) { Some(Asked::InTime) } else { has_spare.then_some(Asked::Spare) };
        self.asked = may.filter(|_| is_quiet && !comes_more());
        self.asked.is_some()
    }

    /// Whether a block that is worth an insert by itself is to be sealed now; asked when nothing else of the lane is
    /// under way.
    pub fn is_enough(&mut self, percent_full: u64, now: Millis) -> bool {
        let is_enough = match FIRST_PERCENT.get(self.sealed) {
            Some(percent) => percent_full >= *percent,
            None => percent_full >= LATER_PERCENT && self.is_rested(now),
        };
        self.asked = is_enough.then_some(Asked::InTime);
        is_enough
    }

    fn is_rested(&self, now: Millis) -> bool {
        has_passed(self.partial_at, now, self.linger_ms)
    }

    /// The open block was sealed, for whatever reason.
    pub fn sealed(&mut self, now: Millis) {
        self.sealed = (self.sealed + 1).min(FIRST_PERCENT.len());
        let lingered = self.opened.take().is_some_and(|(first, _)| now.since(first) >= self.linger_ms);
        let asked = self.asked.take();
        if asked.is_some() || lingered {
            self.partial_at = Some(now);
        }
        if asked == Some(Asked::Spare) {
            self.spared_at = Some(now);
        }
    }
}

/// Whether so much time has passed since then, or it never was.
fn has_passed(then: Option<Millis>, now: Millis, ms: u64) -> bool {
    then.is_none_or(|then| now.since(then) >= ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Millis {
        Millis(ms)
    }

    #[test]
    fn the_end_of_a_backlog_does_not_wait_for_the_linger() {
        let mut early = EarlySeal::new(1_000, 0);
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
        let mut early = EarlySeal::new(1_000, 0);
        early.took(at(0));
        assert!(early.is_due(at(100), || false));
        early.sealed(at(100));
        early.took(at(110));
        assert!(early.is_due(at(210), || false), "once in ten lingers");
        early.sealed(at(210));
        early.took(at(300));
        assert!(!early.is_due(at(1_209), || false));
        assert!(early.is_due(at(1_210), || false));
        // The protocol's linger was faster.
        early.sealed(at(1_300));
        early.took(at(1_350));
        assert!(!early.is_due(at(2_299), || false));
        assert!(early.is_due(at(2_300), || false));
    }

    #[test]
    fn what_is_left_of_a_backlog_waits_for_the_block_before_it_only() {
        let mut early = EarlySeal::new(1_000, 0);
        early.took(at(0));
        assert!(early.is_enough(25, at(200)));
        early.sealed(at(200));
        early.took(at(201));
        assert!(early.is_enough(50, at(500)));
        early.sealed(at(500));
        early.took(at(501));
        assert!(early.is_due(at(700), || false), "less than a linger after the block before");
        early.sealed(at(700));
        // Not again before ten lingers have passed.
        early.took(at(10_000));
        assert!(early.is_due(at(10_100), || false));
        early.sealed(at(10_100));
        early.took(at(10_101));
        assert!(!early.is_due(at(10_699), || false));
        assert!(early.is_due(at(10_700), || false));
    }

    #[test]
    fn tasks_beyond_the_first_begin_with_a_half() {
        let mut early = EarlySeal::new(1_000, 1);
        early.took(at(0));
        assert!(!early.is_enough(49, at(10)));
        assert!(early.is_enough(50, at(20)));
        early.sealed(at(20));
        early.took(at(21));
        assert!(!early.is_enough(99, at(1_019)), "a linger apart");
    }

    #[test]
    fn a_lane_that_waits_for_its_turn_is_not_quiet() {
        let mut early = EarlySeal::new(1_000, 0);
        early.took(at(0));
        assert!(!early.is_due(at(900), || true));
        assert!(early.is_due(at(901), || false));
    }

    #[test]
    fn first_blocks_go_when_they_are_half_full_or_less() {
        let mut early = EarlySeal::new(1_000, 0);
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
        let mut early = EarlySeal::new(50, 0);
        early.took(at(0));
        assert!(!early.is_due(at(19), || false));
        assert!(early.is_due(at(20), || false));
    }
}
