//! Small and quick when there is nothing to wait for: when a block is sealed before its linger is over.
//!
//! The linger is there so that more records share an insert. When none has come for a while and nothing of the lane
//! is under way, waiting on only makes rows late: the end of a backlog, the one record of a quiet hour.
//! It never makes more inserts than the linger alone may: two blocks that were not full are at least a linger
//! apart, which is what the deduplication window is reckoned with (R12).
use pumphouse_types::Millis;

/// The part of a linger without a record after which a lane counts as quiet, and the shortest such time: a
/// broker's answer takes some milliseconds.
const QUIET_PART: u64 = 10;
const QUIET_MIN_MS: u64 = 20;

/// One lane's open block, as it looks from here.
#[derive(Debug)]
pub struct IdleSeal {
    linger_ms: u64,
    /// When the open block got its first record, and its last one.
    opened: Option<(Millis, Millis)>,
    /// When a block was sealed last that waited for its linger, or was sealed from here.
    partial_at: Option<Millis>,
    /// The open block was asked to be sealed from here.
    asked: bool,
}

impl IdleSeal {
    /// `linger_ms`: how long a block is filled at most.
    pub fn new(linger_ms: u64) -> IdleSeal {
        IdleSeal { linger_ms, opened: None, partial_at: None, asked: false }
    }

    /// A record came into the open block.
    pub fn took(&mut self, now: Millis) {
        let first = self.opened.map_or(now, |(first, _)| first);
        self.opened = Some((first, now));
    }

    /// Whether the open block is to be sealed now; asked when nothing else of the lane is under way.
    pub fn is_due(&mut self, now: Millis) -> bool {
        let Some((_, last)) = self.opened else { return false };
        let quiet_ms = (self.linger_ms / QUIET_PART).max(QUIET_MIN_MS);
        let rested = self.partial_at.is_none_or(|at| now.since(at) >= self.linger_ms);
        self.asked = rested && now.since(last) >= quiet_ms;
        self.asked
    }

    /// The open block was sealed, for whatever reason.
    pub fn sealed(&mut self, now: Millis) {
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
        let mut idle = IdleSeal::new(1_000);
        idle.took(at(0));
        idle.took(at(300));
        idle.sealed(at(300)); // full
        idle.took(at(310));
        assert!(!idle.is_due(at(409)), "records may still be on their way");
        assert!(idle.is_due(at(410)));
        idle.sealed(at(410));
        assert!(!idle.is_due(at(5_000)), "there is nothing in it");
    }

    #[test]
    fn blocks_that_are_not_full_are_a_linger_apart() {
        let mut idle = IdleSeal::new(1_000);
        idle.took(at(0));
        assert!(idle.is_due(at(100)));
        idle.sealed(at(100));
        idle.took(at(200));
        assert!(!idle.is_due(at(1_099)));
        assert!(idle.is_due(at(1_100)));
        // The protocol's linger was faster.
        idle.sealed(at(1_200));
        idle.took(at(1_250));
        assert!(!idle.is_due(at(2_199)));
        assert!(idle.is_due(at(2_200)));
    }

    #[test]
    fn a_short_linger_is_not_shortened_by_gaps_between_fetches() {
        let mut idle = IdleSeal::new(50);
        idle.took(at(0));
        assert!(!idle.is_due(at(19)));
        assert!(idle.is_due(at(20)));
    }
}
