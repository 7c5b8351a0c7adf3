//! A task's life: memberships one after the other, until it is stopped or a person has to look.
use crate::membership::Outcome;

/// First pause before a membership is begun anew; doubles up to the longest.
const REJOIN_FIRST_MS: u64 = 250;
const REJOIN_MAX_MS: u64 = 10_000;

/// A twin that was started on purpose has this long before its predecessor asks again.
const REPLACED_PAUSE_MS: u64 = 30_000;

/// A membership that lived this long was a good one: the pauses begin anew.
const MEMBERSHIP_GOOD_MS: u64 = 60_000;

/// What follows a membership.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<W> {
    /// Another one, after this pause.
    Join {
        /// In ms.
        after_ms: u64,
    },
    /// The task has stopped as it was asked to.
    Stopped {
        /// Everything that was taken has landed; else an open batch may stand in the ledger.
        landed: bool,
    },
    /// The task has failed.
    Failed(W),
}

/// The life of a task between two of its failures.
#[derive(Debug)]
pub struct Life {
    pause_ms: u64,
    cut_off: bool,
}

impl Default for Life {
    fn default() -> Life {
        Life { pause_ms: REJOIN_FIRST_MS, cut_off: false }
    }
}

impl Life {
    /// An earlier membership ended before everything that it took had landed.
    pub fn cut_off(&self) -> bool {
        self.cut_off
    }

    /// A membership that lasted `lived_ms` has ended.
    pub fn after<W>(&mut self, outcome: Outcome<W>, lived_ms: u64) -> Next<W> {
        let replaced = match outcome {
            Outcome::Left { landed } => return Next::Stopped { landed },
            Outcome::Failed(why) => return Next::Failed(why),
            Outcome::Rejoin => false,
            Outcome::Replaced => true,
        };
        self.cut_off = true;
        if lived_ms > MEMBERSHIP_GOOD_MS {
            self.pause_ms = REJOIN_FIRST_MS;
        }
        // A new membership would throw the other one out, so it is begun only after a long pause, and so are those
        // that follow it until one of them was good: the other one may want the name still.
        if replaced {
            self.pause_ms = REPLACED_PAUSE_MS;
        }
        let after_ms = self.pause_ms;
        self.pause_ms = (after_ms * 2).min(REJOIN_MAX_MS.max(after_ms));
        Next::Join { after_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(life: &mut Life, outcome: Outcome<()>, lived_ms: u64) -> u64 {
        match life.after(outcome, lived_ms) {
            Next::Join { after_ms } => after_ms,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn memberships_that_do_not_last_follow_one_another_ever_more_slowly() {
        let mut life = Life::default();
        assert!(!life.cut_off());
        let pauses: Vec<u64> = (0..8).map(|_| joins(&mut life, Outcome::Rejoin, 10)).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
        assert!(life.cut_off());
        assert_eq!(joins(&mut life, Outcome::Rejoin, MEMBERSHIP_GOOD_MS + 1), 250);
    }

    #[test]
    fn who_was_replaced_leaves_its_twin_some_time_until_it_has_lived_well_again() {
        let mut life = Life::default();
        assert_eq!(joins(&mut life, Outcome::Replaced, 10), REPLACED_PAUSE_MS);
        assert_eq!(joins(&mut life, Outcome::Rejoin, 10), REPLACED_PAUSE_MS);
        assert_eq!(joins(&mut life, Outcome::Rejoin, MEMBERSHIP_GOOD_MS + 1), REJOIN_FIRST_MS);
    }
}
