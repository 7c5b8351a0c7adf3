//! When a task, or a connector that could not start, is begun anew by itself: soon at first, then less
//! and less often, so that what a machine can cure needs no person and what it cannot costs nothing.
use pumphouse_delivery::{Refusal, StopReason};

use crate::server_codes::{ErrorClass, class_of};

/// First pause; doubles with each failure up to the longest.
const PAUSE_FIRST_MS: u64 = 5_000;
const PAUSE_MAX_MS: u64 = 300_000;

/// A run that lasted so long was a good one: the pauses begin anew.
const GOOD_RUN_MS: u64 = 600_000;

/// The pauses between runs that failed.
#[derive(Debug, Default, Clone)]
pub struct Restarts {
    failed: u32,
}

impl Restarts {
    /// The pause after a run that lasted `ran_ms`, in ms.
    pub fn after(&mut self, ran_ms: u64) -> u64 {
        if ran_ms >= GOOD_RUN_MS {
            self.failed = 0;
        }
        let pause_ms = PAUSE_FIRST_MS.saturating_mul(1 << self.failed.min(16)).min(PAUSE_MAX_MS);
        self.failed += 1;
        pause_ms
    }
}

/// Whether what has stopped the protocol may succeed later: the task is begun anew by itself. Everything else waits
/// for a person, who restarts it.
pub fn may_pass(reason: &StopReason) -> bool {
    match reason {
        StopReason::Refused { refusal, .. } => may_be_taken(refusal),
        StopReason::EvidenceNeeded { .. }
        | StopReason::SourceChanged { .. }
        | StopReason::EntriesDisagree { .. }
        | StopReason::EntryUnreadable { .. }
        | StopReason::OtherConfiguration { .. }
        | StopReason::TableGone { .. }
        | StopReason::LedgerRefused { .. }
        | StopReason::RecordRefused { .. }
        | StopReason::RetriesExhausted { .. } => false,
    }
}

/// Whether a refused batch may be taken later, as it is.
fn may_be_taken(refusal: &Refusal) -> bool {
    match class_of(refusal.code, &refusal.message) {
        ErrorClass::SendSame
        | ErrorClass::Bounded
        | ErrorClass::Overload
        | ErrorClass::DeadlinePassed
        | ErrorClass::NoTable
        | ErrorClass::Right => true,
        ErrorClass::Data | ErrorClass::Schema | ErrorClass::Fatal => false,
    }
}

#[cfg(test)]
mod tests {
    use pumphouse_delivery::RefusalClass;
    use pumphouse_types::TopicName;

    use super::*;

    fn refused(code: i32) -> StopReason {
        StopReason::Refused {
            topic: TopicName::new("t"),
            batch: String::new(),
            ranges: String::new(),
            table: "d.t".to_owned(),
            refusal: Refusal { class: RefusalClass::Fatal, code, message: "words".to_owned(), row: None },
        }
    }

    #[test]
    fn what_a_machine_can_cure_is_tried_again() {
        for code in [497, 60, 252, 1002, 242] {
            assert!(may_pass(&refused(code)), "code {code}");
        }
    }

    #[test]
    fn what_needs_a_person_stays_failed() {
        for code in [469, 53, 516, 4711] {
            assert!(!may_pass(&refused(code)), "code {code}");
        }
    }

    #[test]
    fn pauses_grow_and_begin_anew_after_a_good_run() {
        let mut restarts = Restarts::default();
        let pauses: Vec<u64> = (0..9).map(|_| restarts.after(1_000) / 1_000).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        assert_eq!(restarts.after(GOOD_RUN_MS), 5_000);
    }
}
